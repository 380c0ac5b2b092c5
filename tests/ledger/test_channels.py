"""Channels and notices: every wanted event is owed once, and taken in batches until it is told."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from filmforge.domain import Execution
from filmforge.errors import NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.channels import BLOCKED, TOPICS, Channel, ChannelKind
from filmforge.ledger.database import now
from filmforge.ledger.events import GIVE_UP_AFTER, record_event
from filmforge.ledger.notices import Batch
from filmforge.ledger.people_tables import channels, notices
from filmforge.ledger.tables import events
from tests.ledger.conftest import add_film, at_once

SECRET_ADDRESS = "https://hooks.example/services/T0/B0/opensesame"


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    add_film(ledger)


def _add(
    ledger: Ledger, batch_s: int = 0, wants: Sequence[str] = TOPICS, film_id: str | None = None
) -> Channel:
    kind = ChannelKind.SLACK
    return ledger.channels.add(
        kind, "Ada", SECRET_ADDRESS, "test", wants=wants, batch_s=batch_s, film_id=film_id
    )


def _tell(ledger: Ledger, type_: str = "film.done", film_id: str = "attic", **data: Any) -> None:
    with ledger.db.write() as tx:
        record_event(tx, film_id, type_, None, **data)


def _rows(ledger: Ledger) -> list[Any]:
    with ledger.db.read() as tx:
        return list(tx.execute(select(notices).order_by(notices.c.event_id)))


def _make_due(ledger: Ledger, **values: Any) -> None:
    past = now() - timedelta(seconds=1)
    with ledger.db.write() as tx:
        tx.execute(update(notices).values(due_at=past, **values))


def _claim_one(ledger: Ledger) -> Batch:
    (batch,) = ledger.notices.claim(60, 10)
    return batch


def test_a_channel_is_owed_what_it_wants_from_then_on_and_nothing_twice(ledger: Ledger) -> None:
    _tell(ledger)
    _add(ledger, wants=["film.done"])
    _tell(ledger)
    _tell(ledger, "film.cancelled")
    assert [ledger.channels.look() for _ in range(3)] == [1, 0, 0]
    assert len(_rows(ledger)) == 1
    _tell(ledger)
    assert ledger.channels.look() == 1


def test_a_channel_of_a_film_hears_of_that_film_alone(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    mine = _add(ledger, film_id="harbour")
    everything = _add(ledger)
    for film_id in ("attic", "harbour"):
        _tell(ledger, film_id=film_id)
    ledger.channels.look()
    owed = [(row.channel_id, row.film_id) for row in _rows(ledger)]
    assert sorted(owed) == sorted(
        [
            (mine.channel_id, "harbour"),
            (everything.channel_id, "attic"),
            (everything.channel_id, "harbour"),
        ]
    )


def test_a_film_that_cannot_go_on_is_told_and_its_other_changes_are_not(ledger: Ledger) -> None:
    _add(ledger, wants=[BLOCKED])
    ledger.films.set("attic", Execution.RUNNING)
    ledger.films.set("attic", Execution.NEEDS_ATTENTION, "content_refused")
    assert ledger.channels.look() == 0
    ledger.films.set("attic", Execution.NEEDS_ATTENTION, "work_dir_full", "Make room, then retry.")
    assert ledger.channels.look() == 1
    (event,) = _claim_one(ledger).events
    assert event.data["message"] == "Make room, then retry."


def test_an_event_that_is_committed_after_a_later_one_is_still_owed(ledger: Ledger) -> None:
    """On PostgreSQL a number is given before the commit, so the lower one may appear last."""
    if ledger.db.engine.dialect.name != "postgresql":
        pytest.skip("one writer at a time: numbers are given in the order of commits")
    _add(ledger)
    with ledger.db.engine.begin() as slow:
        record_event(slow, "attic", "film.done")
        _tell(ledger, "film.cancelled")
        assert ledger.channels.look() == 0
    assert ledger.channels.look() == 2
    assert [event.type for event in _claim_one(ledger).events] == ["film.done", "film.cancelled"]


def test_more_events_than_are_looked_at_at_once_are_all_owed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filmforge.ledger.channels._AT_ONCE", 3)
    _add(ledger)
    for _ in range(8):
        _tell(ledger)
    counts = [ledger.channels.look() for _ in range(4)]
    assert counts == [3, 3, 2, 0]


def test_two_processes_that_look_at_once_owe_each_event_once(ledger: Ledger) -> None:
    _add(ledger)
    for _ in range(20):
        _tell(ledger)
    assert sum(at_once(6, lambda _: ledger.channels.look())) == 20
    with ledger.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(notices)).scalar_one() == 20


def test_what_happens_while_a_batch_waits_goes_with_it(ledger: Ledger) -> None:
    _add(ledger, batch_s=300)
    _tell(ledger)
    ledger.channels.look()
    _tell(ledger)
    ledger.channels.look()
    first, second = _rows(ledger)
    assert first.due_at == second.due_at
    assert timedelta(seconds=290) < first.due_at - now() <= timedelta(seconds=300)
    assert ledger.notices.claim(60, 10) == []
    with ledger.db.write() as tx:
        past = now() - timedelta(seconds=1)
        tx.execute(update(notices).where(notices.c.event_id == first.event_id).values(due_at=past))
    assert len(_claim_one(ledger).events) == 2


def test_what_happens_while_a_batch_is_sent_waits_for_the_next(ledger: Ledger) -> None:
    _add(ledger)
    _tell(ledger)
    ledger.channels.look()
    taken = _claim_one(ledger)
    _tell(ledger, "film.cancelled")
    ledger.channels.look()
    ledger.notices.sent(taken)
    assert [event.type for event in _claim_one(ledger).events] == ["film.cancelled"]


def test_films_are_told_in_messages_of_their_own_one_at_a_time(ledger: Ledger) -> None:
    add_film(ledger, "harbour")
    channel = _add(ledger)
    for film_id in ("attic", "harbour"):
        _tell(ledger, film_id=film_id)
    ledger.channels.look()
    first = _claim_one(ledger)
    assert ledger.notices.claim(60, 10, busy={channel.channel_id}) == []
    second = _claim_one(ledger)
    assert {first.film_id, second.film_id} == {"attic", "harbour"}


def test_ten_takers_at_once_take_a_batch_whole_and_once(ledger: Ledger) -> None:
    _add(ledger)
    for _ in range(30):
        _tell(ledger)
    ledger.channels.look()
    taken = [batch for some in at_once(10, lambda _: ledger.notices.claim(60, 5)) for batch in some]
    assert [len(batch.events) for batch in taken] == [30]


def test_what_a_killed_process_had_taken_comes_back_after_the_lease(ledger: Ledger) -> None:
    _add(ledger)
    _tell(ledger)
    ledger.channels.look()
    first = _claim_one(ledger)
    assert ledger.notices.claim(60, 10) == []
    _make_due(ledger, leased_until=now() - timedelta(seconds=1))
    again = _claim_one(ledger)
    assert (again.events, again.attempts) == (first.events, 1)


def test_what_was_told_is_never_taken_again(ledger: Ledger) -> None:
    _add(ledger)
    _tell(ledger)
    ledger.channels.look()
    ledger.notices.sent(_claim_one(ledger))
    assert ledger.notices.claim(60, 10) == []
    assert ledger.channels.look() == 0
    (row,) = _rows(ledger)
    assert (row.due_at, row.last_error) == (None, None)
    assert row.sent_at is not None


def test_what_was_not_taken_waits_and_takes_along_what_comes_meanwhile(ledger: Ledger) -> None:
    _add(ledger)
    _tell(ledger)
    ledger.channels.look()
    ledger.notices.unsent(_claim_one(ledger), "answered HTTP 500" * 100, 3_600)
    _tell(ledger)
    ledger.channels.look()
    assert ledger.notices.claim(60, 10) == []
    assert len(_rows(ledger)[0].last_error) == 500
    _make_due(ledger)
    assert len(_claim_one(ledger).events) == 2


def test_after_three_days_an_event_is_given_up_with_its_error(ledger: Ledger) -> None:
    _add(ledger)
    _tell(ledger)
    with ledger.db.write() as tx:
        tx.execute(update(events).values(at=now() - GIVE_UP_AFTER - timedelta(seconds=1)))
    ledger.channels.look()
    ledger.notices.unsent(_claim_one(ledger), "answered HTTP 500", 0)
    (row,) = _rows(ledger)
    assert (row.due_at, row.sent_at, row.last_error) == (None, None, "answered HTTP 500")


def test_what_there_is_nothing_to_tell_of_any_more_is_not_told(ledger: Ledger) -> None:
    channel = _add(ledger)
    _tell(ledger)
    _tell(ledger)
    ledger.channels.look()
    batch = _claim_one(ledger)
    ledger.notices.moot(batch, [batch.events[0].id], "it was decided")
    ledger.notices.sent(batch)
    told = ledger.notices.recent([channel.channel_id])
    assert [each.last_error for each in told] == [None, "it was decided"]


def test_a_removed_channel_is_told_nothing_and_its_address_is_forgotten(ledger: Ledger) -> None:
    channel = _add(ledger, film_id="attic")
    _tell(ledger)
    ledger.channels.look()
    ledger.channels.revoke(channel.channel_id, "Ada")
    _tell(ledger)
    assert ledger.channels.look() == 0
    assert ledger.notices.claim(60, 10) == []
    assert ledger.channels.all() == []
    with pytest.raises(NotFound):
        ledger.channels.revoke(channel.channel_id, "Ada")
    with ledger.db.read() as tx:
        assert tx.execute(select(channels.c.address)).scalar_one() == ""
    trail = [(entry.action, entry.who) for entry in ledger.gates.trail("attic")]
    assert trail == [("channel.added", "test"), ("channel.removed", "Ada")]


def test_the_address_of_a_channel_stands_in_no_log_by_accident(ledger: Ledger) -> None:
    channel = _add(ledger)
    assert "opensesame" not in repr(channel)
    assert "opensesame" not in channel.model_dump_json()
