"""Transitions: how the film goes from a shot to the next one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from filmforge.fields import MAX_DURATION_S, Frozen, Seconds

Style = Literal[
    "cut",
    "crossfade",
    "wipe_left",
    "wipe_right",
    "wipe_up",
    "wipe_down",
    "fade_to_black",
    "fade_from_black",
    "fade_to_white",
    "fade_from_white",
    "dip_to_black",
    "dip_to_white",
]
Colour = Literal["black", "white"]

_COLOURS: Mapping[str, Colour] = {"black": "black", "white": "white"}


class Transition(Frozen):
    """How the film goes from a shot to the next one; `duration` in seconds.

    A crossfade or a wipe shows both shots at once, so that it makes the film shorter. The others
    go to a colour, out of it, or through it, and take no time away. A wipe is named after the way
    its edge moves.
    """

    type: Style = "cut"
    duration: Seconds = Decimal("0.5")

    @property
    def overlaps(self) -> bool:
        """Whether both shots are seen at once."""
        return self.type == "crossfade" or self.type.startswith("wipe_")

    @property
    def dips(self) -> bool:
        """Whether it goes to a colour and out of it, half the time each."""
        return self.type.startswith("dip_")

    @property
    def leaves(self) -> bool:
        """Whether the shot before it goes to a colour."""
        return self.dips or self.type.startswith("fade_to_")

    @property
    def arrives(self) -> bool:
        """Whether the shot after it comes out of a colour."""
        return self.dips or self.type.startswith("fade_from_")

    @property
    def colour(self) -> Colour | None:
        """The colour it goes through."""
        return _COLOURS.get(self.type.rpartition("_")[2])


CUT = Transition()


def _by_name(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


GivenTransition = Annotated[Transition, BeforeValidator(_by_name)]


def _cut_off(value: object) -> object:
    return str(value) if isinstance(value, float) else value


CutOff = Annotated[
    Decimal,
    BeforeValidator(_cut_off),
    Field(ge=0, le=MAX_DURATION_S, decimal_places=3),
    PlainSerializer(lambda s: format(s, "f"), return_type=str),
]


class Trim(Frozen):
    """What is cut off a shot's beginning and end in the film, in seconds; its clip stays whole."""

    start: CutOff = Decimal(0)
    end: CutOff = Decimal(0)
