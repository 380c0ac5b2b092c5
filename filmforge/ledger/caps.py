"""Caps: the limits of a project and of a month, which enclose those of the films.

A cap is a row of budgets: `project:NAME`, `month:2026-11`, and `month:*`, the limit that every
month starts from. A shadow cap refuses nothing and counts what it would have refused.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, text, update

from filmforge.errors import BadInput, NotFound
from filmforge.fields import Frozen
from filmforge.ledger.budget import film_scope, reserve_money, set_limit
from filmforge.ledger.costs import month_bounds
from filmforge.ledger.database import insert_new, now
from filmforge.ledger.events import record_event
from filmforge.ledger.posting import IN_FLIGHT, Claim
from filmforge.ledger.tables import budgets, cap_changes, charges, films, journal
from filmforge.money import Money, format_money, from_micros, to_micros

ANY_MONTH = "month:*"
_CAP = re.compile(r"project:[A-Za-z0-9][A-Za-z0-9._-]{0,63}|month:(\*|\d{4}-(0[1-9]|1[0-2]))")


class Cap(Frozen):
    """A cap with its figures; `refused` is what it would have refused as a shadow."""

    scope: str
    limit: Money
    reserved: Money
    spent: Money
    saved: Money
    shadow: bool
    refused_count: int
    refused: Money


class CapChange(Frozen):
    """Who set a cap to what, and when; without a limit it was removed."""

    at: datetime
    who: str
    scope: str
    limit: Money | None
    shadow: bool


def project_scope(project: str) -> str:
    """The scope of a project."""
    return f"project:{project}"


def month_scope(moment: datetime) -> str:
    """The scope of the month of a moment in UTC."""
    return f"month:{moment:%Y-%m}"


def lock_scopes(tx: Connection, film_id: str) -> list[str]:
    """Every scope that a film's money is taken from now, in the order in which all lock them."""
    month = month_scope(now())
    wanted = [film_scope(film_id), month]
    project = tx.execute(select(films.c.project).where(films.c.film_id == film_id)).scalar()
    if project is not None:
        wanted.append(project_scope(project))
    found = set(
        tx.execute(
            select(budgets.c.scope)
            .where(budgets.c.scope.in_(wanted))
            .order_by(budgets.c.scope)
            .with_for_update(key_share=True)
        ).scalars()
    )
    if month not in found and _begin_month(tx, month):
        found.add(month)
    return sorted(found)


def reserve_everywhere(tx: Connection, claim: Claim, micros: int) -> list[str]:
    """Take an estimate from every scope of the film; returns the scopes.

    Raises BudgetExceeded of the first scope in which it does not fit.
    """
    scopes = lock_scopes(tx, claim.film_id)
    for scope in scopes:
        if reserve_money(tx, scope, micros):
            usd = format_money(from_micros(micros))
            record_event(
                tx, claim.film_id, "cap.would_refuse", claim.shot_id, scope=scope, estimate_usd=usd
            )
    return scopes


def set_cap(tx: Connection, scope: str, limit: Decimal, shadow: bool, who: str) -> None:
    """Set a cap, which counts from the start what its project or month has spent so far.

    Raises BadInput when the scope is not a cap's.
    """
    _refuse_unless_cap(scope)
    try:
        set_limit(tx, scope, limit, shadow)
    except NotFound:
        _open_cap(tx, scope, limit, shadow)
    month = month_scope(now())
    if scope == ANY_MONTH and not _exists(tx, month):
        _open_cap(tx, month, limit, shadow)
    _note(tx, scope, who, to_micros(limit), shadow)


def remove_cap(tx: Connection, scope: str, who: str) -> None:
    """Take a cap away; removing `month:*` leaves the months that have begun. Raises NotFound."""
    _refuse_unless_cap(scope)
    if not tx.execute(delete(budgets).where(budgets.c.scope == scope)).rowcount:
        raise NotFound(f"there is no cap {scope}")
    _note(tx, scope, who, None, False)


def read_caps(tx: Connection) -> Sequence[Cap]:
    """Every cap by scope; the budgets of films are not among them."""
    wanted = select(budgets).where(~budgets.c.scope.startswith("film:")).order_by(budgets.c.scope)
    return [
        Cap(
            scope=row.scope,
            limit=from_micros(row.limit_micros),
            reserved=from_micros(row.reserved_micros),
            spent=from_micros(row.spent_micros),
            saved=from_micros(row.saved_micros),
            shadow=row.shadow,
            refused_count=row.refused_count,
            refused=from_micros(row.refused_micros),
        )
        for row in tx.execute(wanted)
    ]


def read_changes(tx: Connection) -> Sequence[CapChange]:
    """Every change of a cap, oldest first."""
    return [
        CapChange(
            at=row.at,
            who=row.who,
            scope=row.scope,
            limit=None if row.limit_micros is None else from_micros(row.limit_micros),
            shadow=row.shadow,
        )
        for row in tx.execute(select(cap_changes).order_by(cap_changes.c.id))
    ]


def _refuse_unless_cap(scope: str) -> None:
    if not _CAP.fullmatch(scope):
        raise BadInput("scope", f"{scope!r} is no cap", "Use project:NAME, month:2026-11, month:*.")


def _exists(tx: Connection, scope: str) -> bool:
    return tx.execute(select(budgets.c.scope).where(budgets.c.scope == scope)).first() is not None


def _begin_month(tx: Connection, month: str) -> bool:
    start = tx.execute(select(budgets).where(budgets.c.scope == ANY_MONTH)).one_or_none()
    if start is None:
        return False
    insert_new(tx, budgets, scope=month, limit_micros=start.limit_micros, shadow=start.shadow)
    return True


def _open_cap(tx: Connection, scope: str, limit: Decimal, shadow: bool) -> None:
    if tx.dialect.name == "postgresql":
        # Whoever reserves just now is waited for and counted, as SQLite does it by itself.
        tx.execute(text("LOCK TABLE journal IN EXCLUSIVE MODE"))
    reserved, spent, micros = _adopt(tx, scope), _spent_so_far(tx, scope), to_micros(limit)
    new = insert_new(
        tx,
        budgets,
        scope=scope,
        limit_micros=micros,
        reserved_micros=reserved,
        spent_micros=spent,
        overdraft_micros=max(0, reserved + spent - micros),
        shadow=shadow,
    )
    if not new:  # the month began just now, or another person was first
        set_limit(tx, scope, limit, shadow)


def _adopt(tx: Connection, scope: str) -> int:
    """Count the requests in flight to a new cap; returns what they hold."""
    held = 0
    in_flight = (
        select(journal, films.c.project)
        .join(films, films.c.film_id == journal.c.film_id)
        .where(journal.c.state.in_(IN_FLIGHT))
    )
    for row in tx.execute(in_flight).all():
        if _belongs(row, scope):
            held += row.estimate_micros
            mine = journal.c.request_key == row.request_key
            scopes = sorted({*row.scopes, scope})
            tx.execute(update(journal).where(mine).values(scopes=scopes))
    return held


def _belongs(row: Row[Any], scope: str) -> bool:
    if scope in row.scopes:
        return True
    if scope == month_scope(now()):
        return not any(each.startswith("month:") for each in row.scopes)
    return row.project is not None and scope == project_scope(row.project)


def _spent_so_far(tx: Connection, scope: str) -> int:
    kind, _, name = scope.partition(":")
    total = select(func.coalesce(func.sum(charges.c.micros), 0))
    if scope == ANY_MONTH:
        return 0
    if kind == "month":
        start, end = month_bounds(name)
        total = total.where(charges.c.at >= start, charges.c.at < end)
    else:
        mine = select(films.c.film_id).where(films.c.project == name)
        total = total.where(charges.c.film_id.in_(mine))
    return int(tx.execute(total).scalar_one())


def _note(tx: Connection, scope: str, who: str, micros: int | None, shadow: bool) -> None:
    tx.execute(
        insert(cap_changes).values(
            at=now(), who=who, scope=scope, limit_micros=micros, shadow=shadow
        )
    )
