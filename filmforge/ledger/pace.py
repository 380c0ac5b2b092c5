"""Pace: how many requests may be in flight at a provider's account, and how fast they may come.

The figures stand in the database, so that they hold for all workers together.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, update

from filmforge.fields import Frozen
from filmforge.ledger.database import insert_new, now
from filmforge.ledger.posting import State
from filmforge.ledger.register import STOPPED_FILMS
from filmforge.ledger.tables import films, journal, paces

WAITING_S = 5.0
ASK_AGAIN_S = 1.0
# After a longer Retry-After somebody looks again: the figure may be wrong, as may be a clock.
MAX_PAUSE_S = 300.0
_AT_PROVIDER = (State.SUBMITTING, State.ACCEPTED)

Turn = tuple[str | None, str]


class Pace(Frozen):
    """What a provider's account allows; None is no bound."""

    max_in_flight: Annotated[int, Field(ge=1)] | None = None
    submits_per_s: Annotated[float, Field(gt=0)] | None = None


def sendable(key: str) -> Select[Any]:
    """The row of a request, with its project, if it is reserved and its film was not stopped."""
    return (
        select(journal, films.c.project)
        .join(films, films.c.film_id == journal.c.film_id)
        .where(
            journal.c.request_key == key,
            journal.c.state == State.RESERVED,
            films.c.execution.not_in(STOPPED_FILMS),
        )
    )


def lock_lane(tx: Connection, provider: str, account: str) -> Row[Any]:
    """The row of an account, held until the transaction ends."""
    mine = select(paces).where(*_lane(provider, account)).with_for_update(key_share=True)
    row = tx.execute(mine).one_or_none()
    if row is None:
        insert_new(tx, paces, provider=provider, account=account)
        row = tx.execute(mine).one()
    return row


def seconds_to_wait(tx: Connection, lane: Row[Any], row: Row[Any], pace: Pace) -> float:
    """How long a sendable request must wait at its locked account; 0 when it may go now."""
    ahead = max(_until_resumed(lane), _until_due(lane, pace))
    if ahead > 0:
        return ahead
    held = _in_flight(tx, lane)
    if pace.max_in_flight is not None and held.total() >= pace.max_in_flight:
        return ASK_AGAIN_S
    mine = held[_turn(row)]
    if any(held[other] < mine for other in _waiting(tx, lane)):
        return ASK_AGAIN_S
    return 0.0


def _until(moment: datetime | None) -> float:
    return 0.0 if moment is None else (moment - now()).total_seconds()


def _until_resumed(lane: Row[Any]) -> float:
    """Seconds to the end of a pause; none is longer than the longest, unless by a wrong clock."""
    ahead = _until(lane.paused_until)
    return ahead if ahead <= MAX_PAUSE_S else 0.0


def _until_due(lane: Row[Any], pace: Pace) -> float:
    """Seconds to the next submit: never more than the interval, also by a clock set back."""
    return min(_until(lane.next_at), 1 / pace.submits_per_s) if pace.submits_per_s else 0.0


def keep_waiting(tx: Connection, key: str) -> None:
    """Remember that a request waits for its turn."""
    tx.execute(update(journal).where(journal.c.request_key == key).values(waiting_at=now()))


def take_turn(tx: Connection, lane: Row[Any], pace: Pace) -> None:
    """A submit goes out now: the next one is due after the pace's interval."""
    if pace.submits_per_s:
        due = now() + timedelta(seconds=1 / pace.submits_per_s)
        mine = _lane(lane.provider, lane.account)
        tx.execute(update(paces).where(*mine).values(next_at=due))


def pause(tx: Connection, provider: str, account: str, seconds: float) -> None:
    """Nothing is sent to an account for a while; a longer pause stays."""
    lane = lock_lane(tx, provider, account)
    until = now() + timedelta(seconds=min(seconds, MAX_PAUSE_S))
    if lane.paused_until is None or lane.paused_until < until:
        tx.execute(update(paces).where(*_lane(provider, account)).values(paused_until=until))


def _lane(provider: str, account: str) -> tuple[ColumnElement[bool], ...]:
    return paces.c.provider == provider, paces.c.account == account


def _turn(row: Row[Any]) -> Turn:
    """Who takes turns: the films of a project together, a film without one by itself."""
    return row.project, "" if row.project else row.film_id


def _of_lane(lane: Row[Any], *wanted: Any) -> Select[Any]:
    return (
        select(films.c.project, journal.c.film_id, *wanted)
        .join(films, films.c.film_id == journal.c.film_id)
        .where(journal.c.provider == lane.provider, journal.c.account == lane.account)
        .group_by(films.c.project, journal.c.film_id)
    )


def _in_flight(tx: Connection, lane: Row[Any]) -> Counter[Turn]:
    held: Counter[Turn] = Counter()
    wanted = _of_lane(lane, func.count().label("held")).where(journal.c.state.in_(_AT_PROVIDER))
    for row in tx.execute(wanted):
        held[_turn(row)] += row.held
    return held


def _waiting(tx: Connection, lane: Row[Any]) -> set[Turn]:
    wanted = _of_lane(lane).where(
        journal.c.state == State.RESERVED,
        journal.c.waiting_at > now() - timedelta(seconds=WAITING_S),
        journal.c.waiting_at < now() + timedelta(seconds=WAITING_S),  # by a clock set back
        films.c.execution.not_in(STOPPED_FILMS),
    )
    return {_turn(row) for row in tx.execute(wanted)}
