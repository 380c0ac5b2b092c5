"""Words of the trade, as people write them, in the words of a film."""

import re

MOST_LABEL_CHARS = 100

_TRANSITIONS = (
    (re.compile(r"fade (out|to black)|cut to black"), "fade_to_black"),
    (re.compile(r"fade (out )?to white"), "fade_to_white"),
    (re.compile(r"fade (in|up)( from black)?|fade from black"), "fade_from_black"),
    (re.compile(r"fade (in )?from white"), "fade_from_white"),
    (re.compile(r"(fade|fade through black) to|fade through black|dip to black"), "dip_to_black"),
    (re.compile(r"(flash|dip) to white|white flash"), "dip_to_white"),
    (re.compile(r"((slow|quick|cross|lap|ripple|match) ?)?dissolve( to)?"), "crossfade"),
    (re.compile(r"crossfade( to)?|xfade|mix"), "crossfade"),
    (re.compile(r"wipe( (to|left))?"), "wipe_left"),
    (re.compile(r"wipe right"), "wipe_right"),
    (re.compile(r"wipe up"), "wipe_up"),
    (re.compile(r"wipe down"), "wipe_down"),
    (re.compile(r"((smash|match|jump|hard|quick|straight|back)[ -]?)?cuts?( back)?( to)?"), "cut"),
    (re.compile(r"back to( scene)?|intercut( with)?"), "cut"),
)


def transition_of(words: str) -> str | None:
    """The transition that these words are for; None when the film knows none like it."""
    plain = re.sub(r"[\s_]+", " ", words).strip(" .:\t").lower()
    return next((name for pattern, name in _TRANSITIONS if pattern.fullmatch(plain)), None)


def split_list(text: str) -> list[str]:
    """The labels of a cell: between semicolons or bars where there are any, else commas."""
    signs = ";|" if re.search("[;|]", text) else ","
    return [part.strip() for part in re.split(f"[{re.escape(signs)}]", text) if part.strip()]


def join_list(labels: list[str]) -> str:
    """Labels as a cell, so that reading it gives the same ones."""
    ends = ";" if len(labels) == 1 and "," in labels[0] else ""
    return "; ".join(labels) + ends


def identifier(text: str, most: int = 64) -> str:
    """An id made of words: lower-case letters and digits with dashes; maybe empty."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:most].rstrip("-")


def numbered(number: int) -> str:
    """The id of a shot that has none: its number."""
    return f"shot_{number:03d}"
