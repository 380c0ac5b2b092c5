"""How the pictures of a film look: its grade, shape and grain, and how clips are made to fit."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from filmforge.fields import Digest, Frozen

NEUTRAL_KELVIN = 6_500

_NARROWEST, _WIDEST = Fraction(2, 5), Fraction(4)
_SHAPE = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4})?)(?::([0-9]{1,4}(?:\.[0-9]{1,4})?))?")


@dataclass(frozen=True)
class _Amount:
    """A number from `low` to `high`; `meaning` says what to write instead of a wrong one."""

    low: float
    high: float
    meaning: str

    def _check(self, value: float) -> float:
        if not self.low <= value <= self.high:
            raise ValueError(f"must be from {self.low:g} to {self.high:g}: {self.meaning}")
        return value + 0.0

    def __get_pydantic_core_schema__(self, *_: Any) -> CoreSchema:
        number = core_schema.float_schema(strict=True)
        return core_schema.no_info_after_validator_function(self._check, number)

    def __get_pydantic_json_schema__(self, *_: Any) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low, "maximum": self.high}


def _shape(value: Any) -> Fraction | str:
    if value == "off":
        return "off"
    if isinstance(value, Fraction):
        value = _written(value)
    found = None if isinstance(value, bool) else _SHAPE.fullmatch(str(value).strip())
    height = Fraction((found and found[2]) or 1)
    if not found or not height:
        raise ValueError('must be width to height, like "2.39:1" or 2.39, or "off" for no bars')
    shape = Fraction(found[1]) / height
    if not _NARROWEST <= shape <= _WIDEST:
        raise ValueError('must be from 0.4 (upright) to 4 (very wide), like "2.39:1"')
    return shape


def _written(shape: Fraction | str) -> str:
    return shape if isinstance(shape, str) else f"{shape.numerator}:{shape.denominator}"


Strength = Annotated[float, _Amount(0, 1, "0 leaves the LUT out, 1 applies it whole")]
Stops = Annotated[float, _Amount(-4, 4, "these are stops, 0 changes nothing")]
Contrast = Annotated[float, _Amount(0, 3, "1 changes nothing, 0 is flat grey")]
Saturation = Annotated[float, _Amount(0, 3, "1 changes nothing, 0 is without colour")]
Kelvin = Annotated[float, _Amount(2_000, 12_000, "this is in kelvin, 6500 changes nothing")]
Grain = Annotated[float, _Amount(0, 1, "0 is clean, 0.3 is like film stock")]
Shape = Annotated[
    Fraction | Literal["off"],
    BeforeValidator(_shape),
    PlainSerializer(_written, return_type=str),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}], "examples": ["2.39:1"]}),
]


class Look(Frozen):
    """What is done to every picture of a film or a scene; a field left out inherits.

    `lut` is the digest of an uploaded .cube file, mixed in at `lut_strength`. `exposure` is in
    stops; `contrast` and `saturation` are factors; `temperature` is the colour, in kelvin, of the
    light the scene seems to stand in: lower is warmer. `letterbox` is the shape of the picture
    that black bars leave. `scaler` and `rate` choose how a clip of another size or frame rate is
    made to fit: its frames repeated, blended, or drawn anew between their neighbours.
    """

    lut: Digest | None = None
    lut_strength: Strength | None = None
    exposure: Stops | None = None
    contrast: Contrast | None = None
    saturation: Saturation | None = None
    temperature: Kelvin | None = None
    letterbox: Shape | None = None
    grain: Grain | None = None
    scaler: Literal["bicubic", "lanczos", "spline"] | None = None
    rate: Literal["repeat", "blend", "motion"] | None = None

    def over(self, base: "Look") -> "Look":
        """This look, and what `base` says where nothing was said here."""
        return base.model_copy(update={name: said for name, said in self if said is not None})
