"""Editing shots: a draft says what would change, the page what that makes stale and costs.

Nothing is made again before somebody asks for the very drafts that they saw.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from filmforge.cues import SoundShot
from filmforge.direction import directed
from filmforge.domain import Execution, Kind, Providers, Shot
from filmforge.errors import BadInput, Conflict, FilmError, NotFound
from filmforge.fields import Identifier
from filmforge.gateway.control import resume_film
from filmforge.gateway.lookup import KnownFilm, KnownShot
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.forms import read_form
from filmforge.gateway.pages.viewer import Producing, Viewer
from filmforge.gateway.rendering import QUIET_HEADERS
from filmforge.gateway.shots import RetryShot, check_retry, retry_shot
from filmforge.gateway.stale import Effect, Effects, effects_of
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.wording import FieldError, errors_of
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord
from filmforge.money import ZERO
from filmforge.script.table import MODELS, put
from filmforge.script.writing import cells_of

EDITED = (
    "enhanced_prompt", "dialogue", "shot_type", "duration", "characters", "landscapes", "styles",
    "mood", "time_of_day", "camera", "negative_prompt", "seed",
)  # fmt: skip
_EMPTY: Mapping[str, JsonValue] = {
    "negative_prompt": "", "characters": [], "landscapes": [], "styles": [],
}  # fmt: skip
_STOPPED = (Execution.CANCELLING, Execution.CANCELLED)

router = APIRouter(prefix="/films/{film_id}", include_in_schema=False)


class Asked(BaseModel):
    """What is asked about drafts: `seen` is the print of what the page showed of them."""

    model_config = ConfigDict(extra="forbid")

    do: Literal["remake", "discard"]
    shot_id: Identifier | None = None
    seen: str = ""


class Cells(BaseModel):
    """An edited shot as its form sends it."""

    model_config = ConfigDict(extra="forbid")

    enhanced_prompt: str = ""
    dialogue: str = ""
    shot_type: str = ""
    duration: str = ""
    characters: str = ""
    landscapes: str = ""
    styles: str = ""
    mood: str = ""
    time_of_day: str = ""
    camera: str = ""
    negative_prompt: str = ""
    seed: str = ""
    image: str = ""
    video: str = ""
    audio: str = ""


@router.get("/edit")
async def show_shots(viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """The shots of a film, and what their drafts make stale."""
    return await _shots_page(gateway, viewer, film)


@router.post("/edit")
async def settle(request: Request, viewer: Producing, film: KnownFilm, gateway: Parts) -> Response:
    """Have drafts made that were seen, or throw one away."""
    asked = await read_form(request, Asked, viewer.form_key)
    back = RedirectResponse(f"/films/{film.film_id}/edit", 303, QUIET_HEADERS)
    if asked.do == "discard":
        if asked.shot_id is None:
            raise BadInput("shot_id", "is missing", "Name the shot whose edit is thrown away.")
        discard = gateway.ledger.drafts.discard
        await asyncio.to_thread(discard, film.film_id, asked.shot_id, viewer.who)
        return back
    effects = await asyncio.to_thread(effects_of, gateway, film, asked.shot_id)
    if not effects.ready or effects.seen != asked.seen:
        words = "Something has changed since this page was loaded, so nothing was sent. Look again."
        return await _shots_page(gateway, viewer, film, 409, words)
    try:
        late = await _remake(gateway, film, effects, viewer.who)
    except Conflict as error:
        return await _shots_page(gateway, viewer, film, 409, f"Nothing was sent: {error}.")
    if late:
        words = "Some were not sent, and are kept: " + "; ".join(late)
        return await _shots_page(gateway, viewer, film, 409, words)
    return RedirectResponse(f"/films/{film.film_id}", 303, QUIET_HEADERS)


@router.get("/shots/{shot_id}/edit")
async def show_shot(
    viewer: Producing, film: KnownFilm, shot: KnownShot, gateway: Parts
) -> Response:
    """One shot with its draft, and what that makes stale."""
    _refuse_sound(shot)
    return await _shot_page(gateway, viewer, film, shot)


@router.post("/shots/{shot_id}/edit")
async def edit(
    request: Request, viewer: Producing, film: KnownFilm, shot: KnownShot, gateway: Parts
) -> Response:
    """Keep an edit as a draft; nothing is asked for."""
    _refuse_sound(shot)
    cells = await read_form(request, Cells, viewer.form_key)
    try:
        wish = _wish(film, shot, cells)
        await asyncio.to_thread(check_retry, gateway, film, shot, wish)
    except (ValidationError, BadInput) as error:
        wrong = _wrong(error)
        return await _shot_page(gateway, viewer, film, shot, 422, cells.model_dump(), wrong)
    keep, shot_id = gateway.ledger.drafts.put, shot.shot.shot_id
    told = (film.film_id, shot_id, wish.changes, wish.providers, viewer.who)
    await asyncio.to_thread(keep, *told)
    return RedirectResponse(f"/films/{film.film_id}/shots/{shot_id}/edit", 303, QUIET_HEADERS)


def _refuse_sound(shot: ShotRecord) -> None:
    if isinstance(shot.shot, SoundShot):
        raise NotFound(f"{shot.shot.shot_id} is a sound and not edited here")


def _wish(film: FilmRecord, record: ShotRecord, cells: Cells) -> RetryShot:
    """What the cells say otherwise than the shot. Raises pydantic.ValidationError or BadInput."""
    now = directed(record.shot, record.direction).model_dump(mode="json")
    said = cells.model_dump()
    given: dict[str, JsonValue] = {}
    for name in EDITED:
        if said[name].strip():
            put(given, name, said[name])
        else:
            given[name] = _EMPTY.get(name)
    new = Shot.model_validate({**now, **given}).model_dump(mode="json")
    changes = {name: new[name] for name in EDITED if new[name] != now[name]}
    models = _models(film, record)
    other = {kind: said[kind].strip() for kind in MODELS if said[kind].strip() != models[kind]}
    for kind, ref in other.items():
        if not ref:
            raise BadInput(kind, "can't be left empty", f"Name a model, such as {models[kind]}.")
    return RetryShot(changes=changes, providers=Providers(**other))


def _models(film: FilmRecord, record: ShotRecord) -> dict[str, str]:
    """The models that somebody chose; empty where the default one serves."""
    chosen = record.direction.providers.over(record.shot.providers).over(film.brief.providers)
    return {kind: getattr(chosen, kind) or "" for kind in MODELS}


def _wrong(error: ValidationError | BadInput) -> list[FieldError]:
    if isinstance(error, BadInput):
        field = error.field.removeprefix("changes.")
        return [FieldError(field=field, problem=error.problem, remedy=error.remedy)]
    return errors_of(error, Shot)


async def _remake(gateway: Gateway, film: FilmRecord, effects: Effects, who: str) -> list[str]:
    """Ask for what was seen, shot by shot; returns words about those that were not taken."""
    if film.execution in _STOPPED:
        raise Conflict(f"the film is {film.execution}: resume it first")
    if film.ended:
        # All of its shots are done: it goes on with nothing but what is asked for now.
        await resume_film(gateway, film, film.stop_after, who)
        film = await asyncio.to_thread(gateway.ledger.films.read, film.film_id)
    told = [await _ask(gateway, film, effect, who) for effect in effects.ready]
    return [words for words in told if words]


async def _ask(gateway: Gateway, film: FilmRecord, effect: Effect, who: str) -> str:
    drafts, draft = gateway.ledger.drafts, effect.draft
    # Taken away first: of two clicks only one finds it.
    if not await asyncio.to_thread(drafts.take, film.film_id, draft):
        return f"{draft.shot_id}: somebody else has just sent or changed it"
    wish = RetryShot(changes=draft.changes, providers=draft.providers)
    try:
        await retry_shot(gateway, film, effect.record, wish, who, effect.seen)
    except FilmError as error:
        await asyncio.to_thread(drafts.put_back, film.film_id, draft)
        return f"{draft.shot_id}: {error}"
    except BaseException:
        await asyncio.to_thread(drafts.put_back, film.film_id, draft)
        raise
    return ""


async def _shots_page(
    gateway: Gateway, viewer: Viewer, film: FilmRecord, status: int = 200, words: str = ""
) -> Response:
    def read() -> dict[str, Any]:
        return {
            "effects": effects_of(gateway, film),
            "records": gateway.ledger.shots.of_film(film.film_id),
            **_money(gateway, film),
        }

    told = await asyncio.to_thread(read)
    return film_page("edit_film.html", viewer, film, "Shots", status, words=words, **told)


async def _shot_page(
    gateway: Gateway,
    viewer: Viewer,
    film: FilmRecord,
    record: ShotRecord,
    status: int = 200,
    cells: Mapping[str, str] | None = None,
    wrong: list[FieldError] | None = None,
) -> Response:
    def read() -> dict[str, Any]:
        effects = effects_of(gateway, film, record.shot.shot_id)
        draft = effects.each[0].draft if effects.each else None
        now = directed(record.shot, record.direction)
        models = _models(film, record)
        was = {**cells_of(now.model_dump(mode="json")), **models}
        drafted = {**now.model_dump(mode="json"), **(draft.changes if draft else {})}
        chosen = draft.providers.model_dump(exclude_none=True) if draft else {}
        return {
            "effects": effects,
            "was": was,
            "cells": cells or {**cells_of(drafted), **models, **chosen},
            "known": {kind: gateway.registry.makers(kind, "speech") for kind in Kind},
            **_money(gateway, film),
        }

    told = await asyncio.to_thread(read)
    return film_page(
        "edit_shot.html",
        viewer,
        film,
        "Shots",
        status,
        record=record,
        edited=EDITED,
        models=MODELS,
        wrong=wrong or [],
        words="",
        **told,
    )


def _money(gateway: Gateway, film: FilmRecord) -> dict[str, Any]:
    budget = gateway.ledger.budget(film.film_id)
    return {
        "free": max(budget.limit - budget.spent - budget.reserved, ZERO),
        "stopped": film.execution in _STOPPED,
    }
