"""What a timeline shows of each shot, and when."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from opentimelineio.schema import Clip, ExternalReference, Gap, Timeline

from filmforge.cut.timeline import PICTURE, slots_of, track_of
from filmforge.cut.tracks import digest_of
from filmforge.interchange.timeline import OURS


class Seen(NamedTuple):
    """A shot as the film shows it for `frames` from its frame `start` on, transitions included.

    `told` is what the timeline says of the take; `in_part` whether less than all of it is shown.
    """

    shot_id: str
    digest: str
    start: int
    frames: int
    told: dict[str, Any]
    in_part: bool

    @property
    def end(self) -> int:
        """The film's first frame that does not show it any more."""
        return self.start + self.frames


def shots_seen(timeline: Timeline) -> Iterator[Seen]:
    """Every piece of a shot or a card in the order shown; plain colours are none."""
    parts = [part for part in track_of(timeline, PICTURE) if isinstance(part, Clip | Gap)]
    start = 0
    for part, slot in zip(parts, slots_of(timeline), strict=True):
        if isinstance(part, Clip) and isinstance(part.media_reference, ExternalReference):
            told = dict(part.metadata.get(OURS, {}))
            in_part = slot.frames < int(part.available_range().duration.value)
            yield Seen(slot.shot_id, digest_of(part), start, slot.frames, told, in_part)
        start += slot.frames - slot.overlap
