"""Caps: a film's money is taken from its project and its month, too."""

from concurrent.futures import ThreadPoolExecutor, wait
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from filmforge.domain import Execution, Tags
from filmforge.errors import BadInput, BudgetExceeded, NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.caps import Cap, month_scope
from filmforge.ledger.database import now
from filmforge.ledger.tables import budgets
from filmforge.money import to_micros
from tests.ledger.conftest import add_film, asset, at_once, claim, request

ONE = Decimal(1)
KEY = request().key
PILOT = "project:pilot"
FIVE = Decimal(5)


@pytest.fixture(autouse=True)
def films(ledger: Ledger) -> None:
    """Two films of one project, and one without."""
    for film_id in ("attic", "cellar"):
        add_film(ledger, film_id, project="pilot")
    add_film(ledger, "harbour")


def _cap(ledger: Ledger, scope: str = PILOT) -> Cap:
    return next(cap for cap in ledger.caps() if cap.scope == scope)


def _money(ledger: Ledger, scope: str = PILOT) -> tuple[Decimal, Decimal]:
    cap = _cap(ledger, scope)
    return cap.reserved, cap.spent


def _overdraft(ledger: Ledger, scope: str) -> int:
    with ledger.db.read() as tx:
        wanted = select(budgets.c.overdraft_micros).where(budgets.c.scope == scope)
        return int(tx.execute(wanted).scalar_one())


def _set(ledger: Ledger, scope: str = PILOT, limit: Decimal = FIVE, shadow: bool = False) -> None:
    ledger.set_cap(scope, limit, shadow, "ada")


def _reserve(ledger: Ledger, prompt: str = "a lamp", usd: Decimal = ONE, **who: Any) -> str:
    return ledger.journal.reserve(request(prompt), usd, claim(**who)).request_key


def test_a_reservation_is_taken_from_every_scope_and_settled_in_the_same(ledger: Ledger) -> None:
    _set(ledger)
    _set(ledger, "month:*", Decimal(50))
    month = month_scope(now())
    posting = ledger.journal.reserve(request(), Decimal(2), claim())
    assert posting.scopes == ("film:attic", month, PILOT)
    assert [_money(ledger, scope) for scope in (PILOT, month, "month:*")] == [
        (2, 0),
        (2, 0),
        (0, 0),
    ]
    ledger.journal.succeed(KEY, asset(), Tags(), ONE)
    assert [_money(ledger, scope) for scope in (PILOT, month)] == [(0, 1), (0, 1)]


def test_a_film_without_a_project_is_not_held_by_the_caps_of_others(ledger: Ledger) -> None:
    _set(ledger, limit=Decimal(0))
    assert ledger.journal.reserve(request(), ONE, claim("harbour")).scopes == ("film:harbour",)


def test_a_cap_that_is_reached_refuses_by_name_and_leaves_every_scope_as_it_was(
    ledger: Ledger,
) -> None:
    _set(ledger)
    _reserve(ledger, usd=Decimal(4))
    with pytest.raises(BudgetExceeded, match=r"1\.00 USD is free in project:pilot") as raised:
        _reserve(ledger, "another", Decimal(2), film_id="cellar")
    assert raised.value.scope == PILOT
    assert ledger.budget("cellar").reserved == 0
    assert _money(ledger) == (4, 0)


def test_of_ten_films_at_once_the_project_lets_as_many_spend_as_fit(ledger: Ledger) -> None:
    _set(ledger, limit=Decimal(3))
    for number in range(10):
        add_film(ledger, f"film{number}", project="pilot")

    def reserve(number: int) -> bool:
        try:
            _reserve(ledger, f"shot {number}", film_id=f"film{number}")
        except BudgetExceeded:
            return False
        return True

    assert sum(at_once(10, reserve)) == 3
    assert _money(ledger) == (3, 0)


def test_ten_that_begin_a_month_at_once_share_its_one_cap(ledger: Ledger) -> None:
    _set(ledger, "month:*", Decimal(100))
    month = month_scope(now())
    ledger.remove_cap(month)
    for number in range(10):
        add_film(ledger, f"film{number}")
    at_once(10, lambda n: _reserve(ledger, f"shot {n}", film_id=f"film{n}"))
    assert _money(ledger, month) == (10, 0)


def test_a_shadow_refuses_nothing_and_counts_what_it_would_have(ledger: Ledger) -> None:
    _set(ledger, limit=ONE, shadow=True)
    for number in range(3):
        _reserve(ledger, f"shot {number}")
    cap = _cap(ledger)
    assert (cap.reserved, cap.refused_count, cap.refused) == (3, 2, 2)
    told = [event for event in ledger.events.since("attic") if event.type == "cap.would_refuse"]
    assert [event.data for event in told] == [{"scope": PILOT, "estimate_usd": "1.00"}] * 2
    assert told[0].shot_id == "s0"


def test_a_shadow_that_becomes_a_cap_keeps_what_is_committed_and_refuses_the_next(
    ledger: Ledger,
) -> None:
    _set(ledger, limit=ONE, shadow=True)
    for number in range(3):
        _reserve(ledger, f"shot {number}")
    _set(ledger, limit=ONE)
    assert _overdraft(ledger, PILOT) == to_micros(Decimal(2))
    with pytest.raises(BudgetExceeded):
        _reserve(ledger, "one more")
    ledger.journal.release_unsent("attic")
    assert _overdraft(ledger, PILOT) == 0


def test_a_cap_counts_what_was_spent_and_reserved_before_it_was_set(ledger: Ledger) -> None:
    _reserve(ledger)
    ledger.journal.succeed(KEY, asset(), Tags(), None)
    _reserve(ledger, "in flight", Decimal(2), film_id="cellar")
    _reserve(ledger, "not ours", Decimal(3), film_id="harbour")
    month = month_scope(now())
    _set(ledger)
    _set(ledger, "month:*", Decimal(50))
    assert [_money(ledger, scope) for scope in (PILOT, month)] == [(2, 1), (5, 1)]
    for film_id in ("cellar", "harbour"):
        ledger.journal.release_unsent(film_id)
    assert [_money(ledger, scope) for scope in (PILOT, month)] == [(0, 1), (0, 1)]


def test_a_reservation_that_is_being_made_while_a_cap_is_set_is_counted(ledger: Ledger) -> None:
    with ThreadPoolExecutor(1) as pool, ledger.db.write():
        _reserve(ledger)
        setting = pool.submit(_set, ledger)
        assert not wait([setting], timeout=0.3).done
    setting.result()
    assert _money(ledger) == (1, 0)


def test_a_cap_set_below_what_is_committed_only_stops_new_spending(ledger: Ledger) -> None:
    _reserve(ledger, usd=Decimal(4))
    _set(ledger, limit=ONE)
    assert _overdraft(ledger, PILOT) == to_micros(Decimal(3))
    with pytest.raises(BudgetExceeded):
        _reserve(ledger, "another")
    ledger.journal.fail(KEY, "broken", "it broke", ONE)
    assert (_money(ledger), _overdraft(ledger, PILOT)) == ((0, 1), 0)


def test_what_a_provider_takes_beyond_the_limit_is_overdraft(ledger: Ledger) -> None:
    _set(ledger, limit=ONE)
    _reserve(ledger)
    ledger.journal.succeed(KEY, asset(), Tags(), Decimal("1.5"))
    assert (_money(ledger), _overdraft(ledger, PILOT)) == ((0, Decimal("1.5")), 500_000)


def test_a_removed_cap_holds_nobody_and_comes_back_with_everything_counted(
    ledger: Ledger,
) -> None:
    _set(ledger, limit=ONE)
    _reserve(ledger)
    ledger.remove_cap(PILOT, "bob")
    _reserve(ledger, "another", Decimal(2))
    ledger.journal.succeed(KEY, asset(), Tags(), ONE)
    _set(ledger)
    assert _money(ledger) == (2, 1)
    ledger.journal.release_unsent("attic")
    assert _money(ledger) == (0, 1)


def test_every_change_of_a_cap_is_written_down_with_who_made_it(ledger: Ledger) -> None:
    _set(ledger, shadow=True)
    ledger.remove_cap(PILOT, "bob")
    assert [(c.who, c.scope, c.limit, c.shadow) for c in ledger.cap_changes()] == [
        ("ada", PILOT, 5, True),
        ("bob", PILOT, None, False),
    ]


@pytest.mark.parametrize(
    "scope", ["film:attic", "month:2026-13", "month:", "project:", "project:a b", "week:3", ""]
)
def test_only_projects_and_months_have_caps(ledger: Ledger, scope: str) -> None:
    with pytest.raises(BadInput, match="is no cap"):
        _set(ledger, scope)
    with pytest.raises(BadInput, match="is no cap"):
        ledger.remove_cap(scope)


def test_a_cap_that_is_not_set_cannot_be_removed(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match=PILOT):
        ledger.remove_cap(PILOT)


def test_a_reuse_is_a_saving_of_every_scope(ledger: Ledger) -> None:
    _set(ledger)
    _reserve(ledger, film_id="harbour")
    posting = ledger.journal.succeed(KEY, asset(), Tags(), None)
    ledger.takes.link("attic", "s0", posting, None)
    assert _cap(ledger).saved == 1


def test_the_films_that_wait_for_money_are_known_until_they_end(ledger: Ledger) -> None:
    for film_id in ("attic", "cellar", "harbour"):
        ledger.shots.set(film_id, "s0", reason="budget_exceeded")
    ledger.shots.set("harbour", "s0", reason="broken")
    assert ledger.films.waiting_for_budget() == ["attic", "cellar"]
    ledger.films.set("attic", Execution.CANCELLED)
    assert ledger.films.waiting_for_budget() == ["cellar"]
