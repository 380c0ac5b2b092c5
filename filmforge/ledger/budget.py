"""A budget: what may be spent, is reserved, was spent and was saved within one scope."""

from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, insert, select, true, update

from filmforge.errors import BudgetExceeded, Conflict, NotFound
from filmforge.fields import Frozen
from filmforge.ledger.tables import budgets
from filmforge.money import Money, format_money, from_micros, to_micros

_COMMITTED = budgets.c.reserved_micros + budgets.c.spent_micros


class Budget(Frozen):
    """The four figures of a scope, in US dollars."""

    limit: Money
    reserved: Money
    spent: Money
    saved: Money


def film_scope(film_id: str) -> str:
    """The scope of one film; enclosing caps are further scopes of the same table."""
    return f"film:{film_id}"


def open_budget(tx: Connection, scope: str, limit: Decimal) -> None:
    """Start a scope with nothing reserved and nothing spent."""
    tx.execute(insert(budgets).values(scope=scope, limit_micros=to_micros(limit)))


def read_budget(tx: Connection, scope: str) -> Budget:
    """The figures of a scope. Raises NotFound."""
    row = tx.execute(select(budgets).where(budgets.c.scope == scope)).one_or_none()
    if row is None:
        raise NotFound(f"there is no budget for {scope}")
    return budget_of(row)


def budget_of(row: Row[Any]) -> Budget:
    """The figures in a row of the budgets."""
    return Budget(
        limit=from_micros(row.limit_micros),
        reserved=from_micros(row.reserved_micros),
        spent=from_micros(row.spent_micros),
        saved=from_micros(row.saved_micros),
    )


def reserve_money(tx: Connection, scope: str, micros: int) -> bool:
    """Move an estimate from free to reserved, in one statement so that no race can overspend.

    True when it does not fit and only because the scope is a shadow was taken all the same,
    and counted. Raises BudgetExceeded when spent + reserved + estimate would pass the limit. An
    estimate of nothing always fits: free work goes on in a film whose money is gone.
    """
    mine = budgets.c.scope == scope
    fits = _COMMITTED + micros <= budgets.c.limit_micros if micros else true()
    more = {"reserved_micros": budgets.c.reserved_micros + micros}
    if tx.execute(update(budgets).where(mine, fits).values(**more)).rowcount:
        return False
    refused = {
        "refused_count": budgets.c.refused_count + 1,
        "refused_micros": budgets.c.refused_micros + micros,
    }
    shadow = update(budgets).where(mine, budgets.c.shadow).values(**more, **refused)
    if tx.execute(shadow).rowcount:
        return True
    budget = read_budget(tx, scope)
    free = budget.limit - budget.spent - budget.reserved
    raise BudgetExceeded(from_micros(micros), free, scope)


def settle_money(tx: Connection, scope: str, reserved_micros: int, spent_micros: int) -> None:
    """Turn a reservation into what was really spent; the rest is free again.

    What a provider took beyond the limit becomes overdraft, which shrinks as money comes free.
    A scope that was removed meanwhile is passed by.
    """
    committed = _COMMITTED - reserved_micros + spent_micros
    tx.execute(
        update(budgets)
        .where(budgets.c.scope == scope)
        .values(
            reserved_micros=budgets.c.reserved_micros - reserved_micros,
            spent_micros=budgets.c.spent_micros + spent_micros,
            overdraft_micros=_beyond(committed - budgets.c.limit_micros),
        )
    )


def add_saving(tx: Connection, scope: str, micros: int) -> None:
    """Count what a reused asset would have cost."""
    tx.execute(
        update(budgets)
        .where(budgets.c.scope == scope)
        .values(saved_micros=budgets.c.saved_micros + micros)
    )


def set_limit(
    tx: Connection,
    scope: str,
    limit: Decimal,
    shadow: bool | None = None,
    seen: Decimal | None = None,
) -> None:
    """Raise or lower the limit; below what is spent and reserved it only stops new spending.

    `shadow` None leaves it as it is. Raises NotFound, or Conflict when the limit is not the one
    that was `seen` any more.
    """
    micros = to_micros(limit)
    as_seen = true() if seen is None else budgets.c.limit_micros == to_micros(seen)
    done = tx.execute(
        update(budgets)
        .where(budgets.c.scope == scope, as_seen)
        .values(
            limit_micros=micros,
            shadow=budgets.c.shadow if shadow is None else shadow,
            overdraft_micros=_beyond(_COMMITTED - micros),
        )
    )
    if not done.rowcount:
        stands = read_budget(tx, scope).limit
        raise Conflict(f"the limit is {format_money(stands)} USD by now: look at it again")


def _beyond(excess: ColumnElement[int]) -> ColumnElement[int]:
    return case((excess > 0, excess), else_=0)
