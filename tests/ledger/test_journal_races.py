"""The journal under races: many threads at once, one limit, one row, one nonce, one charge."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select

from filmforge.domain import Execution, Tags
from filmforge.errors import BudgetExceeded
from filmforge.ledger import Ledger
from filmforge.ledger.posting import State
from filmforge.ledger.tables import journal
from tests.ledger.conftest import add_film, asset, at_once, claim, job, request

ONE = Decimal(1)
KEY = request().key


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    """A film with ten dollars."""
    add_film(ledger)


def _money(ledger: Ledger, film_id: str = "attic") -> tuple[Decimal, Decimal]:
    budget = ledger.budget(film_id)
    return budget.reserved, budget.spent


def test_twenty_requests_at_once_never_pass_the_limit(ledger: Ledger) -> None:
    ledger.set_budget("attic", Decimal("0.70"), "ada")

    def reserve(number: int) -> bool:
        try:
            ledger.journal.reserve(request(f"shot {number}"), Decimal("0.10"), claim())
        except BudgetExceeded:
            return False
        return True

    assert sum(at_once(20, reserve)) == 7
    assert _money(ledger) == (Decimal("0.70"), 0)


def test_twenty_claims_of_one_request_at_once_make_one_row_and_one_reservation(
    ledger: Ledger,
) -> None:
    for number in range(4):
        add_film(ledger, f"film{number}", shots=5)

    def reserve(number: int) -> str:
        mine = claim(f"film{number % 4}", f"s{number // 4}")
        return ledger.journal.reserve(request(), ONE, mine).payer.intent

    assert len(set(at_once(20, reserve))) == 1
    with ledger.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(journal)).scalar() == 1
    assert sum(_money(ledger, f"film{number}")[0] for number in range(4)) == 1


def test_of_twenty_that_begin_submitting_exactly_one_may_post(ledger: Ledger) -> None:
    ledger.journal.reserve(request(), ONE, claim())
    nonces = at_once(20, lambda _: ledger.journal.begin_submitting(KEY))
    assert len([nonce for nonce in nonces if nonce]) == 1
    assert ledger.journal.read(KEY).submits == 1


def test_of_ten_successes_at_once_one_is_charged(ledger: Ledger) -> None:
    ledger.journal.reserve(request(), ONE, claim())
    ledger.journal.begin_submitting(KEY)
    ledger.journal.accept(KEY, job(), "submit")
    at_once(10, lambda _: ledger.journal.succeed(KEY, asset(), Tags(), None))
    assert _money(ledger) == (0, 1)


def test_a_film_that_joined_pays_itself_when_the_first_one_gives_up(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    ledger.journal.reserve(request(), ONE, claim())
    ledger.journal.reserve(request(), ONE, claim("harbour"))
    ledger.films.set("attic", Execution.CANCELLING)
    ledger.journal.release(KEY, claim())
    again = ledger.journal.reserve(request(), ONE, claim("harbour"))
    assert (again.state, again.payer.film_id) == (State.RESERVED, "harbour")
    assert (_money(ledger), _money(ledger, "harbour")) == ((0, 0), (1, 0))
