"""Settlement: one charge a submit, paid by the film that had it sent."""

from decimal import Decimal

import pytest

from filmforge.domain import Tags
from filmforge.ledger import Ledger
from filmforge.ledger.posting import State
from tests.ledger.conftest import add_film, asset, claim, job, request

ONE = Decimal(1)
KEY = request().key


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    """A film with ten dollars."""
    add_film(ledger)


def _money(ledger: Ledger, film_id: str = "attic") -> tuple[Decimal, Decimal]:
    budget = ledger.budget(film_id)
    return budget.reserved, budget.spent


def test_a_late_difference_is_paid_by_the_film_that_paid_for_the_submit(ledger: Ledger) -> None:
    """Harbour wants what failed for attic again, and attic's own job arrives after all."""
    add_film(ledger, "harbour")
    ledger.journal.reserve(request(), ONE, claim())
    ledger.journal.begin_submitting(KEY)
    ledger.journal.accept(KEY, job(), "submit")
    ledger.journal.fail(KEY, "bad_media", "it is not a picture", Decimal("0.5"))
    assert ledger.journal.reserve(request(), ONE, claim("harbour")).state == State.RESERVED
    ledger.journal.succeed(KEY, asset(), Tags(), Decimal("0.8"))
    assert _money(ledger) == (0, Decimal("0.8"))
    assert _money(ledger, "harbour") == (0, 0)
    (line,) = ledger.costs.lines()
    assert (line.film_id, line.usd, line.why) == ("attic", Decimal("0.8"), "made")


def test_each_submit_of_a_request_has_a_charge_of_its_own(ledger: Ledger) -> None:
    for wish in ("first", "second"):
        ledger.journal.reserve(request(), ONE, claim(wish=wish))
        ledger.journal.begin_submitting(KEY)
        ledger.journal.fail(KEY, "broken", "it broke", Decimal("0.5"))
    assert [line.usd for line in ledger.costs.lines()] == [Decimal("0.5")] * 2
    assert ledger.journal.read(KEY).submits == 1


def test_a_second_job_of_a_request_that_was_sent_again_is_spent_too(ledger: Ledger) -> None:
    key = request("lamp").key
    ledger.journal.reserve(request("lamp"), Decimal(1), claim())
    for _ in range(2):
        ledger.journal.begin_submitting(key)
        ledger.journal.doubt(key, "who knows")
        ledger.journal.resolve(key, "send_again", "ada")
    ledger.journal.begin_submitting(key)
    ledger.journal.accept(key, job("job-3"), "submit")
    for late in ("job-1", "job-1", "job-2"):
        ledger.journal.accept(key, job(late), "callback")
    ledger.journal.succeed(key, asset("lamp"), Tags(), None)
    assert ledger.budget("attic").spent == 3
    assert ledger.budget("attic").reserved == 0
    assert ledger.journal.jobs(key) == {"job-1", "job-2", "job-3"}


def test_a_job_that_was_given_up_is_not_taken_up_again_by_a_late_callback(ledger: Ledger) -> None:
    key = request("lamp").key
    ledger.journal.reserve(request("lamp"), Decimal(1), claim())
    ledger.journal.begin_submitting(key)
    ledger.journal.accept(key, job("job-1"), "submit")
    ledger.journal.resubmit(key, "a fault that passes", job("job-1"))
    ledger.journal.begin_submitting(key)
    assert ledger.journal.accept(key, job("job-1"), "callback").state == State.SUBMITTING
    assert ledger.journal.accept(key, job("job-2"), "submit").state == State.ACCEPTED
    assert ledger.budget("attic").spent == 0


def test_the_same_job_told_twice_is_one_and_its_addresses_are_put_together(ledger: Ledger) -> None:
    key = request("lamp").key
    ledger.journal.reserve(request("lamp"), Decimal(1), claim())
    ledger.journal.begin_submitting(key)
    ledger.journal.accept(key, {"id": "job-1", "urls": {}}, "callback")
    told = ledger.journal.accept(key, {"id": "job-1", "urls": {}, "asset": "a" * 64}, "submit")
    assert told.job == {"id": "job-1", "urls": {}, "asset": "a" * 64}
    ledger.journal.accept(key, {"id": "by-its-file", "urls": {}, "asset": "a" * 64}, "answer")
    assert ledger.budget("attic").spent == 0
