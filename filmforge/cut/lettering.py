"""Lettering: which stretches of a film are encoded again because text stands in them."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

from filmforge.cut.layout import Slot
from filmforge.cut.reel import Copied, Passage
from filmforge.fields import Frozen
from filmforge.media.picture import key_frames
from filmforge.subtitles import Cue


class Lettered(Frozen):
    """A part of the reel with text in it; the cues count from the part's own first frame."""

    part: Copied | Passage
    cues: tuple[Cue, ...]

    @property
    def frames(self) -> int:
        """Its length."""
        return self.part.frames


Part = Copied | Passage | Lettered


def lettered(
    reel: Sequence[Copied | Passage], cues: Sequence[Cue], slots: Sequence[Slot], fps: Fraction
) -> list[Part]:
    """The reel with its text: what is copied is cut at the key frames nearest around each cue."""
    parts: list[Part] = []
    at = waiting = 0
    for each in reel:
        while waiting < len(cues) and cues[waiting].end <= at:
            waiting += 1
        near = _near(cues, waiting, at + each.frames)
        for part in _pieces(each, at, near, slots, fps) if near else [each]:
            parts.append(_with_text(part, at, near))
            at += part.frames
    return parts


def forced(slot: Slot) -> list[int]:
    """Where transitions begin and end in a shot's piece."""
    return [slot.head, slot.frames - slot.tail]


def _near(cues: Sequence[Cue], first: int, end: int) -> list[Cue]:
    found = []
    for cue in cues[first:]:
        if cue.start >= end:
            break
        found.append(cue)
    return found


def _pieces(
    each: Copied | Passage, at: int, cues: Sequence[Cue], slots: Sequence[Slot], fps: Fraction
) -> Iterator[Copied | Passage]:
    """A passage whole; of what is copied, alternately what has no text and what has."""
    if isinstance(each, Passage):
        yield each
        return
    slot = slots[each.shot]
    keys = [key for key in key_frames(slot.frames, forced(slot), fps) if each.start < key]
    edges = [each.start, *(key for key in keys if key < each.stop), each.stop]
    begin, written, shift = each.start, None, at - each.start
    for start, stop in pairwise(edges):
        text = any(cue.start < stop + shift and start + shift < cue.end for cue in cues)
        if written is not None and text != written:
            yield Copied(shot=each.shot, start=begin, stop=start)
            begin = start
        written = text
    yield Copied(shot=each.shot, start=begin, stop=each.stop)


def _with_text(part: Copied | Passage, at: int, cues: Sequence[Cue]) -> Part:
    inside = tuple(
        cue.model_copy(
            update={"start": max(cue.start - at, 0), "end": min(cue.end - at, part.frames)}
        )
        for cue in cues
        if cue.start < at + part.frames and at < cue.end
    )
    return Lettered(part=part, cues=inside) if inside else part
