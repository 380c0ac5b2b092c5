"""The film's timeline as a file that an editor opens, and the media it names."""

import asyncio
import shutil
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from opentimelineio.schema import Timeline
from starlette.types import Message, Send

from filmforge.cut.handover import media_digests, media_files, timeline_to_hand_over
from filmforge.domain import Asset
from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.replies import json_response
from filmforge.gateway.scratch import EXPORTS, folder_of
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.view import Links
from filmforge.interchange.export import MEDIA_TYPES, Format, write_timeline
from filmforge.ledger.films import FilmRecord

router = APIRouter(
    prefix="/v1/films/{film_id}/timeline", tags=["cut"], dependencies=[Depends(caller)]
)

_PIECE_BYTES = 1 << 20
_FETCHES = 4
# Whoever takes nothing for so long makes room for others.
READ_STALL_S = 120.0
_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file",
        "content": {
            media_type.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for media_type in MEDIA_TYPES.values()
        },
    }
}


async def _turn(request: Request) -> AsyncIterator[None]:
    """Room for one more export, until its answer is read to its end or the reader has gone."""
    async with request.app.state.exports:
        yield


class _Archive(StreamingResponse):
    """The answer that gives up on a reader who stalls."""

    async def stream_response(self, send: Send) -> None:
        async def in_time(message: Message) -> None:
            async with asyncio.timeout(READ_STALL_S):
                await send(message)

        await super().stream_response(in_time)


class MediaFile(Frozen):
    """A file that the timeline names; `size` in bytes."""

    name: str
    digest: str
    media_type: str
    size: int
    url: str


class MediaList(Frozen):
    """Everything that a film's timeline shows and sounds, in order of appearance."""

    film_id: str
    files: tuple[MediaFile, ...]


@router.get("", response_class=Response, responses=_FILES)
async def export(
    request: Request,
    film: KnownFilm,
    _held: Annotated[None, Depends(_turn, scope="request")],
    format_: Annotated[
        Format, Query(alias="format", description="otioz holds the media too; an EDL no sound")
    ] = "otio",
) -> Response:
    """The cut with its takes, transitions, sounds and review notes, for an editor to open."""
    gateway = gateway_of(request)
    timeline, names, _ = await asyncio.to_thread(_handed_over, gateway, film.film_id)
    file, size = await _written(gateway, film, timeline, format_, names)
    headers = {
        "Content-Disposition": f'attachment; filename="{film.film_id}.{format_}"',
        "Content-Length": str(size),
        "Cache-Control": "no-store",
    }
    return _Archive(_read(file), headers=headers, media_type=MEDIA_TYPES[format_])


@router.get("/media", response_model=MediaList)
async def media(request: Request, film: KnownFilm) -> Response:
    """The files that the timeline names, with where to read each."""
    links: Links = request.app.state.links
    _, names, assets = await asyncio.to_thread(_handed_over, gateway_of(request), film.film_id)
    files = tuple(
        MediaFile(
            name=name,
            digest=digest,
            media_type=assets[digest].media_type,
            size=assets[digest].size,
            url=links.url(digest),
        )
        for digest, name in names.items()
    )
    return json_response(MediaList(film_id=film.film_id, files=files))


def _handed_over(
    gateway: Gateway, film_id: str
) -> tuple[Timeline, dict[str, str], dict[str, Asset]]:
    """The timeline, the names of its media by digest, and those media."""
    timeline = timeline_to_hand_over(gateway.ledger, film_id)
    assets = gateway.ledger.assets.several(media_digests(timeline))
    return timeline, media_files(timeline, assets), assets


async def _written(
    gateway: Gateway, film: FilmRecord, timeline: Timeline, format_: Format, names: dict[str, str]
) -> tuple[BinaryIO, int]:
    """The open file and its size; it has no name any more, so closing it removes it."""
    exports = await asyncio.to_thread(folder_of, gateway.settings.work_dir, EXPORTS)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=exports))
    try:
        if format_ == "otioz":
            await _fetch(gateway, list(names), folder)
        path = folder / f"timeline.{format_}"
        fps = film.brief.output.fps
        await asyncio.to_thread(write_timeline, timeline, fps, format_, names, path)
        file = await asyncio.to_thread(path.open, "rb")
        return file, path.stat().st_size
    finally:
        # A thread of a cancelled request may still write: the next start removes what that leaves.
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _fetch(gateway: Gateway, digests: Sequence[str], folder: Path) -> None:
    """Fetch these files into the folder; once it raises, nothing is written there any more."""
    waiting = deque(digests)

    async def some() -> None:
        while waiting:
            digest = waiting.popleft()
            try:
                await gateway.store.fetch(digest, folder / digest)
            except Exception:
                waiting.clear()  # what is under way ends by itself, for no thread can be stopped
                raise

    lanes = await asyncio.gather(*(some() for _ in range(_FETCHES)), return_exceptions=True)
    for failed in filter(None, lanes):
        raise failed


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
            yield piece
    finally:
        file.close()
