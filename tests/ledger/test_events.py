"""Events: read in order, and delivered by one taker at a time until they are taken."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from filmforge.domain import Execution
from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.events import GIVE_UP_AFTER, Delivery
from filmforge.ledger.tables import deliveries, events
from tests.ledger.conftest import add_film, at_once, digest

URL = "https://studio.example/hook"


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    add_film(ledger, callback_url=URL)


def _owe(ledger: Ledger, count: int = 1) -> None:
    for number in range(count):
        ledger.gates.remind("attic", "s0", digest(str(number)))


def _row(ledger: Ledger) -> Any:
    with ledger.db.read() as tx:
        return tx.execute(select(deliveries)).one()


def _make_due(ledger: Ledger) -> None:
    with ledger.db.write() as tx:
        tx.execute(update(deliveries).values(next_at=now() - timedelta(seconds=1)))


def _claim_one(ledger: Ledger) -> Delivery:
    (delivery,) = ledger.events.claim(60)
    return delivery


def test_events_are_read_on_from_any_of_them(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    _owe(ledger, 3)
    first, *rest = ledger.events.since("attic")
    assert [event.type for event in rest] == ["frame.reminder"] * 3
    assert ledger.events.since("attic", first.id) == rest
    assert ledger.events.since("attic", first.id, count=1) == rest[:1]
    assert ledger.events.since("attic", rest[-1].id) == []


def test_an_event_of_a_delivered_type_is_owed_to_the_callback_url(ledger: Ledger) -> None:
    ledger.films.set("attic", Execution.RUNNING)
    assert ledger.events.claim(60) == []
    ledger.films.set("attic", Execution.SUCCEEDED)
    delivery = _claim_one(ledger)
    assert (delivery.event.type, delivery.url) == ("film.done", URL)


def test_a_film_without_a_callback_url_is_owed_nothing(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    ledger.films.set("harbour", Execution.SUCCEEDED)
    assert ledger.events.claim(60) == []


def test_a_claimed_delivery_is_hidden_until_its_lease_ends(ledger: Ledger) -> None:
    _owe(ledger)
    first = _claim_one(ledger)
    assert ledger.events.claim(60) == []
    _make_due(ledger)
    again = _claim_one(ledger)
    assert again.event == first.event
    assert again.attempts == first.attempts + 1


def test_ten_takers_at_once_share_the_deliveries(ledger: Ledger) -> None:
    _owe(ledger, 30)
    taken = [d.event.id for some in at_once(10, lambda _: ledger.events.claim(60, 5)) for d in some]
    assert len(taken) == len(set(taken)) == 30


def test_the_longest_due_come_first(ledger: Ledger) -> None:
    _owe(ledger, 3)
    taken = [ledger.events.claim(60, 1)[0].event.data["digest"] for _ in range(3)]
    assert taken == [digest("0"), digest("1"), digest("2")]


def test_what_was_delivered_is_never_taken_again(ledger: Ledger) -> None:
    _owe(ledger)
    ledger.events.delivered(_claim_one(ledger).event.id)
    assert (_row(ledger).next_at, _row(ledger).last_error) == (None, None)
    assert _row(ledger).delivered_at is not None


def test_what_was_not_delivered_comes_again_after_its_backoff(ledger: Ledger) -> None:
    _owe(ledger)
    ledger.events.undelivered(_claim_one(ledger), "answered HTTP 500" * 100, 3600)
    assert ledger.events.claim(60) == []
    assert len(_row(ledger).last_error) == 500
    ledger.events.undelivered(Delivery(event=_event(ledger), url=URL, attempts=1), "no", 0)
    assert _claim_one(ledger).event == _event(ledger)


def test_after_three_days_a_delivery_is_given_up_with_its_error(ledger: Ledger) -> None:
    _owe(ledger)
    with ledger.db.write() as tx:
        tx.execute(update(events).values(at=now() - GIVE_UP_AFTER - timedelta(seconds=1)))
    ledger.events.undelivered(_claim_one(ledger), "answered HTTP 500", 0)
    row = _row(ledger)
    assert (row.next_at, row.delivered_at) == (None, None)
    assert row.last_error == "answered HTTP 500"


def _event(ledger: Ledger) -> Any:
    return ledger.events.since("attic")[-1]
