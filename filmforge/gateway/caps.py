"""Caps: what every month and each project may cost at most, over all their films."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from fastapi import APIRouter, Depends, Request, Response

from filmforge.commands import SetBudget
from filmforge.errors import BadInput, FilmError, NotFound
from filmforge.fields import Frozen
from filmforge.gateway.auth import Administrator, caller
from filmforge.gateway.bodies import read_model
from filmforge.gateway.lookup import accepted
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.wording import clip
from filmforge.ledger import Ledger
from filmforge.ledger.caps import ANY_MONTH, Cap, month_scope, project_scope
from filmforge.ledger.database import now
from filmforge.money import Money

MONTH = "month"
_TOLD_AT_ONCE = 16

router = APIRouter(prefix="/v1/caps", tags=["costs"], dependencies=[Depends(caller)])


class Mode(StrEnum):
    """Whether a cap refuses what does not fit, or only counts it."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class NewCap(Frozen):
    """The body of a call that sets a cap."""

    limit_usd: Money
    mode: Mode = Mode.ENFORCE


class WouldHaveRefused(Frozen):
    """What a cap let pass as a shadow although it did not fit."""

    count: int
    usd: Money


class CapView(Frozen):
    """A cap with its figures; `month` with those of the month that runs now, in UTC.

    Months gone by are listed as month:2026-10.
    """

    scope: str
    mode: Mode
    limit_usd: Money
    reserved_usd: Money
    spent_usd: Money
    saved_usd: Money
    would_have_refused: WouldHaveRefused


class CapList(Frozen):
    """Every cap: the month's, the projects', then the months gone by."""

    caps: tuple[CapView, ...]


class CapTold(Frozen):
    """What became of a cap; without `cap` it is gone.

    `woken` are the films that waited for budget and try again now, `not_told` those that could
    not be reached: the same call may be sent again.
    """

    scope: str
    cap: CapView | None
    woken: tuple[str, ...]
    not_told: tuple[str, ...]
    message: str


@router.get("", response_model=CapList)
async def caps(request: Request) -> Response:
    """Every cap with its figures; the budgets of films are not among them."""
    views = await asyncio.to_thread(_views, gateway_of(request).ledger)
    return json_response(CapList(caps=tuple(views.values())))


@router.get("/{scope}", response_model=CapView)
async def cap(request: Request, scope: str) -> Response:
    """One cap with its figures."""
    return json_response(await asyncio.to_thread(_view_of, gateway_of(request).ledger, scope))


@router.put("/{scope}", response_model=CapTold, openapi_extra=body_of(NewCap))
async def set_cap(request: Request, scope: str, who: Administrator) -> Response:
    """Set the cap `month` or `project:NAME`; films that waited for it go on by themselves."""
    gateway = gateway_of(request)
    wish = await read_model(request, NewCap)
    loosened = await asyncio.to_thread(_set, gateway.ledger, scope, wish, who)
    view = await asyncio.to_thread(_view_of, gateway.ledger, scope)
    return await _told(gateway, scope, view, who, wake=loosened)


@router.delete("/{scope}", response_model=CapTold)
async def remove_cap(request: Request, scope: str, who: Administrator) -> Response:
    """Take a cap away; films that waited for it go on by themselves."""
    gateway = gateway_of(request)
    await asyncio.to_thread(_remove, gateway.ledger, scope, who)
    return await _told(gateway, scope, None, who, wake=True)


def _scopes(scope: str) -> tuple[str, ...]:
    """The ledger's scopes of one of ours: what every month starts from, and this month."""
    if scope == MONTH:
        return ANY_MONTH, month_scope(now())
    if not scope.startswith(project_scope("")):
        raise BadInput("scope", f"{clip(scope)!r} cannot be set", "Use month or project:NAME.")
    return (scope,)


def _views(ledger: Ledger) -> dict[str, CapView]:
    found = {cap.scope: cap for cap in ledger.caps()}
    any_month = found.pop(ANY_MONTH, None)
    month = found.pop(month_scope(now()), any_month)
    ours = [_view(MONTH, month)] if month else []
    rest = sorted(found.values(), key=lambda cap: cap.scope)
    projects = [_view(cap.scope, cap) for cap in rest if cap.scope.startswith(project_scope(""))]
    gone = [_view(c.scope, c) for c in reversed(rest) if not c.scope.startswith(project_scope(""))]
    return {view.scope: view for view in (*ours, *projects, *gone)}


def _view_of(ledger: Ledger, scope: str) -> CapView:
    views = _views(ledger)
    if scope not in views:
        raise NotFound(f"there is no cap {clip(scope)}")
    return views[scope]


def _view(scope: str, cap: Cap) -> CapView:
    return CapView(
        scope=scope,
        mode=Mode.SHADOW if cap.shadow else Mode.ENFORCE,
        limit_usd=cap.limit,
        reserved_usd=cap.reserved,
        spent_usd=cap.spent,
        saved_usd=cap.saved,
        would_have_refused=WouldHaveRefused(count=cap.refused_count, usd=cap.refused),
    )


def _set(ledger: Ledger, scope: str, wish: NewCap, who: str) -> bool:
    """Set a cap; whether more may fit under it than before."""
    before = _limit(ledger, scope)
    shadow = wish.mode is Mode.SHADOW
    for each in _scopes(scope):
        known = {cap.scope: cap for cap in ledger.caps()}.get(each)
        # A month that begins with the first of the two is right already.
        if known is None or (known.limit, known.shadow) != (wish.limit_usd, shadow):
            ledger.set_cap(each, wish.limit_usd, shadow, who)
    return before is not None and (shadow or wish.limit_usd >= before)


def _limit(ledger: Ledger, scope: str) -> Decimal | None:
    view = _views(ledger).get(scope)
    return view.limit_usd if view else None


def _remove(ledger: Ledger, scope: str, who: str) -> None:
    known = {cap.scope for cap in ledger.caps()}
    mine = [each for each in _scopes(scope) if each in known]
    if not mine:
        raise NotFound(f"there is no cap {clip(scope)}")
    for each in mine:
        ledger.remove_cap(each, who)


async def _told(
    gateway: Gateway, scope: str, view: CapView | None, who: str, *, wake: bool
) -> Response:
    woken, not_told = await _wake(gateway, scope, who) if wake else ((), ())
    said = [f"the cap {scope} is {'set' if view else 'gone'}"]
    said += [f"films that waited for budget and try again: {len(woken)}"] if woken else []
    said += [f"films that could not be told: {len(not_told)}, send it again"] if not_told else []
    told = CapTold(scope=scope, cap=view, woken=woken, not_told=not_told, message="; ".join(said))
    return json_response(told)


async def _wake(gateway: Gateway, scope: str, who: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell the films under a cap that wait for budget; returns those told and those not."""
    waiting = await asyncio.to_thread(_waiting, gateway.ledger, scope)
    at_once = asyncio.Semaphore(_TOLD_AT_ONCE)

    async def tell(film_id: str) -> bool:
        async with at_once:
            budget = await asyncio.to_thread(gateway.ledger.budget, film_id)
            # The film's own limit, unchanged: hearing of it, the film tries its shots again.
            command = SetBudget(limit_usd=budget.limit, who=f"{who}, by the cap {scope}")
            try:
                accepted(await gateway.engine.command(film_id, command))
            except FilmError:  # named in the answer
                return False
            return True

    reached = await asyncio.gather(*map(tell, waiting))
    woken = tuple(film_id for film_id, told in zip(waiting, reached, strict=True) if told)
    return woken, tuple(film_id for film_id in waiting if film_id not in woken)


def _waiting(ledger: Ledger, scope: str) -> Sequence[str]:
    waiting = ledger.films.waiting_for_budget()
    if scope == MONTH:
        return waiting
    project = scope.removeprefix(project_scope(""))
    return [film for film in waiting if ledger.films.read(film).brief.project == project]
