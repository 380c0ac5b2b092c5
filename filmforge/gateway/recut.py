"""Recuts: an edited timeline comes back, and the film is joined anew from what it has."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from filmforge.cut.handover import must_be_made
from filmforge.cut.holdings import holdings
from filmforge.cut.notes import (
    NOTED,
    ReviewNote,
    detail_of,
    new_notes,
    notes_of_film,
    without_marks,
)
from filmforge.cut.room import CuttingRoom
from filmforge.domain import Stage
from filmforge.errors import Conflict
from filmforge.fields import Frozen
from filmforge.gateway.auth import Caller, caller
from filmforge.gateway.captioned import overruns_of_files
from filmforge.gateway.control import until_closed
from filmforge.gateway.films import start
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.replies import FILE_BODY, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.uploads import receive, workspace
from filmforge.gateway.view import status_url
from filmforge.interchange.library import settle
from filmforge.interchange.read import read_recut
from filmforge.interchange.recut import Recut
from filmforge.ledger import Ledger
from filmforge.ledger.films import FilmRecord

router = APIRouter(prefix="/v1/films/{film_id}/recut", tags=["cut"], dependencies=[Depends(caller)])

_LIGHTER = "send the .otio or .fcpxml alone, for the film has the media"


class Recutting(Frozen):
    """What a recut makes of the film; `notes` counts the review notes that came with it.

    `shots` are those that are shown, in order, `omitted` those that are not; `frames` is the
    film's new length; `remarks` say what is left out of the file and of the film's subtitles.
    """

    film_id: str
    message: str
    status_url: str
    shots: tuple[str, ...]
    omitted: tuple[str, ...]
    frames: int
    remarks: tuple[str, ...]
    notes: int


class RecutCleared(Frozen):
    """What became of the wish to go back to the film's own cut."""

    film_id: str
    message: str
    status_url: str


@router.post("", status_code=202, response_model=Recutting, openapi_extra=FILE_BODY)
async def recut(
    request: Request,
    film: KnownFilm,
    who: Caller,
    dry_run: Annotated[bool, Query(description="only say what would become of the film")] = False,
) -> Response:
    """Cut the film as an edited .otio, .otioz, .edl or .fcpxml says; nothing is paid for."""
    gateway = gateway_of(request)
    if not dry_run:
        must_have_ended(film)
    with workspace(gateway.settings.work_dir) as path:
        await receive(request, path, gateway.settings.max_asset_bytes, _LIGHTER)
        async with request.app.state.looks:
            edited = await asyncio.to_thread(read_recut, path, film.brief.output.fps)
            settled = await asyncio.to_thread(_settled, gateway.ledger, film.film_id, edited)
    wanted, notes = settled
    overruns = await overruns_of_files(gateway, film.brief, wanted.frames)
    message = "the film can be cut so" if dry_run else "the film is being cut anew"
    if not dry_run:
        await cut_anew(gateway, film, wanted, who, notes)
    told = Recutting(
        film_id=film.film_id,
        message=message,
        status_url=status_url(gateway, film.film_id),
        shots=wanted.order,
        omitted=wanted.omitted,
        frames=wanted.frames,
        remarks=(*wanted.remarks, *overruns),
        notes=len(notes),
    )
    return json_response(told, 200 if dry_run else 202)


@router.delete("", status_code=202, response_model=RecutCleared)
async def clear(request: Request, film: KnownFilm, who: Caller) -> Response:
    """Go back to the film's own cut."""
    gateway = gateway_of(request)
    message = "the film has its own cut already"
    if film.recut is not None:
        must_have_ended(film)
        await cut_anew(gateway, film, None, who)
        message = "the film goes back to its own cut"
    told = RecutCleared(
        film_id=film.film_id, message=message, status_url=status_url(gateway, film.film_id)
    )
    return json_response(told, 202)


def must_have_ended(film: FilmRecord) -> None:
    """Raises Conflict while the film runs."""
    if not film.ended:
        remedy = "wait until it has ended, or cancel it first"
        raise Conflict(f"the film {film.film_id} is {film.execution}: {remedy}")


async def cut_anew(
    gateway: Gateway,
    film: FilmRecord,
    wanted: Recut | None,
    who: str,
    notes: tuple[ReviewNote, ...] = (),
) -> None:
    """Keep how the film is to be cut, or None for its own cut, and join it again.

    Raises Conflict unless every shot is finished, so that nothing is made and nothing paid for.
    """
    await until_closed(gateway, film.film_id)
    await asyncio.to_thread(_keep, gateway.ledger, film.film_id, wanted, who, notes)
    await start(gateway, film.film_id, Stage.FILM, {"film_id": film.film_id})


def _settled(ledger: Ledger, film_id: str, edited: Recut) -> tuple[Recut, tuple[ReviewNote, ...]]:
    """The recut in terms of what the film has, and the notes it brings. Raises BadInput."""
    must_be_made(ledger, film_id)
    settled = settle(edited, holdings(ledger, film_id, edited))
    wanted = without_marks(settled)
    CuttingRoom(ledger).timeline(film_id, wanted)
    return wanted, tuple(new_notes(settled, notes_of_film(ledger, film_id)))


def _keep(
    ledger: Ledger,
    film_id: str,
    wanted: Recut | None,
    who: str,
    notes: tuple[ReviewNote, ...],
) -> None:
    with ledger.db.write():
        must_be_made(ledger, film_id)
        for note in notes:
            ledger.gates.note(film_id, note.shot_id, who, NOTED, **detail_of(note))
        document = wanted.model_dump(mode="json", exclude_defaults=True) if wanted else None
        ledger.films.set_recut(film_id, document, who)
        ledger.films.reopen(film_id, Stage.FILM)
