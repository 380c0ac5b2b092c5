"""The pictures of a page that stands for one frame: for whoever has its link, and no others."""

import asyncio

from fastapi import APIRouter, Request, Response

from filmforge.domain import Kind
from filmforge.errors import NotFound
from filmforge.gateway.limits import guessing
from filmforge.gateway.pages.media import DigestPath, whole_file
from filmforge.gateway.problems import Refusal
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.tokens import ExpiredLink, ForgedLink, FrameLink, read_review

router = APIRouter(include_in_schema=False)


@router.head("/review/{token}/media/{digest}")
@router.get("/review/{token}/media/{digest}")
async def read_picture(
    request: Request, gateway: Parts, token: str, digest: DigestPath
) -> Response:
    """A take of the shot that the link is for."""
    link = _link(request, gateway, token)
    media_type = await asyncio.to_thread(_take, gateway, link, digest)
    return await whole_file(gateway, digest, media_type)


def _link(request: Request, gateway: Gateway, token: str) -> FrameLink:
    try:
        with guessing(request):
            return read_review(gateway.settings, token)
    except ForgedLink as error:
        raise Refusal(403, error.code, "The link was not made here.") from None
    except ExpiredLink as error:
        raise Refusal(410, error.code, f"{str(error).capitalize()}.") from None


def _take(gateway: Gateway, link: FrameLink, digest: str) -> str:
    """The media type of a frame of the link's shot. Raises NotFound."""
    gate = gateway.ledger.gates.read(link.gate_id)
    takes = gateway.ledger.takes.of_shot(gate.film_id, gate.shot_id)
    if not any(take.digest == digest and take.kind == Kind.IMAGE for take in takes):
        raise NotFound("the shot has no such frame")
    return gateway.ledger.assets.read(digest).asset.media_type
