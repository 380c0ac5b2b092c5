"""Reads a CMX3600 edit decision list, ours or an editor's, as a recut."""

import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from filmforge.errors import BadInput
from filmforge.interchange.edl import BLACK, WIPES
from filmforge.interchange.edl_comments import unfolded
from filmforge.interchange.media_names import known_digest
from filmforge.interchange.recut import MAX_EVENTS, WHITE, Mark, Recut, Shown
from filmforge.interchange.splice import Joint, splice
from filmforge.interchange.timecode import drops, from_timecode
from filmforge.interchange.values import rate_of, recut_from, shot_id_of, style_of

MAX_BYTES = 64 << 20
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}[:;.,][0-9]{2,3}"
_EVENT = re.compile(
    rf"(?P<number>[0-9]{{1,6}})\s+(?P<reel>\S+)\s+(?P<channel>\S+)\s+(?P<effect>\S+)"
    rf"(?:\s+(?P<length>[0-9]{{1,5}}))?\s+(?P<times>{_TIME}(?:\s+{_TIME}){{3}})"
)
_NAME = re.compile(r"\* (FROM|TO) CLIP NAME: *(.*)")
_SOURCE = re.compile(r"\* (?:SOURCE FILE|FROM FILE|TO FILE|FROM CLIP|TO CLIP)(?: PATH)?: *(.*)")
_LOC = re.compile(rf"\* ?LOC: *({_TIME}) +(\w*) *(.*)")
_STYLES = {code: style for style, code in WIPES.items()}
_BLACKS = (BLACK, "BLACK")
_AGAIN = "Export a CMX3600 list of one video track."


class _Line(NamedTuple):
    number: str
    reel: str
    effect: str
    length: int
    start: int
    end: int
    at: int
    until: int


class _Event(NamedTuple):
    """What plays, the line it comes from if it begins with an effect, and its comments."""

    line: _Line
    left: _Line | None
    drop: bool | None
    comments: list[str]


def read_edl(text: str, fps: Fraction) -> Recut:
    """The picture of a list whose timecode counts at `fps`; it says nothing of sound.

    Raises BadInput for other tracks than V, speed changes, overlapping events, keys and unknown
    wipes, and timecode that is impossible at this rate.
    """
    if len(text) > MAX_BYTES:
        raise _bad(f"it has {len(text)} characters, more than {MAX_BYTES}")
    lines = [line.rstrip() for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    head, events = _parsed(lines, fps)
    comments = [text for event in events for text in event.comments if "FILMFORGE" in text]
    told = dict(unfolded(comments)).get("FILM", {})
    if "fps" in told and rate_of(told["fps"], None) != fps:
        raise BadInput("fps", f"the list was written at {told['fps']}", f"Give that, not {fps}.")
    if not events:
        raise _bad("it has no event")
    start = events[0].line.at
    opening, shown = splice(*_strips(events, fps))
    return recut_from(
        title=told.get("title", _title(head)),
        fps=fps,
        tc_start=start,
        opening=opening,
        shown=shown,
        heard=None,
        marks=told.get("marks", ()),
        facts=told.get("facts", {}),
    )


def _title(head: Iterable[str]) -> str:
    return next((line[6:].strip() for line in head if line.startswith("TITLE:")), "")


def _parsed(lines: Sequence[str], fps: Fraction) -> tuple[list[str], list[_Event]]:
    head: list[str] = []
    events: list[_Event] = []
    drop: bool | None = None
    left: _Line | None = None
    for text in lines:
        found = _EVENT.fullmatch(text)
        line = _line(found, fps, drop) if found else None
        if left and (line is None or left.number != line.number):
            events.append(_Event(left, None, drop, []))
            left = None
        if line is None:
            drop = _frame_code(text, drop) and drops(fps)
            _refuse_motion(text, events)
            (events[-1].comments if events else head).append(text)
        elif line.at == line.until and line.effect == "C":
            left = line
        else:
            events.append(_Event(line, left, drop, []))
            left = None
        if len(events) > MAX_EVENTS:
            raise _bad(f"it has more than {MAX_EVENTS} events")
    return head, events


def _frame_code(text: str, before: bool | None) -> bool | None:
    """Whether numbers are dropped from here on, as the list's FCM lines say."""
    return "NON" not in text if text.startswith("FCM:") else before


def _frame(text: str, fps: Fraction, drop: bool | None) -> int:
    """The frame of a timecode; where no FCM line came before, its last colon tells."""
    return from_timecode(text, fps, text[8] in ";," and drops(fps) if drop is None else drop)


def _line(found: re.Match[str], fps: Fraction, drop: bool | None) -> _Line:
    number = found["number"]
    if found["channel"] not in ("V", "B", "AA/V", "A2/V", "V1"):
        raise BadInput(
            f"event {number}", f"is on the track {found['channel']!r}", "Export the video alone."
        )
    times = [_frame(time, fps, drop) for time in found["times"].split()]
    start, end, at, until = times
    if end - start != until - at:
        raise BadInput(
            f"event {number}",
            f"plays {end - start} frames in {until - at}: its speed is changed",
            "Remove the speed change, or render it as a replacement.",
        )
    if until < at:
        raise BadInput(f"event {number}", "ends before it begins", _AGAIN)
    return _Line(number, found["reel"], found["effect"], int(found["length"] or 0), *times)


def _refuse_motion(text: str, events: Sequence[_Event]) -> None:
    if text.startswith("M2") or "FREEZE FRAME" in text:
        raise BadInput(
            f"event {events[-1].line.number}" if events else "edl",
            "its speed is changed or frozen",
            "Remove the speed change, or render it as a replacement.",
        )
    if text[0].isdigit() and len(text.split()) > 5:
        raise _bad(f"the line {text[:90]!r} is no event")


def _strips(events: Sequence[_Event], fps: Fraction) -> tuple[list[Shown], list[Joint | None]]:
    strips: list[Shown] = []
    joints: list[Joint | None] = [None]
    ends, reel = events[0].line.at, None
    above: _Line | None = None
    for event in events:
        line = event.line
        _refuse_other_source(event, above)
        above = line
        if line.at < ends:
            raise BadInput(
                f"event {line.number}",
                f"begins {ends - line.at} frames before the one above it ends",
                "Keep the picture on one track.",
            )
        if line.at > ends:
            strips.append(Shown.model_construct(frames=line.at - ends))
            joints.append(None)
            reel = BLACK
        joints[-1] = _joint(event, reel)
        strips.append(_strip(event, fps))
        joints.append(None)
        ends, reel = line.until, line.reel
    return strips, joints


def _refuse_other_source(event: _Event, above: _Line | None) -> None:
    left = event.left
    if left is None or left.reel in _BLACKS:
        return
    if above is None or (left.reel, left.start) != (above.reel, above.end):
        raise BadInput(
            f"event {event.line.number}",
            f"comes from {left.reel}, which is not what the event above it ends with",
            "Put the clip it comes from above it on the same track.",
        )


def _joint(event: _Event, reel: str | None) -> Joint | None:
    line = event.line
    if line.effect == "C":
        return None
    field = f"event {line.number}"
    # After a card, which is black to the list too, only our comment tells a fade from a dissolve.
    told = dict(unfolded(event.comments)).get("PASSAGE", {}).get("style")
    if told:
        return Joint(style_of(str(told), field), 0, line.length)
    if event.left and event.left.reel in _BLACKS and reel not in _BLACKS:
        return Joint("fade_from_black", 0, line.length)
    style = _STYLES.get(line.effect) or style_of(
        {"D": "dissolve"}.get(line.effect, line.effect), field
    )
    return Joint(style, 0, line.length)


def _strip(event: _Event, fps: Fraction) -> Shown:
    line = event.line
    told = dict(unfolded(event.comments)).get("CLIP", {})
    frames = line.until - line.at
    marks = tuple(_marks(event, fps))
    if line.reel in _BLACKS:
        source = WHITE if told.get("source") == WHITE else ""
        facts = told.get("facts", {})
        return Shown.model_construct(frames=frames, source=source, marks=marks, facts=facts)
    source = _last(_SOURCE.match(text) for text in event.comments)
    digest = known_digest(source, told.get("digest"))
    return Shown.model_construct(
        shot_id=shot_id_of(told, _clip_name(event)),
        digest=digest,
        source="" if digest else source,
        start=line.start,
        frames=frames,
        available=told.get("available"),
        marks=marks,
        facts=told.get("facts", {}),
    )


def _clip_name(event: _Event) -> str:
    """What the event goes to, or what it is from if it begins with a cut or out of black."""
    names = {found[1]: found[2].strip() for text in event.comments if (found := _NAME.match(text))}
    two_sided = event.left is not None and event.left.reel not in _BLACKS
    return names.get("TO") or ("" if two_sided else names.get("FROM", ""))


def _last(found: Iterable[re.Match[str] | None]) -> str:
    """An event that begins with an effect names where it comes from first."""
    return next((match[1].strip() for match in reversed([m for m in found if m])), "")


def _marks(event: _Event, fps: Fraction) -> Iterator[Mark]:
    for index, text in enumerate(event.comments):
        if found := _LOC.match(text):
            ours = [
                value
                for kind, value in unfolded(_following(event.comments[index + 1 :]))
                if kind == "MARK"
            ]
            yield _mark(found, ours[0] if ours else {}, event, fps)


def _following(comments: Iterable[str]) -> Iterator[str]:
    for text in comments:
        if _LOC.match(text):
            return
        yield text


def _mark(found: re.Match[str], told: dict[str, Any], event: _Event, fps: Fraction) -> Mark:
    """A note as its LOC line says; what we wrote beside it adds what such a line cannot hold."""
    shift = event.line.start - event.line.at
    at = _frame(found[1], fps, event.drop)
    placed = {"frame": at + shift}
    if at == 0 and told.get("frame", shift) < shift:
        placed = {}
    seen = {"name": found[3].strip(), "color": found[2]}
    if told and seen["name"] == " ".join(str(told.get("name", "")).split()):
        seen = {}
    return Mark.model_construct(**({"frames": 0} | told | seen | placed))


def _bad(problem: str) -> BadInput:
    return BadInput("edl", problem, _AGAIN)
