"""Stretches of time in seconds, in order and apart: how much of them lies where."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from filmforge.quality import Span

Seen = tuple[float, float]

_MOST = 20


def in_seconds(spans: Iterable[Span], fps: Fraction) -> list[Seen]:
    """Frames as seconds."""
    return [(float(span.start / fps), float(span.end / fps)) for span in spans]


def length(span: Seen) -> float:
    """How long a stretch is."""
    return span[1] - span[0]


def joined(spans: Iterable[Seen], gap_s: float = 0.0) -> tuple[Seen, ...]:
    """Spans in order, those that overlap or lie no more than `gap_s` apart made one."""
    together: list[Seen] = []
    for start, end in spans:
        if together and start - together[-1][1] <= gap_s:
            together[-1] = (together[-1][0], max(end, together[-1][1]))
        else:
            together.append((start, end))
    return tuple(together)


def within(spans: Sequence[Seen], part: Seen) -> float:
    """How many seconds of `part` lie in the spans."""
    return sum(min(end, part[1]) - max(start, part[0]) for start, end in _touching(spans, part))


def outside(spans: Iterable[Seen], allowed: Iterable[Seen], slack_s: float) -> list[Seen]:
    """The parts of spans that lie in no allowed one, each of which reaches `slack_s` further."""
    widened = joined(sorted((start - slack_s, end + slack_s) for start, end in allowed))
    left = []
    for span in spans:
        begins = span[0]
        for start, end in _touching(widened, span):
            left.append((begins, start))
            begins = end
        left.append((begins, span[1]))
    return [part for part in left if part[0] < part[1]]


def longest(spans: Iterable[Seen]) -> tuple[Seen, ...]:
    """The 20 longest, in order, to the millisecond."""
    chosen = sorted(spans, key=length, reverse=True)[:_MOST]
    return tuple(sorted((round(start, 3), round(end, 3)) for start, end in chosen))


def part_of(part_s: float, whole: Seen) -> str:
    """A part and the whole, as people write them."""
    return f"{part_s:.1f} s of {length(whole):.1f} s"


def _touching(spans: Sequence[Seen], part: Seen) -> Iterator[Seen]:
    first = bisect_right(spans, part[0], key=lambda span: span[1])
    for index in range(first, len(spans)):
        if spans[index][0] >= part[1]:
            return
        yield spans[index]
