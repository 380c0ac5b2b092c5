"""What a timeline shows of each shot, and when."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from opentimelineio.schema import Clip, ExternalReference, Gap, Timeline

from filmforge.cut.timeline import PICTURE, slots_of, track_of
from filmforge.cut.tracks import digest_of
from filmforge.interchange.timeline import OURS


class Seen(NamedTuple):
    """A shot as the film shows it for `frames` from its frame `start` on, transitions included.

    `told` is what the timeline says of the take.
    """

    shot_id: str
    digest: str
    start: int
    frames: int
    told: dict[str, Any]

    @property
    def end(self) -> int:
        """The film's first frame that does not show it any more."""
        return self.start + self.frames


def shots_seen(timeline: Timeline) -> Iterator[Seen]:
    """Every piece of a shot in the order shown; cards and plain colours are none."""
    parts = [part for part in track_of(timeline, PICTURE) if isinstance(part, Clip | Gap)]
    start = 0
    for part, slot in zip(parts, slots_of(timeline), strict=True):
        if isinstance(part, Clip) and isinstance(part.media_reference, ExternalReference):
            told = dict(part.metadata.get(OURS, {}))
            yield Seen(slot.shot_id, digest_of(part), start, slot.frames, told)
        start += slot.frames - slot.overlap
