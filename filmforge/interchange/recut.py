"""A recut: what an edited file says the film should be, in whole frames and known names."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from filmforge.fields import Digest, Frozen, Rate
from filmforge.transition import Colour, Style, Transition

MAX_EVENTS = 20_000
TRACKS = ("Dialogue", "Effects", "Ambience", "Music")

Frames = Annotated[int, Field(ge=0)]
WHITE = "colour:white"
_PLAIN: dict[str, Colour] = {"": "black", WHITE: "white"}
_TRACK = re.compile(rf"({'|'.join(TRACKS)})( [0-9]{{1,3}})?")


class Passage(Frozen):
    """How the film goes from one thing to the next.

    `tail` and `head` are the frames it takes of the end of what leaves and of the beginning of
    what comes; a crossfade or a wipe shows both at once, so there they are the same number.
    """

    style: Style
    tail: Frames
    head: Frames

    @property
    def overlap(self) -> int:
        """The frames that show both sides at once."""
        return self.tail if overlaps(self.style) else 0


class Mark(Frozen):
    """A review note: `frame` counts in the take's frames, or in the film's for a film's mark."""

    frame: int
    frames: Frames = 0
    name: str = ""
    color: str = ""
    text: str = ""
    facts: dict[str, JsonValue] = {}


class Shown(Frozen):
    """A part of a take, or a card or black where `shot_id` is None, as the film shows it.

    `start` and `frames` hold every frame that is seen, those inside transitions too; the `start`
    of a card or of black is 0. `available` is the take's length, if known. `source` is what the
    file calls the media where no digest could be read from it; plain white's is "colour:white".
    `transition` leads to the next one; the last may only fade out.
    """

    shot_id: str | None = None
    digest: Digest | None = None
    source: str = ""
    start: int = 0
    frames: Annotated[int, Field(ge=1)]
    available: Frames | None = None
    transition: Passage | None = None
    marks: tuple[Mark, ...] = ()
    facts: dict[str, JsonValue] = {}

    @property
    def colour(self) -> Colour | None:
        """The colour of a stretch that shows no media, with whatever is noted on it."""
        return None if self.shot_id or self.digest else _PLAIN.get(self.source)

    @property
    def plain(self) -> Colour | None:
        """The colour of a stretch of which nothing else is known."""
        return None if self.facts or self.marks else self.colour


class Heard(Frozen):
    """A sound on one of the tracks, from the film's frame `at` on; the rest is as in Shown."""

    track: str
    at: Frames
    name: str = ""
    digest: Digest | None = None
    source: str = ""
    start: int = 0
    frames: Annotated[int, Field(ge=1)]
    available: Frames | None = None
    marks: tuple[Mark, ...] = ()
    facts: dict[str, JsonValue] = {}


class Recut(Frozen):
    """An edited film: nothing in it costs anything, for all its media exist.

    `tc_start` is the film's first timecode, in frames. `heard` is None if the format carries no
    sound (an EDL), so that the film's own stays. `omitted` names the film's shots that are not
    shown any more; `remarks` says what the file held that could be left out without harm.
    """

    title: str = ""
    fps: Rate
    tc_start: Frames = 0
    opening: Passage | None = None
    shown: Annotated[tuple[Shown, ...], Field(min_length=1, max_length=MAX_EVENTS)]
    heard: Annotated[tuple[Heard, ...], Field(max_length=4 * MAX_EVENTS)] | None = ()
    marks: tuple[Mark, ...] = ()
    facts: dict[str, JsonValue] = {}
    omitted: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def frames(self) -> int:
        """The film's length."""
        return sum(shown.frames - _overlap(shown) for shown in self.shown)

    @property
    def order(self) -> tuple[str, ...]:
        """The shots in the order of their first appearance."""
        return tuple(dict.fromkeys(shown.shot_id for shown in self.shown if shown.shot_id))

    @property
    def repeated(self) -> tuple[str, ...]:
        """The shots that are shown in more than one piece."""
        seen = Counter(shown.shot_id for shown in self.shown)
        return tuple(shot for shot in self.order if seen[shot] > 1)

    def placed(self) -> Iterator[tuple[int, Passage | None, Shown]]:
        """Everything shown, with the film's frame it begins at and the passage into it."""
        at, before = 0, self.opening
        for shown in self.shown:
            yield at, before, shown
            at += shown.frames - _overlap(shown)
            before = shown.transition

    @model_validator(mode="after")
    def _ends_do_not_overlap(self) -> Self:
        last = self.shown[-1].transition
        if (self.opening and self.opening.overlap) or (last and last.overlap):
            raise ValueError("a crossfade or wipe stands at the film's beginning or end")
        return self


def overlaps(style: Style) -> bool:
    """Whether a transition of this style shows both sides at once."""
    return Transition(type=style).overlaps


def is_track(name: str) -> bool:
    """Whether a sound track of this name has a meaning: "Dialogue", "Effects 2" …"""
    return _TRACK.fullmatch(name) is not None


def colour_of(style: str) -> Colour:
    """The colour of a fade or dip; black where the style names none."""
    return "white" if style.endswith("white") else "black"


def _overlap(shown: Shown) -> int:
    return shown.transition.overlap if shown.transition else 0
