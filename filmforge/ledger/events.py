"""Events: what happened to a film, in order, for watchers and for its callback URL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Select, func, insert, select, text, update

from filmforge.fields import Frozen
from filmforge.ledger.database import Database, now
from filmforge.ledger.tables import deliveries, events, films

DELIVERED_TYPES = frozenset(
    {
        "frame.waiting",
        "frame.reminder",
        "shot.needs_attention",
        "budget.reached",
        "film.found_wanting",
        "film.undelivered",
        "film.done",
        "film.cancelled",
    }
)
GIVE_UP_AFTER = timedelta(days=3)

# PostgreSQL numbers an event when it is written, not when it is committed. A watcher goes on from
# the last id it saw, so it is shown none beside which an earlier one may still turn up: only those
# written by transactions older than every one that still runs (see _written_late). Old events skip
# the look, for the age of a transaction wraps around one day; none runs for an hour.
_SETTLED = text(
    "(events.at < now() - interval '1 hour' OR"
    " age(events.xmin) > age(pg_snapshot_xmin(pg_current_snapshot())::xid))"
)


class Event(Frozen):
    """One thing that happened; `id` grows by time."""

    id: int
    at: datetime
    film_id: str
    shot_id: str | None
    type: str
    data: dict[str, JsonValue]


class Delivery(Frozen):
    """An event on its way to a callback URL."""

    event: Event
    url: str
    attempts: int


def record_event(
    tx: Connection, film_id: str, type_: str, shot_id: str | None = None, **data: JsonValue
) -> None:
    """Append an event, and owe it to the film's callback URL if its type is delivered."""
    moment = now()
    row = {"at": moment, "film_id": film_id, "shot_id": shot_id, "type": type_, "data": data}
    with _written_late(tx):
        key = tx.execute(insert(events).values(row)).inserted_primary_key
    assert key is not None
    event_id = key[0]
    if type_ not in DELIVERED_TYPES:
        return
    url = tx.execute(select(films.c.callback_url).where(films.c.film_id == film_id)).scalar()
    if url:
        tx.execute(
            insert(deliveries).values(event_id=event_id, url=url, attempts=0, next_at=moment)
        )


def last_event(tx: Connection, film_id: str, type_: str) -> Event | None:
    """The newest event of a type, None when there was none."""
    wanted = select(events).where(events.c.film_id == film_id, events.c.type == type_)
    row = tx.execute(wanted.order_by(events.c.id.desc()).limit(1)).one_or_none()
    return event_of(row) if row else None


def newest_event(tx: Connection, *which: ColumnElement[bool]) -> int:
    """The id of an event before which none turns up any more; 0 before there is one."""
    wanted = select(func.max(events.c.id)).where(*which)
    return tx.execute(_settled(tx, wanted)).scalar() or 0


class Events:
    """Reading events, and delivering those that are owed."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def since(self, film_id: str, after_id: int = 0, count: int = 500) -> Sequence[Event]:
        """The events of a film after one of them, oldest first."""
        with self._db.read() as tx:
            rows = tx.execute(_since(tx, select(events), film_id, after_id, count))
            return [event_of(row) for row in rows]

    def touched(self, film_id: str, after_id: int, count: int) -> Sequence[tuple[int, str | None]]:
        """The ids of the events after one of them, each with the shot it is about."""
        with self._db.read() as tx:
            columns = select(events.c.id, events.c.shot_id)
            rows = tx.execute(_since(tx, columns, film_id, after_id, count))
            return [(row.id, row.shot_id) for row in rows]

    def newest(self, film_id: str) -> int:
        """The id of the newest event of a film that since() shows; 0 before there is one."""
        with self._db.read() as tx:
            return newest_event(tx, events.c.film_id == film_id)

    def more(self, film_id: str, after_id: int) -> bool:
        """Whether anything came after an event, be it yet to be shown by since()."""
        later = (events.c.film_id == film_id, events.c.id > after_id)
        with self._db.read() as tx:
            return tx.execute(select(events.c.id).where(*later).limit(1)).first() is not None

    def tell(self, film_id: str, type_: str, data: dict[str, JsonValue]) -> None:
        """Append an event of the film itself."""
        with self._db.write() as tx:
            record_event(tx, film_id, type_, None, **data)

    def last(self, film_id: str, type_: str) -> Event | None:
        """The newest event of a type, None when there was none."""
        with self._db.read() as tx:
            return last_event(tx, film_id, type_)

    def claim(self, lease_s: float, count: int = 20) -> Sequence[Delivery]:
        """Take deliveries that are due; another taker sees them only after the lease."""
        moment = now()
        with self._db.write() as tx:
            due = tx.execute(
                select(events, deliveries.c.url, deliveries.c.attempts)
                .join(deliveries, deliveries.c.event_id == events.c.id)
                .where(deliveries.c.next_at <= moment)
                .order_by(deliveries.c.next_at)
                .limit(count)
                .with_for_update(skip_locked=True, key_share=True, of=deliveries)
            ).all()
            tx.execute(
                update(deliveries)
                .where(deliveries.c.event_id.in_([row.id for row in due]))
                .values(
                    next_at=moment + timedelta(seconds=lease_s), attempts=deliveries.c.attempts + 1
                )
            )
        return [Delivery(event=event_of(row), url=row.url, attempts=row.attempts) for row in due]

    def delivered(self, event_id: int) -> None:
        """The receiver answered 2xx."""
        self._close(event_id, next_at=None, delivered_at=now(), last_error=None)

    def undelivered(self, delivery: Delivery, error: str, backoff_s: float) -> None:
        """Try again later; given up three days after the event, the error stays readable."""
        late = now() - delivery.event.at > GIVE_UP_AFTER
        again = None if late else now() + timedelta(seconds=backoff_s)
        self._close(delivery.event.id, next_at=again, last_error=error[:500])

    def _close(self, event_id: int, **values: Any) -> None:
        with self._db.write() as tx:
            tx.execute(update(deliveries).where(deliveries.c.event_id == event_id).values(**values))


@contextmanager
def _written_late(tx: Connection) -> Iterator[None]:
    """Write an event in a transaction younger than everybody who holds a smaller id.

    PostgreSQL numbers a transaction when it first changes anything, so that an old one may write
    a late event. A savepoint gets a number of its own with its first row, after that row has
    drawn its id; and nobody draws an id before the transaction itself is numbered.
    """
    if tx.dialect.name != "postgresql":
        yield
        return
    tx.execute(select(func.pg_current_xact_id()))
    with tx.begin_nested():
        yield


def _since(
    tx: Connection, wanted: Select[Any], film_id: str, after_id: int, count: int
) -> Select[Any]:
    later = wanted.where(events.c.film_id == film_id, events.c.id > after_id)
    return _settled(tx, later).order_by(events.c.id).limit(count)


def _settled(tx: Connection, wanted: Select[Any]) -> Select[Any]:
    return wanted.where(_SETTLED) if tx.dialect.name == "postgresql" else wanted


def event_of(row: Any) -> Event:
    """The event in a row of the table."""
    return Event(
        id=row.id, at=row.at, film_id=row.film_id, shot_id=row.shot_id, type=row.type, data=row.data
    )
