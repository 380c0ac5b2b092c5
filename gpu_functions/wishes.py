"""Wishes: the parameters of a work, read into a function's own model of them."""

from fractions import Fraction
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from filmforge.domain import Work
from filmforge.errors import BadInput


class Wish(BaseModel):
    """What a function takes; a name it does not know is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


W = TypeVar("W", bound=Wish)


def read(wish: type[W], work: Work) -> W:
    """The parameters of a work. Raises BadInput naming the first that is wrong."""
    try:
        return wish.model_validate(work.parameters)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "parameters"
        takes = ", ".join(sorted(wish.model_fields))
        remedy = f"{work.function} takes: {takes}."
        raise BadInput(field, first["msg"], remedy) from None


def frames_of(duration_s: str, fps: str, most: int) -> int:
    """How many frames a clip has: at least one. Raises BadInput above `most`."""
    try:
        frames = max(1, round(Fraction(duration_s) * Fraction(fps)))
    except (ValueError, ZeroDivisionError):
        raise BadInput("duration", "is no number of seconds", "Give seconds, as 4.5.") from None
    if frames > most:
        longest = float(most / Fraction(fps))
        raise BadInput(
            "duration", f"makes {frames} frames, {most} is the most", f"At most {longest:.1f} s."
        )
    return frames
