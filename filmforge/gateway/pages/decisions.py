"""Decisions: what people decide about frames, one or many at once, each bound to what they saw."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BeforeValidator, Field

from filmforge.commands import MOST_DECISIONS, MOST_TAKES, Answer, Choose, Decide, DecideMany
from filmforge.direction import rejected
from filmforge.domain import Kind
from filmforge.errors import BadInput, FilmError, NotFound
from filmforge.fields import Digest, Frozen, Identifier, Note, none_if_empty, typed
from filmforge.gateway.auth import Decider
from filmforge.gateway.bodies import read_model
from filmforge.gateway.lookup import OpenFilm
from filmforge.gateway.pages.forms import is_form, read_form
from filmforge.gateway.pages.notes import steered
from filmforge.gateway.pages.prices import seeds_frames
from filmforge.gateway.pages.viewer import Deciding
from filmforge.gateway.rendering import QUIET_HEADERS, page, wants_json
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord

# The ledger shows a frame a moment before the film knows that it waits, and another decision a
# moment after the film has taken it: in between the same decisions are handed in again.
PAUSES_S = (0.1, 0.3, 0.6, 1.0, 0.0)
UNKNOWN_SHOT = Answer(outcome="unknown_shot", message="The film has no such shot.")
_REPLACED = Answer(outcome="replaced", message="This frame does not wait any more.")

router = APIRouter(tags=["review"])
Wish = Decide | Choose


class Decision(Frozen):
    """What somebody decides about the frame of this digest.

    `choose` goes on with it `instead_of` the frame that waits. `note` steers the retake of a
    rejected frame; `takes` is how many new frames a rejection asks for.
    """

    shot_id: Identifier
    digest: Digest
    verdict: Literal["approve", "reject", "choose"]
    note: Annotated[Note, BeforeValidator(typed)] = ""
    takes: Annotated[int, Field(ge=1, le=MOST_TAKES)] = 1
    instead_of: Annotated[Digest | None, BeforeValidator(none_if_empty)] = None


class Decisions(Frozen):
    """The body of a call that decides; each decision stands for itself."""

    decisions: Annotated[tuple[Decision, ...], Field(min_length=1, max_length=MOST_DECISIONS)]


class DecisionTold(Frozen):
    """What became of one decision; only what was accepted changed anything."""

    shot_id: str
    outcome: Literal[
        "accepted", "already_decided", "replaced", "not_waiting", "unknown_shot", "unknown_take"
    ]
    message: str


class DecisionsTold(Frozen):
    """What became of each decision, in their order."""

    results: tuple[DecisionTold, ...]


@router.post(
    "/v1/films/{film_id}/decisions", response_model=DecisionsTold, openapi_extra=body_of(Decisions)
)
async def decide(request: Request, gateway: Parts, who: Decider, film: OpenFilm) -> Response:
    """Decide about frames that wait; one that was decided or replaced meanwhile stays as it is."""
    wanted = (await read_model(request, Decisions)).decisions
    return json_response(await _decided(gateway, film, wanted, who, f"api {who}"))


@router.post("/films/{film_id}/decisions", include_in_schema=False)
async def decide_here(
    request: Request, viewer: Deciding, gateway: Parts, film: OpenFilm
) -> Response:
    """The same from a page: JSON, or a form for one decision."""
    by = (viewer.who, viewer.principal)
    if not is_form(request):
        many = await read_form(request, Decisions, viewer.form_key)
        return json_response(await _decided(gateway, film, many.decisions, *by))
    one = await read_form(request, Decision, viewer.form_key)
    told = await _decided(gateway, film, (one,), *by, place="")
    return json_response(told) if wants_json(request) else _shown(film, told.results[0])


async def _decided(
    gateway: Gateway,
    film: FilmRecord,
    wanted: Sequence[Decision],
    who: str,
    principal: str,
    place: str = "decisions[{}].",
) -> DecisionsTold:
    """Check everything, then hand it to the film. Raises BadInput naming the field below `place`.

    Whatever is refused so, nothing was decided.
    """

    def checked() -> list[Wish | None]:
        return [
            _wish(gateway, film, each, who, principal, place.format(n))
            for n, each in enumerate(wanted)
        ]

    wishes = await asyncio.to_thread(checked)
    answers = iter(await hand_in(gateway, film.film_id, [wish for wish in wishes if wish]))
    told = [next(answers) if wish else UNKNOWN_SHOT for wish in wishes]
    return DecisionsTold(
        results=tuple(
            DecisionTold(shot_id=each.shot_id, outcome=answer.outcome, message=answer.message)
            for each, answer in zip(wanted, told, strict=True)
        )
    )


def _wish(
    gateway: Gateway, film: FilmRecord, wanted: Decision, who: str, principal: str, place: str
) -> Wish | None:
    """The decision as the film takes it; None for a shot that it has not."""
    try:
        record = gateway.ledger.shots.read(film.film_id, wanted.shot_id)
    except NotFound:
        return None
    note = wanted.note
    if wanted.verdict == "reject":
        # As of now: what is said of the frame after the decision steers nothing.
        note = steered(gateway, film.film_id, wanted.shot_id, wanted.digest, note)
    by = {"note": note, "who": who, "principal": principal}
    given = {"shot_id": wanted.shot_id, "digest": wanted.digest, **by}
    if wanted.verdict == "choose":
        _check_choice(gateway, record, wanted, place)
        return Choose.model_validate({**given, "instead_of": wanted.instead_of})
    several = wanted.takes if wanted.verdict == "reject" else 1
    if several > 1:
        _check_takes(gateway, film, record, wanted, place)
    return Decide.model_validate({**given, "verdict": wanted.verdict, "takes": several})


def _check_choice(gateway: Gateway, record: ShotRecord, wanted: Decision, place: str) -> None:
    if wanted.instead_of is None:
        remedy = "Give the digest of the frame that waits."
        raise BadInput(f"{place}instead_of", "is missing", remedy)
    takes = gateway.ledger.takes.of_shot(record.film_id, wanted.shot_id)
    if wanted.digest not in {take.digest for take in takes if take.kind is Kind.IMAGE}:
        problem = f"is no frame among the takes of {wanted.shot_id}"
        raise BadInput(f"{place}digest", problem, "Choose one of its takes.")


def _check_takes(
    gateway: Gateway, film: FilmRecord, record: ShotRecord, wanted: Decision, place: str
) -> None:
    """Without seeds the second of several requests would only find the asset of the first."""
    direction = rejected(record.direction, wanted.note, wanted.takes)
    if not seeds_frames(gateway.registry, film.brief, record.shot, direction):
        problem = "must be 1: the model of this shot's frame takes no seed"
        raise BadInput(f"{place}takes", problem, "Ask for one take, or name another model.")


async def hand_in(gateway: Gateway, film_id: str, wishes: Sequence[Wish]) -> list[Answer]:
    """Hand decisions to a film together, and in words for people what became of each."""
    left = dict(enumerate(wishes))
    answers: dict[int, Answer] = {}
    for pause_s in PAUSES_S:
        if not left:
            break
        many = DecideMany(decisions=tuple(left.values()))
        try:
            told = await gateway.engine.decide_many(film_id, many)
        except FilmError:
            if answers:  # what was accepted must be told
                break
            raise
        fates = await asyncio.to_thread(_fates, gateway, film_id, (*left.values(),), told)
        answers.update(zip(left, (answer for answer, _ in fates), strict=True))
        left = {n: left[n] for n, (_, again) in zip((*left,), fates, strict=True) if again}
        await asyncio.sleep(pause_s if left else 0)
    return [answers[n] for n in range(len(wishes))]


def _fates(
    gateway: Gateway, film_id: str, wishes: Sequence[Wish], told: Sequence[Answer]
) -> list[tuple[Answer, bool]]:
    """What to say about each, and whether it may still be taken a moment later."""
    both = zip(wishes, told, strict=True)
    return [_fate(gateway, film_id, wish, answer) for wish, answer in both]


def _fate(gateway: Gateway, film_id: str, wish: Wish, answer: Answer) -> tuple[Answer, bool]:
    if answer.outcome not in ("not_waiting", "already_decided"):
        return answer, False
    gate = gateway.ledger.gates.latest(film_id, wish.shot_id, wish.judged)
    if gate is None:
        return answer, False
    if gate.state == "open":
        return answer, True
    if gate.state == "replaced":
        return _REPLACED, False
    return Answer(outcome="already_decided", message=f"It was {gate.state} by {gate.who}."), False


def _shown(film: FilmRecord, told: DecisionTold) -> Response:
    """Where a person goes from a form: back to the shot, with why if nothing was decided."""
    back = f"/films/{film.film_id}/shots/{told.shot_id}"
    if told.outcome == "accepted":
        return RedirectResponse(back, 303, QUIET_HEADERS)
    status = 404 if told.outcome == "unknown_shot" else 409
    title = "Your decision changed nothing"
    return page("notice.html", status, title=title, words=told.message, note="", back=back)
