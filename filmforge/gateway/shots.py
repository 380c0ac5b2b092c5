"""What a person does about one shot: retry, skip, resolve."""

import asyncio
from typing import Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import JsonValue

from filmforge.commands import Accept, Replace, Resolve, Retry, Seen, Skip
from filmforge.direction import directed, makes_of
from filmforge.domain import Providers
from filmforge.errors import Conflict, CreateAmbiguous
from filmforge.fields import Frozen
from filmforge.gateway.auth import Caller, caller
from filmforge.gateway.bodies import read_model
from filmforge.gateway.control import NoBody
from filmforge.gateway.lookup import KnownFilm, KnownShot, OpenFilm, accepted
from filmforge.gateway.quotes import check_providers, check_shot
from filmforge.gateway.references import check_guides
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord

router = APIRouter(
    prefix="/v1/films/{film_id}/shots/{shot_id}", tags=["shots"], dependencies=[Depends(caller)]
)


class RetryShot(Frozen):
    """The body of a retry: fields of the shot and models to change; nothing is fine too."""

    changes: dict[str, JsonValue] = {}
    providers: Providers = Providers()


class ResolveShot(Frozen):
    """The body of a call that says what becomes of a request whose answer was lost."""

    choice: Literal["look_again", "send_again", "write_off"]


class ShotTold(Frozen):
    """What became of a command to a shot."""

    film_id: str
    shot_id: str
    outcome: Literal["accepted"] = "accepted"
    message: str


@router.post(
    "/retry",
    status_code=202,
    response_model=ShotTold,
    openapi_extra=body_of(RetryShot, required=False),
)
async def retry(request: Request, film: OpenFilm, shot: KnownShot, who: Caller) -> Response:
    """Make the shot again, with other parameters or another provider where given."""
    gateway = gateway_of(request)
    wish = await read_model(request, RetryShot, optional=True)
    return json_response(await retry_shot(gateway, film, shot, wish, who), 202)


@router.post(
    "/skip",
    status_code=202,
    response_model=ShotTold,
    openapi_extra=body_of(NoBody, required=False),
)
async def skip(request: Request, film: OpenFilm, shot: KnownShot, who: Caller) -> Response:
    """Leave the shot out of the film."""
    await read_model(request, NoBody, optional=True)
    command = Skip(shot_id=shot.shot.shot_id, who=who)
    return json_response(await tell(gateway_of(request), film, command), 202)


@router.post(
    "/accept",
    status_code=202,
    response_model=ShotTold,
    openapi_extra=body_of(NoBody, required=False),
)
async def accept(request: Request, film: OpenFilm, shot: KnownShot, who: Caller) -> Response:
    """Go on with the shot's takes as they are, whatever was found in them."""
    await read_model(request, NoBody, optional=True)
    command = Accept(shot_id=shot.shot.shot_id, who=who)
    return json_response(await tell(gateway_of(request), film, command), 202)


@router.post(
    "/resolve", status_code=202, response_model=ShotTold, openapi_extra=body_of(ResolveShot)
)
async def resolve(request: Request, film: KnownFilm, shot: KnownShot, who: Caller) -> Response:
    """Say what is to be done about a request whose answer was lost."""
    wish = await read_model(request, ResolveShot)
    return json_response(await resolve_doubt(gateway_of(request), film, shot, wish, who), 202)


async def retry_shot(
    gateway: Gateway,
    film: FilmRecord,
    shot: ShotRecord,
    wish: RetryShot,
    who: str,
    seen: Seen | None = None,
) -> ShotTold:
    """Have a shot made again. Raises BadInput when it cannot be asked for like that, Conflict."""
    await asyncio.to_thread(check_retry, gateway, film, shot, wish)
    command = Retry(
        shot_id=shot.shot.shot_id,
        changes=wish.changes,
        providers=wish.providers,
        who=who,
        seen=seen,
    )
    return await tell(gateway, film, command)


async def resolve_doubt(
    gateway: Gateway,
    film: FilmRecord,
    shot: ShotRecord,
    wish: ResolveShot,
    who: str,
    seen: Seen | None = None,
) -> ShotTold:
    """Settle a request whose answer was lost. Raises Conflict when nothing is in doubt."""
    shot_id = shot.shot.shot_id
    if not film.ended and shot.reason == CreateAmbiguous.code:
        command = Resolve(shot_id=shot_id, choice=wish.choice, who=who, seen=seen)
        return await tell(gateway, film, command)
    message = await asyncio.to_thread(_resolve_left_behind, gateway, film, shot_id, wish, who)
    return ShotTold(film_id=film.film_id, shot_id=shot_id, message=message)


async def tell(
    gateway: Gateway, film: FilmRecord, command: Retry | Skip | Replace | Resolve | Accept
) -> ShotTold:
    """Carry a command to the film and say what became of it. Raises NotFound or Conflict."""
    answer = accepted(await gateway.engine.command(film.film_id, command))
    return ShotTold(film_id=film.film_id, shot_id=str(command.shot_id), message=answer.message)


def _resolve_left_behind(
    gateway: Gateway, film: FilmRecord, shot_id: str, wish: ResolveShot, who: str
) -> str:
    """Settle a doubt that the shot does not wait for any more: it went on another way.

    Raises Conflict when there is none, or when it would be sent again for nobody.
    """
    ledger = gateway.ledger
    posting = ledger.journal.in_doubt(film.film_id, shot_id)
    if posting is None:
        raise Conflict("no request of this shot is in doubt")
    if wish.choice == "send_again":
        raise Conflict("the shot went on without it: look again, or write it off")
    ledger.journal.resolve(posting.request_key, wish.choice, who)
    ledger.gates.note(film.film_id, shot_id, who, "resolve", choice=wish.choice)
    if wish.choice == "write_off":
        return "the request is written off: its estimate is spent"
    return "looked for again within a minute of the film's end; what was made is kept"


def check_retry(gateway: Gateway, film: FilmRecord, shot: ShotRecord, wish: RetryShot) -> None:
    """Make sure that a shot can be asked for once more like that. Raises BadInput or Refusal."""
    check_providers(gateway.registry, wish.providers, makes=makes_of(shot.shot))
    direction = shot.direction.model_copy(
        update={
            "changes": {**shot.direction.changes, **wish.changes},
            "providers": wish.providers.over(shot.direction.providers),
        }
    )
    check_shot(gateway.registry, film.brief, shot.shot, direction)
    if "guides" in wish.changes:
        check_guides(gateway, directed(shot.shot, direction).guides, "changes")
