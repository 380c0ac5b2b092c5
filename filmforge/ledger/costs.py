"""Costs: what was spent and what reuse saved, told apart."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, Table, func, select

from filmforge.fields import Frozen
from filmforge.ledger.database import Database
from filmforge.ledger.tables import charges, films, takes
from filmforge.money import ZERO, Money, from_micros

GROUPS = ("project", "film", "shot", "provider", "model", "kind", "month", "day")
NO_PROJECT = "(none)"
_PAGE = 1_000


class CostLine(Frozen):
    """Spent and saved of one group."""

    name: str
    spent: Money
    saved: Money
    charges: int
    reuses: int


class CostReport(Frozen):
    """Spent and saved in total and by each grouping."""

    spent: Money
    saved: Money
    by: dict[str, tuple[CostLine, ...]]


class ChargeLine(Frozen):
    """One charge: what one submit of one request has cost, and why it was charged."""

    at: datetime
    film_id: str
    project: str | None
    shot_id: str
    kind: str
    provider: str
    model: str
    usd: Money
    why: str
    request_key: str


class _Figure(NamedTuple):
    groups: dict[str, str]
    spent: int = 0
    saved: int = 0


class Costs:
    """Reports over charges and reuses."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def report(self, film_id: str | None = None, month: str | None = None) -> CostReport:
        """Costs of one film, of one month ("2026-11", in UTC), or of everything."""
        figures = self._figures(film_id, month)
        by = {group: _lines(figures, group) for group in GROUPS}
        return CostReport(
            spent=from_micros(sum(f.spent for f in figures)),
            saved=from_micros(sum(f.saved for f in figures)),
            by=by,
        )

    def lines(
        self, film_id: str | None = None, project: str | None = None, month: str | None = None
    ) -> Iterator[ChargeLine]:
        """Every charge of a film, a project or a month ("2026-11", in UTC), oldest first.

        It reads page by page and holds no transaction between two lines.
        """
        wanted = _narrow(charges, film_id, month).order_by(charges.c.id).limit(_PAGE)
        if project:
            wanted = wanted.where(films.c.project == project)
        last: int | None = 0
        while last is not None:
            with self._db.read() as tx:
                page = tx.execute(wanted.where(charges.c.id > last)).all()
            yield from map(_charge_line, page)
            last = page[-1].id if len(page) == _PAGE else None

    def months(self) -> list[str]:
        """The months from the first charge to the last, the latest first, as "2026-11"."""
        with self._db.read() as tx:
            first, last = tx.execute(select(func.min(charges.c.at), func.max(charges.c.at))).one()
        found: list[str] = []
        while first is not None and f"{first:%Y-%m}" <= f"{last:%Y-%m}":
            found.insert(0, f"{first:%Y-%m}")
            first = month_bounds(found[0])[1]
        return found

    def retake_rate(self, film_id: str) -> Decimal:
        """Takes beyond the first of their shot and kind, by shot that has a take; 0 without any.

        A file that a person uploaded is no take that a model was asked for.
        """
        numbers = (
            select(takes.c.shot_id, func.count())
            .where(takes.c.film_id == film_id, takes.c.provider != "upload")
            .group_by(takes.c.shot_id, takes.c.kind)
        )
        extra: Counter[str] = Counter()
        with self._db.read() as tx:
            for shot_id, count in tx.execute(numbers):
                extra[shot_id] += count - 1
        return Decimal(extra.total()) / len(extra) if extra else ZERO

    def _figures(self, film_id: str | None, month: str | None) -> list[_Figure]:
        paid = _narrow(charges, film_id, month)
        reused = _narrow(takes, film_id, month).where(takes.c.reused)
        with self._db.read() as tx:
            spent = [_Figure(groups=_groups(r), spent=r.micros) for r in tx.execute(paid)]
            saved = [_Figure(groups=_groups(r), saved=r.saved_micros) for r in tx.execute(reused)]
        return spent + saved


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """The first moment of a month and of the next one. Raises ValueError."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    following = start.month % 12 + 1
    return start, start.replace(year=start.year + (following == 1), month=following)


def _narrow(table: Table, film_id: str | None, month: str | None) -> Select[Any]:
    """The rows of charges or takes, with the project of their film."""
    columns = table.c
    wanted = select(table, films.c.project).join(films, films.c.film_id == columns.film_id)
    if film_id:
        wanted = wanted.where(columns.film_id == film_id)
    if month:
        start, end = month_bounds(month)
        wanted = wanted.where(columns.at >= start, columns.at < end)
    return wanted


def _charge_line(row: Row[Any]) -> ChargeLine:
    return ChargeLine(
        at=row.at,
        film_id=row.film_id,
        project=row.project,
        shot_id=row.shot_id,
        kind=row.kind,
        provider=row.provider,
        model=row.model,
        usd=from_micros(row.micros),
        why=row.why,
        request_key=row.request_key,
    )


def _groups(row: Row[Any]) -> dict[str, str]:
    day = row.at.date().isoformat()
    return {
        "project": row.project or NO_PROJECT,
        "film": row.film_id,
        "shot": f"{row.film_id}/{row.shot_id}",
        "provider": row.provider,
        "model": f"{row.provider}:{row.model}",
        "kind": row.kind,
        "month": day[:7],
        "day": day,
    }


def _lines(figures: list[_Figure], group: str) -> tuple[CostLine, ...]:
    heaps: dict[str, list[_Figure]] = defaultdict(list)
    for figure in figures:
        heaps[figure.groups[group]].append(figure)
    return tuple(
        CostLine(
            name=name,
            spent=from_micros(sum(f.spent for f in heap)),
            saved=from_micros(sum(f.saved for f in heap)),
            charges=sum(1 for f in heap if f.spent),
            reuses=sum(1 for f in heap if not f.spent),
        )
        for name, heap in sorted(heaps.items())
    )
