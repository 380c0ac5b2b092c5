"""The tally names every goal that a case missed, and nothing else."""

from decimal import Decimal
from typing import Any

import pytest

from tests.crash.matrix import POINTS, every_case, short
from tests.crash.tally import Outcome, markdown, plain, table

PRICE = Decimal("0.04")
ONCE: dict[str, Any] = {"maker": "fal-image", "kills": 1, "charges": 1, "charged": PRICE}
ONCE |= {"requests": 1, "assets": 1, "estimate": PRICE, "spent": PRICE}
TWICE = {"charges": 2, "charged": 2 * PRICE}
IN_DOUBT = {"undecidable": True, "doubts": 1}


@pytest.mark.parametrize(
    "case",
    [
        {},
        {**TWICE, **IN_DOUBT, "chosen": 1},
        {**TWICE, **IN_DOUBT, "chosen": 1, "spent": 2 * PRICE},
        {**IN_DOUBT, "assets": 0, "written_off": True},
        {**IN_DOUBT, "charges": 0, "charged": 0, "assets": 0, "written_off": True},
        {"spent": PRICE + Decimal("0.000001")},
    ],
)
def test_what_was_paid_once_or_chosen_by_a_person_misses_no_goal(case: dict[str, Any]) -> None:
    assert Outcome(**{**ONCE, **case}).failures == []


@pytest.mark.parametrize(
    ("case", "missed"),
    [
        (TWICE, "double charges"),
        ({**TWICE, "spent": 2 * PRICE}, "double charges"),
        ({**TWICE, **IN_DOUBT, "chosen": 1, "sent": False}, "double charges"),
        ({"assets": 0}, "lost"),
        ({"reserved": PRICE}, "reservations left"),
        ({"spent": 0}, "wrong ledgers"),
        ({"spent": PRICE + Decimal("0.000002")}, "wrong ledgers"),
        ({**IN_DOUBT, "assets": 0, "written_off": True, "spent": 0}, "wrong ledgers"),
        ({"doubts": 1}, "undue doubts"),
        ({"trouble": "the film did not end"}, "did not end"),
    ],
)
def test_what_missed_a_goal_is_named(case: dict[str, Any], missed: str) -> None:
    assert missed in "; ".join(Outcome(**{**ONCE, **case}).failures)


def test_the_table_has_a_row_for_each_point_and_maker_and_their_sum() -> None:
    rows = table([Outcome(**ONCE, point=point) for point in ("linked", "wanted")], list(POINTS))
    assert [row[0] for row in rows] == ["", "wanted", "linked", "fal-image", "all"]
    assert [row[1] for row in rows] == ["cases", "1", "1", "2", "2"]
    assert len(plain(rows).splitlines()) == 5
    assert markdown(rows).splitlines()[1].startswith("| --- | ---: |")


def test_the_short_form_has_sixty_cases_with_every_point_maker_and_means() -> None:
    cases = [*short(0, 2), *short(1, 2)]
    assert len({case.name for case in cases}) == len(cases) >= 60
    assert {case.point for case in cases} == set(POINTS)
    means = {(case.maker.name, str(case.means)) for case in every_case()}
    assert {(case.maker.name, str(case.means)) for case in cases} == means
