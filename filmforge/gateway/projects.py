"""Projects: the films that belong to one, and what they cost together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import select

from filmforge.ledger import Ledger
from filmforge.ledger.costs import CostLine, CostReport
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.tables import films
from filmforge.money import ZERO


def films_of(
    ledger: Ledger, project: str | None, count: int, offset: int = 0
) -> Sequence[FilmRecord]:
    """The films of a project, or all without one, newest first."""
    if project is None:
        return ledger.films.recent(count, offset)
    wanted = (
        select(films.c.film_id)
        .where(films.c.project == project)
        .order_by(films.c.created_at.desc(), films.c.film_id)
        .limit(count)
        .offset(offset)
    )
    with ledger.db.read() as tx:
        found = tx.execute(wanted).scalars().all()
    return [ledger.films.read(film_id) for film_id in found]


def report_of(ledger: Ledger, project: str | None, month: str | None) -> CostReport:
    """What the films of a project cost, or all without one, in a month or altogether."""
    if project is None:
        return ledger.costs.report(None, month)
    with ledger.db.read() as tx:
        mine = tx.execute(select(films.c.film_id).where(films.c.project == project)).scalars().all()
    return _together([ledger.costs.report(film_id, month) for film_id in mine])


def _together(reports: Sequence[CostReport]) -> CostReport:
    heaps: dict[str, list[CostLine]] = defaultdict(list)
    for report in reports:
        for group, lines in report.by.items():
            heaps[group].extend(lines)
    return CostReport(
        spent=sum((report.spent for report in reports), ZERO),
        saved=sum((report.saved for report in reports), ZERO),
        by={group: _by_name(lines) for group, lines in heaps.items()},
    )


def _by_name(lines: Iterable[CostLine]) -> tuple[CostLine, ...]:
    found: dict[str, CostLine] = {}
    for line in lines:
        known = found.get(line.name)
        found[line.name] = line if known is None else _sum(known, line)
    return tuple(found[name] for name in sorted(found))


def _sum(one: CostLine, other: CostLine) -> CostLine:
    return CostLine(
        name=one.name,
        spent=one.spent + other.spent,
        saved=one.saved + other.saved,
        charges=one.charges + other.charges,
        reuses=one.reuses + other.reuses,
    )
