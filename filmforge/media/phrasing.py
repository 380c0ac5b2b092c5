"""Divide a text into what can be read at a glance: a line or two, at the ends of phrases."""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Annotated, NamedTuple

from pydantic import Field

from filmforge.fields import Frozen
from filmforge.media.wrapping import NARROW, SENTENCE, Piece, joined, pieces, weight

# What ends after a piece of rank FORCED, TIGHT, WORD, CLAUSE, SENTENCE costs.
_CUT_COST = (60, 14, 12, 3, 0)
_PHRASE_COST = 10
_SENTENCE_INSIDE_COST = 15
_SHORT_COST = 20
_SHORT_CHARS = 12


class Reading(Frozen):
    """What people can read: counts are of narrow characters, a wide one is two and a half.

    The figures are those of the usual timed text guides. `least_s` is the shortest cue where
    there is room for it, `gap_frames` are left free between cues, and gaps of less than
    `closed_s` are closed down to that, so that nothing flickers.
    """

    line_chars: Annotated[int, Field(ge=10, le=100)] = 42
    lines: Annotated[int, Field(ge=1, le=3)] = 2
    chars_s: Annotated[int, Field(ge=5, le=50)] = 17
    least_s: Fraction = Fraction(1)
    gap_frames: Annotated[int, Field(ge=2, le=24)] = 2
    closed_s: Fraction = Fraction(2, 5)


class Phrase(NamedTuple):
    """Lines to be read together, how long they are to the eye, and how good the break after is."""

    lines: tuple[str, ...]
    weight: int
    rank: int


DEFAULT_READING = Reading()


def phrases(text: str, reading: Reading = DEFAULT_READING) -> list[Phrase]:
    """Divide a text where sentences and phrases end, if they do.

    The division with the least total cost, found by dynamic programming over all of them.
    """
    parts = pieces(text, reading.line_chars * NARROW)
    measured = _Measured(parts, reading)
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(parts) + 1):
        options = []
        for start in range(end - 1, -1, -1):
            if not measured.fits(start, end):
                break
            options.append((best[start][0] + measured.cost(start, end), start))
        best.append(min(options))
    found, end = [], len(parts)
    while end:
        start = best[end][1]
        found.append(measured.phrase(start, end))
        end = start
    return found[::-1]


class _Measured:
    """The pieces of a text with their lengths; a range of them is measured without joining it."""

    def __init__(self, parts: Sequence[Piece], reading: Reading) -> None:
        self._parts = parts
        self._limit = reading.line_chars * NARROW
        self._lines = reading.lines
        self._passed = [0, *accumulate(weight(part.text) for part in parts)]
        self._sentences = [0, *accumulate(part.rank == SENTENCE for part in parts)]
        self._blank = [NARROW if part.text.endswith(" ") else 0 for part in parts]

    def fits(self, start: int, end: int) -> bool:
        """Whether the pieces find room on the lines, filled one after the other."""
        return self._reach(start, self._lines) >= end

    def cost(self, start: int, end: int) -> int:
        """How far the pieces are from being a good phrase."""
        inside = self._sentences[end - 1] - self._sentences[start]
        is_short = self._weight(start, end) < _SHORT_CHARS * NARROW
        is_last = end == len(self._parts)
        cut = 0 if is_last else _CUT_COST[self._parts[end - 1].rank]
        return _PHRASE_COST + cut + inside * _SENTENCE_INSIDE_COST + is_short * _SHORT_COST

    def phrase(self, start: int, end: int) -> Phrase:
        """The pieces in lines of about one length."""
        _, cuts = self._broken(start, end, self._lines)
        edges = [start, *cuts, end]
        lines = tuple(joined(self._parts[a:b]) for a, b in pairwise(edges))
        return Phrase(lines, self._weight(start, end), self._parts[end - 1].rank)

    def _weight(self, start: int, end: int) -> int:
        return self._passed[end] - self._passed[start] - self._blank[end - 1]

    def _filled(self, start: int) -> int:
        """Where a line ends that begins at `start` and takes all it can."""
        end = bisect_right(self._passed, self._passed[start] + self._limit)
        # One more may fit, whose blank at the end isn't seen.
        fits = end < len(self._passed) and self._weight(start, end) <= self._limit
        return end if fits else end - 1

    def _broken(self, start: int, end: int, lines: int) -> tuple[int, tuple[int, ...]]:
        """The cost of the best way to break the pieces, and where it breaks them."""
        if self._weight(start, end) <= self._limit:
            return 0, ()
        options = []
        for cut in range(start + 1, self._filled(start) + 1):
            if self._reach(cut, lines - 1) < end:
                continue
            cost, cuts = self._broken(cut, end, lines - 1)
            last = cuts[0] if cuts else end
            uneven = abs(self._weight(start, cut) - self._weight(cut, last))
            rank = self._parts[cut - 1].rank
            options.append((cost + uneven + 2 * _CUT_COST[rank], (cut, *cuts)))
        return min(options)

    def _reach(self, start: int, lines: int) -> int:
        """Where the last of so many full lines ends."""
        for _ in range(lines):
            start = self._filled(start)
            if start == len(self._parts):
                break
        return start
