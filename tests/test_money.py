"""Money: parsed strictly, written plainly, never lost to rounding."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmforge.money import MAX_USD, format_money, from_micros, parse_money, to_micros

calm = settings(deadline=None)  # a busy machine is no failure
micros = st.integers(0, 10**12)


@calm
@given(micros)
def test_every_whole_number_of_micro_dollars_survives_the_way_through_text(number: int) -> None:
    text = format_money(from_micros(number))
    assert re.fullmatch(r"\d+\.\d{2,6}", text)
    assert to_micros(parse_money(text)) == number


@calm
@given(st.decimals(0, MAX_USD, places=9))
def test_micro_dollars_are_rounded_up_by_less_than_one(amount: Decimal) -> None:
    rounded = from_micros(to_micros(amount))
    assert amount <= rounded < amount + Decimal("0.000001")


@calm
@given(st.text() | st.floats() | st.decimals() | st.integers() | st.none() | st.booleans())
def test_whatever_is_given_is_an_amount_within_bounds_or_a_value_error(value: Any) -> None:
    try:
        amount = parse_money(value)
    except ValueError:
        return
    assert 0 <= amount <= MAX_USD
    assert amount == from_micros(to_micros(amount))


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0.00"), ("0.05", "0.05"), ("0.003", "0.003"), ("12.5", "12.50"), ("1e3", "1000.00")],
)
def test_an_amount_is_written_with_two_to_six_places(amount: str, text: str) -> None:
    assert format_money(Decimal(amount)) == text


@pytest.mark.parametrize("value", ["-0", "-0.00", Decimal("-0.0"), -0.0])
def test_minus_zero_is_written_as_nothing(value: Any) -> None:
    assert format_money(parse_money(value)) == "0.00"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("NaN", "finite"),
        ("sNaN", "finite"),
        (float("inf"), "finite"),
        (-1, "between 0 and"),
        ("1000000.000001", "between 0 and"),
        ("1e999999999", "between 0 and"),
        ("0.0000001", "six decimal places"),
        ("1e-999999999", "six decimal places"),
        (0.1 + 0.2, "six decimal places"),
        (True, "US dollars"),
        (None, "US dollars"),
        ("", "US dollars"),
        ("12,50", "US dollars"),
        ("$5", "US dollars"),
    ],
)
def test_what_is_no_amount_is_refused_in_words(value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_money(value)


def test_the_highest_amount_is_allowed() -> None:
    assert parse_money("1000000") == MAX_USD
