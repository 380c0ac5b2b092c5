"""New film: shots pasted, dropped or copied from a film, judged line by line, and submitted."""

import asyncio
import json
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import JsonValue

from filmforge.brief import Film
from filmforge.direction import as_shot
from filmforge.domain import Kind, Review
from filmforge.errors import Conflict, FilmError
from filmforge.gateway.estimate import Estimate, estimate_of_submission
from filmforge.gateway.films import keep
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.forms import KEY_FIELD, refuse_foreign, refuse_keyless
from filmforge.gateway.pages.sheet import (
    MOST_ROWS,
    Given,
    Sheet,
    fault_of_row,
    field_cell,
    read_given,
    rearranged,
    sheet_from,
    sheet_of,
)
from filmforge.gateway.pages.viewer import AnyProducer, Viewer
from filmforge.gateway.problems import Refusal, refusal_of
from filmforge.gateway.rendering import QUIET_HEADERS, page
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.submission import film_or_errors, usable_film
from filmforge.gateway.wording import FieldError
from filmforge.ledger.films import FilmRecord
from filmforge.money import format_money
from filmforge.script.draft import Fault
from filmforge.script.table import FIELDS, LISTS
from filmforge.script.writing import cells_of

MOST_FAULTS = 200
MAIN = (
    "shot_id",
    "shot_type",
    "enhanced_prompt",
    "duration",
    "dialogue",
    "characters",
    "transition",
)
MORE = tuple(name for name in FIELDS if name not in MAIN)
_PLACE = re.compile(r"shots\[(\d+)\]\.?(.*)")
_ONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")

router = APIRouter(include_in_schema=False)


class Judged(NamedTuple):
    """What is wrong with a sheet, or the film that it says and what that would cost."""

    faults: tuple[tuple[int | None, Fault], ...]
    film: Film | None
    estimate: Estimate | None


@router.get("/new")
async def new(viewer: AnyProducer, gateway: Parts) -> Response:
    """Where shots are pasted or dropped."""
    sheet = sheet_of(Given({}, b"", ""))
    return await _page(gateway, viewer, sheet, None)


@router.post("/new/check")
async def check(request: Request, viewer: AnyProducer, gateway: Parts) -> Response:
    """The shots as a table, with what is wrong with each and what the film would cost."""
    given = await _given(request, viewer)
    sheet = await asyncio.to_thread(sheet_of, given)
    if wish := given.fields.get("do", ""):
        sheet = rearranged(sheet, wish)
    judged = await _judged(request, gateway, sheet)
    once = given.fields.get("once", "")
    return await _page(gateway, viewer, sheet, judged, once=once)


@router.post("/new/submit")
async def submit(request: Request, viewer: AnyProducer, gateway: Parts) -> Response:
    """Submit the film as it stands on the page; the same page twice is the same film."""
    given = await _given(request, viewer)
    sheet = await asyncio.to_thread(sheet_of, given)
    judged = await _judged(request, gateway, sheet)
    once = given.fields.get("once", "")
    if judged.film is None or judged.estimate is None:
        return await _page(gateway, viewer, sheet, judged, status=422, once=once)
    if not _ONCE.fullmatch(once):
        raise Refusal(400, "unreadable_body", "The form has lost its key: check the shots again.")
    total = format_money(judged.estimate.total_usd)
    if Decimal(total) > _seen_usd(given):
        words = f"Nothing was submitted: it costs up to {total} USD, more than the page said."
        return await _page(gateway, viewer, sheet, judged, status=409, words=words, once=once)
    try:
        told = await keep(gateway, judged.film, f"page-{once}")
    except Conflict as error:
        other = "Give it another id" if judged.film.film_id else "Press Submit for another film"
        words = f"Nothing was submitted: {error}. {other}."
        return await _page(gateway, viewer, sheet, judged, status=409, words=words)
    return RedirectResponse(f"/films/{told.film_id}", 303, QUIET_HEADERS)


def _seen_usd(given: Given) -> Decimal:
    """What the page said that the film would cost."""
    with suppress(ArithmeticError):
        if not (seen := Decimal(given.fields.get("seen_usd", ""))).is_nan():
            return seen
    raise Refusal(400, "unreadable_body", "The form has lost its price: check the shots again.")


@router.get("/films/{film_id}/duplicate")
async def duplicate(
    request: Request, viewer: AnyProducer, film: KnownFilm, gateway: Parts
) -> Response:
    """A film's shots as those of a new one: what was made for it is found again, free of charge."""
    sheet, words = await asyncio.to_thread(_copied, gateway, film)
    judged = await _judged(request, gateway, sheet)
    return await _page(gateway, viewer, sheet, judged, words=words)


def _copied(gateway: Gateway, film: FilmRecord) -> tuple[Sheet, str]:
    records = gateway.ledger.shots.of_film(film.film_id)
    kept = [each for each in records if each.review is not Review.OMITTED]
    shots = [as_shot(each.shot, each.direction).model_dump(mode="json") for each in kept]
    said = film.brief.model_dump(mode="json", exclude_defaults=True, exclude={"film_id"})
    left = [each.shot.shot_id for each in records if each.review is Review.OMITTED]
    own = [each.shot.shot_id for each in kept if each.direction.replaced]
    words = [
        f"Left out, as in the film: {_some(left)}." if left else "",
        f"Takes that people chose or uploaded are not copied: {_some(own)}." if own else "",
    ]
    return sheet_from(said, shots), " ".join(filter(None, words))


def _some(shot_ids: list[str]) -> str:
    more = f" and {len(shot_ids) - 10} more" if len(shot_ids) > 10 else ""
    return ", ".join(shot_ids[:10]) + more


async def _given(request: Request, viewer: Viewer) -> Given:
    refuse_foreign(request)
    given = await read_given(request)
    refuse_keyless(given.fields.get(KEY_FIELD, ""), viewer.form_key)
    return given


async def _judged(request: Request, gateway: Gateway, sheet: Sheet) -> Judged:
    """What the API would say to the film, and all of it at once."""
    document, read = sheet.document, tuple((None, fault) for fault in sheet.draft.faults)
    found = await asyncio.to_thread(film_or_errors, document, MOST_FAULTS)
    if isinstance(found, list):
        told = [] if read and not sheet.draft.rows else found
        return Judged((*read, *(_placed(sheet, each) for each in told)), None, None)
    try:
        film = await usable_film(gateway, document, request.app.state.looks)
        estimate = await asyncio.to_thread(estimate_of_submission, gateway, film)
    except FilmError as error:
        refusal = refusal_of(error)
        if refusal.status >= 500:
            raise
        errors = refusal.errors or (FieldError(field="film", problem=str(error), remedy=""),)
        return Judged((*read, *(_placed(sheet, each) for each in errors)), None, None)
    return Judged(read, film, estimate)


def _placed(sheet: Sheet, error: FieldError) -> tuple[int | None, Fault]:
    """A fault with the row and the line where it stands."""
    found, draft = _PLACE.fullmatch(error.field), sheet.draft
    if found and int(found[1]) < len(draft.rows):
        index = int(found[1])
        field = found[2] or "shot"
        return index, fault_of_row(draft, index, field, error.problem, error.remedy)
    line = draft.lines.get(error.field.partition(".")[0].partition("[")[0])
    fault = Fault(line=line, field=error.field, problem=error.problem, remedy=error.remedy)
    return None, fault


async def _page(
    gateway: Gateway,
    viewer: Viewer,
    sheet: Sheet,
    judged: Judged | None,
    status: int = 200,
    *,
    words: str = "",
    once: str = "",
) -> Response:
    known = {kind: gateway.registry.makers(kind, "speech") for kind in Kind}
    faults = judged.faults if judged else ()
    rows = [] if sheet.script or not judged else await asyncio.to_thread(_rows, sheet, judged)
    return page(
        "new_film.html",
        status,
        live=True,
        viewer=viewer,
        sheet=sheet,
        judged=judged,
        rows=rows,
        rest=json.dumps(_unseen(sheet)),
        faults=faults[:MOST_FAULTS],
        untold=max(len(faults) - MOST_FAULTS, 0),
        main=MAIN,
        more=MORE,
        lists=LISTS,
        known=known,
        most_rows=MOST_ROWS,
        words=words,
        default_usd=gateway.settings.default_budget_usd,
        once=once if _ONCE.fullmatch(once) else secrets.token_urlsafe(24),
    )


def _unseen(sheet: Sheet) -> Mapping[str, JsonValue]:
    """What the film says that neither the fields of the page nor its text say."""
    told = sheet.draft.film if sheet.script else {}
    return {name: value for name, value in sheet.rest.items() if name not in told}


def _rows(sheet: Sheet, judged: Judged) -> list[dict[str, object]]:
    wrong: dict[int, dict[str, str]] = {}
    for index, fault in judged.faults:
        if index is not None:
            words = f"{fault.problem}. {fault.remedy}"
            wrong.setdefault(index, {})[field_cell(fault.field)] = words
    costs = [each.estimate_usd for each in judged.estimate.shots] if judged.estimate else []
    return [
        {
            "cells": cells_of(row.shot) if isinstance(row.shot, dict) else {},
            "wrong": wrong.get(index, {}),
            "cost": costs[index] if costs else None,
        }
        for index, row in enumerate(sheet.draft.rows)
    ]
