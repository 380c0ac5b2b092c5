"""Overview: how the shots of a film stand together, and every film at a glance."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, func, select

from filmforge.domain import Review
from filmforge.ledger.board import ATTENTION
from filmforge.ledger.budget import Budget, budget_of, film_scope
from filmforge.ledger.database import Database
from filmforge.ledger.events import last_event
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.tables import budgets, films, shots

LANDED = (Review.DONE, Review.OMITTED)
# The first fields of a FilmLine, in their order.
_LINE = (
    films.c.film_id,
    films.c.title,
    films.c.project,
    films.c.execution,
    films.c.reason,
    films.c.shot_count,
    films.c.created_at,
)


class Standing(NamedTuple):
    """How many shots of a film stand where, sounds apart, and how long the rest takes.

    `time_left_s` are seconds, None while nothing has landed or nobody works on it.
    """

    by_review: dict[str, int]
    attention: int
    time_left_s: float | None

    @property
    def landed(self) -> int:
        """How many shots need nothing more."""
        return sum(self.by_review.get(state, 0) for state in LANDED)


class FilmLine(NamedTuple):
    """A film at a glance."""

    film_id: str
    title: str
    project: str | None
    execution: str
    reason: str | None
    shot_count: int
    created_at: datetime
    standing: Standing
    budget: Budget


class Overview:
    """Reading films as wholes."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def standing(self, film: FilmRecord) -> Standing:
        """Where the shots of a film stand together."""
        with self._db.read() as tx:
            rows = tx.execute(_states().where(shots.c.film_id == film.film_id)).all()
            told = _standing(rows)
            left = film.shot_count - told.landed
            return told._replace(time_left_s=None if film.ended else _time_left_s(tx, film, left))

    def films(self, count: int, offset: int = 0) -> Sequence[FilmLine]:
        """The films, newest first."""
        wanted = select(*_LINE).order_by(films.c.created_at.desc(), films.c.film_id)
        with self._db.read() as tx:
            rows = tx.execute(wanted.limit(count).offset(offset)).all()
            ids = [row.film_id for row in rows]
            states = tx.execute(_states().where(shots.c.film_id.in_(ids))).all()
            scopes = [film_scope(film_id) for film_id in ids]
            money = tx.execute(select(budgets).where(budgets.c.scope.in_(scopes))).all()
        figures = {row.scope: budget_of(row) for row in money}
        by_film: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in states:
            by_film[row.film_id].append(row)
        return [
            FilmLine(*row, _standing(by_film[row.film_id]), figures[film_scope(row.film_id)])
            for row in rows
        ]


def _states() -> Select[Any]:
    columns = (shots.c.film_id, shots.c.review, shots.c.execution)
    wanted = select(*columns, func.count().label("shots")).where(shots.c.cue.is_(None))
    return wanted.group_by(*columns)


def _standing(rows: Iterable[Row[Any]]) -> Standing:
    by_review: dict[str, int] = {}
    attention = 0
    for row in rows:
        by_review[row.review] = by_review.get(row.review, 0) + row.shots
        attention += row.shots if row.execution in ATTENTION else 0
    return Standing(by_review, attention, None)


def _time_left_s(tx: Connection, film: FilmRecord, left: int) -> float | None:
    """Seconds until as many more shots have landed, at the pace of the present run."""
    if left <= 0:
        return 0.0
    resumed = last_event(tx, film.film_id, "film.resumed") if film.run else None
    start = resumed.at if resumed else film.created_at
    in_run = (
        shots.c.film_id == film.film_id,
        shots.c.cue.is_(None),
        shots.c.review.in_(LANDED),
        shots.c.updated_at >= start,
    )
    landed, last = tx.execute(
        select(func.count(), func.max(shots.c.updated_at)).where(*in_run)
    ).one()
    return float((last - start).total_seconds()) / landed * left if landed else None
