"""Pace: caps, rates, pauses and turns at a provider's account, for all workers together."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from filmforge.domain import Execution
from filmforge.errors import MustWait
from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.pace import WAITING_S, Pace
from filmforge.ledger.posting import State
from filmforge.ledger.tables import journal, paces
from filmforge.money import ZERO
from tests.ledger.conftest import add_film, at_once, claim, job, request

ONE = Pace(max_in_flight=1)
TWO = Pace(max_in_flight=2)
SLOW = Pace(submits_per_s=0.1)


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    add_film(ledger)


def _reserved(ledger: Ledger, prompt: str, film: str = "attic", account: str = "") -> str:
    made = ledger.journal.reserve(request(prompt), ZERO, claim(film), account)
    return made.request_key


def _sent(ledger: Ledger, prompt: str, film: str = "attic", account: str = "") -> str:
    key = _reserved(ledger, prompt, film, account)
    assert ledger.journal.begin_submitting(key)
    return key


def _wait(ledger: Ledger, key: str, pace: Pace | None) -> float:
    with pytest.raises(MustWait) as raised:
        ledger.journal.begin_submitting(key, pace)
    assert ledger.journal.read(key).state == State.RESERVED
    return raised.value.seconds


def _later(ledger: Ledger, seconds: float) -> None:
    """Let every moment that pace goes by lie further back."""
    with ledger.db.write() as tx:
        for row in tx.execute(select(paces)).all():
            moved = {
                name: at and at - timedelta(seconds=seconds)
                for name, at in (("next_at", row.next_at), ("paused_until", row.paused_until))
            }
            tx.execute(update(paces).where(paces.c.account == row.account).values(**moved))
        for row in tx.execute(select(journal).where(journal.c.waiting_at.is_not(None))).all():
            earlier = row.waiting_at - timedelta(seconds=seconds)
            mine = journal.c.request_key == row.request_key
            tx.execute(update(journal).where(mine).values(waiting_at=earlier))


def test_a_full_account_lets_a_request_wait_until_another_one_has_ended(ledger: Ledger) -> None:
    first, second = _sent(ledger, "first"), _reserved(ledger, "second")
    assert 0 < _wait(ledger, second, ONE) < WAITING_S
    ledger.journal.accept(first, job(), "submit")
    _wait(ledger, second, ONE)
    ledger.journal.cancel(first, "stopped", ZERO)
    assert ledger.journal.begin_submitting(second, ONE)


def test_a_request_in_doubt_is_not_in_flight(ledger: Ledger) -> None:
    ledger.journal.doubt(_sent(ledger, "first"), "nobody can tell")
    assert ledger.journal.begin_submitting(_reserved(ledger, "second"), ONE)


def test_another_account_or_provider_has_room_of_its_own(ledger: Ledger) -> None:
    _sent(ledger, "first", account="key-1")
    assert ledger.journal.begin_submitting(_reserved(ledger, "second", account="key-2"), ONE)
    elsewhere = request("third", provider="preview")
    key = ledger.journal.reserve(elsewhere, ZERO, claim(), "key-1").request_key
    assert ledger.journal.begin_submitting(key, ONE)


def test_a_request_is_armed_again_at_the_account_of_the_day(ledger: Ledger) -> None:
    key = _sent(ledger, "first", account="key-1")
    ledger.journal.fail(key, "broken", "it broke", ZERO)
    ledger.journal.reserve(request("first"), ZERO, claim(wish="retry"), "key-2")
    posting = ledger.journal.read(key)
    assert (posting.provider, posting.account) == ("fake", "key-2")


def test_submits_keep_the_distance_of_the_rate(ledger: Ledger) -> None:
    first, second = _reserved(ledger, "first"), _reserved(ledger, "second")
    assert ledger.journal.begin_submitting(first, SLOW)
    assert 9 < _wait(ledger, second, SLOW) <= 10
    _later(ledger, 10)
    assert ledger.journal.begin_submitting(second, SLOW)


def test_time_without_submits_saves_nothing_up(ledger: Ledger) -> None:
    keys = [_reserved(ledger, prompt) for prompt in ("first", "second", "third")]
    assert ledger.journal.begin_submitting(keys[0], SLOW)
    _later(ledger, 1000)
    assert ledger.journal.begin_submitting(keys[1], SLOW)
    assert _wait(ledger, keys[2], SLOW) > 9


def test_nothing_is_sent_to_a_paused_account_and_a_longer_pause_stays(ledger: Ledger) -> None:
    key = _reserved(ledger, "first", account="key-1")
    ledger.journal.hold_off("fake", "key-1", 60)
    ledger.journal.hold_off("fake", "key-1", 5)
    assert 59 < _wait(ledger, key, None) <= 60
    assert ledger.journal.begin_submitting(_reserved(ledger, "second", account="key-2"))
    _later(ledger, 60)
    assert ledger.journal.begin_submitting(key)


def test_a_project_with_much_in_flight_lets_one_with_less_go_first(ledger: Ledger) -> None:
    for film, project in (("a1", "busy"), ("a2", "busy"), ("b1", "calm")):
        add_film(ledger, film, project=project)
    busy = [_sent(ledger, "busy 1", "a1"), _sent(ledger, "busy 2", "a2")]
    calm, next_busy = _reserved(ledger, "calm", "b1"), _reserved(ledger, "busy 3", "a1")
    _wait(ledger, calm, TWO)
    ledger.journal.cancel(busy[0], "stopped", ZERO)
    _wait(ledger, next_busy, TWO)
    assert ledger.journal.begin_submitting(calm, TWO)


def test_films_without_a_project_take_turns_with_each_other(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    _sent(ledger, "first")
    other = _reserved(ledger, "other", "harbour")
    _wait(ledger, other, ONE)
    _wait(ledger, _reserved(ledger, "second"), TWO)
    assert ledger.journal.begin_submitting(other, TWO)


def test_films_of_one_project_do_not_yield_to_each_other(ledger: Ledger) -> None:
    for film in ("a1", "a2"):
        add_film(ledger, film, project="busy")
    _sent(ledger, "first", "a1")
    _wait(ledger, _reserved(ledger, "other", "a2"), ONE)
    assert ledger.journal.begin_submitting(_reserved(ledger, "second", "a1"), TWO)


@pytest.mark.parametrize("gone", ["silent", "stopped"])
def test_who_does_not_wait_any_more_holds_nobody_up(ledger: Ledger, gone: str) -> None:
    add_film(ledger, "harbour")
    _sent(ledger, "first")
    _wait(ledger, _reserved(ledger, "other", "harbour"), ONE)
    if gone == "silent":
        _later(ledger, WAITING_S + 1)
    else:
        ledger.films.set("harbour", Execution.CANCELLING)
    assert ledger.journal.begin_submitting(_reserved(ledger, "second"), TWO)


def test_a_stopped_film_or_a_request_on_its_way_does_not_wait(ledger: Ledger) -> None:
    first, second = _sent(ledger, "first"), _reserved(ledger, "second")
    assert ledger.journal.begin_submitting(first, ONE) is None
    ledger.films.set("attic", Execution.CANCELLING)
    assert ledger.journal.begin_submitting(second, ONE) is None


def test_of_ten_different_requests_at_once_a_cap_of_three_lets_three_go(ledger: Ledger) -> None:
    keys = [_reserved(ledger, f"shot {number}") for number in range(10)]

    def begin(number: int) -> bool:
        try:
            return bool(ledger.journal.begin_submitting(keys[number], Pace(max_in_flight=3)))
        except MustWait:
            return False

    assert sum(at_once(10, begin)) == 3


def test_of_ten_at_one_request_under_a_cap_of_one_one_may_post_and_none_waits(
    ledger: Ledger,
) -> None:
    key = _reserved(ledger, "first")
    nonces = at_once(10, lambda _: ledger.journal.begin_submitting(key, ONE))
    assert len([nonce for nonce in nonces if nonce]) == 1


def test_of_ten_requests_at_once_the_rate_lets_one_go(ledger: Ledger) -> None:
    keys = [_reserved(ledger, f"shot {number}") for number in range(10)]

    def begin(number: int) -> bool:
        try:
            return bool(ledger.journal.begin_submitting(keys[number], SLOW))
        except MustWait:
            return False

    assert sum(at_once(10, begin)) == 1


def test_a_request_that_waits_says_since_when(ledger: Ledger) -> None:
    _sent(ledger, "first")
    key = _reserved(ledger, "second")
    before = now()
    _wait(ledger, key, ONE)
    with ledger.db.read() as tx:
        since = tx.execute(
            select(journal.c.waiting_at).where(journal.c.request_key == key)
        ).scalar_one()
    assert since >= before
