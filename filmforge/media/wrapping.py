"""Where a text may be broken, how well, and how long it is to the eye.

A wide character (Chinese, Japanese, Korean) counts as two and a half narrow ones: 42 Latin
letters a line and 17 a second are then about 16 a line and 7 a second, as subtitlers have it.
"""

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

NARROW = 2
_WIDE = 5

FORCED, TIGHT, WORD, CLAUSE, SENTENCE = range(5)

_SENTENCE_ENDS = frozenset(".!?…。！？｡؟۔।॥")  # noqa: RUF001 - the characters meant
_CLAUSE_ENDS = frozenset(",;:—–、，；：،؛")  # noqa: RUF001 - the characters meant
_CLOSERS = frozenset("\"'”’»)]}）］｝〕〉》」』】")  # noqa: RUF001 - the characters meant
# Japanese rules of line breaking (JIS X 4051): these begin no line, those end none.
_NO_START = (
    _CLOSERS
    | _SENTENCE_ENDS
    | _CLAUSE_ENDS
    | frozenset("．・〙〗〟ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々ゝゞヽヾ‥%％")  # noqa: RUF001 - the characters meant
)
_NO_END = frozenset("（［｛〔〈《「『【〘〖〝‘“«([{$£¥€＄￥")  # noqa: RUF001 - the characters meant
_ABBREVIATED = frozenset(("mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "e.g.", "i.e."))


class Piece(NamedTuple):
    """A part of a text that stays whole, and how good a break after it is."""

    text: str
    rank: int


def weight(text: str) -> int:
    """How long a text is to the eye: 2 a narrow character, 5 a wide one, 0 a mark on another."""
    return sum(map(_char_weight, text))


@lru_cache(10_000)
def _char_weight(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return _WIDE if unicodedata.east_asian_width(char) in "WF" else NARROW


def pieces(text: str, limit: int) -> list[Piece]:
    """Split a text where a line may end; no piece is heavier than `limit`.

    A new line in the text is as good a break as the end of a sentence.
    """
    found = []
    for line in text.splitlines():
        words = unicodedata.normalize("NFC", " ".join(line.split()))
        found += [Piece(part, _rank(part, after)) for part, after in _broken(words)]
        if words:
            found[-1] = Piece(found[-1].text, SENTENCE)
    return [part for piece in found for part in _chopped(piece, limit)]


def joined(parts: Sequence[Piece]) -> str:
    """The pieces as one line of text."""
    return "".join(piece.text for piece in parts).strip()


def filled(
    parts: Sequence[Piece], width_of: Callable[[str], float], limit: float
) -> list[list[Piece]]:
    """Fill lines one after the other; a piece that is too wide stands alone."""
    lines: list[list[Piece]] = [[]]
    for piece in parts:
        if lines[-1] and width_of(joined([*lines[-1], piece])) > limit:
            lines.append([])
        lines[-1].append(piece)
    return lines


def _broken(text: str) -> list[tuple[str, str]]:
    """The parts of a line, each with the character that follows it."""
    parts, begin = [], 0
    for index in range(1, len(text)):
        if _may_break(text[index - 1], text[index]):
            parts.append((text[begin:index], text[index]))
            begin = index
    return [*parts, (text[begin:], "")] if text else []


def _may_break(before: str, after: str) -> bool:
    if before == " ":
        return True
    if after == " " or after in _NO_START or before in _NO_END or _char_weight(after) == 0:
        return False
    return _is_ideographic(before) or _is_ideographic(after)


def _is_ideographic(char: str) -> bool:
    is_hangul = "\u1100" <= char <= "\u11ff" or "\uac00" <= char <= "\ud7ff"
    return _char_weight(char) == _WIDE and not is_hangul  # Korean breaks between words


def _rank(part: str, after: str) -> int:
    bare = part.rstrip()
    end = bare.rstrip("".join(_CLOSERS)) or bare
    if end[-1:] in _SENTENCE_ENDS and end.lower() not in _ABBREVIATED:
        return SENTENCE
    if end[-1:] in _CLAUSE_ENDS:
        return CLAUSE
    # A word of Japanese ends mostly where its syllables give way to a new ideograph.
    begins_word = _is_hiragana(part[-1]) and bool(after) and not _is_hiragana(after)
    return WORD if part[-1] == " " or begins_word else TIGHT


def _is_hiragana(char: str) -> bool:
    return "\u3041" <= char <= "\u309f"


def _chopped(piece: Piece, limit: int) -> list[Piece]:
    if weight(piece.text) <= limit:
        return [piece]
    parts = [""]
    for char in piece.text:
        if weight(parts[-1] + char) > limit:
            parts.append("")
        parts[-1] += char
    return [*(Piece(part, FORCED) for part in parts[:-1]), Piece(parts[-1], piece.rank)]
