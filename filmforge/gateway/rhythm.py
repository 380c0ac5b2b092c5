"""Rhythm: a film's shots cut as long as those of a reference film."""

import asyncio
from decimal import Decimal

from fastapi import APIRouter, Depends, Request, Response

from filmforge.cut.handover import must_be_made
from filmforge.cut.holdings import holdings
from filmforge.cut.notes import without_marks
from filmforge.cut.rhythm import cut_to_rhythm, rhythm_recipe
from filmforge.cut.room import CuttingRoom
from filmforge.domain import Kind
from filmforge.errors import BadInput, NotFound
from filmforge.fields import Digest, Frozen, Identifier
from filmforge.gateway.auth import Caller, caller
from filmforge.gateway.bodies import read_model
from filmforge.gateway.captioned import overruns_of_files
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.problems import RETRY_AFTER_S
from filmforge.gateway.recut import cut_anew, must_have_ended
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.view import status_url
from filmforge.interchange.recut import Recut
from filmforge.interchange.timeline import recut_of
from filmforge.ledger import Ledger
from filmforge.media.tempo import Mapping, Rhythm, Suggestion

router = APIRouter(
    prefix="/v1/films/{film_id}/rhythm", tags=["cut"], dependencies=[Depends(caller)]
)

PATIENCE_S = 20.0
_MAX_BYTES = 64 << 20


class RhythmWish(Frozen):
    """The body: the digest of an uploaded film, and how its rhythm is laid over this one.

    "scaled" lays the whole reference over the whole film, "cyclic" gives each shot the length of
    the reference's next shot. With `apply` the film is cut so.
    """

    reference: Digest
    mapping: Mapping = "scaled"
    apply: bool = False


class Length(Frozen):
    """What a shot would be cut to, in frames; `wanted` is what the rhythm asks for."""

    shot_id: Identifier
    frames: int
    wanted: int
    seconds: Decimal


class RhythmFound(Frozen):
    """The reference's rhythm: its exact rate as a fraction, and how many of its shots there are."""

    fps: str
    frames: int
    shots: int
    average_s: float
    per_minute: tuple[int, ...]
    confidence: float


class RhythmTold(Frozen):
    """The suggestion; while the reference is still looked at, there is no `rhythm` yet.

    `remarks` say what is left out of the film's subtitles.
    """

    film_id: str
    message: str
    status_url: str
    applied: bool = False
    rhythm: RhythmFound | None = None
    lengths: tuple[Length, ...] = ()
    frames: int | None = None
    remarks: tuple[str, ...] = ()


@router.post("", response_model=RhythmTold, openapi_extra=body_of(RhythmWish))
async def rhythm(request: Request, film: KnownFilm, who: Caller) -> Response:
    """Suggest lengths for the shots after a reference film, or cut the film so; nothing is paid."""
    gateway = gateway_of(request)
    wish = await read_model(request, RhythmWish)
    if wish.apply:
        must_have_ended(film)
    await asyncio.to_thread(_check, gateway.ledger, wish.reference, film.film_id)
    url = status_url(gateway, film.film_id)
    found = await _found(gateway, wish.reference)
    if found is None:
        message = "the shots of the reference are being found: ask again in a moment"
        told = RhythmTold(film_id=film.film_id, message=message, status_url=url)
        return json_response(told, 202, {"Retry-After": str(RETRY_AFTER_S)})
    cut, lengths = await asyncio.to_thread(_cut, gateway.ledger, film.film_id, found, wish.mapping)
    overruns = await overruns_of_files(gateway, film.brief, cut.frames)
    if wish.apply:
        await cut_anew(gateway, film, cut, who)
    told = RhythmTold(
        film_id=film.film_id,
        message="the film is being cut anew" if wish.apply else "the film can be cut so",
        status_url=url,
        applied=wish.apply,
        rhythm=_told(found),
        lengths=tuple(_length(each, cut) for each in lengths),
        frames=cut.frames,
        remarks=overruns,
    )
    return json_response(told, 202 if wish.apply else 200)


def _check(ledger: Ledger, reference: str, film_id: str) -> None:
    """Refuse what cannot be done before anybody looks into the reference."""
    remedy = "Upload the film to POST /v1/assets and give its digest."
    kind = ledger.assets.kinds([reference]).get(reference)
    if kind is None:
        raise BadInput("reference", f"there is no asset {reference}", remedy)
    if kind != Kind.VIDEO:
        raise BadInput("reference", f"is {kind}, not video", remedy)
    must_be_made(ledger, film_id)


async def _found(gateway: Gateway, reference: str) -> Rhythm | None:
    """The rhythm as it was found before, or else as it is now; None while it is looked for."""
    if known := await _known(gateway, reference):
        return known
    try:
        ended = await gateway.engine.find_rhythm(reference, PATIENCE_S)
    except NotFound as error:
        problem = f"the file {reference} is known and not stored any more"
        raise BadInput("reference", problem, "Upload the film again.") from error
    return await _known(gateway, reference) if ended else None


async def _known(gateway: Gateway, reference: str) -> Rhythm | None:
    """The rhythm that was found and is still in the store."""
    made = await asyncio.to_thread(gateway.ledger.makings.of, rhythm_recipe(reference).key)
    if not made:
        return None
    try:
        loaded = await gateway.store.load(made[0].digest, _MAX_BYTES)
    except NotFound:
        return None
    return Rhythm.model_validate_json(loaded.data)


def _cut(
    ledger: Ledger, film_id: str, found: Rhythm, mapping: Mapping
) -> tuple[Recut, tuple[Suggestion, ...]]:
    now = without_marks(recut_of(CuttingRoom(ledger).timeline(film_id)))
    return cut_to_rhythm(now, holdings(ledger, film_id, now), found, mapping)


def _told(found: Rhythm) -> RhythmFound:
    return RhythmFound(
        fps=str(found.fps),
        frames=found.frames,
        shots=len(found.beats),
        average_s=found.average_s,
        per_minute=found.per_minute,
        confidence=found.confidence,
    )


def _length(each: Suggestion, cut: Recut) -> Length:
    seconds = each.frames / cut.fps
    exact = Decimal(seconds.numerator) / seconds.denominator
    return Length(
        shot_id=each.shot_id,
        frames=each.frames,
        wanted=each.wanted,
        seconds=exact.quantize(Decimal("0.001")),
    )
