"""Notices: the events that channels are owed, taken in batches of one film each."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, update

from filmforge.fields import Frozen
from filmforge.ledger.channels import Channel, channel_of
from filmforge.ledger.database import Database, now
from filmforge.ledger.events import GIVE_UP_AFTER, Event, event_of
from filmforge.ledger.people_tables import channels, notices
from filmforge.ledger.tables import events

# More of one film's events than this are told in another message.
MOST_IN_A_BATCH = 500


class Batch(Frozen):
    """What one message tells: events of one film, oldest first; `attempts` were made before."""

    channel: Channel
    film_id: str
    events: tuple[Event, ...]
    attempts: int


class Sent(Frozen):
    """One thing a channel was owed, and what became of it."""

    channel_id: str
    film_id: str
    type: str
    at: datetime
    due_at: datetime | None
    attempts: int
    sent_at: datetime | None
    last_error: str | None


class Notices:
    """Taking what is due, and keeping what became of it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def claim(self, lease_s: float, count: int, busy: Collection[str] = ()) -> Sequence[Batch]:
        """Take batches that are due, one a channel, of channels that are not `busy`.

        A batch is everything a channel is owed of a film once the first of it is due; another
        taker sees it only after the lease.
        """
        with self._db.read() as tx:
            due = _due(tx, busy)
        first: dict[str, str] = {}
        for channel_id, film_id in due:
            first.setdefault(channel_id, film_id)
        taken = (self._take(*pair, lease_s) for pair in list(first.items())[:count])
        return [batch for batch in taken if batch]

    def sent(self, batch: Batch) -> None:
        """The receiver took the message."""
        self._keep(batch, [event.id for event in batch.events], sent_at=now(), due_at=None)

    def moot(self, batch: Batch, event_ids: Collection[int], why: str) -> None:
        """There is nothing to tell of these any more."""
        self._keep(batch, event_ids, due_at=None, last_error=why)

    def unsent(self, batch: Batch, error: str, wait_s: float) -> None:
        """Try again later, with what has come until then; given up three days after the event."""
        fresh = [each.id for each in batch.events if now() - each.at <= GIVE_UP_AFTER]
        late = [each.id for each in batch.events if each.id not in fresh]
        again = now() + timedelta(seconds=wait_s)
        with self._db.write():
            self._keep(batch, fresh, due_at=again, last_error=error[:500])
            self._keep(batch, late, due_at=None, last_error=error[:500])

    def recent(
        self, channel_ids: Collection[str], count: int = 50, film_id: str | None = None
    ) -> Sequence[Sent]:
        """What these channels were owed last, of one film or of all, newest first."""
        mine: list[ColumnElement[bool]] = [notices.c.channel_id.in_(channel_ids)]
        if film_id is not None:
            mine.append(notices.c.film_id == film_id)
        shown = [notices.c[n] for n in Sent.model_fields if n not in ("type", "at")]
        wanted = (
            select(*shown, events.c.type, events.c.at)
            .join(events, events.c.id == notices.c.event_id)
            .where(*mine)
            .order_by(notices.c.event_id.desc(), notices.c.channel_id)
        )
        with self._db.read() as tx:
            rows = tx.execute(wanted.limit(count))
            return [Sent.model_validate(dict(row._mapping)) for row in rows]

    def _take(self, channel_id: str, film_id: str, lease_s: float) -> Batch | None:
        moment = now()
        mine = (notices.c.channel_id == channel_id, notices.c.film_id == film_id)
        with self._db.write() as tx:
            # Whoever holds the channel's row takes the whole batch: two would take half each.
            held = select(channels).where(
                channels.c.channel_id == channel_id, channels.c.revoked_at.is_(None)
            )
            channel = tx.execute(held.with_for_update(skip_locked=True)).one_or_none()
            if channel is None:
                return None
            rows = _waiting(tx, mine, moment)
            if not any(row.due_at <= moment for row in rows):
                return None
            leased = {"leased_until": moment + timedelta(seconds=lease_s)}
            taken = notices.c.event_id.in_([row.id for row in rows])
            more = update(notices).where(*mine, taken)
            tx.execute(more.values(**leased, attempts=notices.c.attempts + 1))
        return Batch(
            channel=channel_of(channel),
            film_id=film_id,
            events=tuple(event_of(row) for row in rows),
            attempts=max(row.attempts for row in rows),
        )

    def _keep(self, batch: Batch, event_ids: Collection[int], **values: object) -> None:
        mine = (
            notices.c.channel_id == batch.channel.channel_id,
            notices.c.event_id.in_(event_ids),
            # Neither told nor given up meanwhile, as by the removal of the channel.
            notices.c.due_at.is_not(None),
        )
        known = {"leased_until": None, "last_error": None, **values}
        with self._db.write() as tx:
            tx.execute(update(notices).where(*mine).values(**known))


def _free(moment: datetime) -> tuple[ColumnElement[bool], ...]:
    """Owed, and in nobody's hands."""
    leased = or_(notices.c.leased_until.is_(None), notices.c.leased_until < moment)
    return notices.c.due_at.is_not(None), leased


def _due(tx: Connection, busy: Collection[str]) -> Sequence[tuple[str, str]]:
    """(channel, film) of what is due, the longest due first."""
    moment = now()
    wanted = (
        select(notices.c.channel_id, notices.c.film_id)
        .join(channels, channels.c.channel_id == notices.c.channel_id)
        .where(
            *_free(moment),
            notices.c.due_at <= moment,
            channels.c.revoked_at.is_(None),
            notices.c.channel_id.not_in(busy),
        )
        .group_by(notices.c.channel_id, notices.c.film_id)
        .order_by(func.min(notices.c.due_at))
    )
    return [(row.channel_id, row.film_id) for row in tx.execute(wanted)]


def _waiting(
    tx: Connection, mine: Sequence[ColumnElement[bool]], moment: datetime
) -> Sequence[Row[Any]]:
    wanted = (
        select(events, notices.c.due_at, notices.c.attempts)
        .join(notices, notices.c.event_id == events.c.id)
        .where(*mine, *_free(moment))
        .order_by(events.c.id)
    )
    return tx.execute(wanted.limit(MOST_IN_A_BATCH)).all()
