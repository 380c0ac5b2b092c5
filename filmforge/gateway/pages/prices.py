"""Prices: what deciding about frames costs next; asking costs nothing and starts nothing."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from filmforge.brief import Brief
from filmforge.commands import MOST_DECISIONS
from filmforge.direction import chosen, rejected
from filmforge.domain import Direction, Kind, Shot
from filmforge.errors import BadInput
from filmforge.fields import Frozen, Identifier
from filmforge.gateway.estimate import ShotEstimate, estimate_apart, estimate_together
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.viewer import Deciding
from filmforge.gateway.quotes import quote
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord
from filmforge.money import ZERO, Money
from filmforge.providers.registry import Registry

router = APIRouter(include_in_schema=False)

Asked = Annotated[list[Identifier], Query(min_length=1, max_length=MOST_DECISIONS)]


class ShotPrices(Frozen):
    """What deciding about the frame of a shot costs at most, in US dollars.

    `approve_usd` is for the clip and the voice that are still to be made, `retake_usd` for one
    new frame whatever exists: a note makes another request, and nobody has written it yet.
    `takes` tells whether several can be asked for at once.
    """

    approve_usd: Money
    retake_usd: Money
    takes: bool


class Prices(Frozen):
    """What deciding about some frames costs at most."""

    shots: dict[str, ShotPrices]
    total_approve_usd: Money = Field(description="all of them approved")


@router.get("/films/{film_id}/prices")
async def show_prices(
    viewer: Deciding, gateway: Parts, film: KnownFilm, shot_id: Asked
) -> Response:
    """What approving these frames, or having them made again, would cost next."""
    return json_response(await asyncio.to_thread(prices_of, gateway, film, shot_id))


def prices_of(gateway: Gateway, film: FilmRecord, shot_ids: Sequence[str]) -> Prices:
    """The prices of some shots. Raises NotFound, BadInput when a model cannot be asked any more."""
    read = gateway.ledger.shots.read
    records = [read(film.film_id, shot_id) for shot_id in dict.fromkeys(shot_ids)]
    approved = [(each.shot, _approved(each)) for each in records]
    going_on = _estimates(gateway, film, approved)
    again = [(each.shot, rejected(each.direction)) for each in records]
    retakes = _estimates(gateway, film, again)
    told = {
        record.shot.shot_id: _told(gateway, film.brief, record, goes_on, retake)
        for record, goes_on, retake in zip(records, going_on, retakes, strict=True)
    }
    total = estimate_together(gateway, film, approved)
    # Not parsed again as money: a sum of many estimates may pass the most one amount may be.
    return Prices.model_construct(shots=told, total_approve_usd=total)


def seeds_frames(registry: Registry, film: Brief, shot: Shot, direction: Direction) -> bool:
    """Whether frames of a shot are told apart by seeds, so that several can be asked for.

    Raises BadInput when its model cannot be asked.
    """
    return quote(registry, film, shot, direction, Kind.IMAGE).request.seed is not None


def _approved(record: ShotRecord) -> Direction:
    """The direction of a shot that goes on with the frame it shows."""
    frame = record.image_digest
    return chosen(record.direction, frame) if frame else record.direction


def _estimates(
    gateway: Gateway, film: FilmRecord, asked: Sequence[tuple[Shot, Direction]]
) -> list[ShotEstimate]:
    found = []
    for (shot, _), made in zip(asked, estimate_apart(gateway, film, asked), strict=True):
        if made is None:
            problem = f"{shot.shot_id} can't be made as it is directed"
            raise BadInput("shot_id", problem, "Retry the shot with another model.")
        found.append(made)
    return found


def _told(
    gateway: Gateway, film: Brief, record: ShotRecord, goes_on: ShotEstimate, retake: ShotEstimate
) -> ShotPrices:
    seeded = seeds_frames(gateway.registry, film, record.shot, record.direction)
    frames = [line for line in retake.lines if line.kind is Kind.IMAGE]
    each = sum((line.estimate_usd + line.saves_usd for line in frames), ZERO)
    return ShotPrices(approve_usd=goes_on.estimate_usd, retake_usd=each, takes=seeded)
