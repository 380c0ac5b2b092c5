"""Timelines as the film makes them, from a short description, and the recut each must give."""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from filmforge.interchange.recut import Heard, Mark, Passage, Recut, Shown, overlaps

FILM_24 = Fraction(24)
NTSC_24 = Fraction(24000, 1001)
NTSC_30 = Fraction(30000, 1001)
NTSC_60 = Fraction(60000, 1001)


def digest_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


class Part(NamedTuple):
    """A shot, or a card if `shot_id` is None: what it shows, and how it goes on."""

    shot_id: str | None = "shot_001"
    start: int = 0
    frames: int = 48
    available: int = 120
    style: str = "cut"
    tail: int = 0
    head: int = 0
    note: str = ""
    card: str = ""


class Sound(NamedTuple):
    """A sound on a track, `at` frames into the film."""

    track: str = "Dialogue"
    name: str = "line"
    at: int = 0
    start: int = 0
    frames: int = 24
    available: int = 48


def facts_of(part: Part) -> dict[str, Any]:
    if part.shot_id is None:
        return {"card": part.card} if part.card else {}
    return {
        "shot_id": part.shot_id,
        "scene_id": "attic",
        "take": 2,
        "prompt": f"An attic, dust in the light; “{part.shot_id}” *\n{{brackets}} & <tags> é 漢字",
        "seed": 7,
        "provider": "preview",
        "model": "motion",
        "cost_usd": "0.125",
        "digest": digest_of(part.shot_id),
        "approval": "approved",
        "request_key": digest_of("key " + part.shot_id),
    }


FILM_FACTS = {"film_id": "attic", "width": 1280, "height": 720, "edition": 1}


def timeline_of(
    parts: Sequence[Part],
    sounds: Sequence[Sound] = (),
    fps: Fraction = FILM_24,
    hour: bool = False,
    opening: tuple[str, int] | None = None,
) -> otio.schema.Timeline:
    rate = float(fps)
    timeline = otio.schema.Timeline(
        name="Attic", global_start_time=RationalTime(_tc_start(fps, hour), rate)
    )
    timeline.metadata["filmforge"] = {**FILM_FACTS, "fps": str(fps)}
    timeline.tracks.append(_picture(parts, rate, opening))
    for name in dict.fromkeys(sound.track for sound in sounds):
        timeline.tracks.append(_track(name, [s for s in sounds if s.track == name], rate))
    return timeline


def recut_of_spec(
    parts: Sequence[Part],
    sounds: Sequence[Sound] | None = (),
    fps: Fraction = FILM_24,
    hour: bool = False,
    opening: tuple[str, int] | None = None,
) -> Recut:
    return Recut(
        title="Attic",
        fps=fps,
        tc_start=_tc_start(fps, hour),
        opening=Passage(style=opening[0], tail=0, head=opening[1]) if opening else None,
        shown=tuple(_shown(part) for part in parts),
        heard=None if sounds is None else tuple(_heard(sound) for sound in sounds),
        facts={**FILM_FACTS, "fps": str(fps)},
    )


def _tc_start(fps: Fraction, hour: bool) -> int:
    """01:00:00:00 (01:00:00;00), counted by hand for the rates used here."""
    return {24: 86_400, 30: 107_892, 60: 215_784}[-int(-fps // 1)] if hour else 0


def _shown(part: Part) -> Shown:
    passage = Passage(style=part.style, tail=part.tail, head=part.head)
    return Shown(
        shot_id=part.shot_id,
        digest=digest_of(part.shot_id) if part.shot_id else None,
        start=part.start if part.shot_id else 0,
        frames=part.frames,
        available=part.available if part.shot_id else None,
        transition=None if part.style == "cut" else passage,
        marks=(_mark(part),) if part.note else (),
        facts=facts_of(part),
    )


def _mark(part: Part) -> Mark:
    text = f"{part.note}, says the reviewer\n& <more>"
    frame = (part.start if part.shot_id else 0) + part.frames // 2
    facts = {"comment": text, "author": "jo"}
    return Mark(frame=frame, name=part.note, color="GREEN", text=text, facts=facts)


def _heard(sound: Sound) -> Heard:
    return Heard(
        track=sound.track,
        at=sound.at,
        name=sound.name,
        digest=digest_of(sound.name),
        start=sound.start,
        frames=sound.frames,
        available=sound.available,
        facts={"digest": digest_of(sound.name), "gain_db": -3.5, "fade_in": 6},
    )


def _picture(
    parts: Sequence[Part], rate: float, opening: tuple[str, int] | None
) -> otio.schema.Track:
    track = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
    if opening:
        track.append(_transition(opening[0], 0, opening[1], rate))
    before = 0
    for part in parts:
        overlap = part.tail if overlaps(part.style) else 0
        # An uneven split, so that nothing may rely on the middle.
        after = overlap // 3
        start = (part.start if part.shot_id else 0) + before
        item = _clip(part, start, part.frames - before - after, rate)
        track.append(item)
        before = overlap - after
        if part.style != "cut":
            sides = (before, after) if overlap else (part.tail, part.head)
            track.append(_transition(part.style, *sides, rate))
    return track


def _clip(part: Part, start: int, frames: int, rate: float) -> otio.core.Item:
    source = TimeRange(RationalTime(start, rate), RationalTime(frames, rate))
    if part.shot_id is None:
        item: otio.core.Item = otio.schema.Gap(source_range=source)
    else:
        whole = TimeRange(RationalTime(0, rate), RationalTime(part.available, rate))
        url = "asset:sha256:" + digest_of(part.shot_id)
        media = otio.schema.ExternalReference(target_url=url, available_range=whole)
        item = otio.schema.Clip(name=part.shot_id, media_reference=media, source_range=source)
    if facts := facts_of(part):
        item.metadata["filmforge"] = facts
    if part.note:
        item.markers.append(_marker(part, rate, 0 if part.shot_id else start))
    return item


def _marker(part: Part, rate: float, shift: int) -> otio.schema.Marker:
    mark = _mark(part)
    return otio.schema.Marker(
        name=mark.name,
        color=mark.color,
        marked_range=TimeRange(RationalTime(mark.frame, rate), RationalTime(0, rate)),
        metadata={"filmforge": mark.facts},
    )


def _transition(style: str, before: int, after: int, rate: float) -> otio.schema.Transition:
    dissolve = style == "crossfade"
    return otio.schema.Transition(
        name=style,
        transition_type="SMPTE_Dissolve" if dissolve else "Custom_Transition",
        in_offset=RationalTime(before, rate),
        out_offset=RationalTime(after, rate),
        metadata={} if dissolve else {"filmforge": {"type": style}},
    )


def _track(name: str, sounds: Sequence[Sound], rate: float) -> otio.schema.Track:
    track = otio.schema.Track(name=name, kind=otio.schema.TrackKind.Audio)
    at = 0
    for sound in sorted(sounds, key=lambda sound: sound.at):
        if sound.at > at:
            gap = TimeRange(RationalTime(0, rate), RationalTime(sound.at - at, rate))
            track.append(otio.schema.Gap(source_range=gap))
        heard = _heard(sound)
        clip = otio.schema.Clip(
            name=sound.name,
            media_reference=otio.schema.ExternalReference(
                target_url=f"asset:sha256:{heard.digest}",
                available_range=TimeRange(
                    RationalTime(0, rate), RationalTime(sound.available, rate)
                ),
            ),
            source_range=TimeRange(
                RationalTime(sound.start, rate), RationalTime(sound.frames, rate)
            ),
        )
        clip.metadata["filmforge"] = heard.facts
        track.append(clip)
        at = sound.at + sound.frames
    return track
