"""What a finished film is delivered as: formats, shapes and sizes, as a user writes them."""

import re
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from filmforge.fields import Frozen, Identifier, Pixels

Format = Literal[
    "h264",
    "hevc",
    "av1",
    "vp9",
    "prores",
    "hls",
    "webp",
    "gif",
    "poster",
    "contact_sheet",
    "storyboard",
]
Aspect = Literal["16:9", "9:16", "1:1"]
Fit = Literal["crop", "pad", "blur"]
Quality = Literal["draft", "standard", "high"]

MAX_DELIVERIES = 20

# The film itself and what comes with it.
_TAKEN = re.compile(r"film|assembled|(subtitles|credits|stem)\..*", re.IGNORECASE)

_SHAPE = frozenset({"aspect", "fit", "width", "height"})
_TAKES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("h264", "hevc", "av1", "vp9", "hls", "webp", "gif"), _SHAPE | {"quality"}),
    "prores": _SHAPE,
    "poster": _SHAPE | {"frame", "picture"},
    "contact_sheet": frozenset({"width"}),
    "storyboard": frozenset(),
}
_SAID_OF_ALL = frozenset({"format", "name"})


class Delivery(Frozen):
    """One thing to make of the finished film.

    `width` and `height` in pixels: with one of them the other follows from the shape, with none
    the shorter side stays the film's. `fit` says how the film is put into another shape: cut at
    its edges, set between black bars, or before a blurred copy of itself. `frame` counts from 0,
    for a poster; without it the most telling one is taken. `name` is what its files are called.
    """

    format: Format
    aspect: Aspect | None = None
    fit: Fit = "crop"
    width: Pixels | None = None
    height: Pixels | None = None
    quality: Quality = "standard"
    frame: Annotated[int, Field(ge=0)] | None = None
    picture: Literal["jpeg", "png"] = "jpeg"
    name: Identifier | None = None

    @property
    def stem(self) -> str:
        """What its files are called, without the ending: its name, or what sets it apart."""
        if self.name:
            return self.name
        said = [
            self.aspect and self.aspect.replace(":", "x"),
            self.fit if self.fit != "crop" else None,
            f"w{self.width}" if self.width else None,
            f"h{self.height}" if self.height else None,
            self.quality if self.quality != "standard" else None,
            f"frame{self.frame}" if self.frame is not None else None,
            self.picture if self.picture != "jpeg" else None,
        ]
        return "-".join([self.format.replace("_", "-"), *(word for word in said if word)])

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str | None) -> str | None:
        if name and _TAKEN.fullmatch(name):
            raise ValueError(
                f"{name!r} is what another file of the film is called. Give another name."
            )
        return name

    @model_validator(mode="after")
    def _says_only_what_its_format_takes(self) -> Self:
        for field, described in type(self).model_fields.items():
            if field in _TAKES[self.format] | _SAID_OF_ALL:
                continue
            if getattr(self, field) != described.default:
                raise ValueError(f"{field}: {_SAYING[self.format]}. Leave {field} out.")
        return self

    @model_validator(mode="after")
    def _shape_is_one(self) -> Self:
        sized = self.width is not None and self.height is not None
        if self.fit != "crop" and not self.aspect and not sized:
            raise ValueError(
                "fit: the film keeps its shape, so there is nothing to fit. "
                "Give an aspect, or both width and height, or leave fit out."
            )
        if self.aspect and self.width and self.height:
            across, down = map(int, self.aspect.split(":"))
            # Both sides are rounded to even numbers, so either may be off by one.
            if abs(self.width * down - self.height * across) > across + down:
                raise ValueError(
                    f"width and height: {self.width} x {self.height} is not {self.aspect}. "
                    "Give one of the three less."
                )
        return self


_SAYING = {
    "prores": "ProRes 422 HQ is made in one way only",
    "contact_sheet": "a contact sheet shows whole frames in cells, and only its width can be set",
    "storyboard": "a storyboard is laid out on A4 pages",
    "poster": "a poster is one still picture",
    **dict.fromkeys(
        ("h264", "hevc", "av1", "vp9", "hls", "webp", "gif"), "it is said of posters only"
    ),
}


def _distinct(deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
    first: dict[str, int] = {}
    for index, delivery in enumerate(deliveries):
        # Some file systems know no difference between large and small letters.
        earlier = first.setdefault(delivery.stem.lower(), index)
        if earlier != index:
            raise ValueError(
                f"deliveries[{index}]: its files would be called {delivery.stem!r}, and so would "
                f"those of deliveries[{earlier}]. Give one of them another name, or leave it out."
            )
    return deliveries


Deliveries = Annotated[
    tuple[Delivery, ...], Field(max_length=MAX_DELIVERIES), AfterValidator(_distinct)
]


class Centre(Frozen):
    """What must stay in sight when a shot is cropped: fractions of its width and height."""

    x: Annotated[float, Field(ge=0, le=1)] = 0.5
    y: Annotated[float, Field(ge=0, le=1)] = 0.5


class Slate(Frozen):
    """A shot in the finished film: `start` and `frames` in frames, and what is told of it."""

    shot_id: str
    start: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(ge=1)]
    shot_number: int | None = None
    shot_type: str = ""
    dialogue: str = ""
    centre: Centre = Centre()

    @property
    def middle(self) -> int:
        """The frame that stands for the shot."""
        return self.start + self.frames // 2

    def seconds(self, fps: Fraction) -> Fraction:
        """How long the shot lasts, exactly."""
        return self.frames / fps


class FilmFacts(Frozen):
    """What a delivery tells of a film besides its pictures: its shots, in the order shown."""

    title: str = ""
    shots: tuple[Slate, ...] = ()

    @model_validator(mode="after")
    def _shots_follow_each_other(self) -> Self:
        for earlier, later in pairwise(self.shots):
            if later.start <= earlier.start:
                raise ValueError(
                    f"shots: {later.shot_id!r} begins no later than {earlier.shot_id!r}. "
                    "Give them in the order they are shown."
                )
        return self
