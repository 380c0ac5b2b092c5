"""Films: submitted, listed, read, and what people did to them."""

import asyncio
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from filmforge.brief import Film
from filmforge.domain import Execution, Stage
from filmforge.errors import BadInput, ServiceUnavailable
from filmforge.fields import Frozen, Identifier
from filmforge.gateway.auth import AnyCaller, Caller, caller
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.problems import RETRY_AFTER_S, Refusal
from filmforge.gateway.projects import films_of
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.submission import submitted_film
from filmforge.gateway.tokens import sign_board
from filmforge.gateway.view import (
    FilmSummary,
    FilmView,
    Links,
    film_summary,
    film_view,
    status_url,
)
from filmforge.rights import Right

router = APIRouter(prefix="/v1/films", tags=["films"], dependencies=[Depends(caller)])

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,255}")


class Submitted(Frozen):
    """A film that was taken."""

    film_id: str
    status_url: str
    review_url: str


class FilmList(Frozen):
    """Films, newest first."""

    films: tuple[FilmSummary, ...]


class Page(BaseModel):
    """Which part of a list is wanted."""

    model_config = ConfigDict(extra="forbid")

    project: Identifier | None = None

    limit: int = Field(default=50, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=1_000_000)


@router.post("", status_code=202, response_model=Submitted, openapi_extra=body_of(Film))
async def submit(request: Request, who: Caller) -> Response:
    """Submit a film: an object, or a bare list of shots."""
    gateway = gateway_of(request)
    key = _idempotency_key(request, who)
    told = await keep(gateway, await submitted_film(request, gateway), key)
    return json_response(told, 202, {"Location": told.status_url})


async def keep(gateway: Gateway, film: Film, key: str | None) -> Submitted:
    """Keep a submitted film and start it, or find it again by its id or idempotency key.

    Raises Conflict when that belongs to another film, Refusal when it is kept and cannot start.
    """
    limit = gateway.settings.default_budget_usd
    record, _ = await asyncio.to_thread(gateway.ledger.films.create, film, limit, key)
    told = Submitted(
        film_id=record.film_id,
        status_url=status_url(gateway, record.film_id),
        review_url=sign_board(gateway.settings, record.film_id),
    )
    if not record.ended and record.execution is not Execution.CANCELLING:
        await start(gateway, record.film_id, None, told.model_dump())
    return told


@router.get("", response_model=FilmList)
async def recent(request: Request, page: Annotated[Page, Query()]) -> Response:
    """The films, or those of one project, newest first."""
    gateway = gateway_of(request)

    def read() -> FilmList:
        films = films_of(gateway.ledger, page.project, page.limit, page.offset)
        return FilmList(films=tuple(film_summary(gateway, film) for film in films))

    return json_response(await asyncio.to_thread(read))


@router.get("/{film_id}", response_model=FilmView)
async def read(request: Request, film: KnownFilm, known: AnyCaller) -> Response:
    """A film with its shots, takes, money, open gates and outputs."""
    links: Links = request.app.state.links
    view = await asyncio.to_thread(film_view, gateway_of(request), links, film)
    if known.right < Right.DECIDE:  # whoever has the link of a gate decides by it
        view = view.model_copy(update={"gates": ()})
    return json_response(view)


def _idempotency_key(request: Request, who: str) -> str | None:
    """The caller's key; a signed message is known by its id, which its sender repeats."""
    given = request.headers.get("idempotency-key")
    if given is None and who == "webhook":
        given = request.headers.get("webhook-id")
    if given is not None and not _PRINTABLE.fullmatch(given):
        remedy = "Use 1 to 255 printable ASCII characters without spaces."
        raise BadInput("Idempotency-Key", "cannot be used", remedy)
    return given


async def start(
    gateway: Gateway, film_id: str, stop_after: Stage | None, more: dict[str, str]
) -> None:
    """Start the workflow of a film that is kept and queued.

    Raises Refusal saying that it stays so, with the members `more`.
    """
    try:
        brief = (await asyncio.to_thread(gateway.ledger.films.read, film_id)).brief
        await gateway.engine.start_film(film_id, brief, stop_after)
    except ServiceUnavailable as error:
        detail = (
            f"The film {film_id} is kept and queued; it starts by itself when Temporal answers "
            "again. Nothing needs to be sent again."
        )
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise Refusal(503, error.code, detail, headers=headers, more=more) from error
