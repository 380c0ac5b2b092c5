"""The reel: the film as a row of stretches that are copied, and passages that are drawn."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from filmforge.cut.layout import Slot
from filmforge.fields import Frozen
from filmforge.transition import Colour, Transition

Look = Literal["crossfade", "wipe_left", "wipe_right", "wipe_up", "wipe_down", "to", "from"]


class Copied(Frozen):
    """Frames `start` to `stop` of a shot's piece, which go into the film as they are."""

    shot: int
    start: int
    stop: int

    @property
    def frames(self) -> int:
        """Its length."""
        return self.stop - self.start


class Passage(Frozen):
    """Frames that are drawn: the last ones of `leaving` and the first ones of `coming`.

    Where there is only one of them it goes `to` a colour or comes `from` it. Shots are counted
    from 0.
    """

    look: Look
    frames: int
    leaving: int | None = None
    coming: int | None = None
    colour: Colour | None = None

    @property
    def shots(self) -> list[int]:
        """The shots it is drawn from, in order."""
        return [shot for shot in (self.leaving, self.coming) if shot is not None]


def reel_of(slots: Sequence[Slot]) -> list[Copied | Passage]:
    """The whole film in order; no frame of a shot is shown twice or left out."""
    reel: list[Copied | Passage] = []
    if slots and slots[0].head:
        reel.append(_from(Transition(type=slots[0].opening), 0, slots[0].head))
    for number, (slot, following) in enumerate(pairwise([*slots, None])):
        assert slot is not None
        if slot.head + slot.tail < slot.frames:
            reel.append(Copied(shot=number, start=slot.head, stop=slot.frames - slot.tail))
        reel += _seam(number, slot, following)
    return reel


def _seam(number: int, slot: Slot, following: Slot | None) -> list[Passage]:
    transition = Transition(type=slot.style)
    if slot.overlap:
        look: Look = slot.style  # type: ignore[assignment] # every style that overlaps is a look
        return [Passage(look=look, frames=slot.overlap, leaving=number, coming=number + 1)]
    seam = []
    if slot.tail:
        seam.append(Passage(look="to", frames=slot.tail, leaving=number, colour=transition.colour))
    if following and following.head:
        seam.append(_from(transition, number + 1, following.head))
    return seam


def _from(transition: Transition, shot: int, frames: int) -> Passage:
    return Passage(look="from", frames=frames, coming=shot, colour=transition.colour)
