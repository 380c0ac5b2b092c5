"""Marks: what people draw on a picture, and what they say of it, also as words for a model.

Places are parts of the picture's width and height, from its upper left corner.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Protocol, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from filmforge.fields import Digest, Frozen, Words, none_if_empty, unix_lines

MOST_MARKS = 16
MOST_POINTS = 100
MOST_NOTE_CHARS = 2_000
LAST_MS = 600_000
_LARGE = 0.8
_WORDS = (
    ("upper left", "top", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "bottom", "lower right"),
)

Part = Annotated[float, Field(ge=0, le=1, strict=True), AfterValidator(lambda part: round(part, 4))]
Point = tuple[Part, Part]


class Rectangle(Frozen):
    """A box around something."""

    kind: Literal["rectangle"] = "rectangle"
    x: Part
    y: Part
    width: Part
    height: Part

    @model_validator(mode="after")
    def _lies_inside(self) -> Self:
        if self.x + self.width > 1.001 or self.y + self.height > 1.001:
            raise ValueError("reaches out of the picture: keep x + width and y + height within 1")
        return self

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What it is about: left, top, right, bottom."""
        return self.x, self.y, self.x + self.width, self.y + self.height


class Arrow(Frozen):
    """An arrow; what it is about lies at its head."""

    kind: Literal["arrow"] = "arrow"
    tail: Point
    head: Point

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What it is about: left, top, right, bottom."""
        return (*self.head, *self.head)


class Freehand(Frozen):
    """A line drawn by hand."""

    kind: Literal["freehand"] = "freehand"
    points: Annotated[tuple[Point, ...], Field(min_length=2, max_length=MOST_POINTS)]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """What it is about: left, top, right, bottom."""
        across, down = zip(*self.points, strict=True)
        return min(across), min(down), max(across), max(down)


Drawn: TypeAlias = Annotated[Rectangle | Arrow | Freehand, Field(discriminator="kind")]
Marks = Annotated[tuple[Drawn, ...], Field(max_length=MOST_MARKS)]


class Remark(Frozen):
    """What somebody says of a take: a frame, or a clip at `at_ms`; a reply names its `parent_id`.

    `digest` is that of the take they saw.
    """

    digest: Digest
    text: Annotated[Words, BeforeValidator(unix_lines)]
    at_ms: Annotated[
        Annotated[int, Field(ge=0, le=LAST_MS)] | None, BeforeValidator(none_if_empty)
    ] = None
    marks: Marks = ()
    parent_id: Annotated[
        Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None,
        BeforeValidator(none_if_empty),
    ] = None


class Said(Protocol):
    """A comment, as far as a model is told of it."""

    @property
    def text(self) -> str:
        """What was said."""

    @property
    def marks(self) -> Sequence[Drawn]:
        """What was drawn."""


def words_of(marks: Iterable[Drawn]) -> str:
    """Where the marks are: "upper left and centre"; nothing where there are none."""
    places = list(dict.fromkeys(_place(*mark.box) for mark in marks))
    return " and ".join([", ".join(places[:-1]), places[-1]] if places[1:] else places)


def steering_note(note: str, comments: Iterable[Said]) -> str:
    """What steers a retake: the note of who rejects, then each comment on a line of its own.

    What does not fit into a note is left out from the end on.
    """
    lines = [note.strip(), *(_line(each) for each in comments)]
    text = "\n".join(line for line in lines if line)
    return text if len(text) <= MOST_NOTE_CHARS else f"{text[: MOST_NOTE_CHARS - 1].rstrip()}…"


def _line(said: Said) -> str:
    place, text = words_of(said.marks), " ".join(said.text.split())
    return f"{place}: {text}" if place else text


def _place(left: float, top: float, right: float, bottom: float) -> str:
    if right - left >= _LARGE and bottom - top >= _LARGE:
        return "the whole picture"
    column, row = (_third((left + right) / 2), _third((top + bottom) / 2))
    return _WORDS[row][column]


def _third(part: float) -> int:
    return min(2, int(part * 3))
