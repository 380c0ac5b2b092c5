"""The page of a film's share links: who was given what, and a form for one more."""

import asyncio
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.forms import Pressed, read_form
from filmforge.gateway.pages.viewer import Producing, Viewer
from filmforge.gateway.problems import Refusal
from filmforge.gateway.rendering import QUIET_HEADERS
from filmforge.gateway.shares import (
    DAY_S,
    WEEK_S,
    NewShare,
    ShareView,
    create_share,
    share_of_film,
    share_view,
    view_with_address,
)
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.films import FilmRecord

router = APIRouter(prefix="/films/{film_id}/shares", include_in_schema=False)

_LASTS = (
    (DAY_S, "one day"),
    (WEEK_S, "seven days"),
    (30 * DAY_S, "thirty days"),
    (90 * DAY_S, "ninety days"),
)
_INVITES = {"see": "look at", "comment": "comment on", "decide": "look at and decide about"}


@router.get("")
async def show_shares(
    viewer: Producing, film: KnownFilm, gateway: Parts, show: Annotated[str, Query()] = ""
) -> Response:
    """The links of a film; the address of the one to `show`."""
    return await _shown(viewer, film, gateway, show=show)


@router.post("")
async def make_share(
    request: Request, viewer: Producing, film: KnownFilm, gateway: Parts
) -> Response:
    """Make a link and show its address."""
    try:
        wish = await read_form(request, NewShare, viewer.form_key)
    except Refusal as refusal:
        if refusal.status != 422:
            raise
        return await _shown(viewer, film, gateway, wrong=str(refusal))
    made = await asyncio.to_thread(create_share, gateway, film.film_id, wish, viewer.who)
    return _go(film, show=made.share_id)


@router.post("/{share_id}/revoke")
async def revoke_share(
    request: Request, viewer: Producing, film: KnownFilm, gateway: Parts, share_id: str
) -> Response:
    """Let nobody in by a link any more."""
    await read_form(request, Pressed, viewer.form_key)
    await asyncio.to_thread(gateway.ledger.shares.revoke, film.film_id, share_id, viewer.who)
    return _go(film)


async def _shown(
    viewer: Viewer, film: FilmRecord, gateway: Gateway, *, show: str = "", wrong: str = ""
) -> Response:
    def read() -> tuple[list[ShareView], ShareView | None]:
        links = [share_view(each) for each in gateway.ledger.shares.of_film(film.film_id)]
        chosen = share_of_film(gateway, film.film_id, show) if show else None
        return links, view_with_address(gateway, chosen) if chosen else None

    links, chosen = await asyncio.to_thread(read)
    letter = _letter(film, chosen) if chosen and chosen.url else ""
    return film_page(
        "shares.html",
        viewer,
        film,
        "Sharing",
        422 if wrong else 200,
        scripts=("copy.js",) if letter else (),
        links=links,
        chosen=chosen,
        letter=letter,
        mail=_mail(film, letter),
        lasts=_LASTS,
        usual_s=WEEK_S,
        wrong=wrong,
    )


def _letter(film: FilmRecord, link: ShareView) -> str:
    title = film.brief.title or film.film_id
    lines = [
        f"You are invited to {_INVITES[link.gives]} the film {title}:",
        "",
        str(link.url),
        "",
        f"The link is for {link.name} and works until {link.expires_at:%Y-%m-%d %H:%M} UTC.",
    ]
    if link.has_passphrase:
        lines.append("It asks for a passphrase, which you get by another way.")
    return "\n".join(lines)


def _mail(film: FilmRecord, letter: str) -> str:
    subject = f"Your review of {film.brief.title or film.film_id}"
    # A mail program reads + as a plus: spaces are %20.
    words = {"subject": subject, "body": letter.replace("\n", "\r\n")}
    return "mailto:?" + urlencode(words).replace("+", "%20")


def _go(film: FilmRecord, **query: str) -> Response:
    more = f"?{urlencode(query)}" if query else ""
    return RedirectResponse(f"/films/{film.film_id}/shares{more}", 303, QUIET_HEADERS)
