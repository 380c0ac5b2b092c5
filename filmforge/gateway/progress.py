"""Progress as server-sent events: what happens to a film, and where it stands after it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from filmforge.domain import Execution
from filmforge.errors import BadInput
from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.view import BudgetView, budget_view
from filmforge.ledger.events import Event
from filmforge.ledger.films import FilmRecord

router = APIRouter(prefix="/v1/films/{film_id}", tags=["films"], dependencies=[Depends(caller)])

POLL_S = 0.25
HEARTBEAT_S = 10.0
PAGE = 500
_STARTS = ("film.submitted", "film.resumed")
_LANDED = ("done", "omitted")


class Standing(Frozen):
    """Where a film stands; `time_left_s` is an estimate in seconds once a shot has landed."""

    film_id: str
    execution: Execution
    reason: str | None
    shot_count: int
    progress: dict[str, int]
    budget: BudgetView
    time_left_s: float | None


class Pace:
    """How fast shots land, learnt from the events of the present run."""

    def __init__(self) -> None:
        self._start: datetime | None = None
        self._last: datetime | None = None
        self._landed: set[str] = set()

    def see(self, event: Event) -> None:
        """Take an event into account."""
        if event.type in _STARTS or self._start is None:
            self._start, self._last = event.at, None
            self._landed.clear()
        if event.shot_id and event.data.get("review") in _LANDED:
            self._landed.add(event.shot_id)
            self._last = event.at

    def time_left_s(self, shots_left: int) -> float | None:
        """Seconds until as many more shots have landed, at the pace so far."""
        if shots_left == 0:
            return 0.0
        if self._start is None or self._last is None:
            return None
        return (self._last - self._start).total_seconds() / len(self._landed) * shots_left


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "Events as they happen"},
        204: {"description": "The film has ended and all its events were seen"},
    },
)
async def events(request: Request, film: KnownFilm) -> Response:
    """Follow a film; Last-Event-ID goes on after an event that was seen."""
    gateway, after = gateway_of(request), last_event_id(request)
    if film.ended and after and not await _more(gateway, film.film_id, after):
        return Response(status_code=204)  # tells browsers not to connect again
    stream = _stream(gateway, request.app.state.stopping, film.film_id, after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def last_event_id(request: Request) -> int:
    """The event after which a client goes on; 0 from the beginning. Raises BadInput."""
    given = request.headers.get("last-event-id", "").strip() or "0"
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise BadInput("Last-Event-ID", "is not the id of an event", "Send the last id you saw.")
    return int(given)


async def _stream(
    gateway: Gateway, stopping: asyncio.Event, film_id: str, after: int
) -> AsyncIterator[str]:
    pace, quiet_since, told = Pace(), time.monotonic(), False
    yield "retry: 1000\n\n"
    while not stopping.is_set():
        # The film before its events: whatever ended it is then among them.
        film = await asyncio.to_thread(gateway.ledger.films.read, film_id)
        news = await asyncio.to_thread(gateway.ledger.events.since, film_id, after, PAGE)
        for event in news:
            pace.see(event)
            after = event.id
        if news or not told:
            yield await asyncio.to_thread(_told, gateway, film, news, pace)
            told, quiet_since = True, time.monotonic()
        elif film.ended and not await _more(gateway, film_id, after):
            return
        if len(news) < PAGE:
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), POLL_S)
        if time.monotonic() - quiet_since >= HEARTBEAT_S:
            yield ": still here\n\n"
            quiet_since = time.monotonic()


async def _more(gateway: Gateway, film_id: str, after: int) -> bool:
    return await asyncio.to_thread(gateway.ledger.events.more, film_id, after)


def _told(gateway: Gateway, film: FilmRecord, news: Sequence[Event], pace: Pace) -> str:
    lines = [_message(event.type, event.model_dump(mode="json"), event.id) for event in news]
    standing = _standing(gateway, film, pace)
    return "".join([*lines, _message("progress", standing.model_dump(mode="json"))])


def _message(name: str, data: dict[str, Any], event_id: int | None = None) -> str:
    # Without an id of its own a message leaves the last one a client remembers as it is.
    number = f"id: {event_id}\n" if event_id is not None else ""
    return f"{number}event: {name}\ndata: {json.dumps(data)}\n\n"


def _standing(gateway: Gateway, film: FilmRecord, pace: Pace) -> Standing:
    tally = gateway.ledger.shots.tally(film.film_id)
    left = film.shot_count - sum(tally.get(state, 0) for state in _LANDED)
    return Standing(
        film_id=film.film_id,
        execution=film.execution,
        reason=film.reason,
        shot_count=film.shot_count,
        progress=tally,
        budget=budget_view(gateway.ledger.budget(film.film_id)),
        time_left_s=None if film.ended else pace.time_left_s(left),
    )
