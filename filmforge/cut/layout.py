"""The layout: how many frames each shot has, and what transitions take of them."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

from filmforge.domain import Shot
from filmforge.fields import Frozen
from filmforge.transition import CUT, Style, Transition, Trim


class Slot(Frozen):
    """A shot's place in the film, in frames.

    It shows `frames` of its take from frame `start` on. `head` and `tail` are the frames that
    transitions take of its beginning and end; `style` is the one into the next shot, `opening`
    the one out of nothing before the first.
    """

    shot_id: str
    start: int = 0
    frames: int
    head: int = 0
    tail: int = 0
    style: Style = "cut"
    opening: Style = "cut"

    @property
    def overlap(self) -> int:
        """The frames that are shown together with the next shot's."""
        return self.tail if Transition(type=self.style).overlaps else 0


def frames_of(seconds: Decimal, fps: Fraction) -> int:
    """Whole frames in a time, rounded half up, at least one."""
    return max(1, _rounded(seconds, fps))


def lay_out(
    shots: Sequence[Shot],
    fps: Fraction,
    default: Transition = CUT,
    opening: Transition = CUT,
    trims: Mapping[str, Trim] | None = None,
) -> list[Slot]:
    """The slots of these shots in this order.

    A transition takes at most half of a shot: shots that were not neighbours when the film was
    submitted become so when one between them is left out. One that would take no frame is a cut.
    """
    ranges = [_shown(shot, (trims or {}).get(shot.shot_id, Trim()), fps) for shot in shots]
    styles = [shot.transition or default for shot in shots]
    seams = [
        _seam(style, mine, following, fps)
        for style, (_, mine), (_, following) in zip(
            styles, ranges, [*ranges, (0, 0)][1:], strict=True
        )
    ]
    first = (opening.type, *_taken(opening, 0, ranges[0][1] if ranges else 0, fps))
    return [
        Slot(
            shot_id=shot.shot_id,
            start=start,
            frames=frames,
            head=before[2],
            tail=seam[1],
            style=seam[0],
            opening=opening.type if index == 0 and before[2] else "cut",
        )
        for index, (shot, (start, frames), before, seam) in enumerate(
            zip(shots, ranges, [first, *seams][:-1], seams, strict=True)
        )
    ]


def film_frames(slots: Sequence[Slot]) -> int:
    """The film's length in frames."""
    return sum(slot.frames - slot.overlap for slot in slots)


def starts(slots: Sequence[Slot]) -> Iterator[int]:
    """The film's frame at which each slot begins, and the one at which the film has ended."""
    return accumulate((slot.frames - slot.overlap for slot in slots), initial=0)


def _rounded(seconds: Decimal, fps: Fraction) -> int:
    return int(Fraction(seconds) * fps + Fraction(1, 2))


def _shown(shot: Shot, trim: Trim, fps: Fraction) -> tuple[int, int]:
    """Where the shot begins in its take, and how many frames of it are shown."""
    whole = frames_of(shot.duration, fps)
    start = min(_rounded(trim.start, fps), whole - 1)
    return start, max(1, whole - start - _rounded(trim.end, fps))


def _seam(
    transition: Transition, mine: int, following: int, fps: Fraction
) -> tuple[Style, int, int]:
    tail, head = _taken(transition, mine, following, fps)
    return (transition.type if tail or head else "cut"), tail, head


def _taken(transition: Transition, mine: int, following: int, fps: Fraction) -> tuple[int, int]:
    """The frames that a transition takes of the shot that leaves and of the one that comes."""
    frames = frames_of(transition.duration, fps)
    if transition.overlaps:
        overlap = min(frames, mine // 2, following // 2)
        return overlap, overlap
    if transition.dips:
        return min(frames // 2, mine // 2), min(frames - frames // 2, following // 2)
    return (
        min(frames, mine // 2) if transition.leaves else 0,
        min(frames, following // 2) if transition.arrives else 0,
    )
