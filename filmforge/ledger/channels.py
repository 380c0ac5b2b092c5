"""Channels: where people are told what happens to films, and what each of them is still owed."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import SecretStr
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    func,
    insert,
    or_,
    select,
    update,
)

from filmforge.domain import Execution
from filmforge.errors import NotFound
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, now
from filmforge.ledger.events import newest_event
from filmforge.ledger.films import CHANGED
from filmforge.ledger.gates import record_audit
from filmforge.ledger.people_tables import channels, notices
from filmforge.ledger.tables import events

# A film that cannot go on has no event of its own: it is a change with a message.
BLOCKED = "film.needs_attention"
TOPICS = (
    "frame.waiting",
    "frame.reminder",
    "take.found_wanting",
    "shot.needs_attention",
    BLOCKED,
    "budget.reached",
    "film.found_wanting",
    "film.undelivered",
    "film.done",
    "film.cancelled",
    "shot.comment",
)
_AT_ONCE = 500
_LOOKED_FAR_BACK = 1_000


class ChannelKind(StrEnum):
    """How a channel tells."""

    SLACK = "slack"
    DISCORD = "discord"
    EMAIL = "email"
    WEBHOOK = "webhook"


class Channel(Frozen):
    """One place where somebody is told; `film_id` None is every film.

    `address` and `secret` let anybody write there. With `signed_link` its links open the review
    board without a key. `problem` says why the last message was not taken, None if it was.
    """

    channel_id: str
    kind: ChannelKind
    name: str
    address: SecretStr
    secret: SecretStr | None
    events: tuple[str, ...]
    film_id: str | None
    batch_s: int
    signed_link: bool
    created_by: str
    created_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    problem: str | None
    problem_at: datetime | None


class Channels:
    """The channels of an installation; each has looked at the events up to one of them."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        kind: ChannelKind,
        name: str,
        address: str,
        who: str,
        *,
        wants: Sequence[str],
        batch_s: int,
        film_id: str | None = None,
        secret: str | None = None,
        signed_link: bool = False,
    ) -> Channel:
        """A new channel, which tells what happens from now on."""
        channel_id = secrets.token_hex(12)
        with self._db.write() as tx:
            tx.execute(
                insert(channels).values(
                    channel_id=channel_id,
                    kind=kind,
                    name=name,
                    address=address,
                    secret=secret,
                    events=list(wants),
                    film_id=film_id,
                    batch_s=batch_s,
                    signed_link=signed_link,
                    created_by=who,
                    created_at=now(),
                    after_event=newest_event(tx),
                )
            )
            added = channel_of(tx.execute(_named(channel_id)).one())
            _note(tx, added, who, "channel.added")
            return added

    def read(self, channel_id: str) -> Channel:
        """One channel in force. Raises NotFound."""
        with self._db.read() as tx:
            return _must(tx, channel_id)

    def all(self) -> Sequence[Channel]:
        """Every channel in force, oldest first."""
        in_force = select(*_SHOWN).where(channels.c.revoked_at.is_(None))
        with self._db.read() as tx:
            rows = tx.execute(in_force.order_by(channels.c.created_at, channels.c.channel_id))
            return [channel_of(row) for row in rows]

    def removed(self, count: int = 50) -> Sequence[Channel]:
        """The channels of every film that were removed, the latest first."""
        gone = (channels.c.film_id.is_(None), channels.c.revoked_at.is_not(None))
        latest = channels.c.revoked_at.desc(), channels.c.channel_id
        with self._db.read() as tx:
            rows = tx.execute(select(*_SHOWN).where(*gone).order_by(*latest).limit(count))
            return [channel_of(row) for row in rows]

    def revoke(self, channel_id: str, who: str) -> Channel:
        """Tell nobody there any more, and forget the address. Raises NotFound."""
        with self._db.write() as tx:
            before = _must(tx, channel_id)
            gone = {"revoked_at": now(), "revoked_by": who, "address": "", "secret": None}
            tx.execute(update(channels).where(_is(channel_id)).values(**gone))
            waiting = (notices.c.channel_id == channel_id, notices.c.sent_at.is_(None))
            why = "the channel was removed"
            tx.execute(update(notices).where(*waiting).values(due_at=None, last_error=why))
            _note(tx, before, who, "channel.removed")
            return before

    def works(self, channel_id: str, problem: str | None) -> None:
        """Keep why a message was not taken; None when one was."""
        at = now() if problem else None
        with self._db.write() as tx:
            told = update(channels).where(_is(channel_id))
            tx.execute(told.values(problem=problem, problem_at=at))

    def look(self) -> int:
        """Owe every channel what it wants of the events since it last looked; returns how many."""
        with self._db.read() as tx:
            newest = newest_event(tx)
            behind = (channels.c.revoked_at.is_(None), channels.c.after_event < newest)
            rows = tx.execute(select(channels).where(*behind)).all()
            # Almost every event is of no interest to anybody, and is worth no transaction.
            news = [
                row.channel_id
                for row in rows
                if _wanted(tx, row, newest) or newest - row.after_event > _LOOKED_FAR_BACK
            ]
        return sum(self._look(channel_id) for channel_id in news)

    def _look(self, channel_id: str) -> int:
        in_force = (_is(channel_id), channels.c.revoked_at.is_(None))
        with self._db.write() as tx:
            row = tx.execute(select(channels).where(*in_force).with_for_update()).one_or_none()
            if row is None:
                return 0
            # Read before the events: what is written meanwhile is looked at next time.
            newest = max(newest_event(tx), row.after_event)
            found = _wanted(tx, row, newest)
            for event in found:
                _owe(tx, row, event)
            seen = found[-1].id if len(found) == _AT_ONCE else newest
            tx.execute(update(channels).where(_is(channel_id)).values(after_event=seen))
            return len(found)


_SHOWN = [channels.c[name] for name in Channel.model_fields]


def _is(channel_id: str) -> ColumnElement[bool]:
    return channels.c.channel_id == channel_id


def _named(channel_id: str) -> Any:
    return select(*_SHOWN).where(_is(channel_id))


def _must(tx: Connection, channel_id: str) -> Channel:
    row = tx.execute(_named(channel_id).where(channels.c.revoked_at.is_(None))).one_or_none()
    if row is None:
        raise NotFound("there is no such channel in force")
    return channel_of(row)


def _wanted(tx: Connection, channel: Row[Any], newest: int) -> Sequence[Row[Any]]:
    """The next events of the types that a channel wants, up to the newest."""
    types = {CHANGED if topic == BLOCKED else topic for topic in channel.events}
    stuck = events.c.data["execution"].as_string() == Execution.NEEDS_ATTENTION
    why = events.c.data["message"].as_string().is_not(None)
    news = or_(events.c.type != CHANGED, and_(stuck, why))
    fresh = events.c.id.between(channel.after_event + 1, newest)
    wanted = select(events).where(fresh, events.c.type.in_(types), news)
    if channel.film_id is not None:
        wanted = wanted.where(events.c.film_id == channel.film_id)
    return tx.execute(wanted.order_by(events.c.id).limit(_AT_ONCE)).all()


def _owe(tx: Connection, channel: Row[Any], event: Row[Any]) -> None:
    """Owe an event, together with what waits of its film already."""
    mine = (notices.c.channel_id == channel.channel_id, notices.c.film_id == event.film_id)
    waits = (notices.c.sent_at.is_(None), notices.c.due_at.is_not(None))
    free = or_(notices.c.leased_until.is_(None), notices.c.leased_until < now())
    due = tx.execute(select(func.min(notices.c.due_at)).where(*mine, *waits, free)).scalar()
    tx.execute(
        insert(notices).values(
            channel_id=channel.channel_id,
            event_id=event.id,
            film_id=event.film_id,
            due_at=due or event.at + timedelta(seconds=channel.batch_s),
            attempts=0,
        )
    )


def _note(tx: Connection, channel: Channel, who: str, action: str) -> None:
    """The trail of a film says who is told of it; a channel of every film says so itself."""
    if channel.film_id is not None:
        told = {"channel": channel.channel_id, "kind": channel.kind, "name": channel.name}
        record_audit(tx, channel.film_id, None, who, action, **told)


def channel_of(row: Row[Any]) -> Channel:
    """The channel in a row of the table."""
    return Channel.model_validate({name: row._mapping[name] for name in Channel.model_fields})
