"""Settlement: a request's money moves in every scope it was reserved in, and is charged."""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from filmforge.ledger.budget import settle_money
from filmforge.ledger.database import now
from filmforge.ledger.events import record_event
from filmforge.ledger.posting import IN_FLIGHT
from filmforge.ledger.tables import charges


def record_budget(tx: Connection, film_id: str) -> None:
    """Tell watchers that a film's money moved."""
    record_event(tx, film_id, "budget.changed")


def settle(tx: Connection, row: Row[Any], cost_micros: int, why: str) -> None:
    """Free what a request holds, and spend what its latest submit has cost.

    A submit has one charge: what was charged for it before counts, and a difference is paid by
    whoever paid the first part.
    """
    held = row.estimate_micros if row.state in IN_FLIGHT else 0
    charge = _charge_of(tx, row)
    due = max(0, cost_micros - (charge.micros if charge else 0))
    payer = charge or row
    for scope in sorted({*row.scopes, *payer.scopes}):
        freed = held if scope in row.scopes else 0
        settle_money(tx, scope, freed, due if scope in payer.scopes else 0)
    if due and charge:
        grown = update(charges).where(charges.c.id == charge.id)
        tx.execute(grown.values(micros=charge.micros + due, why=why))
    elif due:
        _charge(tx, row, due, why, row.submit)
    for film_id in sorted({row.film_id, payer.film_id}):
        record_budget(tx, film_id)


def charge_second_job(tx: Connection, row: Row[Any], jobs: int) -> None:
    """Spend the estimate for another job of the same request, as after it was sent again.

    `jobs` is how many the request is known to have had. Only one that no charge stands for is
    spent, as the latest submit that has none besides the one that is followed.
    """
    mine = select(charges.c.submit).where(charges.c.request_key == row.request_key)
    charged = set(tx.execute(mine).scalars())
    followed = row.state in IN_FLIGHT and row.submit not in charged
    if jobs <= len(charged) + followed or not row.estimate_micros:
        return
    taken = {row.submit, *charged}
    free = next((number for number in range(row.submit - 1, -1, -1) if number not in taken), None)
    if free is None:
        return
    for scope in row.scopes:
        settle_money(tx, scope, 0, row.estimate_micros)
    _charge(tx, row, row.estimate_micros, "second_job", free)
    record_budget(tx, row.film_id)


def _charge_of(tx: Connection, row: Row[Any]) -> Row[Any] | None:
    mine = (charges.c.request_key == row.request_key, charges.c.submit == row.submit)
    return tx.execute(select(charges).where(*mine)).one_or_none()


def _charge(tx: Connection, row: Row[Any], micros: int, why: str, submit: int) -> None:
    tx.execute(
        insert(charges).values(
            request_key=row.request_key,
            film_id=row.film_id,
            shot_id=row.shot_id,
            kind=row.request["kind"],
            provider=row.request["provider"],
            model=row.request["model"],
            submit=submit,
            micros=micros,
            scopes=row.scopes,
            why=why,
            at=now(),
        )
    )
