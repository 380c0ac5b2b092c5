"""The cut as an OpenTimelineIO timeline: what is rendered is read from it and nothing else.

Every value is a whole frame at the film's rate; the exact rate stands in the timeline's metadata,
for OpenTimelineIO keeps rates as floating point numbers.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, TypeAlias, cast

import opentimelineio as otio
from opentimelineio.opentime import RationalTime
from opentimelineio.schema import Clip, Gap, MissingReference, Timeline, Track
from opentimelineio.schema import Transition as Seam
from pydantic import JsonValue

from filmforge.brief import Brief
from filmforge.cut.layout import Slot
from filmforge.cut.sounds import Placed
from filmforge.cut.tracks import (
    Laid,
    digest_of,
    markers_of,
    reference,
    sound_track,
    span,
    tracks_of,
)
from filmforge.domain import Kind, Shot, Take
from filmforge.errors import BadInput
from filmforge.fields import Frozen
from filmforge.interchange.recut import Mark
from filmforge.interchange.timeline import OURS, facts_of
from filmforge.transition import Colour, Style, Transition

PICTURE, DIALOGUE = "V1", "Dialogue"
COLOUR = "colour:"
EDITION = 1
DISSOLVE = "SMPTE_Dissolve"
OTHER = "Custom_Transition"


class Picked(Frozen):
    """A shot in the cut, with the takes it is made from.

    `clip_frames` is how many frames its clip has, `voice_frames` how many its line lasts.
    """

    shot: Shot
    slot: Slot
    takes: dict[Kind, Take]
    clip_frames: int
    voice_frames: int = 0
    approved_by: str | None = None
    marks: tuple[Mark, ...] = ()


class Plain(Frozen):
    """A stretch of one colour, which shows no shot."""

    slot: Slot
    colour: Colour


Stretch: TypeAlias = Picked | Plain


class Heading(Frozen):
    """What the timeline says of the film as a whole; `width` and `height` in pixels.

    `finish` is what its brief says of how it looks and sounds; `start` is its first timecode, in
    frames.
    """

    film_id: str
    title: str
    fps: Fraction
    width: int
    height: int
    finish: dict[str, JsonValue] = {}
    start: int = 0
    marks: tuple[Mark, ...] = ()


def timeline_of(heading: Heading, stretches: Sequence[Stretch], heard: Sequence[Track]) -> Timeline:
    """The timeline of these shots in this order, with these tracks of sound."""
    timeline = Timeline(heading.title or heading.film_id)
    about = heading.model_dump(mode="json", exclude={"title", "start", "marks"})
    timeline.metadata[OURS] = {**about, "fps": str(heading.fps), "edition": EDITION}
    rate = float(heading.fps)
    timeline.global_start_time = RationalTime(heading.start, rate)
    timeline.tracks.markers.extend(markers_of(heading.marks, rate))
    timeline.tracks.append(_picture(stretches, rate))
    timeline.tracks.extend(heard)
    return timeline


def heard_with(
    stretches: Sequence[Stretch], fps: Fraction, voice_lead: int, sounds: Sequence[Placed] = ()
) -> list[Track]:
    """The tracks of sound that go with these shots.

    Lines begin `voice_lead` frames into a shot, or with it where they would not fit otherwise.
    """
    rate = float(fps)
    lines = sound_track(DIALOGUE, _lines(stretches, rate, voice_lead), rate)
    return [lines, *tracks_of(sounds, rate)]


def rate_of(timeline: Timeline) -> Fraction:
    """The film's exact rate."""
    return Fraction(str(timeline.metadata[OURS]["fps"]))


def brief_of(timeline: Timeline) -> Brief:
    """What the film's brief says of how it looks and sounds."""
    return Brief.model_validate(facts_of(timeline)["finish"])


def scenes_of(timeline: Timeline) -> list[str | None]:
    """The scene of each slot."""
    around = _with_neighbours(track_of(timeline, PICTURE))
    return [shown.metadata.get(OURS, {}).get("scene_id") for _, shown, _ in around]


def slots_of(timeline: Timeline) -> list[Slot]:
    """Each shot's place, read back from the picture's track. Raises BadInput."""
    track = track_of(timeline, PICTURE)
    around = list(_with_neighbours(track))
    return [
        _slot(clip, before, after, first=index == 0)
        for index, (before, clip, after) in enumerate(around)
    ]


def sources_of(timeline: Timeline) -> list[str]:
    """What each slot shows: the digest of its clip, or "colour:black" or "colour:white"."""
    return [_source(shown) for _, shown, _ in _with_neighbours(track_of(timeline, PICTURE))]


def _source(shown: Clip | Gap) -> str:
    if isinstance(shown, Gap):
        return f"{COLOUR}black"
    return shown.name if shown.name.startswith(COLOUR) else digest_of(shown)


def _picture(stretches: Sequence[Stretch], rate: float) -> Track:
    track = Track(PICTURE, kind=otio.schema.TrackKind.Video)
    first = stretches[0].slot if stretches else None
    if first and first.head:
        track.append(_seam(first.opening, 0, first.head, rate))
    overlap = 0
    for mine, following in zip(stretches, [*stretches, None][1:], strict=True):
        track.append(_shown(mine, overlap, rate))
        head = following.slot.head if following else 0
        if mine.slot.tail or (head and mine.slot.style != "cut"):
            track.append(_seam(mine.slot.style, mine.slot.tail, head, rate))
        overlap = mine.slot.overlap
    return track


def _shown(stretch: Stretch, overlap_before: int, rate: float) -> Clip | Gap:
    """A stretch as it stands in the track: half of each overlap belongs to either side."""
    slot = stretch.slot
    late, early = _halves(overlap_before)[0], _halves(slot.overlap)[1]
    shown = span(slot.start + late, slot.frames - late - early, rate)
    if isinstance(stretch, Picked):
        take = stretch.takes[Kind.VIDEO]
        return Clip(
            name=slot.shot_id,
            media_reference=reference(take.digest, stretch.clip_frames, rate),
            source_range=shown,
            metadata={OURS: _about(stretch, take)},
            markers=markers_of(stretch.marks, rate),
        )
    if stretch.colour == "black":
        return Gap(source_range=shown)
    return Clip(
        name=f"{COLOUR}{stretch.colour}", media_reference=MissingReference(), source_range=shown
    )


def _lines(stretches: Sequence[Stretch], rate: float, lead: int) -> Iterator[Laid]:
    """Every line in its shot; one begins when the one before it has ended."""
    heard = start = 0
    for each in stretches:
        if isinstance(each, Plain):
            start += each.slot.frames - each.slot.overlap
            continue
        at = start + (lead if lead + each.voice_frames <= each.slot.frames else 0)
        end = min(at + each.voice_frames, start + each.slot.frames)
        begin = max(heard, at)
        if Kind.AUDIO in each.takes and begin < end:
            take = each.takes[Kind.AUDIO]
            clip = Clip(
                name=each.slot.shot_id,
                media_reference=reference(take.digest, each.voice_frames, rate),
                source_range=span(begin - at, end - begin, rate),
                metadata={OURS: _about(each, take)},
            )
            yield Laid(begin, clip)
            heard = end
        start += each.slot.frames - each.slot.overlap


def _about(picked: Picked, take: Take) -> dict[str, Any]:
    """What an editor, and whoever imports the cut again, is told of a take."""
    shot = picked.shot
    return {
        "shot_id": shot.shot_id,
        "scene_id": shot.scene_id,
        "take": take.take,
        "prompt": shot.enhanced_prompt,
        "dialogue": shot.dialogue,
        "seed": shot.seed,
        "provider": take.provider,
        "model": take.model,
        "cost_usd": format(take.cost, "f"),
        "digest": take.digest,
        "request_key": take.request_key,
        "approval": picked.approved_by,
        "note": take.note,
    }


def _seam(style: Style, tail: int, head: int, rate: float) -> Seam:
    """A transition; what overlaps lies half before and half after the cut."""
    if Transition(type=style).overlaps:
        tail, head = _halves(tail)
    return Seam(
        name=style,
        transition_type=DISSOLVE if style == "crossfade" else OTHER,
        in_offset=RationalTime(tail, rate),
        out_offset=RationalTime(head, rate),
        metadata={OURS: {"type": style}},
    )


def _halves(overlap: int) -> tuple[int, int]:
    """The frames of an overlap that the coming shot loses, and those that the leaving one does."""
    return overlap // 2, overlap - overlap // 2


def track_of(timeline: Timeline, name: str) -> Track:
    """A track by its name. Raises BadInput when there is none."""
    for track in timeline.tracks:
        if track.name == name:
            return cast(Track, track)
    raise BadInput("tracks", f"there is no track {name}", "Keep the tracks' names.")


def _with_neighbours(track: Track) -> Iterator[tuple[Seam | None, Clip | Gap, Seam | None]]:
    """Everything that is shown, with the transitions that touch it."""
    children = [None, *track, None]
    for before, clip, after in zip(children, children[1:], children[2:], strict=False):
        if isinstance(clip, Clip | Gap):
            yield (
                before if isinstance(before, Seam) else None,
                clip,
                after if isinstance(after, Seam) else None,
            )


class _Taken(Frozen):
    """What a transition takes: frames of both shots, and those that lie beyond their cut."""

    style: Style = "cut"
    tail: int = 0
    head: int = 0
    beyond: int = 0
    before: int = 0


def _taken(seam: Seam | None) -> _Taken:
    if seam is None:
        return _Taken()
    style = seam.metadata[OURS]["type"]
    before, beyond = int(seam.in_offset.value), int(seam.out_offset.value)
    if not Transition(type=style).overlaps:
        return _Taken(style=style, tail=before, head=beyond)
    both = before + beyond
    return _Taken(style=style, tail=both, head=both, beyond=beyond, before=before)


def _slot(clip: Clip | Gap, before: Seam | None, after: Seam | None, *, first: bool) -> Slot:
    shown, coming, leaving = clip.source_range, _taken(before), _taken(after)
    return Slot(
        shot_id=clip.name,
        start=int(shown.start_time.value) - coming.before,
        frames=int(shown.duration.value) + coming.before + leaving.beyond,
        head=coming.head,
        tail=leaving.tail,
        style=leaving.style,
        opening=coming.style if first else "cut",
    )
