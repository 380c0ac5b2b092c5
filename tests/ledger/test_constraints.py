"""The database itself refuses what no code may write."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from filmforge.domain import Tags
from filmforge.ledger import Ledger
from filmforge.ledger.tables import budgets, charges, journal
from tests.ledger.conftest import add_film, asset, claim, job, request

ONE = Decimal(1)
KEY = request().key


@pytest.fixture(autouse=True)
def reserved(ledger: Ledger) -> None:
    """A film of ten dollars, of which one is reserved."""
    add_film(ledger)
    ledger.journal.reserve(request(), ONE, claim())


def _refused(ledger: Ledger, statement: Any) -> None:
    with pytest.raises(IntegrityError), ledger.db.write() as tx:
        tx.execute(statement)


def test_money_that_is_added_without_a_look_at_the_limit_is_refused(ledger: Ledger) -> None:
    more = {"reserved_micros": budgets.c.reserved_micros + 9_000_001}
    _refused(ledger, update(budgets).values(**more))
    more = {"reserved_micros": budgets.c.reserved_micros + 9_000_000}
    with ledger.db.write() as tx:
        tx.execute(update(budgets).values(**more))


@pytest.mark.parametrize(
    "values",
    [
        {"overdraft_micros": -1},
        {"reserved_micros": -1},
        {"spent_micros": -1},
        {"limit_micros": -1},
        {"limit_micros": 999_999},
    ],
    ids=str,
)
def test_no_figure_of_a_budget_is_absurd(ledger: Ledger, values: dict[str, int]) -> None:
    _refused(ledger, update(budgets).values(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"state": "submitting", "nonce": "n"},
        {"state": "submitting", "submitted_at": datetime(2026, 11, 20, tzinfo=UTC)},
        {"state": "accepted"},
        {"state": "accepted", "job": None},
        {"state": "succeeded"},
        {"state": "failed"},
        {"state": "elsewhere"},
        {"film_id": "nowhere"},
    ],
    ids=str,
)
def test_no_request_stands_where_it_lacks_what_it_needs_there(
    ledger: Ledger, values: dict[str, Any]
) -> None:
    _refused(ledger, update(journal).values(**values))


def test_a_submit_has_one_charge(ledger: Ledger) -> None:
    ledger.journal.begin_submitting(KEY)
    ledger.journal.accept(KEY, job(), "submit")
    ledger.journal.succeed(KEY, asset(), Tags(), None)
    with ledger.db.read() as tx:
        (charge,) = tx.execute(select(charges)).all()
    assert charge.submit == 1
    again = {name: value for name, value in charge._mapping.items() if name != "id"}
    _refused(ledger, insert(charges).values(**again))
