"""The register: what operators and the sweeper read of the journal."""

from datetime import timedelta
from decimal import Decimal

import pytest

from filmforge.domain import Execution, Tags
from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.posting import State
from tests.ledger.conftest import add_film, asset, claim, job, request

ONE = Decimal(1)
KEY = request().key


@pytest.fixture(autouse=True)
def films(ledger: Ledger) -> None:
    add_film(ledger)
    add_film(ledger, "harbour")


def _submitted(ledger: Ledger, prompt: str = "a lamp", provider: str = "fake") -> str:
    made = request(prompt, provider=provider)
    ledger.journal.reserve(made, ONE, claim(), "key-1")
    assert ledger.journal.begin_submitting(made.key)
    return made.key


def _in_doubt(ledger: Ledger) -> None:
    """A request that two films wait for, and nobody can tell whether it was billed."""
    _submitted(ledger)
    ledger.journal.reserve(request(), ONE, claim("harbour"))
    ledger.journal.doubt(KEY, "nobody can tell")
    for film_id in ("attic", "harbour"):
        ledger.shots.set(film_id, "s0", execution=Execution.FAILED, reason="create_ambiguous")


def test_what_was_submitted_to_a_provider_is_read_by_time_in_any_state(ledger: Ledger) -> None:
    before = now()
    first, second = _submitted(ledger, "first"), _submitted(ledger, "second")
    between = now()
    third = _submitted(ledger, "third")
    _submitted(ledger, "elsewhere", provider="preview")
    ledger.journal.reserve(request("never sent"), ONE, claim())
    ledger.journal.fail(second, "broken", "it broke", ONE)
    found = ledger.journal.of_provider("fake", before)
    assert [posting.request_key for posting in found] == [first, second, third]
    assert (found[0].provider, found[0].account, found[0].submits) == ("fake", "key-1", 1)
    assert found[0].scopes == ("film:attic",)
    early = ledger.journal.of_provider("fake", before, between)
    assert [posting.request_key for posting in early] == [first, second]
    assert ledger.journal.of_provider("fake", now() + timedelta(seconds=1)) == []


def test_the_charges_of_a_request_are_added_up(ledger: Ledger) -> None:
    _submitted(ledger)
    ledger.journal.fail(KEY, "broken", "it broke", Decimal("0.25"))
    ledger.journal.reserve(request(), ONE, claim(wish="retry"))
    ledger.journal.begin_submitting(KEY)
    ledger.journal.succeed(KEY, asset(), Tags(), Decimal("0.5"))
    free = _submitted(ledger, "free")
    ledger.journal.fail(free, "broken", "it broke", Decimal(0))
    assert ledger.journal.charged([KEY, free, "f" * 64]) == {KEY: Decimal("0.75")}


def test_shots_wait_for_a_doubt_only_while_there_is_one(ledger: Ledger) -> None:
    _in_doubt(ledger)
    assert ledger.journal.stuck_after_doubt() == []
    ledger.journal.accept(KEY, job(), "webhook")
    assert ledger.journal.stuck_after_doubt() == [("attic", "s0"), ("harbour", "s0")]


def test_a_shot_of_a_film_that_ended_is_not_stuck(ledger: Ledger) -> None:
    _in_doubt(ledger)
    ledger.journal.accept(KEY, job(), "webhook")
    ledger.films.set("attic", Execution.CANCELLING)
    assert ledger.journal.stuck_after_doubt() == [("harbour", "s0")]


def test_a_shot_with_another_request_in_doubt_still_waits(ledger: Ledger) -> None:
    _in_doubt(ledger)
    other = _submitted(ledger, "other")
    ledger.journal.doubt(other, "nobody can tell")
    ledger.journal.accept(KEY, job(), "webhook")
    assert ledger.journal.read(other).state == State.UNKNOWN
    assert ledger.journal.stuck_after_doubt() == [("harbour", "s0")]
