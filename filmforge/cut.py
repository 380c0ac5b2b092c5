"""The cut: how many frames each shot has, and where the film goes from one to the next."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from filmforge.domain import Shot
from filmforge.fields import Frozen


class Slot(Frozen):
    """A shot's place in the film, in frames.

    `head` and `tail` are the frames that a transition takes of its beginning and end.
    """

    shot_id: str
    frames: int
    head: int
    tail: int
    transition: Literal["cut", "crossfade"]


def frames_of(seconds: Decimal, fps: Fraction) -> int:
    """Whole frames in a time, rounded half up, at least one."""
    return max(1, int(Fraction(seconds) * fps + Fraction(1, 2)))


def lay_out(shots: Sequence[Shot], fps: Fraction) -> list[Slot]:
    """The cut of these shots in this order.

    A crossfade takes at most half of either shot: shots that were not neighbours when the film
    was submitted become so when one between them is left out.
    """
    lengths = [frames_of(shot.duration, fps) for shot in shots]
    overlaps = [
        _overlap(shot, mine, after, fps)
        for shot, mine, after in zip(shots, lengths, [*lengths, 0][1:], strict=True)
    ]
    return [
        Slot(
            shot_id=shot.shot_id,
            frames=length,
            head=before,
            tail=after,
            transition="crossfade" if after else "cut",
        )
        for shot, length, before, after in zip(
            shots, lengths, [0, *overlaps][:-1], overlaps, strict=True
        )
    ]


def _overlap(shot: Shot, mine: int, following: int, fps: Fraction) -> int:
    if shot.transition.type == "cut":
        return 0
    return min(frames_of(shot.transition.duration, fps), mine // 2, following // 2)
