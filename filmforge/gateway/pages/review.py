"""Review by link: a page that shows one frame, and the decision that a person makes on it.

The token in the path is the only credential and no cookie decides, so a foreign page has nothing
to ride on: request forgery does not apply. A GET or HEAD never decides, which makes links safe
for mail scanners and previews.
"""

import asyncio
import unicodedata
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationError

from filmforge.commands import Answer, Decide
from filmforge.errors import Conflict, FilmError, ServiceUnavailable
from filmforge.fields import Frozen, Note, typed
from filmforge.gateway.bodies import read_model
from filmforge.gateway.limits import guessing
from filmforge.gateway.pages import standing
from filmforge.gateway.pages.board import board_page
from filmforge.gateway.pages.decisions import PAUSES_S
from filmforge.gateway.pages.forms import FORM, form_fields, is_form
from filmforge.gateway.pages.frame import frame_page
from filmforge.gateway.pages.notes import steered
from filmforge.gateway.pages.sessions import begin, keep, sessions_of
from filmforge.gateway.pages.standing import Notice
from filmforge.gateway.pages.viewer import Viewer, viewer_by
from filmforge.gateway.problems import RETRY_AFTER_S, Refusal, invalid, respond
from filmforge.gateway.rendering import QUIET_HEADERS, page, wants_json
from filmforge.gateway.replies import body_of
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.tokens import FilmLink, FrameLink, read_board, read_review
from filmforge.gateway.wording import errors_of
from filmforge.ledger.board import Wanted
from filmforge.ledger.gates import Gate

BY_TOKEN: dict[str, Any] = {"security": []}
NOBODY = "review link"
_MOST_FIELDS = 16
STATES = {"approve": "approved", "reject": "rejected"}

Verdict = Literal["approve", "reject"]

log = structlog.get_logger()
router = APIRouter(tags=["review"])


def _one_line(name: str) -> str:
    for sign in name:
        if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(f"holds the control character U+{ord(sign):04X}: remove it")
    return name


class Words(Frozen):
    """What a person says with a verdict; both may be left out."""

    note: Annotated[Note, BeforeValidator(typed)] = ""
    who: Annotated[
        str,
        StringConstraints(max_length=100, strip_whitespace=True),
        AfterValidator(_one_line),
    ] = ""


def _described() -> dict[str, Any]:
    told = body_of(Words, required=False)
    content = told["requestBody"]["content"]
    content[FORM] = content["application/json"]
    return {**told, **BY_TOKEN}


@router.head("/review/films/{token}", include_in_schema=False)
@router.get("/review/films/{token}", response_class=HTMLResponse, openapi_extra=BY_TOKEN)
async def show_board(
    request: Request, gateway: Parts, token: str, wanted: Annotated[Wanted, Query()]
) -> Response:
    """Show the review board of a film, and let in to its pages whoever has the link."""
    try:
        with guessing(request):
            link = read_board(gateway.settings, token)
        return await asyncio.to_thread(_board, request, gateway, link, wanted)
    except FilmError as error:
        return _say(request, standing.of_error(error))


@router.head("/review/{token}", include_in_schema=False)
@router.get("/review/{token}", response_class=HTMLResponse, openapi_extra=BY_TOKEN)
async def show_frame(request: Request, gateway: Parts, token: str) -> Response:
    """Show the frame a link is for, or why there is nothing to decide; decides nothing."""
    try:
        with guessing(request):
            link = read_review(gateway.settings, token)
        found = await asyncio.to_thread(standing.frame_before, gateway, link)
        if isinstance(found, Notice):
            return _say(request, found)
        return await asyncio.to_thread(frame_page, gateway, found, link, token)
    except FilmError as error:
        return _say(request, standing.of_error(error))


@router.post("/review/{token}/approve", openapi_extra=_described())
async def approve(request: Request, gateway: Parts, token: str) -> Response:
    """Approve the frame, once; takes a form or JSON with `note` and `who`."""
    return await _answer(request, gateway, token, "approve")


@router.post("/review/{token}/reject", openapi_extra=_described())
async def reject(request: Request, gateway: Parts, token: str) -> Response:
    """Reject the frame, once; `note` steers the retake."""
    return await _answer(request, gateway, token, "reject")


def _board(request: Request, gateway: Gateway, link: FilmLink, wanted: Wanted) -> Response:
    film = gateway.ledger.films.read(link.film_id)
    if known := _reviewer(request, gateway):
        return board_page(gateway, known, film, wanted)
    session = begin("board", "", "", film.film_id, link.expires_at)
    viewer = viewer_by(gateway, session)
    assert viewer is not None, "whoever has the link is let in"
    answer = board_page(gateway, viewer, film, wanted)
    keep(answer, gateway.settings, session)
    return answer


def _reviewer(request: Request, gateway: Gateway) -> Viewer | None:
    """A member who may do as much as the link lets them, and goes on by name."""
    for session in sessions_of(request, gateway.settings):
        viewer = viewer_by(gateway, session) if session.film_id is None else None
        if viewer and viewer.may("decide"):
            return viewer
    return None


async def _answer(request: Request, gateway: Gateway, token: str, verdict: Verdict) -> Response:
    try:
        with guessing(request):
            link = read_review(gateway.settings, token)
        words = await _words(request)
        found = await asyncio.to_thread(standing.frame_before, gateway, link)
        if isinstance(found, Gate):
            found = await _decide(gateway, found, link, verdict, words)
    except FilmError as error:
        return _say(request, standing.of_error(error), token)
    if isinstance(found, Notice):
        return _say(request, found, token)
    return _confirm(request, found)


async def _words(request: Request) -> Words:
    if not is_form(request):
        return await read_model(request, Words, optional=True)
    try:
        return Words.model_validate(await form_fields(request, _MOST_FIELDS))
    except ValidationError as error:
        raise invalid(errors_of(error, Words)) from None


async def _decide(
    gateway: Gateway, gate: Gate, link: FrameLink, verdict: Verdict, words: Words
) -> Gate | Notice:
    """Hand the verdict to the film; the gate as decided, or why it was not."""
    note = words.note
    if verdict == "reject":
        frame = (gate.film_id, gate.shot_id, gate.digest)
        note = await asyncio.to_thread(steered, gateway, *frame, note)
    command = Decide(
        shot_id=gate.shot_id,
        digest=gate.digest,
        verdict=verdict,
        note=note,
        who=words.who or NOBODY,
        link_id=link.link_id,
        principal=NOBODY,
    )
    for pause_s in PAUSES_S:
        answer = await _ask(gateway, gate.film_id, command)
        if isinstance(answer, Answer) and answer.outcome == "accepted":
            now_so = {"state": STATES[verdict], "who": command.who, "note": command.note}
            return gate.model_copy(update=now_so)
        found = await asyncio.to_thread(standing.frame_before, gateway, link)
        if isinstance(found, Notice):
            return found
        if isinstance(answer, Notice):
            return answer
        if answer.outcome == "replaced":
            return standing.FRAME_REPLACED
        await asyncio.sleep(pause_s)
    return standing.BUSY


async def _ask(gateway: Gateway, film_id: str, command: Decide) -> Answer | Notice:
    try:
        return await gateway.engine.command(film_id, command)
    except Conflict:
        return standing.FILM_NOT_RUNNING
    except ServiceUnavailable as error:
        log.warning("review.unavailable", film_id=film_id, error=str(error))
        return standing.UNAVAILABLE


def _confirm(request: Request, gate: Gate) -> Response:
    approved = gate.state == "approved"
    goes_on = "The film goes on with this frame." if approved else "A retake is being made."
    words = f"{goes_on} You can close this page."
    if wants_json(request):
        told = gate.model_dump(mode="json", include=_TOLD) | {"verdict": gate.state}
        return JSONResponse(told, headers=QUIET_HEADERS)
    title = f"{'Approved' if approved else 'Rejected'}: {gate.shot_id}"
    return page("notice.html", title=title, words=words, note=gate.note, back="")


_TOLD = {"film_id", "shot_id", "digest", "who", "note"}


def _say(request: Request, notice: Notice, token: str = "") -> Response:
    headers = {"Retry-After": str(RETRY_AFTER_S)} if notice.status == 503 else {}
    if wants_json(request):
        detail = f"{notice.title}. {notice.words}"
        quiet = {**QUIET_HEADERS, **headers}
        return respond(Refusal(notice.status, notice.code, detail, headers=quiet))
    back = f"../{token}" if notice.again and token else ""
    answer = page(
        "notice.html", notice.status, title=notice.title, words=notice.words, note="", back=back
    )
    answer.headers.update(headers)
    return answer
