"""Money: Decimal US dollars in code, integer micro-dollars in the database."""

from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

MICROS_PER_USD = 1_000_000
MAX_USD = Decimal(1_000_000)
ZERO = Decimal(0)


def parse_money(value: Any) -> Decimal:
    """Read an amount of US dollars from a Decimal, an integer or a decimal string.

    Raises ValueError for floats that are not finite, negative amounts, more than six
    decimal places and anything above 1,000,000 USD.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError('must be an amount in US dollars such as "12.50"')
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError('must be an amount in US dollars such as "12.50"') from None
    if not amount.is_finite():
        raise ValueError("must be a finite amount, not NaN or infinity")
    if amount < 0 or amount > MAX_USD:
        raise ValueError(f"must be between 0 and {MAX_USD} US dollars")
    if amount != amount.quantize(Decimal("0.000001")):
        raise ValueError("must have at most six decimal places")
    return abs(amount)  # minus zero is nothing, too


def format_money(amount: Decimal) -> str:
    """Write an amount with two to six decimal places: 0.05, 0.003, 12.50."""
    text = f"{amount:.6f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')}"


def to_micros(amount: Decimal) -> int:
    """Micro-dollars of an amount, rounded up so that an estimate is never too low."""
    return int((amount * MICROS_PER_USD).to_integral_value(ROUND_UP))


def from_micros(micros: int) -> Decimal:
    """The amount of US dollars that a number of micro-dollars stands for."""
    return Decimal(micros) / MICROS_PER_USD


Money = Annotated[
    Decimal,
    BeforeValidator(parse_money),
    PlainSerializer(format_money, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d{1,6})?$", "examples": ["12.50"]}),
]
