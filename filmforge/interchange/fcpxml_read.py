"""Reads an FCPXML project, ours or one that Final Cut Pro or DaVinci Resolve wrote, as a recut."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any
from xml.etree.ElementTree import Element

from filmforge.errors import BadInput
from filmforge.interchange.fcpxml import KEY, ROLES, WIPE_DIRECTIONS
from filmforge.interchange.markup import read_markup
from filmforge.interchange.media_names import known_digest
from filmforge.interchange.recut import MAX_EVENTS, Heard, Mark, Recut, Shown, is_track
from filmforge.interchange.splice import Joint, splice
from filmforge.interchange.values import rate_of, recut_from, shot_id_of, style_of
from filmforge.transition import Style

_TIME = re.compile(r"(-?[0-9]{1,19})(?:/([0-9]{1,10}))?s")
_DECIBELS = re.compile(r"(-?[0-9]{1,3}(?:\.[0-9]{1,6})?)dB")
_CLIPS = ("asset-clip", "video", "audio", "clip")
_SPEED = ("timeMap", "conform-rate")
_QUIET = frozenset(
    {
        *("note", "metadata", "marker", "chapter-marker", "rating", "keyword", "analysis-marker"),
        *("adjust-volume", "adjust-panner", "adjust-conform"),
        *("audio-channel-source", "audio-role-source"),
    }
)
_DIRECTIONS = {value: style for style, value in WIPE_DIRECTIONS.items()}
_TRACKS = {role: track for track, role in ROLES.items()}


def read_fcpxml(data: bytes, fps: Fraction) -> Recut:
    """The one project in a document, which must run at `fps`.

    Raises BadInput for a rate that differs, times off the frame, compound and multicam clips,
    titles, connected picture, speed changes, filters, and unknown transitions and roles.
    """
    return _Reader(read_markup(data), fps).recut()


class _Reader:
    def __init__(self, root: Element, fps: Fraction) -> None:
        sequences = list(root.iter("sequence"))
        if root.tag != "fcpxml" or len(sequences) != 1:
            raise _bad(f"it holds {len(sequences)} sequences, not one")
        self._sequence = sequences[0]
        self._resources = {
            item.get("id", ""): item for group in root.findall("resources") for item in group
        }
        self._fps = fps
        self._heard: list[Heard] = []
        self._remarks: list[str] = []
        self._check_rate()

    def recut(self) -> Recut:
        spine = self._sequence.find("spine")
        if spine is None:
            raise _bad("its sequence has no primary storyline")
        tc_start = self._frames(self._sequence.get("tcStart", "0s"), "sequence.tcStart")
        opening, shown = splice(*self._strips(list(spine), tc_start))
        told = _told(self._sequence, "film")
        return recut_from(
            title=told.get("title", ""),
            fps=self._fps,
            tc_start=tc_start,
            opening=opening,
            shown=shown,
            heard=tuple(self._heard),
            marks=told.get("marks", ()),
            facts=told.get("facts", {}),
            remarks=tuple(self._remarks),
        )

    def _check_rate(self) -> None:
        form = self._resources.get(self._sequence.get("format", ""))
        duration = form.get("frameDuration") if form is not None else None
        if duration is None:
            return
        seconds = _seconds(duration, "format.frameDuration")
        if seconds <= 0 or rate_of(1 / seconds, None) != self._fps:
            raise BadInput(
                "fps",
                f"a frame lasts {duration}, in the film 1/{self._fps} s",
                "Set the project to the film's rate and export it again.",
            )

    def _strips(self, items: list[Element], origin: int) -> tuple[list[Shown], list[Joint | None]]:
        strips: list[Shown] = []
        joints: list[Joint | None] = [None]
        ends, pending = 0, None
        for item in items:
            field = _field(item)
            at = self._frames(item.get("offset"), field, ends + origin) - origin
            if item.tag == "transition":
                pending = (item, at)
                continue
            if at < ends:
                raise BadInput(field, f"overlaps what is before it by {ends - at} frames", _FLAT)
            if at > ends:
                strips.append(Shown.model_construct(frames=at - ends))
                joints.append(None)
            joints[-1] = self._joint(pending, at, joints[-1])
            pending = None
            strips.append(self._strip(item, field, at))
            joints.append(None)
            ends = at + strips[-1].frames
            if len(strips) > MAX_EVENTS:
                raise _bad(f"it has more than {MAX_EVENTS} clips")
        joints[-1] = self._joint(pending, ends, None)
        return strips, joints

    def _joint(
        self, pending: tuple[Element, int] | None, cut: int, before: Joint | None
    ) -> Joint | None:
        if pending is None:
            return before
        item, at = pending
        field = _field(item)
        ends = at + self._frames(item.get("duration"), field)
        if not at <= cut <= ends:
            raise BadInput(field, "does not lie over a cut", "Move it over a cut.")
        return Joint(_style(item, field), cut - at, ends - cut)

    def _strip(self, item: Element, field: str, at: int) -> Shown:
        told = _told(item, "clip")
        if item.tag == "gap":
            start = self._frames(item.get("start"), field, 0)
            frames = self._frames(item.get("duration"), field)
            self._connected(item, at - start)
            marks = tuple(self._marks(item, start))
            return Shown.model_construct(frames=frames, marks=marks, facts=told.get("facts", {}))
        start, frames, asset = self._range(item, field)
        self._connected(item, at - start)
        base = self._frames(asset.get("start"), field, 0)
        source = _source(asset)
        digest = known_digest(source, told.get("digest"))
        return Shown.model_construct(
            shot_id=shot_id_of(told, item.get("name", "")),
            digest=digest,
            source="" if digest else source,
            start=start - base,
            frames=frames,
            available=self._length(asset, field),
            marks=tuple(self._marks(item, base)),
            facts=told.get("facts", {}),
        )

    def _range(self, item: Element, field: str) -> tuple[int, int, Element]:
        """Where a clip begins in its media, how long it is, and the asset it shows."""
        if item.tag not in _CLIPS:
            raise BadInput(field, f"is a {item.tag}", _FLAT)
        if item.get("enabled") == "0":
            raise BadInput(field, "is disabled", "Delete it or enable it.")
        _refuse_effects(item, field)
        shift = 0
        media = item
        if item.tag == "clip":
            media = self._inside(item, field)
            shift = self._frames(media.get("start"), field, 0) - self._frames(
                media.get("offset"), field, 0
            )
        asset = self._resources.get(media.get("ref", ""))
        if asset is None or asset.tag != "asset":
            raise BadInput(field, "shows no media file", "Use the takes and sounds of the film.")
        start = self._frames(item.get("start"), field, self._frames(asset.get("start"), field, 0))
        length = self._length(asset, field)
        return start + shift, self._frames(item.get("duration"), field, length), asset

    def _inside(self, item: Element, field: str) -> Element:
        inner = [child for child in item if child.tag in _CLIPS and not child.get("lane")]
        if len(inner) != 1 or inner[0].tag == "clip":
            raise BadInput(field, f"holds {len(inner)} clips", _FLAT)
        return inner[0]

    def _connected(self, item: Element, shift: int) -> None:
        """The sounds below a clip, whose offsets count in the clip's own time."""
        for child in item:
            lane = child.get("lane", "0")
            if child.tag in _QUIET or lane == "0":
                continue
            field = _field(child)
            if child.tag == "caption":
                self._remarks.append(f"{field}: a caption is left out")
                continue
            if child.tag == "spine":
                raise BadInput(field, "is a connected storyline", _FLAT)
            start, frames, asset = self._range(child, field)
            sounds = child.tag == "audio" or child.get("srcEnable") == "audio"
            if not sounds and asset.get("hasVideo") == "1":
                raise BadInput(field, "lies over or under the picture", _FLAT)
            at = self._frames(child.get("offset"), field, 0) + shift
            self._heard.append(self._sound(child, field, at, start, frames, asset))

    def _sound(
        self, item: Element, field: str, at: int, start: int, frames: int, asset: Element
    ) -> Heard:
        if at < 0:
            raise BadInput(field, "begins before the film", "Move it.")
        told = _told(item, "sound")
        base = self._frames(asset.get("start"), field, 0)
        source = _source(asset)
        digest = known_digest(source, told.get("digest"))
        return Heard.model_construct(
            track=_track(item, told, field),
            at=at,
            name=item.get("name", ""),
            digest=digest,
            source="" if digest else source,
            start=start - base,
            frames=frames,
            available=self._length(asset, field),
            marks=tuple(self._marks(item, base)),
            facts=_with_gain(told.get("facts", {}), item),
        )

    def _marks(self, item: Element, base: int) -> Iterator[Mark]:
        told = _told(item, "marks")
        ours = [mark for mark in told if isinstance(mark, dict)] if isinstance(told, list) else []
        for marker in item:
            if marker.tag in ("marker", "chapter-marker"):
                yield self._mark(marker, base, ours)

    def _mark(self, marker: Element, base: int, written: list[dict[str, Any]]) -> Mark:
        field = _field(marker)
        start = self._frames(marker.get("start"), field)
        frames = self._frames(marker.get("duration"), field, 0)
        told: dict[str, Any] = {"frames": frames, "name": marker.get("value", "")}
        for index, ours in enumerate(written):
            lasting = max(1, _whole(ours.get("frames", 0)))
            if (ours.get("frame"), lasting, ours.get("name")) == (start, frames, told["name"]):
                told = written.pop(index)
                break
        seen = {"frame": start - base, "text": marker.get("note", "")}
        return Mark.model_construct(**({"color": "", "facts": {}} | told | seen))

    def _length(self, asset: Element, field: str) -> int | None:
        duration = asset.get("duration")
        return None if duration in (None, "0s") else self._frames(duration, field)

    def _frames(self, text: str | None, field: str, absent: int | None = None) -> int:
        """A time in whole frames of the film."""
        if text is None:
            if absent is None:
                raise BadInput(field, "has no time or duration", "Export the project again.")
            return absent
        frames = _seconds(text, field) * self._fps
        if frames.denominator != 1:
            raise BadInput(
                field,
                f"{text} is not on a frame of {self._fps} frames a second",
                "Conform it to the film's rate and export it again.",
            )
        return frames.numerator


_FLAT = "Keep the picture on one storyline, with nothing nested, above or below it."


def _seconds(text: str, field: str) -> Fraction:
    found = _TIME.fullmatch(text)
    if not found or (found[2] and not int(found[2])):
        raise BadInput(field, f"{text[:40]!r} is no time", "Export the project again.")
    return Fraction(int(found[1]), int(found[2] or 1))


def _style(item: Element, field: str) -> Style:
    told = _told(item, "transition").get("style")
    if told:
        return style_of(str(told), field)
    video = item.find("filter-video")
    names = [item.get("name", ""), video.get("name", "") if video is not None else ""]
    if "Wipe" in names:
        values = [p.get("value") for p in item.iter("param") if p.get("name") == "Direction"]
        return _DIRECTIONS.get(str(values[0])[:1] if values else "2", "wipe_right")
    for name in reversed(names):
        if name and name != "Transition":
            return style_of(name, field)
    return "crossfade"


def _refuse_effects(item: Element, field: str) -> None:
    for child in item:
        if child.tag in _SPEED:
            raise BadInput(
                field,
                "its speed or rate is changed",
                "Remove the change, or render it as a replacement.",
            )
        known = child.tag in _QUIET or child.tag in _CLIPS or child.get("lane")
        if not known and child.get("enabled", "1") == "1":
            raise BadInput(
                field,
                f"has the effect {child.get('name', child.tag)!r}",
                "Remove it, or render it as a replacement.",
            )


def _track(item: Element, told: dict[str, Any], field: str) -> str:
    role = item.get("audioRole") or item.get("role") or ""
    base = _TRACKS.get(role) or _TRACKS.get(role.partition(".")[0]) or _main(role)
    ours = str(told.get("track", ""))
    if is_track(ours) and base in (None, ours.partition(" ")[0]):
        return ours
    if base is None:
        raise BadInput(
            field,
            f"its role {role!r} has no meaning in the film",
            f"Give it one of the roles {', '.join(_TRACKS)}.",
        )
    return base


def _main(role: str) -> str | None:
    """The track of a role by its first word: "music.music-2" is Music."""
    word = role.partition(".")[0].title()
    return word if is_track(word) else None


def _with_gain(facts: Any, item: Element) -> Any:
    volume = item.find("adjust-volume")
    found = _DECIBELS.fullmatch(volume.get("amount", "")) if volume is not None else None
    gain = float(found[1]) if found else 0.0
    if not isinstance(facts, dict) or gain == facts.get("gain_db", 0):
        return facts
    return facts | {"gain_db": gain}


def _source(asset: Element) -> str:
    media = asset.find("media-rep")
    return (asset if media is None else media).get("src") or asset.get("name") or ""


def _told(item: Element, key: str) -> Any:
    """Our metadata of an element; an empty value where there is none. Raises BadInput if broken."""
    for md in item.iterfind("metadata/md"):
        if md.get("key") == KEY + key:
            try:
                value = json.loads(md.get("value", ""))
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, list if key == "marks" else dict):
                raise BadInput(_field(item), f"its metadata {KEY + key} is damaged", "Remove it.")
            return value
    return {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _field(item: Element) -> str:
    name = item.get("name") or item.get("value") or ""
    return f"{item.tag} {name[:60]!r}"


def _bad(problem: str) -> BadInput:
    return BadInput("fcpxml", problem, "Export one project, as FCPXML 1.8 or later.")
