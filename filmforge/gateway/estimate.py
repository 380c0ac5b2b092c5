"""Estimates: what a film would cost, or what remains to be paid; what exists counts as nothing."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from fastapi import APIRouter, Depends, Request, Response

from filmforge.brief import Brief, Film
from filmforge.commands import MOST_TAKES
from filmforge.cues import SoundShot, sounds_of
from filmforge.direction import directed, earlier
from filmforge.domain import Direction, Kind, Review, Shot, Stage
from filmforge.errors import BadInput
from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.bodies import read_model
from filmforge.gateway.control import NoBody
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.quotes import NO_FRAME, Quote, kinds_of, quote
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.submission import submitted_film
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.posting import Made
from filmforge.ledger.shots import ShotRecord
from filmforge.money import ZERO, Money, from_micros, to_micros

router = APIRouter(prefix="/v1", tags=["costs"], dependencies=[Depends(caller)])


class EstimateLine(Frozen):
    """One asset of a shot; a `cached` one was paid for before, or is made once for two shots."""

    kind: Kind
    provider: str
    model: str
    estimate_usd: Money
    cached: bool
    saves_usd: Money


class ShotEstimate(Frozen):
    """What one shot, or one sound, would cost at most."""

    shot_id: str
    estimate_usd: Money
    lines: tuple[EstimateLine, ...]


class CostToFinish(Frozen):
    """What it still takes to finish a film, in US dollars.

    `low` is the estimate of what is still to be made, which counts what exists as nothing;
    `likely` is `low` times (1 + the retakes per shot that this film has needed so far).
    """

    low: Money
    likely: Money


class Estimate(Frozen):
    """What a film would cost at most; `free_usd` is what its limit leaves.

    `sounds` are those that are to be made; the sums count them. Only of a film that was submitted
    is it known how often shots are made again.
    """

    film_id: str | None
    total_usd: Money
    cost_to_finish_usd: CostToFinish | None = None
    saved_usd: Money
    by_kind: dict[Kind, Money]
    limit_usd: Money
    free_usd: Money
    fits: bool
    shots: tuple[ShotEstimate, ...]
    sounds: tuple[ShotEstimate, ...] = ()


@dataclass(frozen=True)
class _Wish:
    """A shot and what is still to be made of it."""

    shot: Shot
    direction: Direction
    kinds: tuple[Kind, ...]


class _Estimated(NamedTuple):
    """Every shot, and every sound that is to be made."""

    shots: tuple[ShotEstimate, ...]
    sounds: tuple[ShotEstimate, ...]


@router.post("/estimates", response_model=Estimate, openapi_extra=body_of(Film))
async def estimate_submission(request: Request) -> Response:
    """What a film would cost if it were submitted now; nothing is kept or started."""
    gateway = gateway_of(request)
    film = await submitted_film(request, gateway)
    return json_response(await asyncio.to_thread(estimate_of_submission, gateway, film))


@router.post(
    "/films/{film_id}/estimate",
    response_model=Estimate,
    openapi_extra=body_of(NoBody, required=False),
)
async def estimate_rest(request: Request, film: KnownFilm) -> Response:
    """What is still to be paid for a film, up to where it stops by itself."""
    await read_model(request, NoBody, optional=True)
    return json_response(await asyncio.to_thread(estimate_of_rest, gateway_of(request), film))


def estimate_of_rest(gateway: Gateway, film: FilmRecord) -> Estimate:
    """What is still to be paid for a film; it reads the database, 1.2 s for 5,000 shots.

    Raises BadInput when a model of it cannot be asked any more.
    """
    kept = gateway.ledger.shots
    records = [*kept.of_film(film.film_id), *kept.sounds_of_film(film.film_id)]
    wishes = [
        _Wish(r.shot, r.direction, _kinds(r.shot, r.direction, film.stop_after))
        for r in records
        if not _finished(r)
    ]
    budget = gateway.ledger.budget(film.film_id)
    # What is reserved belongs to requests that are estimated here as well.
    free = max(budget.limit - budget.spent, ZERO)
    summed = _summed(film.film_id, _estimate(gateway, film.brief, wishes), budget.limit, free)
    rate = gateway.ledger.costs.retake_rate(film.film_id)
    return summed.model_copy(update={"cost_to_finish_usd": _to_finish(summed.total_usd, rate)})


def estimate_of_submission(gateway: Gateway, film: Film) -> Estimate:
    """What a film would cost that is not submitted yet. Raises BadInput."""
    limit = film.budget_usd
    if limit is None:
        limit = gateway.settings.default_budget_usd
    every = [*film.shots, *sounds_of(film)]
    wishes = [_Wish(s, Direction(), _kinds(s, Direction(), film.stop_after)) for s in every]
    return _summed(film.film_id, _estimate(gateway, film, wishes), limit, limit)


def _to_finish(low: Decimal, retake_rate: Decimal) -> CostToFinish:
    likely = from_micros(to_micros(low * (1 + retake_rate)))
    return CostToFinish.model_construct(low=low, likely=likely)


def _finished(record: ShotRecord) -> bool:
    return record.landed or record.review is Review.OMITTED


def _kinds(shot: Shot, direction: Direction, stop_after: Stage) -> tuple[Kind, ...]:
    """What is made: a clip that a person uploaded needs no frame, frames alone nothing else."""
    kinds = kinds_of(directed(shot, direction))
    if stop_after is Stage.FRAMES:
        kinds = () if isinstance(shot, SoundShot) else (Kind.IMAGE,)
    own = set(direction.replaced)
    if Kind.VIDEO in own:
        own.add(Kind.IMAGE)
    return tuple(kind for kind in kinds if kind not in own)


def estimate_apart(
    gateway: Gateway, film: FilmRecord, asked: Sequence[tuple[Shot, Direction]]
) -> list[ShotEstimate | None]:
    """What making each of these would cost by itself; None where no model can make it as asked.

    What exists counts as nothing. It asks the database twice, however many there are.
    """
    wishes = [_Wish(shot, way, _kinds(shot, way, film.stop_after)) for shot, way in asked]
    fitting = [_can_be_asked(gateway, film.brief, wish) for wish in wishes]
    possible = [wish for wish, fits in zip(wishes, fitting, strict=True) if fits]
    quotes, made = _quoted(gateway, film.brief, possible)
    told = iter(
        _shot(wish.shot.shot_id, mine, set(made))
        for wish, mine in zip(possible, quotes, strict=True)
    )
    return [next(told) if fits else None for fits in fitting]


def quotes_apart(
    gateway: Gateway, film: FilmRecord, asked: Sequence[tuple[Shot, Direction]]
) -> tuple[Sequence[Sequence[Quote]], Mapping[str, Made]]:
    """What each of these asks for, and what exists of all of it. Raises BadInput."""
    wishes = [_Wish(shot, way, _kinds(shot, way, film.stop_after)) for shot, way in asked]
    return _quoted(gateway, film.brief, wishes)


def estimate_together(
    gateway: Gateway, film: FilmRecord, asked: Sequence[tuple[Shot, Direction]]
) -> Decimal:
    """What making all of these would cost; what two of them share is paid for once.

    Raises BadInput when a model cannot make one of them as it is asked for.
    """
    wishes = [_Wish(shot, way, _kinds(shot, way, film.stop_after)) for shot, way in asked]
    made = _estimate(gateway, film.brief, wishes)
    return sum((each.estimate_usd for each in (*made.shots, *made.sounds)), ZERO)


def _can_be_asked(gateway: Gateway, film: Brief, wish: _Wish) -> bool:
    try:
        for kind in wish.kinds:
            frame = NO_FRAME if kind is Kind.VIDEO else None
            quote(gateway.registry, film, wish.shot, wish.direction, kind, frame)
    except BadInput:
        return False
    return True


def _estimate(gateway: Gateway, film: Brief, wishes: Sequence[_Wish]) -> _Estimated:
    quotes, made = _quoted(gateway, film, wishes)
    seen = set(made)
    told = [
        (wish, _shot(wish.shot.shot_id, mine, seen))
        for wish, mine in zip(wishes, quotes, strict=True)
    ]
    return _Estimated(
        shots=tuple(each for wish, each in told if not isinstance(wish.shot, SoundShot)),
        sounds=tuple(each for wish, each in told if isinstance(wish.shot, SoundShot)),
    )


def _quoted(
    gateway: Gateway, film: Brief, wishes: Sequence[_Wish]
) -> tuple[Sequence[Sequence[Quote]], Mapping[str, Made]]:
    """The quotes of each wish, and what exists of all of them.

    Frames and voices first: the digest of a frame that exists decides the clip's request.
    """

    def ask(
        kind: Kind, frame: Callable[[int], str | None], before_last: int = 0
    ) -> dict[int, Quote]:
        return {
            n: quote(
                gateway.registry, film, w.shot, earlier(w.direction, before_last), kind, frame(n)
            )
            for n, w in enumerate(wishes)
            if kind in w.kinds and w.direction.takes > before_last
        }

    images = ask(Kind.IMAGE, lambda _wish: None)
    # What was asked for together with a frame, to be chosen from.
    others = [ask(Kind.IMAGE, lambda _wish: None, n) for n in range(MOST_TAKES - 1, 0, -1)]
    voices = ask(Kind.AUDIO, lambda _wish: None)
    made = _made(gateway, images, voices, *others)

    def frame(n: int) -> str:
        """The frame, or the request that will make it: equal ones will make equal frames."""
        if Kind.IMAGE in wishes[n].direction.replaced:
            return wishes[n].direction.replaced[Kind.IMAGE]
        key = images[n].key
        return made[key].digest if key in made else key

    clips = ask(Kind.VIDEO, frame)
    made |= _made(gateway, clips)
    each = (*others, images, clips, voices)
    return [[found[n] for found in each if n in found] for n in range(len(wishes))], made


def _made(gateway: Gateway, *quotes: dict[int, Quote]) -> dict[str, Made]:
    return gateway.ledger.journal.made([q.key for each in quotes for q in each.values()])


def _shot(shot_id: str, quotes: Sequence[Quote], seen: set[str]) -> ShotEstimate:
    lines = []
    for each in quotes:
        cached = each.key in seen
        seen.add(each.key)
        lines.append(
            EstimateLine.model_construct(  # every figure of it was parsed as it was quoted
                kind=each.request.kind,
                provider=each.request.provider,
                model=each.request.model,
                estimate_usd=ZERO if cached else each.price,
                cached=cached,
                saves_usd=each.price if cached else ZERO,
            )
        )
    total = sum((line.estimate_usd for line in lines), ZERO)
    return ShotEstimate.model_construct(shot_id=shot_id, estimate_usd=total, lines=tuple(lines))


def _summed(film_id: str | None, made: _Estimated, limit: Decimal, free: Decimal) -> Estimate:
    lines = [line for shot in (*made.shots, *made.sounds) for line in shot.lines]
    # Not parsed again as money: a sum of many estimates may pass the most one amount may be.
    total = sum((line.estimate_usd for line in lines), ZERO)
    by_kind = {
        kind: sum((line.estimate_usd for line in lines if line.kind is kind), ZERO) for kind in Kind
    }
    return Estimate.model_construct(
        film_id=film_id,
        total_usd=total,
        saved_usd=sum((line.saves_usd for line in lines), ZERO),
        by_kind=by_kind,
        limit_usd=limit,
        free_usd=free,
        fits=total <= free,
        shots=made.shots,
        sounds=made.sounds,
    )
