"""The page of what needs attention, and the forms by which people choose what to do about it."""

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from filmforge.addresses import download
from filmforge.commands import Accept, Replace, Seen, Skip
from filmforge.domain import Execution, Kind, Providers
from filmforge.errors import BadInput, Conflict, FilmError
from filmforge.fields import Digest, Frozen, Identifier
from filmforge.gateway.attention import attentions, film_attention, in_trouble
from filmforge.gateway.control import FilmTold, accept_film, resume_film
from filmforge.gateway.estimate import estimate_apart
from filmforge.gateway.lookup import KnownFilm, KnownShot, open_film
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.forms import (
    KEY_FIELD,
    Pressed,
    read_form,
    refuse_foreign,
    refuse_keyless,
)
from filmforge.gateway.pages.multipart import receive_form
from filmforge.gateway.pages.viewer import Producing, Seeing, Viewer
from filmforge.gateway.problems import invalid, refusal_of
from filmforge.gateway.rendering import QUIET_HEADERS, wants_json
from filmforge.gateway.replies import json_response
from filmforge.gateway.shots import (
    ResolveShot,
    RetryShot,
    ShotTold,
    resolve_doubt,
    retry_shot,
    tell,
)
from filmforge.gateway.state import Gateway, Parts, gateway_of
from filmforge.gateway.uploads import (
    DOWNLOAD_TIMEOUT_S,
    check_replaceable,
    largest,
    take_in,
    workspace,
)
from filmforge.gateway.wording import errors_of
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord, retrying
from filmforge.money import Money, format_money

router = APIRouter(prefix="/films/{film_id}", include_in_schema=False)

PAGE = 15
DONE = {
    "retry": "{} is being made again.",
    "replace": "{} goes on with your file.",
    "skip": "{} is left out of the film. Nothing was spent on that.",
    "accept": "{} goes on as it is.",
    "look_again": "The provider of {} is asked again.",
    "send_again": "The request of {} is sent again.",
    "write_off": "The lost request of {} is written off.",
    "film": "The film goes on.",
}


class Wanted(BaseModel):
    """Which part of the page is wanted, and what was just done, to which shot."""

    model_config = ConfigDict(extra="ignore")

    start: Annotated[int, Field(ge=0, le=100_000)] = 0
    done: Annotated[str, StringConstraints(max_length=20)] = ""
    shot: Identifier | None = None


class Chosen(Frozen):
    """What every form about a shot carries: how it stood when the form was made.

    `back` says which page the person came from.
    """

    attempt: int
    reason: str = ""
    submits: int = 0
    back: Literal["attention", "shot"] = "attention"

    @property
    def seen(self) -> Seen:
        """What the choice is bound to."""
        return Seen(attempt=self.attempt, reason=self.reason or None, submits=self.submits)


class RetryChosen(Chosen):
    """Make it again for at most `usd`; or by another model: "image fal:flux 0.04"."""

    usd: Money | None = None
    maker: Annotated[str, StringConstraints(pattern=r"^$|^\w+ \S{1,200} [0-9.]{1,20}$")] = ""


class ReplaceChosen(Chosen):
    """Use a file instead, the one that comes with the form or the one at an address."""

    kind: Kind
    url: Annotated[str, StringConstraints(max_length=2_000, strip_whitespace=True)] = ""


class ResolveChosen(Chosen):
    """What becomes of a request whose answer was lost."""

    choice: Literal["look_again", "send_again", "write_off"]


class FilmSeen(Frozen):
    """The assembled film that was seen and is let out."""

    digest: Digest


@router.get("/attention")
async def show_attention(
    viewer: Seeing, film: KnownFilm, gateway: Parts, wanted: Annotated[Wanted, Query()]
) -> Response:
    """Every shot that needs a person, why, and what each choice costs."""
    done = DONE.get(wanted.done, "").format(wanted.shot or "The shot")
    return await _shown(viewer, gateway, film, start=wanted.start, done=done)


@router.post("/shots/{shot_id}/retry")
async def retry(
    request: Request, viewer: Producing, film: KnownFilm, shot: KnownShot, gateway: Parts
) -> Response:
    """Make a shot again, as it is or by another model."""
    form = await read_form(request, RetryChosen, viewer.form_key)

    async def work() -> ShotTold:
        await open_film(film)
        wish, most = _wish(form)
        await asyncio.to_thread(_refuse_dearer, gateway, film, shot, wish, most)
        return await retry_shot(gateway, film, shot, wish, viewer.who, form.seen)

    return await _done(request, viewer, gateway, film, form, "retry", work())


@router.post("/shots/{shot_id}/skip")
async def skip(
    request: Request, viewer: Producing, film: KnownFilm, shot: KnownShot, gateway: Parts
) -> Response:
    """Leave a shot out of the film."""
    form = await read_form(request, Chosen, viewer.form_key)
    command = Skip(shot_id=shot.shot.shot_id, who=viewer.who, seen=form.seen)
    work = _commanded(gateway, film, command)
    return await _done(request, viewer, gateway, film, form, "skip", work)


@router.post("/shots/{shot_id}/accept")
async def accept(
    request: Request, viewer: Producing, film: KnownFilm, shot: KnownShot, gateway: Parts
) -> Response:
    """Go on with a shot whatever was found in it."""
    form = await read_form(request, Chosen, viewer.form_key)
    command = Accept(shot_id=shot.shot.shot_id, who=viewer.who, seen=form.seen)
    work = _commanded(gateway, film, command)
    return await _done(request, viewer, gateway, film, form, "accept", work)


@router.post("/shots/{shot_id}/resolve")
async def resolve(
    request: Request, viewer: Producing, film: KnownFilm, shot: KnownShot, gateway: Parts
) -> Response:
    """Say what becomes of a request whose answer was lost."""
    form = await read_form(request, ResolveChosen, viewer.form_key)
    wish = ResolveShot(choice=form.choice)
    work = resolve_doubt(gateway, film, shot, wish, viewer.who, form.seen)
    return await _done(request, viewer, gateway, film, form, form.choice, work)


@router.post("/shots/{shot_id}/replace")
async def replace(
    request: Request, viewer: Producing, film: KnownFilm, shot: KnownShot, gateway: Parts
) -> Response:
    """Use a person's file in place of a generated one."""
    refuse_foreign(request)
    with workspace(gateway.settings.work_dir) as path:
        most = max(largest(gateway, kind) for kind in Kind)
        fields = dict(await receive_form(request, path, most))
        refuse_keyless(fields.pop(KEY_FIELD, ""), viewer.form_key)
        form = _replacement(fields)
        work = _replaced(request, viewer, film, shot, form, path)
        return await _done(request, viewer, gateway, film, form, "replace", work)


@router.post("/resume")
async def resume(request: Request, viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """Assemble and deliver a film once more."""
    await read_form(request, Pressed, viewer.form_key)
    work = _tried_again(gateway, film, viewer)
    return await _done(request, viewer, gateway, film, None, "film", work)


@router.post("/accept")
async def accept_as_it_is(
    request: Request, viewer: Producing, film: KnownFilm, gateway: Parts
) -> Response:
    """Let out the film that is held back."""
    form = await read_form(request, FilmSeen, viewer.form_key)
    work = accept_film(gateway, film, viewer.who, form.digest)
    return await _done(request, viewer, gateway, film, None, "film", work)


async def _commanded(gateway: Gateway, film: FilmRecord, command: Skip | Accept) -> ShotTold:
    await open_film(film)
    return await tell(gateway, film, command)


async def _tried_again(gateway: Gateway, film: FilmRecord, viewer: Viewer) -> FilmTold:
    if film.execution is not Execution.NEEDS_ATTENTION:
        # To resume a film that has ended may cost money, and the page has said that this is free.
        raise Conflict(f"the film is {film.execution} by now: there is nothing to try again")
    return await resume_film(gateway, film, None, viewer.who)


def _wish(form: RetryChosen) -> tuple[RetryShot, Decimal | None]:
    """What is asked for and the most that it was said to cost. Raises BadInput."""
    if not form.maker:
        return RetryShot(), form.usd
    kind, ref, usd = form.maker.split(" ")
    try:
        return RetryShot(providers=Providers.model_validate({kind: ref})), Decimal(usd)
    except (ValidationError, ArithmeticError):
        remedy = "Choose one of the models of the page."
        raise BadInput("maker", "is not a model that was offered", remedy) from None


def _refuse_dearer(
    gateway: Gateway, film: FilmRecord, shot: ShotRecord, wish: RetryShot, most: Decimal | None
) -> None:
    """Refuse what would cost more by now than the page said. Raises Conflict."""
    takes = gateway.ledger.takes.of_shot(film.film_id, shot.shot.shot_id)
    direction = retrying(shot, takes, wish.changes, wish.providers)
    (now,) = estimate_apart(gateway, film, [(shot.shot, direction)])
    if most is not None and now is not None and now.estimate_usd > most:
        price = format_money(now.estimate_usd)
        raise Conflict(f"it costs up to {price} USD by now, more than the page said: look again")


def _replacement(fields: dict[str, str]) -> ReplaceChosen:
    try:
        return ReplaceChosen.model_validate(fields)
    except ValidationError as error:
        raise invalid(errors_of(error, ReplaceChosen)) from None


async def _replaced(
    request: Request,
    viewer: Viewer,
    film: FilmRecord,
    shot: ShotRecord,
    form: ReplaceChosen,
    path: Path,
) -> ShotTold:
    gateway = gateway_of(request)
    await open_film(film)
    check_replaceable(shot, form.kind)
    sent = await asyncio.to_thread(path.exists)
    if not sent:
        await _download(gateway, form, path)
    digest = await take_in(request, shot, path, form.kind, "file" if sent else "url")
    command = Replace(
        shot_id=shot.shot.shot_id, kind=form.kind, digest=digest, who=viewer.who, seen=form.seen
    )
    return await tell(gateway, film, command)


async def _download(gateway: Gateway, form: ReplaceChosen, path: Path) -> None:
    if not form.url:
        raise BadInput("file", "is missing", "Choose a file, or give the address of one.")
    await download(
        form.url,
        path,
        allow_private=gateway.settings.allow_private_urls,
        field="url",
        max_bytes=largest(gateway, form.kind),
        timeout_s=DOWNLOAD_TIMEOUT_S,
    )


async def _done(
    request: Request,
    viewer: Viewer,
    gateway: Gateway,
    film: FilmRecord,
    form: Chosen | None,
    done: str,
    work: Awaitable[Frozen],
) -> Response:
    """Do what was chosen and go back to where the person was; a refusal is shown as things are."""
    try:
        told = await work
    except FilmError as error:
        if wants_json(request):
            raise
        status = refusal_of(error).status
        return await _shown(viewer, gateway, film, status, wrong=str(error))
    if wants_json(request):
        return json_response(told, 202)
    shot_id = told.shot_id if isinstance(told, ShotTold) else None
    query = urlencode({"done": done, **({"shot": shot_id} if shot_id else {})})
    to_shot = form is not None and form.back == "shot"
    place = f"shots/{shot_id}" if to_shot else "attention"
    return RedirectResponse(f"/films/{film.film_id}/{place}?{query}", 303, QUIET_HEADERS)


async def _shown(
    viewer: Viewer, gateway: Gateway, film: FilmRecord, status: int = 200, **told: Any
) -> Response:
    values = await asyncio.to_thread(_values, gateway, film.film_id, told.pop("start", 0))
    told = {"done": "", "wrong": "", **told}
    return film_page("attention.html", viewer, here="Attention", status=status, **values, **told)


def _values(gateway: Gateway, film_id: str, start: int) -> dict[str, Any]:
    """What the page shows, read afresh."""
    film = gateway.ledger.films.read(film_id)
    records = in_trouble(gateway, film)
    return {
        "film": film,
        "blocked": film_attention(gateway, film),
        "attentions": attentions(gateway, film, records[start : start + PAGE]),
        "total": len(records),
        "start": start,
        "page_size": PAGE,
    }
