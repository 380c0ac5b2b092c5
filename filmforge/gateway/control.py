"""What a person does to a whole film: its budget, cancel, resume."""

import asyncio
from decimal import Decimal
from typing import Literal

from fastapi import APIRouter, Depends, Request, Response

from filmforge.commands import Accept, Cancel, SetBudget, TryAgain
from filmforge.domain import Execution, Stage
from filmforge.errors import Conflict, ServiceUnavailable
from filmforge.fields import Frozen
from filmforge.gateway.auth import Caller, caller
from filmforge.gateway.bodies import read_model
from filmforge.gateway.films import start
from filmforge.gateway.lookup import KnownFilm, OpenFilm, accepted
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.view import BudgetView, budget_view, status_url
from filmforge.ledger.films import FilmRecord
from filmforge.money import Money

router = APIRouter(prefix="/v1/films/{film_id}", tags=["films"], dependencies=[Depends(caller)])

_CLOSING_TRIES = 100
_CLOSING_PAUSE_S = 0.1


class NewLimit(Frozen):
    """The body of a call that sets a budget."""

    limit_usd: Money


class NoBody(Frozen):
    """The body of a call that needs none: nothing, or an empty object."""


class Resume(Frozen):
    """The body of a call that resumes a film; without `stop_after` it goes on to its end."""

    stop_after: Stage | None = None


class BudgetSet(Frozen):
    """The figures after a budget was set."""

    film_id: str
    budget: BudgetView
    message: str


class FilmTold(Frozen):
    """What became of a command to a film."""

    film_id: str
    execution: Literal["cancelling", "cancelled", "queued", "running"]
    message: str
    status_url: str


@router.post("/budget", response_model=BudgetSet, openapi_extra=body_of(NewLimit))
async def budget(request: Request, film: KnownFilm, who: Caller) -> Response:
    """Raise or lower the limit; a parked film goes on by itself."""
    gateway = gateway_of(request)
    limit = (await read_model(request, NewLimit)).limit_usd
    message = await set_budget(gateway, film, limit, who)
    figures = budget_view(await asyncio.to_thread(gateway.ledger.budget, film.film_id))
    return json_response(BudgetSet(film_id=film.film_id, budget=figures, message=message))


@router.post(
    "/cancel",
    status_code=202,
    response_model=FilmTold,
    openapi_extra=body_of(NoBody, required=False),
)
async def cancel(request: Request, film: KnownFilm, who: Caller) -> Response:
    """Stop spending now, cancel provider jobs, keep what was paid for."""
    gateway = gateway_of(request)
    await read_model(request, NoBody, optional=True)
    return json_response(await cancel_film(gateway, film, who), 202)


@router.post(
    "/accept",
    status_code=202,
    response_model=FilmTold,
    openapi_extra=body_of(NoBody, required=False),
)
async def accept(request: Request, film: OpenFilm, who: Caller) -> Response:
    """Let the assembled film out as it is, whatever was found in it."""
    gateway = gateway_of(request)
    await read_model(request, NoBody, optional=True)
    return json_response(await accept_film(gateway, film, who), 202)


@router.post(
    "/resume",
    status_code=202,
    response_model=FilmTold,
    openapi_extra=body_of(Resume, required=False),
)
async def resume(request: Request, film: KnownFilm, who: Caller) -> Response:
    """Let a film that was cancelled or ended go on, reusing every paid asset.

    One that could not be assembled or delivered is tried again.
    """
    gateway = gateway_of(request)
    wish = await read_model(request, Resume, optional=True)
    return json_response(await resume_film(gateway, film, wish.stop_after, who), 202)


async def cancel_film(gateway: Gateway, film: FilmRecord, who: str) -> FilmTold:
    """Stop a film's spending. Raises Conflict when it has ended, ServiceUnavailable."""
    if film.execution is Execution.CANCELLED:
        return _told(gateway, film, "cancelled", "the film is cancelled")
    if film.ended:
        raise Conflict(f"the film {film.film_id} has {film.execution}: nothing is left to cancel")
    # First of all: from this moment the journal reserves and sends nothing for this film.
    await asyncio.to_thread(gateway.ledger.films.set, film.film_id, Execution.CANCELLING)
    try:
        answer = await gateway.engine.command(film.film_id, Cancel(who=who))
    except Conflict:
        return await _cancel_without_workflow(gateway, film, who)
    except ServiceUnavailable as error:
        detail = "nothing more is spent, but the film could not be told yet; send it again"
        raise ServiceUnavailable(f"{error}: {detail}") from error
    return _told(gateway, film, "cancelling", answer.message)


async def accept_film(
    gateway: Gateway, film: FilmRecord, who: str, digest: str | None = None
) -> FilmTold:
    """Let a film out that is held back; `digest` is the one that was seen. Raises Conflict."""
    accepted(await gateway.engine.command(film.film_id, Accept(who=who, digest=digest)))
    return _told(gateway, film, "running", "the film is released as it is")


async def resume_film(
    gateway: Gateway, film: FilmRecord, stop_after: Stage | None, who: str
) -> FilmTold:
    """Let a film go on that ended or is blocked. Raises Conflict when it goes on by itself."""
    if film.execution is Execution.NEEDS_ATTENTION:
        accepted(await gateway.engine.command(film.film_id, TryAgain(who=who)))
        await asyncio.to_thread(gateway.ledger.gates.note, film.film_id, None, who, "resume")
        return _told(gateway, film, "running", "the film is assembled and delivered once more")
    if not film.ended:
        raise Conflict(f"the film {film.film_id} is {film.execution}: it goes on by itself")
    ended_by_itself = film.execution is Execution.SUCCEEDED
    stop_after = stop_after or (Stage.FILM if ended_by_itself else film.stop_after)
    await until_closed(gateway, film.film_id)
    await asyncio.to_thread(gateway.ledger.films.reopen, film.film_id, stop_after)
    ledger = gateway.ledger
    await asyncio.to_thread(ledger.gates.note, film.film_id, None, who, "resume")
    await start(gateway, film.film_id, stop_after, {"film_id": film.film_id})
    return _told(gateway, film, "queued", f"the film goes on up to its {stop_after}")


async def set_budget(
    gateway: Gateway, film: FilmRecord, limit: Decimal, who: str, seen: Decimal | None = None
) -> str:
    """Raise or lower a limit; returns what came of it.

    Raises Conflict when the limit is not the one that was seen any more.
    """
    if not film.ended:
        try:
            command = SetBudget(limit_usd=limit, who=who, seen_limit_usd=seen)
            return accepted(await gateway.engine.command(film.film_id, command)).message
        except Conflict:
            if await gateway.engine.running(film.film_id):
                raise
    await asyncio.to_thread(gateway.ledger.set_budget, film.film_id, limit, who, seen)
    return "the limit is set; nothing runs just now"


async def _cancel_without_workflow(gateway: Gateway, film: FilmRecord, who: str) -> FilmTold:
    if await gateway.engine.running(film.film_id):
        return _told(gateway, film, "cancelling", "the film is already being cancelled")

    def close() -> None:
        if gateway.ledger.films.read(film.film_id).execution is Execution.CANCELLING:
            gateway.ledger.films.set(film.film_id, Execution.CANCELLED)
            gateway.ledger.gates.note(film.film_id, None, who, "cancel")

    await asyncio.to_thread(close)
    return _told(gateway, film, "cancelled", "the film is cancelled; nothing was running")


async def until_closed(gateway: Gateway, film_id: str) -> None:
    """Wait for the workflow of a film that is recorded as ended a moment before it closes."""
    for _ in range(_CLOSING_TRIES):
        if not await gateway.engine.running(film_id):
            return
        await asyncio.sleep(_CLOSING_PAUSE_S)
    raise Conflict(f"the last run of the film {film_id} is still ending: try again in a moment")


def _told(
    gateway: Gateway,
    film: FilmRecord,
    execution: Literal["cancelling", "cancelled", "queued", "running"],
    message: str,
) -> FilmTold:
    return FilmTold(
        film_id=film.film_id,
        execution=execution,
        message=message,
        status_url=status_url(gateway, film.film_id),
    )
