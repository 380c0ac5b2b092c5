"""Uploads: a person's file in place of a generated one, judged by its content."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import StringConstraints

from filmforge.addresses import download
from filmforge.commands import Replace
from filmforge.cues import SoundShot
from filmforge.direction import directed, tags_of
from filmforge.domain import Asset, GenerationRequest, Kind
from filmforge.errors import BadInput, BadMedia
from filmforge.fields import Frozen
from filmforge.gateway.auth import Caller, caller
from filmforge.gateway.bodies import SMALLER, pieces, read_model
from filmforge.gateway.lookup import KnownShot, OpenFilm
from filmforge.gateway.problems import Refusal
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.scratch import UPLOADS, folder_of
from filmforge.gateway.shots import ShotTold, tell
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.wording import FieldError, clip
from filmforge.ledger.shots import ShotRecord
from filmforge.media.materials import MAX_BYTES
from filmforge.media.probe import Limits, MediaFacts, verify

router = APIRouter(
    prefix="/v1/films/{film_id}/shots/{shot_id}", tags=["shots"], dependencies=[Depends(caller)]
)

DOWNLOAD_TIMEOUT_S = 300.0
_WRITE_BYTES = 1 << 20


class ReplaceByUrl(Frozen):
    """The body of a replacement that is fetched from an address."""

    kind: Kind
    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]


def _described() -> dict[str, Any]:
    described = body_of(ReplaceByUrl)
    for kind in Kind:
        binary = {"schema": {"type": "string", "format": "binary"}}
        described["requestBody"]["content"][f"{kind.value}/*"] = binary
    return described


@router.post("/replace", status_code=202, response_model=ShotTold, openapi_extra=_described())
async def replace(
    request: Request,
    film: OpenFilm,
    shot: KnownShot,
    who: Caller,
    kind: Annotated[Kind | None, Query(description="for a file sent as the body")] = None,
) -> Response:
    """Use a file in place of a generated one: the body itself, or JSON with its kind and url."""
    gateway = gateway_of(request)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    with workspace(gateway.settings.work_dir) as path:
        if content_type == "application/json":
            kind, field = await _fetch(request, gateway, shot, path), "url"
        else:
            kind, field = _kind_sent(content_type, kind), "body"
            check_replaceable(shot, kind)
            await receive(request, path, largest(gateway, kind))
        digest = await take_in(request, shot, path, kind, field)
    command = Replace(shot_id=shot.shot.shot_id, kind=kind, digest=digest, who=who)
    return json_response(await tell(gateway, film, command), 202)


async def take_in(request: Request, shot: ShotRecord, path: Path, kind: Kind, field: str) -> str:
    """Keep a file that is to stand in for a generated one; returns its digest.

    Raises Refusal naming `field` when it is not what it should be.
    """
    gateway = gateway_of(request)
    async with request.app.state.looks:
        facts = await _look(gateway, path, kind, field)
    return await _keep(gateway, shot, path, facts)


@contextmanager
def workspace(work_dir: Path) -> Iterator[Path]:
    """A path for one uploaded file, which is gone afterwards."""
    with tempfile.TemporaryDirectory(dir=folder_of(work_dir, UPLOADS)) as made:
        yield Path(made) / "upload"


def check_replaceable(shot: ShotRecord, kind: Kind) -> None:
    """Make sure that a shot has such a part. Raises BadInput."""
    if isinstance(shot.shot, SoundShot) and kind is not Kind.AUDIO:
        problem = f"{shot.shot.shot_id} is a sound, which has no {kind.value}"
        raise BadInput("kind", problem, "Send a sound, with kind=audio.")


def largest(gateway: Gateway, kind: Kind) -> int:
    """How many bytes a file of this kind may have."""
    return min(MAX_BYTES[kind], gateway.settings.max_asset_bytes)


def _kind_sent(content_type: str, kind: Kind | None) -> Kind:
    major = content_type.partition("/")[0]
    if major in set(Kind) and kind in (None, major):
        return Kind(major)
    if kind is not None and content_type == "application/octet-stream":
        return kind
    if major in set(Kind):
        problem = f"says {kind} while the content type is {clip(content_type)}"
        raise BadInput("kind", problem, f"Send kind={major}, or another file.")
    detail = (
        f"The content type is {clip(content_type) or 'missing'}: send the file itself as image/*, "
        "video/* or audio/*, or application/json with its kind and url."
    )
    raise Refusal(415, "unsupported_media_type", detail)


async def _fetch(request: Request, gateway: Gateway, shot: ShotRecord, path: Path) -> Kind:
    wish = await read_model(request, ReplaceByUrl)
    check_replaceable(shot, wish.kind)
    await download(
        wish.url,
        path,
        allow_private=gateway.settings.allow_private_urls,
        field="url",
        max_bytes=largest(gateway, wish.kind),
        timeout_s=DOWNLOAD_TIMEOUT_S,
    )
    return wish.kind


async def receive(request: Request, path: Path, limit: int, remedy: str = SMALLER) -> None:
    """Write the body to a path. Raises Refusal for more than `limit` bytes, with the remedy."""
    file = await asyncio.to_thread(path.open, "wb")
    held = bytearray()
    try:
        async for piece in pieces(request, limit, remedy):
            held += piece
            if len(held) >= _WRITE_BYTES:
                await asyncio.to_thread(file.write, bytes(held))
                held.clear()
        file.write(held)
    finally:
        await asyncio.to_thread(file.close)


async def _look(gateway: Gateway, path: Path, kind: Kind, field: str) -> MediaFacts:
    """What the file is. Raises Refusal naming `field` when it is not what it should be."""
    limits = Limits(max_bytes=largest(gateway, kind))
    try:
        return await asyncio.to_thread(verify, path, kind, limits)
    except BadMedia as error:
        remedy = f"Send a whole {kind.value} file."
        told = FieldError(field=field, problem=str(error), remedy=remedy)
        raise Refusal(422, error.code, f"{field}: {error}", [told]) from error


async def _keep(gateway: Gateway, shot: ShotRecord, path: Path, facts: MediaFacts) -> str:
    """Store and index the file. Returns its digest."""
    stored = await gateway.store.put(path, facts.media_type)
    asset = _asset(stored.digest, stored.size, facts)
    await asyncio.to_thread(_index, gateway, shot, facts.kind, asset)
    return stored.digest


def _asset(digest: str, size: int, facts: MediaFacts) -> Asset:
    return Asset(
        digest=digest,
        media_type=facts.media_type,
        size=size,
        width=facts.width,
        height=facts.height,
        duration_s=facts.duration_s,
    )


def _index(gateway: Gateway, shot: ShotRecord, kind: Kind, asset: Asset) -> None:
    request = GenerationRequest(
        kind=kind, provider="upload", model="upload", parameters={"digest": asset.digest}
    )
    tags = tags_of(directed(shot.shot, shot.direction))
    gateway.ledger.takes.upload(shot.film_id, shot.shot.shot_id, request, asset, tags)
