"""The trail of a film: who did what, on which take and by which door, in pages."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Row, Select, func, select

from filmforge.fields import Frozen
from filmforge.ledger.database import Database
from filmforge.ledger.tables import audit, takes

_PAGE = 500


class TrailEntry(Frozen):
    """Who did what to a film, and when; a larger `entry_id` is a later one."""

    entry_id: int
    at: datetime
    shot_id: str | None
    who: str
    action: str
    detail: dict[str, JsonValue]


class Wanted(Frozen):
    """Which entries are looked for; what is None is any."""

    who: str | None = None
    action: str | None = None
    shot_id: str | None = None


class Known(Frozen):
    """What there is to look for in the trail of a film."""

    people: tuple[str, ...]
    actions: tuple[str, ...]
    shots: tuple[str, ...]


class TakeShown(Frozen):
    """The take that an entry is about."""

    shot_id: str
    kind: str
    take: int
    digest: str


class Trail:
    """The audit trails of every film, to be read."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def latest(
        self, film_id: str, wanted: Wanted, most: int, before: int | None = None
    ) -> Sequence[TrailEntry]:
        """The last entries that fit, the latest first; those `before` an entry."""
        found = _narrow(film_id, wanted).order_by(audit.c.id.desc()).limit(most)
        if before is not None:
            found = found.where(audit.c.id < before)
        with self._db.read() as tx:
            return [_entry(row) for row in tx.execute(found)]

    def all(self, film_id: str, wanted: Wanted) -> Iterator[TrailEntry]:
        """Every entry that fits, oldest first; it holds no transaction between two of them."""
        found = _narrow(film_id, wanted).order_by(audit.c.id).limit(_PAGE)
        last: int | None = 0
        while last is not None:
            with self._db.read() as tx:
                page = tx.execute(found.where(audit.c.id > last)).all()
            yield from map(_entry, page)
            last = page[-1].id if len(page) == _PAGE else None

    def known(self, film_id: str) -> Known:
        """The people, actions and shots that the trail of a film speaks of, by name."""
        with self._db.read() as tx:
            people, actions, shots = (
                tuple(tx.execute(_distinct(film_id, column)).scalars())
                for column in (audit.c.who, audit.c.action, audit.c.shot_id)
            )
        return Known(people=people, actions=actions, shots=shots)

    def takes(self, film_id: str, digests: Sequence[str]) -> dict[str, TakeShown]:
        """The first take of the film that each of these files is, by digest."""
        mine = (takes.c.film_id == film_id, takes.c.digest.in_(digests))
        columns = [takes.c[name] for name in TakeShown.model_fields]
        number = func.row_number().over(partition_by=takes.c.digest, order_by=takes.c.at)
        first = select(*columns, number.label("number")).where(*mine).subquery()
        found = select(*[first.c[name] for name in TakeShown.model_fields])
        with self._db.read() as tx:
            rows = tx.execute(found.where(first.c.number == 1)).all()
        return {row.digest: TakeShown.model_validate(dict(row._mapping)) for row in rows}


def _narrow(film_id: str, wanted: Wanted) -> Select[Any]:
    found = select(audit).where(audit.c.film_id == film_id)
    for name, value in wanted:
        if value is not None:
            found = found.where(audit.c[name] == value)
    return found


def _distinct(film_id: str, column: Any) -> Select[Any]:
    mine = select(column).where(audit.c.film_id == film_id, column.is_not(None))
    return mine.distinct().order_by(column)


def _entry(row: Row[Any]) -> TrailEntry:
    return TrailEntry(
        entry_id=row.id,
        at=row.at,
        shot_id=row.shot_id,
        who=row.who,
        action=row.action,
        detail=row.detail,
    )
