"""Writes the picture as a CMX3600 edit decision list.

A list has one video track, so no sound; reels of eight characters; cuts, dissolves and wipes. A
fade is a dissolve from or to black, a dip is one to black and one from it. What has no column
(metadata, digests, takes' lengths, white instead of black, the words of notes, the film's own
notes) stands in comments and comes back. Events beyond 999 are numbered on with four digits.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from filmforge.interchange.edl_comments import folded
from filmforge.interchange.media_names import file_name
from filmforge.interchange.recut import WHITE, Passage, Recut, Shown, colour_of
from filmforge.interchange.timecode import drops, to_timecode
from filmforge.transition import Style

BLACK = "BL"
UNKNOWN_REEL = "AX"
REEL_CHARS = 8
# SMPTE 258M numbers a horizontal wipe 1 and a vertical one 2; backwards adds 100.
WIPES: dict[Style, str] = {
    "wipe_right": "W001",
    "wipe_down": "W002",
    "wipe_left": "W101",
    "wipe_up": "W102",
}
_ONE_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class _Row(NamedTuple):
    """An event as a list has it: what plays from `at` on, and the effect it begins with."""

    reel: str
    start: int
    frames: int
    at: int
    effect: str = "C"
    length: int = 0
    left: tuple[str, int] | None = None
    comments: tuple[str, ...] = ()


def edl_of(recut: Recut, names: Mapping[str, str] | None = None) -> str:
    """The list as text; `names` gives the file name of a digest's media, else one is made.

    Raises BadInput if the film runs beyond 24 hours of timecode.
    """
    writer = _Writer(recut, names or {})
    head = [
        f"TITLE: {_ONE_LINE.sub(' ', recut.title)[:70]}".rstrip(),
        f"FCM: {'DROP' if drops(recut.fps) else 'NON-DROP'} FRAME",
        "",
    ]
    rows = [line for i, row in enumerate(writer.rows(), 1) for line in writer.lines(i, row)]
    # At the end, because readers refuse comments before the first event.
    return "\n".join([*head, *rows, *folded("FILM", _film(recut))]) + "\n"


def _film(recut: Recut) -> dict[str, object]:
    told = recut.model_dump(mode="json", include={"title", "fps", "tc_start", "facts", "marks"})
    return {key: value for key, value in told.items() if value}


class _Writer:
    def __init__(self, recut: Recut, names: Mapping[str, str]) -> None:
        self._recut = recut
        self._names = names
        self._reels: dict[str, str] = {}

    def rows(self) -> Iterator[_Row]:
        leaving, name = (BLACK, 0), ""
        for at, into, shown in self._recut.placed():
            reel = self._reel(shown)
            if into and not into.overlap and into.tail:
                yield _black(into, at, leaving)
                leaving, name = (BLACK, into.tail), ""
            if into and not into.overlap and not into.tail:
                leaving, name = (BLACK, 0), ""
            out = shown.transition
            yield _Row(
                reel,
                shown.start,
                shown.frames - (out.tail if out else 0),
                at,
                *_effect(into, leaving),
                tuple(self._comments(shown, into, at, name)),
            )
            leaving = (reel, shown.start + shown.frames - (out.tail if out else 0))
            name = shown.shot_id or ""
        if out:
            yield _black(out, self._recut.frames, leaving)

    def lines(self, number: int, row: _Row) -> Iterator[str]:
        if row.left:
            reel, frame = row.left
            yield self._line(number, _Row(reel, frame, 0, row.at))
        yield self._line(number, row)
        yield from row.comments

    def _line(self, number: int, row: _Row) -> str:
        length = f"{row.length:03d}" if row.length else ""
        at = row.at + self._recut.tc_start
        times = (row.start, row.start + row.frames, at, at + row.frames)
        codes = " ".join(to_timecode(frame, self._recut.fps) for frame in times)
        return f"{number:03d}  {row.reel:8} V     {row.effect:4} {length:4} {codes}"

    def _reel(self, shown: Shown) -> str:
        """Eight letters and digits that no other take has."""
        if shown.digest is None and not shown.source:
            return BLACK if shown.shot_id is None else UNKNOWN_REEL
        if shown.colour:
            return BLACK
        key = shown.digest or shown.source
        if key not in self._reels:
            self._reels[key] = _fresh(shown.shot_id or key, set(self._reels.values()))
        return self._reels[key]

    def _comments(self, shown: Shown, into: Passage | None, at: int, left: str) -> Iterator[str]:
        begins = into is not None and into.head > 0
        if begins and left:
            yield f"* FROM CLIP NAME:  {left}"
        if shown.shot_id:
            yield f"* {'TO' if begins else 'FROM'} CLIP NAME:  {shown.shot_id}"
        if source := self._source(shown):
            yield f"* SOURCE FILE: {source}"
        if into and not into.tail:
            yield from folded("PASSAGE", {"style": into.style})
        if clip := _clip(shown):
            yield from folded("CLIP", clip)
        for mark in shown.marks:
            frame = at + mark.frame - shown.start + self._recut.tc_start
            # Colons even where numbers are dropped, because readers of notes know no other.
            code = to_timecode(max(0, frame), self._recut.fps).replace(";", ":")
            colour = re.sub(r"\W", "", mark.color) or "RED"
            name = _ONE_LINE.sub(" ", mark.name).strip()
            yield f"* LOC: {code} {colour:7} {name}".rstrip()
            yield from folded("MARK", mark.model_dump(mode="json", exclude_defaults=True))

    def _source(self, shown: Shown) -> str:
        if shown.digest:
            made = file_name(shown.shot_id or "media", shown.digest)
            return self._names.get(shown.digest, made)
        return "" if shown.colour else _ONE_LINE.sub(" ", shown.source)


def _clip(shown: Shown) -> dict[str, object]:
    return shown.model_dump(
        mode="json",
        include={"shot_id", "digest", "source", "available", "facts"},
        exclude_defaults=True,
    )


def _effect(
    into: Passage | None, leaving: tuple[str, int]
) -> tuple[str, int, tuple[str, int] | None]:
    if into is None or not into.head:
        return "C", 0, None
    return WIPES.get(into.style, "D"), into.head, leaving


def _black(passage: Passage, at: int, leaving: tuple[str, int]) -> _Row:
    """The dissolve to a colour that ends before the frame `at`."""
    white = colour_of(passage.style) == "white"
    comments = tuple(folded("CLIP", {"source": WHITE})) if white else ()
    return _Row(BLACK, 0, passage.tail, at - passage.tail, "D", passage.tail, leaving, comments)


def _fresh(name: str, taken: set[str]) -> str:
    stem = re.sub(r"[^A-Z0-9]", "", name.upper()) or "TAKE"
    stem = stem if stem not in (BLACK, UNKNOWN_REEL, "BLACK", "BARS") else f"{stem}1"
    reel, number = stem[:REEL_CHARS], 1
    while reel in taken:
        number += 1
        reel = f"{stem[: REEL_CHARS - len(str(number))]}{number}"
    return reel
