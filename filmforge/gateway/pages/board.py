"""The board of a film: every shot as a card, where the film stands, and what changes."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from filmforge.domain import Execution, Review
from filmforge.gateway.estimate import estimate_of_rest
from filmforge.gateway.live import Live
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.sessions import Session
from filmforge.gateway.pages.viewer import AnyMember, Seeing, Viewer, viewer_by
from filmforge.gateway.progress import last_event_id
from filmforge.gateway.rendering import QUIET_HEADERS, fragment, page
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.tokens import sign_review
from filmforge.ledger.board import Card, Wanted
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.holds import HELD
from filmforge.ledger.outputs import FILM

CARDS_AT_FIRST = 60
CARDS_A_PART = 200
FILMS_A_PAGE = 50

router = APIRouter(include_in_schema=False)
Asked = Annotated[Wanted, Query()]


@router.get("/")
async def go_to_films() -> Response:
    """Where people begin."""
    return RedirectResponse("/films", 303, QUIET_HEADERS)


@router.get("/films")
async def show_films(
    viewer: AnyMember, gateway: Parts, start: Annotated[int, Query(ge=0, le=1_000_000)] = 0
) -> Response:
    """Every film at a glance, newest first."""
    read = gateway.ledger.overview.films
    # One more than is shown tells whether there are more.
    found = await asyncio.to_thread(read, FILMS_A_PAGE + 1, start)
    return page(
        "films.html",
        live=True,
        viewer=viewer,
        listed=found[:FILMS_A_PAGE],
        earlier=max(0, start - FILMS_A_PAGE) if start else None,
        later=start + FILMS_A_PAGE if len(found) > FILMS_A_PAGE else None,
    )


@router.get("/films/{film_id}")
async def show_board(viewer: Seeing, gateway: Parts, film: KnownFilm, wanted: Asked) -> Response:
    """The board of a film."""
    return await asyncio.to_thread(board_page, gateway, viewer, film, wanted)


@router.get("/films/{film_id}/cards")
async def show_cards(viewer: Seeing, gateway: Parts, film: KnownFilm, wanted: Asked) -> Response:
    """Some cards of the board: those that were asked for by name, or the next that fit."""

    def made() -> Response:
        values = _cards(gateway, viewer, film, wanted, CARDS_A_PART)
        later = "" if values["later"] is None else str(values["later"])
        return fragment(
            "cards.html",
            headers={"X-Found": str(values["found"]), "X-Later": later},
            viewer=viewer,
            film=film,
            **values,
        )

    return await asyncio.to_thread(made)


@router.get("/films/{film_id}/figures")
async def show_figures(viewer: Seeing, gateway: Parts, film: KnownFilm) -> Response:
    """Where the film stands, as the board shows it."""

    def made() -> Response:
        return fragment("figures.html", film=film, **_figures(gateway, film))

    return await asyncio.to_thread(made)


@router.get("/films/{film_id}/rest")
async def show_rest(viewer: Seeing, gateway: Parts, film: KnownFilm) -> Response:
    """What it still takes to finish the film."""
    estimate = await asyncio.to_thread(estimate_of_rest, gateway, film)
    return film_page("rest.html", viewer, film, estimate=estimate)


@router.get("/films/{film_id}/live")
async def follow(
    request: Request,
    viewer: Seeing,
    gateway: Parts,
    film: KnownFilm,
    after: Annotated[int, Query(ge=0, lt=10**18)] = 0,
) -> Response:
    """What changes from an event on, for as long as somebody may look."""
    stream = _stream(request, gateway, viewer, film.film_id, last_event_id(request) or after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def board_page(gateway: Gateway, viewer: Viewer, film: FilmRecord, wanted: Wanted) -> HTMLResponse:
    """The board with its first cards; reads the database."""
    # Before the cards: what changes while they are read is told again.
    at = gateway.ledger.events.newest(film.film_id)
    made = [d for kind, d, _ in gateway.ledger.films.outputs(film.film_id) if kind in (FILM, HELD)]
    return film_page(
        "board.html",
        viewer,
        film,
        "Board",
        scripts=("board.js", "decide.js"),
        at=at,
        wanted=wanted,
        reviews=list(Review),
        executions=list(Execution),
        outputs=made,
        **_cards(gateway, viewer, film, wanted, CARDS_AT_FIRST),
        **_figures(gateway, film),
    )


def _cards(
    gateway: Gateway, viewer: Viewer, film: FilmRecord, wanted: Wanted, count: int
) -> dict[str, Any]:
    cards, found = gateway.ledger.board.cards(film.film_id, wanted, count)
    later = wanted.start + len(cards)

    def review_url(card: Card) -> str:
        if not (card.digest and viewer.may("decide")):
            return ""
        if viewer.session.door == "share":  # whose link may be revoked, which a frame's cannot
            return f"/films/{film.film_id}/shots/{card.shot_id}"
        return sign_review(gateway.settings, card)[0]

    return {
        "cards": cards,
        "found": found,
        "later": later if cards and later < found else None,
        "review_url": review_url,
    }


def _figures(gateway: Gateway, film: FilmRecord) -> dict[str, Any]:
    standing = gateway.ledger.overview.standing(film)
    return {
        "standing": standing,
        "time_left": _words(standing.time_left_s),
        "budget": gateway.ledger.budget(film.film_id),
        "message": gateway.ledger.films.message(film),
    }


def _words(seconds: float | None) -> str:
    """How long something takes, as people say it; empty where nobody knows."""
    if not seconds:
        return ""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size * 1.5:
            return f"about {seconds / size:.0f} {name}s"
    return "about a minute"


async def _stream(
    request: Request, gateway: Gateway, viewer: Viewer, film_id: str, after: int
) -> AsyncIterator[str]:
    stopping: asyncio.Event = request.app.state.stopping
    live: Live = request.app.state.live
    yield "retry: 2000\n\n"
    async with live.watching(gateway.ledger.events, film_id, stopping) as watch:
        while not stopping.is_set():
            news = await watch.after(after)
            # A link may be revoked, or a session end, while its page is open.
            if not await asyncio.to_thread(_looks_still, gateway, viewer.session):
                return
            after = news.at if news else after
            yield news.message if news else ": still here\n\n"


def _looks_still(gateway: Gateway, session: Session) -> bool:
    return time.time() < session.expires_at and viewer_by(gateway, session) is not None
