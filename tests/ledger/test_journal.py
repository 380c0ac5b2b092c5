"""The journal: every step, every loser of a race, and what each does to the money."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update

from filmforge.domain import Execution, Stage, Tags
from filmforge.errors import BudgetExceeded, Conflict, FilmStopped, NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.posting import Made, State
from filmforge.ledger.tables import journal, journal_entries
from tests.ledger.conftest import add_film, asset, claim, job, request

ONE = Decimal(1)
KEY = request().key


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    """A film with ten dollars."""
    add_film(ledger)


def _reserved(ledger: Ledger, estimate: Decimal = ONE, **who: str) -> str:
    return ledger.journal.reserve(request(), estimate, claim(**who)).request_key


def _submitting(ledger: Ledger) -> str:
    _reserved(ledger)
    nonce = ledger.journal.begin_submitting(KEY)
    assert nonce
    return nonce


def _accepted(ledger: Ledger) -> None:
    _submitting(ledger)
    ledger.journal.accept(KEY, job(), "submit")


def _in_doubt(ledger: Ledger) -> None:
    _submitting(ledger)
    ledger.journal.doubt(KEY, "the provider cannot list")


def _money(ledger: Ledger, film_id: str = "attic") -> tuple[Decimal, Decimal]:
    budget = ledger.budget(film_id)
    return budget.reserved, budget.spent


def _history(ledger: Ledger) -> list[tuple[str, dict[str, Any]]]:
    with ledger.db.read() as tx:
        rows = tx.execute(select(journal_entries).order_by(journal_entries.c.id))
        return [(row.state, row.detail) for row in rows]


def test_a_request_nobody_reserved_is_not_found(ledger: Ledger) -> None:
    for step in (ledger.journal.read, ledger.journal.wake):
        with pytest.raises(NotFound, match=KEY):
            step(KEY)


def test_reserving_takes_the_estimate_from_the_free_budget(ledger: Ledger) -> None:
    posting = ledger.journal.reserve(request(), ONE, claim())
    assert (posting.state, posting.payer, posting.estimate) == (State.RESERVED, claim(), ONE)
    assert posting.request == request()
    assert _money(ledger) == (1, 0)


def test_an_estimate_that_does_not_fit_is_refused_and_leaves_nothing(ledger: Ledger) -> None:
    with pytest.raises(BudgetExceeded, match=r"needs 10\.000001 USD, 10\.00 USD is free"):
        _reserved(ledger, Decimal("10.000001"))
    assert _money(ledger) == (0, 0)
    with pytest.raises(NotFound):
        ledger.journal.read(KEY)


def test_an_estimate_that_fits_to_the_last_micro_dollar_is_taken(ledger: Ledger) -> None:
    _reserved(ledger, Decimal(10))
    assert _money(ledger) == (10, 0)


def test_free_work_goes_on_when_the_money_is_gone(ledger: Ledger) -> None:
    ledger.set_budget("attic", Decimal(0), "ada")
    assert ledger.journal.reserve(request(), Decimal(0), claim()).state == State.RESERVED


def test_a_lower_limit_stops_only_new_spending(ledger: Ledger) -> None:
    _accepted(ledger)
    ledger.set_budget("attic", Decimal("0.5"), "ada")
    ledger.journal.succeed(KEY, asset(), Tags(), None)
    assert _money(ledger) == (0, 1)
    with pytest.raises(BudgetExceeded, match=r"0\.00 USD is free"):
        ledger.journal.reserve(request("another"), Decimal("0.000001"), claim())


def test_the_budget_of_a_film_that_does_not_exist_cannot_be_set(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        ledger.set_budget("nowhere", ONE, "ada")


def test_a_request_in_flight_is_joined_and_not_paid_again(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    _reserved(ledger)
    joined = ledger.journal.reserve(request(), ONE, claim("harbour"))
    assert joined.payer == claim()
    assert _money(ledger, "harbour") == (0, 0)


def test_what_succeeded_is_found_again_at_no_cost_even_by_a_film_without_money(
    ledger: Ledger,
) -> None:
    _accepted(ledger)
    ledger.journal.succeed(KEY, asset(), Tags(), Decimal("0.4"))
    add_film(ledger, "harbour", budget="0")
    assert ledger.journal.reserve(request(), ONE, claim("harbour")).digest == asset().digest
    assert ledger.journal.made([KEY, "f" * 64]) == {
        KEY: Made(digest=asset().digest, cost=Decimal("0.4"))
    }


@pytest.mark.parametrize("state", [Execution.CANCELLING, Execution.CANCELLED])
def test_a_stopped_film_reserves_nothing_and_submits_nothing(
    ledger: Ledger, state: Execution
) -> None:
    _reserved(ledger)
    ledger.films.set("attic", state)
    assert ledger.journal.begin_submitting(KEY) is None
    with pytest.raises(FilmStopped, match="attic"):
        ledger.journal.reserve(request("another"), ONE, claim())
    assert _money(ledger) == (1, 0)


def test_a_film_that_is_not_known_reserves_nothing(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        _reserved(ledger, film_id="nowhere")


def test_only_who_wrote_submitting_gets_the_nonce(ledger: Ledger) -> None:
    nonce = _submitting(ledger)
    assert ledger.journal.begin_submitting(KEY) is None
    posting = ledger.journal.read(KEY)
    assert (posting.state, posting.nonce, posting.submits) == (State.SUBMITTING, nonce, 1)
    assert posting.submitted_at is not None


def test_a_submit_that_reached_nobody_may_be_sent_again_with_another_nonce(
    ledger: Ledger,
) -> None:
    nonce = _submitting(ledger)
    ledger.journal.not_accepted(KEY, nonce, "refused the connection")
    assert ledger.journal.read(KEY).state == State.RESERVED
    assert ledger.journal.begin_submitting(KEY) not in (None, nonce)
    assert ledger.journal.read(KEY).submits == 2


def test_late_news_of_an_earlier_nonce_does_not_undo_a_newer_submit(ledger: Ledger) -> None:
    nonce = _submitting(ledger)
    ledger.journal.not_accepted(KEY, nonce, "refused the connection")
    ledger.journal.begin_submitting(KEY)
    ledger.journal.not_accepted(KEY, nonce, "refused the connection")
    assert ledger.journal.read(KEY).state == State.SUBMITTING


def test_the_first_job_wins_and_a_second_stands_only_in_the_history(ledger: Ledger) -> None:
    _accepted(ledger)
    posting = ledger.journal.accept(KEY, job("job-2"), "webhook")
    assert (posting.state, posting.job) == (State.ACCEPTED, job("job-1"))
    assert _history(ledger)[-1] == (
        "accepted",
        {"job": job("job-2"), "source": "webhook", "second": True},
    )
    assert ledger.journal.jobs(KEY) == {"job-1", "job-2"}


def test_the_same_job_told_twice_is_written_once(ledger: Ledger) -> None:
    _accepted(ledger)
    before = _history(ledger)
    ledger.journal.accept(KEY, job(), "webhook")
    assert _history(ledger) == before


def test_success_spends_the_cost_and_frees_the_rest_of_the_estimate(ledger: Ledger) -> None:
    _accepted(ledger)
    posting = ledger.journal.succeed(KEY, asset(), Tags(), Decimal("0.25"))
    assert (posting.state, posting.digest) == (State.SUCCEEDED, asset().digest)
    assert posting.estimate == Decimal("0.25")
    assert _money(ledger) == (0, Decimal("0.25"))
    assert ledger.assets.read(asset().digest).cost == Decimal("0.25")


def test_a_provider_that_names_no_cost_is_taken_to_cost_the_estimate(ledger: Ledger) -> None:
    _accepted(ledger)
    ledger.journal.succeed(KEY, asset(), Tags(), None)
    assert _money(ledger) == (0, 1)


def test_success_told_again_charges_nothing(ledger: Ledger) -> None:
    _accepted(ledger)
    for _ in range(3):
        ledger.journal.succeed(KEY, asset(), Tags(), None)
    assert _money(ledger) == (0, 1)
    assert ledger.costs.report("attic").by["shot"][0].charges == 1


@pytest.mark.parametrize(("billed", "spent"), [("0", "0"), ("0.3", "0.3"), ("1.5", "1.5")])
@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_what_ends_without_an_asset_spends_what_was_billed_and_frees_the_rest(
    ledger: Ledger, end: str, billed: str, spent: str
) -> None:
    _accepted(ledger)
    if end == "fail":
        posting = ledger.journal.fail(KEY, "content_refused", "no", Decimal(billed))
    else:
        posting = ledger.journal.cancel(KEY, "no", Decimal(billed))
    assert posting.failure_code == ("content_refused" if end == "fail" else "cancelled")
    assert posting.failure_message == "no"
    assert _money(ledger) == (0, Decimal(spent))


def test_an_end_told_again_changes_nothing(ledger: Ledger) -> None:
    _accepted(ledger)
    ledger.journal.fail(KEY, "broken", "first", ONE)
    assert ledger.journal.cancel(KEY, "second", ONE).failure_message == "first"
    assert _money(ledger) == (0, 1)


@pytest.mark.parametrize(
    ("taken", "spent"), [("0", "0.8"), ("0.5", "0.8"), ("1", "1")], ids=["no", "part", "more"]
)
def test_an_asset_that_comes_after_the_request_was_given_up_is_kept_and_charged_once(
    ledger: Ledger, taken: str, spent: str
) -> None:
    """Two films follow one job; the download of one breaks, that of the other arrives."""
    _accepted(ledger)
    ledger.journal.reserve(request("another"), ONE, claim())
    ledger.journal.fail(KEY, "bad_media", "it is not a picture", Decimal(taken))
    posting = ledger.journal.succeed(KEY, asset(), Tags(), Decimal("0.8"))
    assert posting.digest == asset().digest
    assert _money(ledger) == (1, Decimal(spent))


def test_a_failed_request_is_armed_again_for_another_wish_only(ledger: Ledger) -> None:
    _accepted(ledger)
    ledger.journal.fail(KEY, "broken", "it broke", Decimal(0))
    assert ledger.journal.reserve(request(), ONE, claim()).state == State.FAILED
    again = ledger.journal.reserve(request(), Decimal(2), claim(wish="retry"))
    assert (again.state, again.job, again.submits) == (State.RESERVED, None, 0)
    assert (again.failure_code, again.failure_message) == (None, None)
    assert _money(ledger) == (2, 0)
    assert ledger.journal.jobs(KEY) == {"job-1"}


def test_an_unbilled_failure_that_may_pass_is_sent_again_on_the_same_reservation(
    ledger: Ledger,
) -> None:
    _accepted(ledger)
    ledger.journal.resubmit(KEY, "overloaded", job())
    posting = ledger.journal.read(KEY)
    assert (posting.state, posting.job, posting.nonce) == (State.RESERVED, None, None)
    assert _money(ledger) == (1, 0)


def test_late_news_of_an_earlier_job_does_not_touch_the_job_that_took_its_place(
    ledger: Ledger,
) -> None:
    """Two films follow one job: what the slower one learns must not cost the second job."""
    _accepted(ledger)
    ledger.journal.resubmit(KEY, "overloaded", job())
    ledger.journal.begin_submitting(KEY)
    ledger.journal.accept(KEY, job("job-2"), "submit")
    ledger.journal.resubmit(KEY, "overloaded", job())
    ledger.journal.fail(KEY, "broken", "it broke", ONE, job())
    ledger.journal.cancel(KEY, "stopped", ONE, job())
    posting = ledger.journal.read(KEY)
    assert (posting.state, posting.job) == (State.ACCEPTED, job("job-2"))
    assert _money(ledger) == (1, 0)


def test_releasing_gives_back_what_this_film_reserved_and_nobody_sent(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    _reserved(ledger)
    ledger.journal.release(KEY, claim("harbour"))
    assert _money(ledger) == (1, 0)
    ledger.journal.release(KEY, claim())
    assert ledger.journal.read(KEY).state == State.CANCELLED
    assert _money(ledger) == (0, 0)


def test_what_was_sent_is_not_released(ledger: Ledger) -> None:
    _submitting(ledger)
    ledger.journal.release(KEY, claim())
    assert ledger.journal.read(KEY).state == State.SUBMITTING
    assert _money(ledger) == (1, 0)


def test_a_request_in_doubt_keeps_its_money_and_is_found_by_its_shot(ledger: Ledger) -> None:
    _in_doubt(ledger)
    assert _money(ledger) == (1, 0)
    found = ledger.journal.in_doubt("attic", "s0")
    assert found is not None
    assert found.request_key == KEY
    assert ledger.journal.in_doubt("attic", "s1") is None


def test_looking_again_goes_back_to_reconciling_and_never_posts(ledger: Ledger) -> None:
    _in_doubt(ledger)
    assert ledger.journal.resolve(KEY, "look_again", "ada").state == State.SUBMITTING
    assert ledger.journal.begin_submitting(KEY) is None
    assert _money(ledger) == (1, 0)


def test_sending_again_allows_exactly_one_more_post(ledger: Ledger) -> None:
    _in_doubt(ledger)
    assert ledger.journal.resolve(KEY, "send_again", "ada").state == State.RESERVED
    assert ledger.journal.begin_submitting(KEY)
    assert ledger.journal.begin_submitting(KEY) is None
    assert _money(ledger) == (1, 0)


def test_writing_off_counts_the_estimate_as_spent(ledger: Ledger) -> None:
    _in_doubt(ledger)
    posting = ledger.journal.resolve(KEY, "write_off", "ada")
    assert (posting.state, posting.failure_code) == (State.FAILED, "written_off")
    assert _money(ledger) == (0, 1)


def test_what_was_written_off_and_comes_after_all_is_not_charged_again(ledger: Ledger) -> None:
    _in_doubt(ledger)
    ledger.journal.resolve(KEY, "write_off", "ada")
    ledger.journal.succeed(KEY, asset(), Tags(), ONE)
    assert _money(ledger) == (0, 1)


def test_only_a_request_in_doubt_can_be_resolved(ledger: Ledger) -> None:
    _accepted(ledger)
    with pytest.raises(Conflict, match="is accepted, not unknown"):
        ledger.journal.resolve(KEY, "write_off", "ada")
    assert _money(ledger) == (1, 0)


def test_a_job_found_for_a_request_in_doubt_settles_the_doubt(ledger: Ledger) -> None:
    _in_doubt(ledger)
    assert ledger.journal.accept(KEY, job(), "webhook").state == State.ACCEPTED


def test_a_request_is_wanted_elsewhere_while_a_film_that_joined_it_goes_on(
    ledger: Ledger,
) -> None:
    add_film(ledger, "harbour")
    _accepted(ledger)
    ledger.journal.reserve(request(), ONE, claim(shot_id="s1"))
    assert not ledger.journal.wanted_elsewhere(KEY, "attic")
    for _ in range(2):
        ledger.journal.reserve(request(), ONE, claim("harbour"))
    assert ledger.journal.wanted_elsewhere(KEY, "attic")


@pytest.mark.parametrize("state", [Execution.CANCELLING, Execution.CANCELLED, Execution.SUCCEEDED])
def test_a_film_that_ended_wants_nothing_any_more(ledger: Ledger, state: Execution) -> None:
    add_film(ledger, "harbour")
    _accepted(ledger)
    ledger.journal.reserve(request(), ONE, claim("harbour"))
    ledger.films.set("harbour", state)
    assert not ledger.journal.wanted_elsewhere(KEY, "attic")


def test_a_film_that_goes_on_after_it_was_cancelled_may_spend_again(ledger: Ledger) -> None:
    ledger.films.set("attic", Execution.CANCELLED)
    ledger.films.reopen("attic", Stage.FILM)
    assert ledger.journal.reserve(request(), ONE, claim(wish="run 2")).state == State.RESERVED


def test_the_sweeper_sees_what_nobody_touched_and_never_what_a_person_must_resolve(
    ledger: Ledger,
) -> None:
    """Requests in doubt may be many and old: they must not hide the others."""
    _in_doubt(ledger)
    idle = ledger.journal.reserve(request("idle"), ONE, claim()).request_key
    with ledger.db.write() as tx:
        tx.execute(update(journal).values(updated_at=now().replace(year=2020)))
    ledger.journal.reserve(request("fresh"), ONE, claim())
    assert ledger.journal.unsettled(60) == [], "a film that goes on looks after its own"
    ledger.films.set("attic", Execution.CANCELLED)
    assert [found.request_key for found in ledger.journal.unsettled(60, count=1)] == [idle]


def test_a_callback_is_remembered_until_the_next_poll(ledger: Ledger) -> None:
    _accepted(ledger)
    before = ledger.journal.read(KEY)
    ledger.journal.wake(KEY)
    after = ledger.journal.read(KEY)
    assert before.woken_at is None
    assert after.woken_at is not None
    assert after.state == State.ACCEPTED
