"""Assets: paid files found again by what they show, the most reused first."""

import asyncio
import re
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from filmforge.errors import NotFound
from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import gateway_of
from filmforge.gateway.view import Links
from filmforge.gateway.wording import clip
from filmforge.ledger.assets import FACETS, AssetQuery, FoundAsset
from filmforge.media.materials import MaterialKind
from filmforge.money import Money

router = APIRouter(prefix="/v1/assets", tags=["assets"], dependencies=[Depends(caller)])

_DIGEST = re.compile(r"[0-9a-f]{64}")

Value = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


class Search(BaseModel):
    """What to look for; every value and every word given must match; `q` is short for `text`."""

    model_config = ConfigDict(extra="forbid")

    character: list[Value] = Field(default=[], max_length=20)
    landscape: list[Value] = Field(default=[], max_length=20)
    style: list[Value] = Field(default=[], max_length=20)
    mood: Value | None = None
    time_of_day: Value | None = None
    shot_type: Value | None = None
    kind: MaterialKind | None = None
    text: Words = ""
    q: Words = ""
    limit: int = Field(default=50, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=1_000_000)


class Download(BaseModel):
    """Whether the file itself is wanted."""

    model_config = ConfigDict(extra="forbid")

    download: bool = False


class AssetView(Frozen):
    """An asset with what it cost, how often it was used again and what that saved."""

    digest: str
    kind: str
    media_type: str
    size: int
    width: int | None
    height: int | None
    duration_s: float | None
    provider: str
    model: str
    prompt: str
    cost_usd: Money
    reuses: int
    saved_usd: Money
    tags: dict[str, tuple[str, ...]]
    created_at: datetime
    url: str


class AssetList(Frozen):
    """Assets that match; `next_offset` is where more may follow."""

    assets: tuple[AssetView, ...]
    next_offset: int | None


class Facets(Frozen):
    """The values assets can be found by, with the number of assets that carry each."""

    facets: dict[str, dict[str, int]]


@router.get("", response_model=AssetList)
async def find(request: Request, search: Annotated[Search, Query()]) -> Response:
    """Find assets, most reused first."""
    gateway, links = gateway_of(request), request.app.state.links
    words = f"{search.text} {search.q}"
    query = AssetQuery(**search.model_dump(exclude={"text", "q"}), text=words)

    def read() -> AssetList:
        found = gateway.ledger.assets.find(query)
        full = len(found) == query.limit
        return AssetList(
            assets=tuple(_view(links, asset) for asset in found),
            next_offset=query.offset + query.limit if full else None,
        )

    return json_response(await asyncio.to_thread(read))


@router.get("/facets", response_model=Facets)
async def facets(request: Request) -> Response:
    """The values assets can be found by."""
    assets = gateway_of(request).ledger.assets

    def read() -> Facets:
        return Facets(facets={facet: assets.values(facet) for facet in FACETS})

    return json_response(await asyncio.to_thread(read))


@router.get("/{digest}", response_model=AssetView, responses={307: {"description": "The file"}})
async def read(request: Request, digest: str, wish: Annotated[Download, Query()]) -> Response:
    """One asset with its URL; with download=1 a redirect to the file itself."""
    if not _DIGEST.fullmatch(digest):
        raise NotFound(f"there is no asset {clip(digest)}")
    links: Links = request.app.state.links
    found = await asyncio.to_thread(gateway_of(request).ledger.assets.read, digest)
    if wish.download:
        return RedirectResponse(links.url(digest), 307, {"Cache-Control": "no-store"})
    return json_response(_view(links, found))


def _view(links: Links, found: FoundAsset) -> AssetView:
    return AssetView(
        **found.asset.model_dump(),
        kind=found.kind,
        provider=found.provider,
        model=found.model,
        prompt=found.prompt,
        cost_usd=found.cost,
        reuses=found.reuses,
        saved_usd=found.saved,
        tags=found.tags,
        created_at=found.created_at,
        url=links.url(found.asset.digest),
    )
