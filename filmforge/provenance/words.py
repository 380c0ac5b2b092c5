"""Credentials in plain words, for whoever verifies a file at a terminal."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from filmforge.provenance.credentials import Action, Credentials, Made, Part, State
from filmforge.provenance.read import read

_MOST_LINES = 40

_VERDICTS = {
    State.TRUSTED: "Valid. Unchanged since it was signed, by a signer you trust.",
    State.UNTRUSTED: (
        "Valid, signer not known. Unchanged since it was signed, but the signer's certificate is "
        "under none of the roots you gave: anybody can have one made in any name."
    ),
    State.DEVELOPMENT: (
        "Valid, signed with a development certificate. Unchanged since it was signed, but the "
        "certificate is in no trust list and proves nothing about who signed."
    ),
    State.TAMPERED: "TAMPERED. The file or its credentials were changed after it was signed.",
    State.INVALID: "INVALID. The credentials break the rules of C2PA, or have expired.",
    State.DAMAGED: "DAMAGED. The file, or the credentials in it, cannot be read.",
    State.NONE: (
        "No content credentials. It was never signed, or they were taken out: nothing can be said."
    ),
}


class Verdict(NamedTuple):
    """What the command line prints, and its exit code: 0 if the file is as it was signed."""

    credentials: Credentials
    text: str
    exit_code: int


def verify(path: Path, anchors: Path | None = None) -> Verdict:
    """Read a file's credentials and judge them; raises what `read` raises.

    Who gives `anchors` asks for trust: then only a trusted signer is good enough for code 0.
    """
    found = read(path, anchors)
    good = found.state is State.TRUSTED if anchors else found.state.intact
    return Verdict(found, in_words(found, path.name), 0 if good else 1)


def in_words(found: Credentials, name: str) -> str:
    """The credentials as text: the verdict first, then what the file says about itself."""
    printable = "".join(c if c.isprintable() else "?" for c in name)
    return "\n".join([f"{printable}: {_VERDICTS[found.state]}", *_lines(found)])


def _lines(found: Credentials) -> Iterator[str]:
    if found.elsewhere:
        yield f"  It says its credentials are at {found.elsewhere} (not fetched)."
    if found.state in (State.TAMPERED, State.INVALID, State.DAMAGED):
        yield from (f"  Problem: {problem}" for problem in found.problems)
    if found.state is State.TAMPERED:
        yield "  Do not believe what follows."
    if found.signer:
        yield f"  Signer:  {_signer(found)}"
        yield f"  Signed:  {_time(found)}"
    if found.software:
        yield f"  Made in: {found.software}"
    if found.title:
        yield f"  Title:   {found.title}"
    yield from _makers(found)
    yield from _bounded("Actions", [_action(action) for action in found.actions])
    yield from _bounded("Made from", [_part(part) for part in found.ingredients])


def _signer(found: Credentials) -> str:
    signer = found.signer
    names = (signer.organisation, signer.name) if signer else ()
    return " · ".join(filter(None, names)) or "a certificate without a name"


def _time(found: Credentials) -> str:
    if found.timestamp:
        doubt = "" if found.timestamp_trusted else ", which is in no trust list given"
        return f"{_shown(found.timestamp)} (attested by a timestamp authority{doubt})"
    if found.claimed_at:
        return f"{_shown(found.claimed_at)} (the signer's own word)"
    return "at a time it does not say"


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")


def _makers(found: Credentials) -> Iterator[str]:
    made = [m for part in found.ingredients for m in part.made]
    made += [action.made for action in found.actions if action.made]
    counts = Counter(filter(None, map(_maker, made)))
    if counts:
        yield "  Models:  " + ", ".join(f"{maker} ({n})" for maker, n in sorted(counts.items()))


def _maker(made: Made) -> str | None:
    return f"{made.provider}:{made.model}" if made.provider and made.model else None


def _bounded(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"  {title}:"
        yield from (f"    {line}" for line in lines[:_MOST_LINES])
        if more := len(lines) - _MOST_LINES:
            yield from [f"    … and {more} more (--json shows all)"] if more > 0 else []


def _action(action: Action) -> str:
    source = action.source.rpartition("/")[2] if action.source else None
    what = ", ".join(action.parts)
    told = [action.description, what, source, action.software]
    return f"{action.action}: {' · '.join(filter(None, told))}".removesuffix(": ")


def _part(part: Part) -> str:
    prompts = [f"prompt “{made.prompt}”" for made in part.made if made.prompt]
    own = "carries credentials of its own" if part.has_credentials else None
    return " · ".join(filter(None, (part.title or "unnamed", part.description, own, *prompts)))
