"""The sound tracks of a timeline: clips and gaps, written and read back."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import Clip, ExternalReference, Gap, Marker, Timeline, Track

from filmforge.cut.sounds import Placed
from filmforge.errors import BadInput
from filmforge.interchange.media_names import ASSET_URL, asset_url
from filmforge.interchange.recut import Mark
from filmforge.interchange.timeline import OURS


class Laid(NamedTuple):
    """A clip and the film's frame at which it begins."""

    at: int
    clip: Clip


def sound_track(name: str, laid: Iterable[Laid], rate: float) -> Track:
    """A track of clips that come in order and do not overlap; silence lies between them."""
    track, reached = Track(name, kind=otio.schema.TrackKind.Audio), 0
    for at, clip in laid:
        if at > reached:
            track.append(Gap(source_range=span(0, at - reached, rate)))
        track.append(clip)
        reached = at + int(clip.source_range.duration.value)
    return track


def tracks_of(sounds: Sequence[Placed], rate: float) -> list[Track]:
    """The tracks of sounds that come in order: what overlaps goes to "Music 2", "Music 3" …"""
    tracks: dict[str, list[Placed]] = {}
    for sound in sounds:
        name = next(
            name
            for name in _names(sound.lane)
            if name not in tracks or _is_free(tracks[name][-1], sound)
        )
        tracks.setdefault(name, []).append(sound)
    return [
        sound_track(name, (Laid(each.at, _clip(each, rate)) for each in laid), rate)
        for name, laid in sorted(tracks.items())
    ]


def laid_on(track: Track) -> Iterator[Laid]:
    """Every clip of a track with the film's frame at which it begins."""
    for clip in track.find_clips():
        yield Laid(int(track.range_of_child(clip).start_time.value), clip)


def named(timeline: Timeline, *names: str) -> list[Track]:
    """The tracks of these names and their numbered followers, in order."""
    return [track for track in timeline.tracks if track.name.partition(" ")[0] in names]


def reference(digest: str, frames: int, rate: float) -> ExternalReference:
    """The stored asset that a clip shows or sounds."""
    return ExternalReference(target_url=asset_url(digest), available_range=span(0, frames, rate))


def digest_of(clip: Clip) -> str:
    """The digest of the asset that a clip shows. Raises BadInput when it shows something else."""
    media = clip.media_reference
    url = media.target_url if isinstance(media, ExternalReference) else ""
    if not url.startswith(ASSET_URL):
        raise BadInput(clip.name, f"{url!r} is no asset of this film", f"Give {ASSET_URL}….")
    return str(url.removeprefix(ASSET_URL))


def markers_of(marks: Iterable[Mark], rate: float) -> list[Marker]:
    """Review notes as markers, which editors show."""
    return [
        Marker(
            name=mark.name,
            marked_range=span(mark.frame, mark.frames, rate),
            color=mark.color,
            comment=mark.text,
            metadata={OURS: dict(mark.facts)},
        )
        for mark in marks
    ]


def span(start: int, frames: int, rate: float) -> TimeRange:
    """So many frames from one on."""
    return TimeRange(RationalTime(start, rate), RationalTime(frames, rate))


def _names(lane: str) -> Iterator[str]:
    yield lane
    number = 2
    while True:
        yield f"{lane} {number}"
        number += 1


def _is_free(last: Placed, sound: Placed) -> bool:
    return last.at + last.frames <= sound.at


def _clip(sound: Placed, rate: float) -> Clip:
    told = sound.model_dump(include={"digest", "gain_db", "fade_in", "fade_out", "loop"})
    return Clip(
        name=f"{sound.lane.lower()} {sound.digest[:8]}",
        media_reference=reference(sound.digest, sound.whole, rate),
        source_range=span(sound.offset, sound.frames, rate),
        metadata={OURS: told},
    )
