"""Costs: what was spent and what reuse saved, told apart."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Select, select

from filmforge.domain import Frozen
from filmforge.ledger.database import Database
from filmforge.ledger.tables import charges, takes
from filmforge.money import Money, from_micros

GROUPS = ("film", "shot", "provider", "model", "kind", "month")


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


class _Figure(Frozen):
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

    def _figures(self, film_id: str | None, month: str | None) -> list[_Figure]:
        paid = _narrow(select(charges), charges.c, film_id, month)
        reused = _narrow(select(takes).where(takes.c.reused), takes.c, film_id, month)
        with self._db.read() as tx:
            spent = [_Figure(groups=_groups(r), spent=r.micros) for r in tx.execute(paid)]
            saved = [_Figure(groups=_groups(r), saved=r.saved_micros) for r in tx.execute(reused)]
        return spent + saved


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """The first moment of a month and of the next one. Raises ValueError."""
    start = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    following = start.month % 12 + 1
    return start, start.replace(year=start.year + (following == 1), month=following)


def _narrow(
    wanted: Select[Any], columns: Any, film_id: str | None, month: str | None
) -> Select[Any]:
    if film_id:
        wanted = wanted.where(columns.film_id == film_id)
    if month:
        start, end = month_bounds(month)
        wanted = wanted.where(columns.at >= start, columns.at < end)
    return wanted


def _groups(row: Row[Any]) -> dict[str, str]:
    return {
        "film": row.film_id,
        "shot": f"{row.film_id}/{row.shot_id}",
        "provider": row.provider,
        "model": f"{row.provider}:{row.model}",
        "kind": row.kind,
        "month": row.at.strftime("%Y-%m"),
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
