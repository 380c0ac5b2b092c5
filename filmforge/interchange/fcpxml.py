"""Writes the cut as FCPXML 1.10, the dialect that Final Cut Pro and DaVinci Resolve read.

Every time is a rational number of seconds on a frame of the film (1001/24000s and its multiples).
The picture is the primary storyline; sounds are connected clips below it with roles. A transition
lies centred on its cut, over media that both sides have. What Final Cut Pro has no word for stands
in metadata under keys of ours and comes back. Follows the order of Apple's DTD for 1.10.
"""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import (
    Element,
    SubElement,
    indent,
    tostring,
)

from filmforge.errors import BadInput
from filmforge.interchange.media_names import file_name
from filmforge.interchange.recut import TRACKS, Heard, Mark, Passage, Recut, Shown, colour_of
from filmforge.interchange.timecode import drops
from filmforge.transition import Style

VERSION = "1.10"
KEY = "com.filmforge."
ROLES = dict(zip(TRACKS, ("dialogue", "effects", "effects.ambience", "music.music-1"), strict=True))
WIPE_DIRECTIONS: dict[Style, str] = {
    "wipe_left": "0",
    "wipe_up": "1",
    "wipe_right": "2",
    "wipe_down": "3",
}
# The identifiers that Final Cut Pro itself writes for its built-in transitions.
_EFFECTS = {
    "Cross Dissolve": "FxPlug:4731E73A-8DAC-4113-9A30-AE85B1761265",
    "Fade To Color": "FxPlug:F779C565-486D-4633-8035-0374B4DB8F5C",
    "Wipe": "FxPlug:857E2FBA-98DB-411B-A88C-CE6ABC1F65D8",
}
_FORMAT = "r1"
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def fcpxml_of(recut: Recut, urls: Mapping[str, str] | None = None) -> bytes:
    """The document; `urls` gives the address of a digest's media, else a file beside it is named.

    Raises BadInput for a film whose size its facts do not tell, and for a clip that transitions
    cover wholly, for which an editor has no place.
    """
    return _Writer(recut, urls or {}).document()


class _Writer:
    def __init__(self, recut: Recut, urls: Mapping[str, str]) -> None:
        self._recut = recut
        self._urls = urls
        self._root = Element("fcpxml", version=VERSION)
        self._resources = SubElement(self._root, "resources")
        self._ids: dict[str, str] = {}
        self._seen = {shown.digest or shown.source for shown in recut.shown}
        self._tracks = list(dict.fromkeys(sound.track for sound in recut.heard or ()))
        self._sounding = {sound.digest or sound.source for sound in recut.heard or ()}

    def document(self) -> bytes:
        facts = self._recut.facts
        if not facts.get("width") or not facts.get("height"):
            raise BadInput("facts", "the film's width and height are missing", "Tell its size.")
        SubElement(
            self._resources,
            "format",
            id=_FORMAT,
            frameDuration=_seconds(1, self._recut.fps),
            width=str(facts["width"]),
            height=str(facts["height"]),
            colorSpace="1-1-1 (Rec. 709)",
        )
        name = _clean(self._recut.title) or str(facts.get("film_id", "Film"))
        event = SubElement(SubElement(self._root, "library"), "event", name=name)
        self._sequence(SubElement(event, "project", name=name))
        indent(self._root)
        head = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
        return head + tostring(self._root, encoding="unicode").encode() + b"\n"

    def _sequence(self, project: Element) -> None:
        sequence = SubElement(
            project,
            "sequence",
            format=_FORMAT,
            duration=self._time(self._recut.frames),
            tcStart=self._time(self._recut.tc_start),
            tcFormat="DF" if drops(self._recut.fps) else "NDF",
            audioLayout="stereo",
            audioRate="48k",
        )
        self._spine(SubElement(sequence, "spine"))
        told = self._recut.model_dump(mode="json", include={"title", "facts", "marks"})
        _tell(sequence, film={key: value for key, value in told.items() if value})

    def _spine(self, spine: Element) -> None:
        sounds = deque(sorted(self._recut.heard or (), key=lambda sound: sound.at))
        placed = list(self._recut.placed())
        for at, into, shown in placed:
            before = into.overlap // 2 if into else 0
            out = shown.transition
            after = out.overlap - out.overlap // 2 if out else 0
            begins, ends = at + before, at + shown.frames - after
            if begins >= ends:
                raise BadInput(
                    shown.shot_id or "gap",
                    "transitions cover it wholly",
                    "Make it longer or its transitions shorter.",
                )
            if into:
                self._transition(spine, into, begins)
            last = shown is placed[-1][2]
            here = []
            while sounds and (last or sounds[0].at < ends):
                here.append(sounds.popleft())
            self._story(spine, shown, begins, ends, shown.start + before, here)
        if out:
            self._transition(spine, out, self._recut.frames)

    def _story(
        self,
        spine: Element,
        shown: Shown,
        begins: int,
        ends: int,
        start: int,
        sounds: Iterable[Heard],
    ) -> None:
        """A clip or gap of the primary storyline, with the sounds that begin under it."""
        place: dict[str, Any] = {
            "offset": self._time(begins + self._recut.tc_start),
            "start": self._time(start),
            "duration": self._time(ends - begins),
        }
        if shown.digest or (shown.source and not shown.colour):
            available = shown.available or shown.start + shown.frames
            ref = self._asset(shown.shot_id or "media", shown.digest, shown.source, available)
            item = SubElement(
                spine, "asset-clip", ref=ref, name=shown.shot_id or "media", **place, format=_FORMAT
            )
            item.set("srcEnable", "video")
        else:
            item = SubElement(spine, "gap", name=shown.shot_id or "Gap", **place)
        for lane, sound in self._lanes(sounds):
            self._sound(item, sound, lane, start + sound.at - begins)
        for mark in shown.marks:
            self._marker(item, mark)
        _tell(item, clip=_kept(shown), marks=_colours(shown.marks))

    def _lanes(self, sounds: Iterable[Heard]) -> Iterator[tuple[int, Heard]]:
        for sound in sounds:
            yield -1 - self._tracks.index(sound.track), sound

    def _sound(self, parent: Element, sound: Heard, lane: int, offset: int) -> None:
        available = sound.available or sound.start + sound.frames
        item = SubElement(
            parent,
            "asset-clip",
            ref=self._asset(sound.name, sound.digest, sound.source, available),
            lane=str(lane),
            offset=self._time(offset),
            name=_clean(sound.name),
            start=self._time(sound.start),
            duration=self._time(sound.frames),
            srcEnable="audio",
            audioRole=ROLES[sound.track.partition(" ")[0]],
        )
        if isinstance(gain := sound.facts.get("gain_db"), int | float) and gain:
            SubElement(item, "adjust-volume", amount=f"{gain:g}dB")
        for mark in sound.marks:
            self._marker(item, mark)
        _tell(item, sound={"track": sound.track} | _kept(sound), marks=_colours(sound.marks))

    def _asset(self, name: str, digest: str | None, source: str, frames: int) -> str:
        """The resource of a media file: one, whether its picture or its sound or both are used."""
        key = digest or source
        if key in self._ids:
            return self._ids[key]
        made = f"./media/{file_name(name, digest)}" if digest else source
        asset = SubElement(
            self._resources,
            "asset",
            id=self._new_id(key),
            name=_clean(name),
            start="0s",
            duration=self._time(frames),
        )
        if key in self._seen:
            asset.attrib.update(hasVideo="1", videoSources="1", format=_FORMAT)
        if key in self._sounding:
            asset.attrib.update(
                hasAudio="1", audioSources="1", audioChannels="2", audioRate="48000"
            )
        src = self._urls.get(digest, made) if digest else made
        SubElement(asset, "media-rep", kind="original-media", src=src)
        return self._ids[key]

    def _transition(self, spine: Element, passage: Passage, cut: int) -> None:
        before, after = passage.tail, passage.head
        if passage.overlap:
            before, after = passage.overlap // 2, passage.overlap - passage.overlap // 2
        name, parameters = _effect(passage.style)
        item = SubElement(
            spine,
            "transition",
            name=name,
            offset=self._time(cut - before + self._recut.tc_start),
            duration=self._time(before + after),
        )
        video = SubElement(item, "filter-video", ref=self._effect_id(name), name=name)
        for key, label, value in parameters:
            SubElement(video, "param", name=label, key=key, value=value)
        _tell(item, transition={"style": passage.style})

    def _effect_id(self, name: str) -> str:
        if name not in self._ids:
            SubElement(
                self._resources, "effect", id=self._new_id(name), name=name, uid=_EFFECTS[name]
            )
        return self._ids[name]

    def _new_id(self, key: str) -> str:
        self._ids[key] = f"r{len(self._ids) + 2}"
        return self._ids[key]

    def _marker(self, item: Element, mark: Mark) -> None:
        marker = SubElement(
            item,
            "marker",
            start=self._time(mark.frame),
            duration=self._time(max(1, mark.frames)),
            value=_clean(mark.name),
        )
        if mark.text:
            marker.set("note", _clean(mark.text))

    def _time(self, frames: int) -> str:
        return _seconds(frames, self._recut.fps)


def _seconds(frames: int, fps: Fraction) -> str:
    """A time on a frame of the film, not reduced: 2002/24000s is two frames."""
    if frames * fps.denominator % fps.numerator == 0:
        return f"{frames * fps.denominator // fps.numerator}s"
    return f"{frames * fps.denominator}/{fps.numerator}s"


def _effect(style: Style) -> tuple[str, list[tuple[str, str, str]]]:
    if style in WIPE_DIRECTIONS:
        return "Wipe", [("13", "Direction", WIPE_DIRECTIONS[style])]
    if style == "crossfade":
        return "Cross Dissolve", []
    if colour_of(style) == "white":
        return "Fade To Color", [("3", "Color", "1 1 1 1")]
    return "Fade To Color", []


def _clean(text: str) -> str:
    """The text without the characters that XML 1.0 has no way to write."""
    return _UNWRITABLE.sub("\ufffd", text)


def _kept(part: Shown | Heard) -> dict[str, object]:
    return part.model_dump(
        mode="json",
        include={"shot_id", "digest", "source", "facts"},
        exclude_defaults=True,
    )


def _colours(marks: Iterable[Mark]) -> list[dict[str, object]]:
    """What a marker of Final Cut Pro cannot hold: colours, facts, and that it has no length."""
    return [mark.model_dump(mode="json", exclude={"text"}) for mark in marks]


def _tell(item: Element, **told: object) -> None:
    """Metadata, which comes last in every element that may have it."""
    filled = {key: value for key, value in told.items() if value}
    if filled:
        metadata = SubElement(item, "metadata")
        for key, value in filled.items():
            text = json.dumps(value, sort_keys=True, separators=(",", ":"))
            SubElement(metadata, "md", key=KEY + key, value=text, type="string")
