"""Materials: a person's files that films name by digest, judged by their content and kept."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from filmforge.domain import Asset
from filmforge.errors import BadMedia
from filmforge.fields import Digest, Frozen
from filmforge.gateway.assets import Words
from filmforge.gateway.auth import caller
from filmforge.gateway.problems import Refusal
from filmforge.gateway.replies import FILE_BODY, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.uploads import receive, workspace
from filmforge.gateway.view import Links
from filmforge.gateway.wording import FieldError
from filmforge.media.materials import MAX_BYTES, Material, MaterialKind, judge

router = APIRouter(prefix="/v1/assets", tags=["assets"], dependencies=[Depends(caller)])


class Uploaded(Frozen):
    """A file that was kept; films name it by its digest. Sizes in pixels."""

    digest: Digest
    media_type: str
    kind: MaterialKind
    size: int
    duration_s: float | None
    width: int | None
    height: int | None
    url: str


@router.post("", status_code=201, response_model=Uploaded, openapi_extra=FILE_BODY)
async def upload(
    request: Request,
    name: Annotated[Words, Query(description="words to find the file by")] = "",
) -> Response:
    """Keep a picture, clip, sound, .cube LUT, font, .srt or .vtt: the body is the file itself."""
    gateway = gateway_of(request)
    limit = min(max(MAX_BYTES.values()), gateway.settings.max_asset_bytes)
    with workspace(gateway.settings.work_dir) as path:
        await receive(request, path, limit)
        async with request.app.state.looks:
            try:
                material = await asyncio.to_thread(judge, path)
            except BadMedia as error:
                raise _refused(error) from error
        stored = await gateway.store.put(path, material.media_type)
    asset = Asset(digest=stored.digest, size=stored.size, **material.model_dump(exclude={"kind"}))
    await asyncio.to_thread(_keep, gateway, asset, material, name)
    links: Links = request.app.state.links
    told = Uploaded(**asset.model_dump(), kind=material.kind, url=links.url(asset.digest))
    return json_response(told, 201)


def _keep(gateway: Gateway, asset: Asset, material: Material, name: str) -> None:
    gateway.ledger.assets.upload(asset, material.kind, name)


def _refused(error: BadMedia) -> Refusal:
    told = FieldError(field="body", problem=str(error), remedy="Send a whole file of these kinds.")
    return Refusal(422, error.code, f"body: {error}", [told])
