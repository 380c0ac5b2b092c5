"""The cut as an OpenTimelineIO timeline: what is rendered is read from it and nothing else.

Every value is a whole frame at the film's rate; the exact rate stands in the timeline's metadata,
for OpenTimelineIO keeps rates as floating point numbers.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, cast

import opentimelineio as otio
from opentimelineio.opentime import RationalTime
from opentimelineio.schema import Clip, Timeline, Track
from opentimelineio.schema import Transition as Seam

from filmforge.cut.layout import Slot
from filmforge.cut.sounds import Placed
from filmforge.cut.tracks import OURS, Laid, digest_of, reference, sound_track, span, tracks_of
from filmforge.domain import Kind, Shot, Take
from filmforge.errors import BadInput
from filmforge.fields import Frozen
from filmforge.transition import Style, Transition

PICTURE, DIALOGUE = "V1", "Dialogue"
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


class Heading(Frozen):
    """What the timeline says of the film as a whole; `width` and `height` in pixels."""

    film_id: str
    title: str
    fps: Fraction
    width: int
    height: int


def timeline_of(
    heading: Heading, picked: Sequence[Picked], voice_lead: int, sounds: Sequence[Placed] = ()
) -> Timeline:
    """The timeline of these shots in this order.

    Lines begin `voice_lead` frames into a shot, or with it where they would not fit otherwise.
    """
    timeline = Timeline(heading.title or heading.film_id)
    about = {**heading.model_dump(mode="json", exclude={"title"}), "edition": EDITION}
    timeline.metadata[OURS] = {**about, "fps": str(heading.fps)}
    rate = float(heading.fps)
    timeline.global_start_time = RationalTime(0, rate)
    timeline.tracks.append(_picture(picked, rate))
    timeline.tracks.append(sound_track(DIALOGUE, _lines(picked, rate, voice_lead), rate))
    timeline.tracks.extend(tracks_of(sounds, rate))
    return timeline


def rate_of(timeline: Timeline) -> Fraction:
    """The film's exact rate."""
    return Fraction(str(timeline.metadata[OURS]["fps"]))


def slots_of(timeline: Timeline) -> list[Slot]:
    """Each shot's place, read back from the picture's track. Raises BadInput."""
    track = track_of(timeline, PICTURE)
    around = list(_with_neighbours(track))
    return [
        _slot(clip, before, after, first=index == 0)
        for index, (before, clip, after) in enumerate(around)
    ]


def media_of(timeline: Timeline, name: str) -> list[str]:
    """The digest of what each clip of a track shows, in order."""
    return [digest_of(clip) for clip in track_of(timeline, name).find_clips()]


def _picture(picked: Sequence[Picked], rate: float) -> Track:
    track = Track(PICTURE, kind=otio.schema.TrackKind.Video)
    first = picked[0].slot if picked else None
    if first and first.head:
        track.append(_seam(first.opening, 0, first.head, rate))
    for mine, following in pairwise([*picked, None]):
        assert mine is not None
        track.append(_clip(mine, _seam_before(picked, mine), rate))
        head = following.slot.head if following else 0
        if mine.slot.tail or (head and mine.slot.style != "cut"):
            track.append(_seam(mine.slot.style, mine.slot.tail, head, rate))
    return track


def _seam_before(picked: Sequence[Picked], mine: Picked) -> int:
    """The frames that a shot shows together with the one before it."""
    place = picked.index(mine)
    return picked[place - 1].slot.overlap if place else 0


def _clip(picked: Picked, overlap_before: int, rate: float) -> Clip:
    slot = picked.slot
    late, early = _halves(overlap_before)[0], _halves(slot.overlap)[1]
    take = picked.takes[Kind.VIDEO]
    return Clip(
        name=slot.shot_id,
        media_reference=reference(take.digest, picked.clip_frames, rate),
        source_range=span(slot.start + late, slot.frames - late - early, rate),
        metadata={OURS: _about(picked, take)},
    )


def _lines(picked: Sequence[Picked], rate: float, lead: int) -> Iterator[Laid]:
    """Every line in its shot; one begins when the one before it has ended."""
    heard = start = 0
    for each in picked:
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


def _with_neighbours(track: Track) -> Iterator[tuple[Seam | None, Clip, Seam | None]]:
    """Each clip with the transitions that touch it."""
    children = [None, *track, None]
    for before, clip, after in zip(children, children[1:], children[2:], strict=False):
        if isinstance(clip, Clip):
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


def _slot(clip: Clip, before: Seam | None, after: Seam | None, *, first: bool) -> Slot:
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
