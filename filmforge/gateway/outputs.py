"""Outputs: what a film was made into, for programs by their key and for players by a link."""

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.given import PLAYLIST, FoundFile, OutputFile, files_of, find_file
from filmforge.gateway.limits import guessing
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.problems import Refusal
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.tokens import ExpiredLink, ForgedLink, OutputLink, read_output
from filmforge.gateway.view import Links

router = APIRouter(tags=["outputs"])

_MAX_PLAYLIST_BYTES = 4_000_000
# Players run in pages of any origin; what they may read is said by the link alone.
_FOR_PLAYERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}
_FILE: dict[int | str, dict[str, Any]] = {307: {"description": "The file"}}


class OutputFiles(Frozen):
    """Every file of everything the film was made into."""

    film_id: str
    files: tuple[OutputFile, ...]


@router.get(
    "/v1/films/{film_id}/outputs", response_model=OutputFiles, dependencies=[Depends(caller)]
)
async def list_files(request: Request, gateway: Parts, film: KnownFilm) -> Response:
    """Every file the film was made into, those of an HLS delivery each by itself."""
    links: Links = request.app.state.links
    found = await asyncio.to_thread(files_of, gateway, links.url, film.film_id)
    return json_response(OutputFiles(film_id=film.film_id, files=tuple(found)))


@router.get(
    "/v1/films/{film_id}/outputs/{name:path}",
    status_code=307,
    responses=_FILE,
    dependencies=[Depends(caller)],
)
async def read_file(request: Request, gateway: Parts, film: KnownFilm, name: str) -> Response:
    """A file of the film: by its output's kind, or by that, a slash and the file's own name."""
    found = await asyncio.to_thread(find_file, gateway, film.film_id, name)
    return _redirect(request, found, {"Cache-Control": "no-store"})


@router.get("/outputs/{token}/{name:path}", responses=_FILE, openapi_extra={"security": []})
async def play(request: Request, gateway: Parts, token: str, name: str) -> Response:
    """A file of one output for whoever has its link: a playlist itself, all else elsewhere."""
    link = _link(request, gateway, token)
    if name.partition("/")[0] != link.kind:
        raise Refusal(404, "not_found", "The link is for another output.")
    found = await asyncio.to_thread(find_file, gateway, link.film_id, name)
    if found.media_type != PLAYLIST:
        return _redirect(request, found, _FOR_PLAYERS)
    playlist = await gateway.store.load(found.digest, _MAX_PLAYLIST_BYTES)
    return Response(playlist.data, headers=_FOR_PLAYERS, media_type=PLAYLIST)


def _redirect(request: Request, found: FoundFile, headers: dict[str, str]) -> Response:
    links: Links = request.app.state.links
    return RedirectResponse(links.url(found.digest, found.filename), 307, headers)


def _link(request: Request, gateway: Gateway, token: str) -> OutputLink:
    try:
        with guessing(request):
            return read_output(gateway.settings, token)
    except ForgedLink as error:
        raise Refusal(404, error.code, "The link was not made here.") from None
    except ExpiredLink as error:
        detail = f"{str(error).capitalize()}: read the film again for a fresh one."
        raise Refusal(410, error.code, detail) from None
