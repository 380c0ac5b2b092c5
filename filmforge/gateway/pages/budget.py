"""The budget of a film: its limit and cancelling, with what comes of either shown first."""

import asyncio
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from filmforge.errors import Conflict, FilmError
from filmforge.fields import Frozen
from filmforge.gateway.consequences import Consequences, consequences, in_flight, standing
from filmforge.gateway.control import cancel_film, set_budget
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.charts import shares_of
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.forms import Pressed, read_form
from filmforge.gateway.pages.viewer import Producing, Viewer
from filmforge.gateway.problems import refusal_of
from filmforge.gateway.rendering import QUIET_HEADERS
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.films import FilmRecord
from filmforge.money import ZERO, Money, parse_money

router = APIRouter(prefix="/films/{film_id}", include_in_schema=False)

DONE = {
    "limit": "The limit is set. Shots that fit under it go on by themselves.",
    "cancel": "Nothing more is spent. What was paid for is kept.",
}
_REMEDY = 'Write an amount of US dollars such as "12.50".'


class Wanted(BaseModel):
    """The limit whose consequences are wanted, and what was just done."""

    model_config = ConfigDict(extra="ignore")

    limit_usd: Annotated[str, StringConstraints(max_length=40, strip_whitespace=True)] = ""
    done: Annotated[str, StringConstraints(max_length=20)] = ""


class NewLimitSeen(Frozen):
    """A new limit, and the consequences that were seen when it was confirmed."""

    limit_usd: Money
    seen_limit_usd: Money
    seen: Annotated[str, StringConstraints(max_length=64)]


@router.get("/budget")
async def show_budget(
    viewer: Producing, film: KnownFilm, gateway: Parts, wanted: Annotated[Wanted, Query()]
) -> Response:
    """The money of a film and, where a limit is named, what it would lead to."""
    done = DONE.get(wanted.done, "")
    if not wanted.limit_usd:
        return await _shown(viewer, gateway, film, None, done=done)
    try:
        limit = parse_money(wanted.limit_usd)
    except ValueError as error:
        wrong = f"The new limit {error}. {_REMEDY}"
        return await _shown(viewer, gateway, film, None, 422, wrong=wrong)
    return await _shown(viewer, gateway, film, limit, done=done)


@router.post("/budget")
async def change_budget(
    request: Request, viewer: Producing, film: KnownFilm, gateway: Parts
) -> Response:
    """Set a limit whose consequences were seen; shown anew where they are others by now."""
    form = await read_form(request, NewLimitSeen, viewer.form_key)
    try:
        await asyncio.to_thread(_refuse_otherwise, gateway, film, form)
        await set_budget(gateway, film, form.limit_usd, viewer.who, form.seen_limit_usd)
    except FilmError as error:
        status = refusal_of(error).status
        return await _shown(viewer, gateway, film, form.limit_usd, status, wrong=str(error))
    return _go(film, "limit")


@router.get("/cancel")
async def show_cancel(viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """What cancelling would stop, what it would still cost, and what is kept."""
    return await _cancel_shown(viewer, gateway, film)


@router.post("/cancel")
async def cancel(request: Request, viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """Stop spending now. It is not bound to what was seen: less is spent, whatever is under way."""
    await read_form(request, Pressed, viewer.form_key)
    try:
        await cancel_film(gateway, film, viewer.who)
    except FilmError as error:
        status = refusal_of(error).status
        return await _cancel_shown(viewer, gateway, film, status, str(error))
    return _go(film, "cancel")


def _refuse_otherwise(gateway: Gateway, film: FilmRecord, form: NewLimitSeen) -> None:
    now = consequences(standing(gateway, film), form.limit_usd)
    if now.print != form.seen:
        raise Conflict("What this limit leads to has changed since you saw it: look at it again.")


async def _shown(
    viewer: Viewer,
    gateway: Gateway,
    film: FilmRecord,
    limit: Decimal | None,
    status: int = 200,
    *,
    done: str = "",
    wrong: str = "",
) -> Response:
    def read() -> dict[str, Any]:
        stands = standing(gateway, gateway.ledger.films.read(film.film_id))
        preview: Consequences | None = consequences(stands, limit) if limit is not None else None
        budget = stands.budget
        bar = shares_of([budget.spent, budget.reserved], max(budget.limit, limit or ZERO))
        return {"stands": stands, "preview": preview, "bar": bar}

    values = await asyncio.to_thread(read)
    return film_page(
        "budget.html", viewer, film, "Budget", status, done=done, wrong=wrong, **values
    )


async def _cancel_shown(
    viewer: Viewer, gateway: Gateway, film: FilmRecord, status: int = 200, wrong: str = ""
) -> Response:
    def read() -> dict[str, Any]:
        flights = in_flight(gateway, film)
        takes = gateway.ledger.takes.of_film(film.film_id)
        return {
            "film": gateway.ledger.films.read(film.film_id),
            "budget": gateway.ledger.budget(film.film_id),
            "flights": flights,
            "given_back": sum((f.usd for f in flights if not f.may_cost), ZERO),
            "may_cost": sum((f.usd for f in flights if f.may_cost), ZERO),
            "takes": sum(map(len, takes.values())),
        }

    values = await asyncio.to_thread(read)
    return film_page("cancel.html", viewer, here="Budget", status=status, wrong=wrong, **values)


def _go(film: FilmRecord, done: str) -> Response:
    return RedirectResponse(f"/films/{film.film_id}/budget?done={done}", 303, QUIET_HEADERS)
