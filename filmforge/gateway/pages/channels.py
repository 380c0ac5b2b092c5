"""Pages of channels: who is told of one film or of all of them, and what went out lately."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import model_validator

from filmforge.errors import BadInput, NotFound
from filmforge.gateway.channels import (
    USUAL,
    ChannelView,
    NewChannel,
    Tried,
    add_channel,
    channel_view,
    links_warning,
    try_channel,
)
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.forms import Pressed, read_form
from filmforge.gateway.pages.viewer import AnyProducer, Producing, Viewer
from filmforge.gateway.problems import Refusal
from filmforge.gateway.rendering import QUIET_HEADERS, page
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.channels import BLOCKED, TOPICS, Channel, ChannelKind
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.notices import Sent

router = APIRouter(include_in_schema=False)

KINDS = {
    ChannelKind.SLACK: "a Slack webhook",
    ChannelKind.DISCORD: "a Discord webhook",
    ChannelKind.EMAIL: "mail",
    ChannelKind.WEBHOOK: "a signed webhook",
}
WORDS = {
    "frame.waiting": "frames wait for approval",
    "frame.reminder": "frames still wait",
    "take.found_wanting": "something was found in a take",
    "shot.needs_attention": "a shot needs attention",
    BLOCKED: "the film cannot go on",
    "film.changed": "the film cannot go on",
    "budget.reached": "the budget is reached",
    "film.found_wanting": "something was found in the film",
    "film.undelivered": "a file could not be made",
    "film.done": "the film is finished",
    "film.cancelled": "the film was cancelled",
    "shot.comment": "somebody commented on a shot",
}
_BATCHES = (
    ("", "as usual"),
    ("0", "not at all"),
    ("30", "half a minute"),
    ("300", "five minutes"),
    ("3600", "an hour"),
    ("86400", "a day"),
)
_PICK = "wants:"


class ChannelForm(NewChannel):
    """The form that adds a channel: a box for each event, and empty where nothing is chosen."""

    @model_validator(mode="before")
    @classmethod
    def _picked(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        picked = [name.removeprefix(_PICK) for name in given if name.startswith(_PICK)]
        rest = {
            name: value for name, value in given.items() if not name.startswith(_PICK) and value
        }
        return {"events": picked, **rest}


@router.get("/films/{film_id}/channels")
async def show_of_film(viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """Who is told of a film."""
    return await _shown(viewer, gateway, film)


@router.post("/films/{film_id}/channels")
async def add_to_film(
    request: Request, viewer: Producing, film: KnownFilm, gateway: Parts
) -> Response:
    """Tell somebody of this film."""
    return await _added(request, viewer, gateway, film)


@router.post("/films/{film_id}/channels/{channel_id}/test")
async def test_of_film(
    request: Request, viewer: Producing, film: KnownFilm, gateway: Parts, channel_id: str
) -> Response:
    """Send a test message now."""
    return await _tested(request, viewer, gateway, channel_id, film)


@router.post("/films/{film_id}/channels/{channel_id}/revoke")
async def remove_from_film(
    request: Request, viewer: Producing, film: KnownFilm, gateway: Parts, channel_id: str
) -> Response:
    """Tell nobody there any more."""
    return await _removed(request, viewer, gateway, channel_id, film)


@router.get("/channels")
async def show_all(viewer: AnyProducer, gateway: Parts) -> Response:
    """Who is told of every film."""
    return await _shown(viewer, gateway)


@router.post("/channels")
async def add_to_all(request: Request, viewer: AnyProducer, gateway: Parts) -> Response:
    """Tell somebody of every film."""
    return await _added(request, viewer, gateway)


@router.post("/channels/{channel_id}/test")
async def test_of_all(
    request: Request, viewer: AnyProducer, gateway: Parts, channel_id: str
) -> Response:
    """Send a test message now."""
    return await _tested(request, viewer, gateway, channel_id)


@router.post("/channels/{channel_id}/revoke")
async def remove_from_all(
    request: Request, viewer: AnyProducer, gateway: Parts, channel_id: str
) -> Response:
    """Tell nobody there any more."""
    return await _removed(request, viewer, gateway, channel_id)


async def _added(
    request: Request, viewer: Viewer, gateway: Gateway, film: FilmRecord | None = None
) -> Response:
    try:
        wish = await read_form(request, ChannelForm, viewer.form_key)
        mine = wish.model_copy(update={"film_id": film.film_id if film else None})
        made = await add_channel(gateway, mine, viewer.who)
    except (Refusal, BadInput) as error:
        if isinstance(error, Refusal) and error.status != 422:
            raise
        return await _shown(viewer, gateway, film, wrong=str(error))
    if made.signing_secret:
        return await _shown(viewer, gateway, film, made=made)
    return _go(film)


async def _tested(
    request: Request,
    viewer: Viewer,
    gateway: Gateway,
    channel_id: str,
    film: FilmRecord | None = None,
) -> Response:
    await read_form(request, Pressed, viewer.form_key)
    channel = await asyncio.to_thread(_mine, gateway, channel_id, film)
    return await _shown(viewer, gateway, film, tried=await try_channel(gateway, channel))


async def _removed(
    request: Request,
    viewer: Viewer,
    gateway: Gateway,
    channel_id: str,
    film: FilmRecord | None = None,
) -> Response:
    await read_form(request, Pressed, viewer.form_key)
    await asyncio.to_thread(_mine, gateway, channel_id, film)
    await asyncio.to_thread(gateway.ledger.channels.revoke, channel_id, viewer.who)
    return _go(film)


def _mine(gateway: Gateway, channel_id: str, film: FilmRecord | None) -> Channel:
    """A channel of this page. Raises NotFound, also for one of another page."""
    found = gateway.ledger.channels.read(channel_id)
    if found.film_id != (film.film_id if film else None):
        raise NotFound("there is no such channel in force")
    return found


async def _shown(
    viewer: Viewer,
    gateway: Gateway,
    film: FilmRecord | None = None,
    *,
    made: ChannelView | None = None,
    tried: Tried | None = None,
    wrong: str = "",
) -> Response:
    film_id = film.film_id if film else None

    def read() -> tuple[list[ChannelView], list[ChannelView], list[Channel], list[Sent]]:
        known = gateway.ledger.channels.all()
        mine = [channel for channel in known if channel.film_id == film_id]
        others = [channel for channel in known if channel.film_id is None and film]
        ids = [channel.channel_id for channel in (*mine, *others)]
        sent = gateway.ledger.notices.recent(ids, film_id=film_id)
        removed = [] if film else [*gateway.ledger.channels.removed()]
        return [*map(channel_view, mine)], [*map(channel_view, others)], removed, [*sent]

    mine, others, removed, sent = await asyncio.to_thread(read)
    values: dict[str, Any] = {
        "at": _address(film),
        "channels": mine,
        "others": others,
        "removed": removed,
        "sent": sent,
        "names": {each.channel_id: each.name for each in (*mine, *others)},
        "made": made,
        "tried": tried,
        "wrong": wrong,
        "warning": links_warning(gateway.settings),
        "kinds": KINDS,
        "topics": [(topic, WORDS[topic], topic in USUAL) for topic in TOPICS],
        "words": WORDS,
        "batches": _BATCHES,
        "pick": _PICK,
    }
    status = 422 if wrong else 200
    if film:
        return film_page("channels_of_film.html", viewer, film, "Notices", status, **values)
    return page(
        "channels_of_all.html", status, live=True, viewer=viewer, film=None, scripts=(), **values
    )


def _address(film: FilmRecord | None) -> str:
    return f"/films/{film.film_id}/channels" if film else "/channels"


def _go(film: FilmRecord | None) -> Response:
    return RedirectResponse(_address(film), 303, QUIET_HEADERS)
