"""Media: a film's pictures, clips and sounds for those who may see it, and small pictures of them.

They go through the gateway, so that a page works wherever the gateway can be reached; the store
may be inside. Only what belongs to the film is given out, and only as what a browser may show.
"""

import asyncio
import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from filmforge.domain import Asset
from filmforge.errors import NotFound
from filmforge.fields import Digest
from filmforge.gateway.pages.viewer import Seeing
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.thumbs import JPEG, Thumbs, make_thumb
from filmforge.store import AssetStore

router = APIRouter(prefix="/films/{film_id}", include_in_schema=False)
DigestPath = Annotated[Digest, Path()]

_SHOWN = re.compile(
    r"image/(png|jpeg|webp|gif)|video/(mp4|webm|quicktime)|audio/(wav|x-wav|mpeg|mp4|flac|ogg|aac)"
)
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_HEADERS = {
    # What is stored under a digest never changes; who may see it may.
    "Cache-Control": "private, max-age=86400, immutable",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PIECE_BYTES = 256 << 10
# A store gives what there is of a range.
_NO_END = 1 << 40


class _Part(NamedTuple):
    """The bytes of a file that are asked for, both ends counted."""

    first: int
    last: int


@router.head("/media/{digest}")
@router.get("/media/{digest}")
async def read_media(
    request: Request, viewer: Seeing, gateway: Parts, film_id: str, digest: DigestPath
) -> Response:
    """A file of the film, or the part of it that is asked for."""
    asset = await asyncio.to_thread(_of_film, gateway, film_id, digest)
    headers = {**_HEADERS, "ETag": f'"{digest}"', "Accept-Ranges": "bytes"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    part = _asked(request.headers.get("range", ""), asset.size)
    if part is None:
        headers["Content-Range"] = f"bytes */{asset.size}"
        return Response(status_code=416, headers=headers)
    whole = part == _Part(0, asset.size - 1)
    if not whole:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{asset.size}"
    headers["Content-Length"] = str(part.last - part.first + 1)
    media_type = shown_as(asset.media_type)
    if request.method == "HEAD":
        return Response(None, 200 if whole else 206, headers, media_type)
    pieces = await _begun(gateway.store, digest, part)
    return StreamingResponse(pieces, 200 if whole else 206, headers, media_type)


@router.get("/thumb/{digest}")
async def read_thumb(
    request: Request, viewer: Seeing, gateway: Parts, film_id: str, digest: DigestPath
) -> Response:
    """A small picture of a frame or a clip of the film."""
    await asyncio.to_thread(_of_film, gateway, film_id, digest)
    headers = {**_HEADERS, "ETag": f'"t{digest}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    thumbs: Thumbs = request.app.state.thumbs
    picture = thumbs.get(digest)
    if picture is None:
        picture = await make_thumb(gateway, digest, request.app.state.looks)
        thumbs.keep(digest, picture)
    return Response(picture, headers=headers, media_type=JPEG)


def shown_as(media_type: str) -> str:
    """What a browser is told that a file is: nothing it could run."""
    plain = media_type.partition(";")[0]
    return plain if _SHOWN.fullmatch(plain) else "application/octet-stream"


async def whole_file(gateway: Gateway, digest: str, media_type: str) -> Response:
    """A stored file from its beginning to its end. Raises NotFound."""
    pieces = await _begun(gateway.store, digest, _Part(0, _NO_END))
    return StreamingResponse(pieces, headers=_HEADERS, media_type=shown_as(media_type))


def _of_film(gateway: Gateway, film_id: str, digest: str) -> Asset:
    """An asset, if it is a take or an output of the film. Raises NotFound."""
    if not gateway.ledger.films.owns(film_id, digest):
        raise NotFound("the film has no such file")
    return gateway.ledger.assets.read(digest).asset


def _asked(header: str, size: int) -> _Part | None:
    """The part that a Range header asks for; all without one, None where there is nothing."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or not (found[1] or found[2]):
        return _Part(0, size - 1)
    if not found[1]:
        first, last = max(0, size - int(found[2])), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    return _Part(first, last) if first <= last < size else None


async def _begun(store: AssetStore, digest: str, part: _Part) -> Iterator[bytes]:
    """The pieces of a file, once the store gave the first: till then it can be said if it can't."""
    pieces = _pieces(store, digest, part)
    return chain([await asyncio.to_thread(next, pieces, b"")], pieces)


def _pieces(store: AssetStore, digest: str, part: _Part) -> Iterator[bytes]:
    with store.opened(digest, part.first, part.last) as body:
        while piece := body.read(_PIECE_BYTES):
            yield piece
