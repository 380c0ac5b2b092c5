"""What fields are made of: texts, times, rates and sizes within their bounds."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

MAX_PROMPT_CHARS = 8_000
MAX_DURATION_S = Decimal(120)

# Written out, because Fraction also reads exponents and would compute 10 ** 999999999.
_RATE = re.compile(r"[0-9]{1,6}(/[0-9]{1,4}|\.[0-9]{1,6})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def unix_lines(text: object) -> object:
    """A text that was typed into a page, without the line ends of forms."""
    return text.replace("\r\n", "\n") if isinstance(text, str) else text


def typed(note: object) -> object:
    """The same without the space around it."""
    text = unix_lines(note)
    return text.strip() if isinstance(text, str) else text


def none_if_empty(value: object) -> object:
    """A field of a form that was left empty was not given."""
    return None if value == "" else value


def plain_text(text: str) -> str:
    """The text, if it holds no control character; raises ValueError naming the first."""
    if found := _CONTROL.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X}: remove it")
    return text


def _seconds(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("must be a number of seconds")
    try:
        seconds = Decimal(str(value))
    except ArithmeticError:
        raise ValueError("must be a number of seconds") from None
    if not seconds.is_finite() or not 0 < seconds <= MAX_DURATION_S:
        raise ValueError(f"must be more than 0 and at most {MAX_DURATION_S} seconds")
    if seconds != seconds.quantize(Decimal("0.001")):
        raise ValueError("must have at most three decimal places")
    return seconds.normalize() + 0


def _rate(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | str | float | Fraction):
        raise ValueError('must be frames a second: 24 or "24000/1001"')
    try:
        if isinstance(value, str) and not _RATE.fullmatch(value.strip()):
            raise ValueError(value)
        rate = Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ValueError('must be frames a second: 24 or "24000/1001"') from None
    if not 1 <= rate <= 120 or rate.denominator > 1001:
        raise ValueError('must be between 1 and 120, with fractions written as "24000/1001"')
    return rate


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be an even number of pixels")
    return value


Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Prompt = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_PROMPT_CHARS, strip_whitespace=True),
    AfterValidator(plain_text),
]
Label = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, strip_whitespace=True),
    AfterValidator(plain_text),
]
Labels = Annotated[tuple[Label, ...], Field(max_length=50)]
Note = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(plain_text)]
Words = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000, strip_whitespace=True),
    AfterValidator(plain_text),
]
ModelRef = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*:[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=200)
]
Seconds = Annotated[
    Decimal,
    BeforeValidator(_seconds),
    PlainSerializer(lambda s: format(s, "f"), return_type=str),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": int(MAX_DURATION_S)}),
]
Rate = Annotated[
    Fraction,
    BeforeValidator(_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}], "default": 24}),
]
Pixels = Annotated[int, Field(ge=64, le=4096), AfterValidator(_even)]


class Frozen(BaseModel):
    """A value: never changed after it was made, and refusing fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")
