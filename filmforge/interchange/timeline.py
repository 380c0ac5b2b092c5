"""Reads an OpenTimelineIO timeline as a recut; refuses by name what a film cannot show."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import opentimelineio as otio
from pydantic import JsonValue

from filmforge.errors import BadInput
from filmforge.interchange.media_names import known_digest
from filmforge.interchange.recut import MAX_EVENTS, Heard, Mark, Recut, Shown, is_track
from filmforge.interchange.splice import Joint, splice
from filmforge.interchange.values import rate_of, recut_from, shot_id_of, style_of

OURS = "filmforge"
_SAME_RATE = 0.006
_SAME_FRAME = 0.001
_MAX_FRAMES = 1 << 31


def recut_of(timeline: otio.schema.Timeline, fps: Fraction | None = None) -> Recut:
    """What a timeline says, at the rate it states itself or else at `fps`.

    Raises BadInput for a rate that differs, media that cannot be named, speed changes, effects,
    nested sequences, a second picture track, and transitions that are not the film's.
    """
    told = facts_of(timeline)
    clock = _Clock(rate_of(told.get("fps"), fps))
    video, audio = _tracks(timeline)
    opening, shown = splice(*_strips(video, clock))
    remarks: list[str] = []
    start = timeline.global_start_time
    return recut_from(
        title=timeline.name,
        fps=clock.fps,
        tc_start=clock.frames(start, "global_start_time") if start else 0,
        opening=opening,
        shown=shown,
        heard=tuple(sound for track in audio for sound in _sounds(track, clock, remarks)),
        marks=_marks(timeline.tracks, clock),
        facts=told,
        remarks=tuple(remarks),
    )


def facts_of(item: Any) -> dict[str, JsonValue]:
    """Our own metadata of a timeline, clip, gap, transition or marker, as plain JSON."""
    told = _plain(item.metadata.get(OURS, {}))
    return told if isinstance(told, dict) else {}


class _Clock:
    """Turns OTIO's float times into whole frames of one rate."""

    def __init__(self, fps: Fraction) -> None:
        self.fps = fps

    def frames(self, time: otio.opentime.RationalTime, field: str) -> int:
        if time.value and abs(time.rate - float(self.fps)) > _SAME_RATE:
            raise BadInput(
                field,
                f"is counted at {time.rate:g}, the film at {float(self.fps):g} frames a second",
                "Conform it to the film's rate and export the timeline again.",
            )
        value: float = time.value
        if not abs(value) < _MAX_FRAMES or abs(value - round(value)) > _SAME_FRAME:
            raise BadInput(
                field, f"{value} is no whole number of frames", "Move the edit to a frame."
            )
        return round(value)

    def span(self, times: otio.opentime.TimeRange, field: str) -> tuple[int, int]:
        return self.frames(times.start_time, field), self.frames(times.duration, field)


def _tracks(timeline: otio.schema.Timeline) -> tuple[Any, list[Any]]:
    tracks = list(timeline.tracks)
    for track in tracks:
        if not isinstance(track, otio.schema.Track):
            raise _nested(f"tracks[{track.name!r}]", track)
    filled = [track for track in tracks if len(track) and track.enabled]
    video = [track for track in filled if track.kind == otio.schema.TrackKind.Video]
    if len(video) != 1:
        names = ", ".join(repr(track.name) for track in video) or "none"
        raise BadInput(
            "tracks",
            f"a film has one picture track, this has {len(video)}: {names}",
            "Put every shot on one video track.",
        )
    for track in filled:
        if track.source_range is not None or list(track.effects):
            raise BadInput(
                f"track {track.name!r}",
                "is trimmed or has effects as a whole",
                "Trim its clips instead.",
            )
    return video[0], [track for track in filled if track.kind == otio.schema.TrackKind.Audio]


def _strips(track: Any, clock: _Clock) -> tuple[list[Shown], list[Joint | None]]:
    strips: list[Shown] = []
    joints: list[Joint | None] = [None]
    for index, child in enumerate(track):
        field = f"{track.name}[{index}] {child.name!r}"
        if isinstance(child, otio.schema.Transition):
            joints[-1] = _joint(child, clock, field)
            continue
        strip = _strip(child, clock, field)
        if strip.frames:
            strips.append(strip)
            joints.append(None)
    if len(strips) > MAX_EVENTS:
        raise BadInput("tracks", f"more than {MAX_EVENTS} clips", "Split the film.")
    return strips, joints


def _joint(transition: Any, clock: _Clock, field: str) -> Joint:
    told = facts_of(transition).get("type")
    name = told or transition.transition_type or transition.name
    return Joint(
        style_of(str(name), field),
        clock.frames(transition.in_offset, field),
        clock.frames(transition.out_offset, field),
    )


def _strip(item: Any, clock: _Clock, field: str) -> Shown:
    start, frames = _range(item, clock, field)
    told = facts_of(item)
    if isinstance(item, otio.schema.Gap):
        return Shown.model_construct(frames=frames, marks=_marks(item, clock, start), facts=told)
    media, base, available = _media(item, clock, field)
    digest = known_digest(media or "", told.get("digest"))
    return Shown.model_construct(
        shot_id=shot_id_of(told, item.name),
        digest=digest,
        source="" if digest else (media or item.name),
        start=start - base,
        frames=frames,
        available=available,
        marks=_marks(item, clock, base),
        facts=told,
    )


def _range(item: Any, clock: _Clock, field: str) -> tuple[int, int]:
    """The item's own range, after refusing what it does to time or picture."""
    if not isinstance(item, otio.schema.Clip | otio.schema.Gap):
        raise _nested(field, item)
    if effects := [effect.effect_name or effect.schema_name() for effect in item.effects]:
        raise BadInput(
            field, f"has the effect {effects[0]!r}", "Remove it, or render it as a replacement."
        )
    if not item.enabled:
        raise BadInput(field, "is disabled", "Delete it or enable it.")
    return clock.span(item.trimmed_range(), field)


def _media(clip: Any, clock: _Clock, field: str) -> tuple[str | None, int, int | None]:
    """The address of a clip's media, the frame it begins at, and its length if known."""
    media = clip.media_reference
    if media is None or isinstance(media, otio.schema.MissingReference):
        return None, 0, None
    if not isinstance(media, otio.schema.ExternalReference):
        raise BadInput(
            field,
            f"shows a {media.schema_name()}",
            "Use the takes and sounds of the film.",
        )
    if media.available_range is None:
        return media.target_url, 0, None
    return media.target_url, *clock.span(media.available_range, field)


def _sounds(track: Any, clock: _Clock, remarks: list[str]) -> Iterable[Heard]:
    if not is_track(track.name):
        raise BadInput(
            f"track {track.name!r}",
            "its sound has no meaning in the film",
            "Name it Dialogue, Effects, Ambience or Music.",
        )
    at = 0
    for index, child in enumerate(track):
        field = f"{track.name}[{index}] {child.name!r}"
        if isinstance(child, otio.schema.Transition):
            remarks.append(f"{field}: a transition between sounds is left out")
            continue
        strip = _strip(child, clock, field)
        if strip.frames and not isinstance(child, otio.schema.Gap):
            yield Heard(
                track=track.name,
                at=at,
                name=child.name,
                **strip.model_dump(
                    include={"digest", "source", "start", "frames", "available", "marks", "facts"}
                ),
            )
        at += strip.frames


def _marks(item: Any, clock: _Clock, base: int = 0) -> tuple[Mark, ...]:
    return tuple(_mark(marker, clock, base) for marker in item.markers)


def _mark(marker: Any, clock: _Clock, base: int) -> Mark:
    frame, frames = clock.span(marker.marked_range, f"marker {marker.name!r}")
    told = facts_of(marker)
    text = marker.comment or next(
        (str(told[key]) for key in ("text", "comment", "note") if told.get(key)), ""
    )
    return Mark(
        frame=frame - base,
        frames=frames,
        name=marker.name,
        color=str(marker.color or ""),
        text=text,
        facts=told,
    )


def _nested(field: str, item: Any) -> BadInput:
    return BadInput(
        field,
        f"is a nested {item.schema_name()}",
        "Flatten nested sequences and compound clips before the export.",
    )


def _plain(value: Any) -> JsonValue:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    return str(value)
