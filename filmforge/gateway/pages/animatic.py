"""The animatic: the cut in the page, with frames until there are clips, and what is said."""

import asyncio

from fastapi import APIRouter, Response

from filmforge.cut.animatic import Animatic, Line, Played, animatic_of
from filmforge.fields import Frozen
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.viewer import Seeing
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, Parts

router = APIRouter(prefix="/films/{film_id}", include_in_schema=False)


class Spoken(Line):
    """A line with the address of its voice."""

    voice_url: str | None


class Seen(Played):
    """A stretch of the film with the addresses of what is seen in it."""

    thumb_url: str | None
    frame_url: str | None
    clip_url: str | None
    lines: tuple[Spoken, ...]


class Reel(Frozen):
    """What the player plays, as of the event `at`; `clips` of its `shots` have landed."""

    at: int
    duration_s: float
    is_recut: bool
    shots: int
    clips: int
    slots: tuple[Seen, ...]


@router.get("/play")
async def show_play(viewer: Seeing, gateway: Parts, film: KnownFilm) -> Response:
    """The page that plays the current cut."""
    reel = await asyncio.to_thread(reel_of, gateway, film.film_id)
    return film_page("play.html", viewer, film, "Play", scripts=("play.js",), reel=reel)


@router.get("/animatic.json")
async def read_animatic(viewer: Seeing, gateway: Parts, film: KnownFilm) -> Response:
    """The current cut, as far as there is anything of it."""
    return json_response(await asyncio.to_thread(reel_of, gateway, film.film_id))


def reel_of(gateway: Gateway, film_id: str) -> Reel:
    """What is played of a film; reads the database."""
    # Before the cut: what changes while it is read is told again.
    at = gateway.ledger.events.newest(film_id)
    cut: Animatic = animatic_of(gateway.ledger, film_id)
    slots = tuple(_seen(f"/films/{film_id}", slot) for slot in cut.slots)
    of_shots = [slot for slot in slots if not (slot.card or slot.colour)]
    return Reel(
        at=at,
        duration_s=cut.duration_s,
        is_recut=cut.is_recut,
        shots=len(of_shots),
        clips=sum(slot.clip is not None for slot in of_shots),
        slots=slots,
    )


def _seen(film: str, slot: Played) -> Seen:
    lines = tuple(
        Spoken(**dict(line), voice_url=_at(film, "media", line.voice)) for line in slot.lines
    )
    return Seen(
        **{**dict(slot), "lines": lines},
        thumb_url=_at(film, "thumb", slot.frame or slot.clip),
        frame_url=_at(film, "media", slot.frame),
        clip_url=_at(film, "media", slot.clip),
    )


def _at(film: str, what: str, digest: str | None) -> str | None:
    return f"{film}/{what}/{digest}" if digest else None
