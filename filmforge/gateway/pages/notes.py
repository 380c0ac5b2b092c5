"""Notes: what people say of a take and draw on it, as a part of the page of a shot."""

import asyncio
import json
from math import atan2, cos, pi, sin
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from filmforge.fields import Digest, Frozen
from filmforge.gateway.lookup import KnownFilm, KnownShot
from filmforge.gateway.pages.forms import Pressed, read_form
from filmforge.gateway.pages.viewer import Commenting, Seeing
from filmforge.gateway.rendering import QUIET_HEADERS, fragment, wants_html
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.comments import Comment
from filmforge.marks import Arrow, Drawn, Freehand, Rectangle, Remark, steering_note, words_of

router = APIRouter(prefix="/films/{film_id}/shots/{shot_id}/notes", include_in_schema=False)
CommentPath = Annotated[str, Path(max_length=32)]

# Marks are drawn on a picture of this height; the module of the page draws on the same.
HEIGHT = 1_000
_HEAD, _SPREAD = 45.0, pi / 7


class Thread(Frozen):
    """A comment with its replies, as it is shown.

    `place` says in words where its marks are, `paths` draw them, `drawn` are they as JSON.
    """

    first: Comment
    replies: tuple[Comment, ...]
    place: str
    paths: tuple[str, ...]
    drawn: str

    @property
    def time(self) -> str:
        """The time of the clip that it is about, as 0:01.25; nothing without one."""
        if self.first.at_ms is None:
            return ""
        minutes, ms = divmod(self.first.at_ms, 60_000)
        return f"{minutes}:{ms / 1000:05.2f}"


class Notes(Frozen):
    """The notes of a shot: those of the take that is seen, and those of its other takes.

    They are as of the event `at`; `width` and `height` are those that `paths` are drawn on.
    """

    film_id: str
    shot_id: str
    digest: str
    at: int
    width: int
    height: int = HEIGHT
    here: tuple[Thread, ...]
    elsewhere: tuple[Thread, ...]

    @property
    def open(self) -> int:
        """How many comments on the take that is seen are not resolved."""
        return sum(thread.first.resolved_at is None for thread in self.here)


def notes_for(gateway: Gateway, film_id: str, shot_id: str, digest: str) -> Notes:
    """What `notes.html` shows beside the take with this digest; reads the database."""
    # Before the comments: what is said while they are read is told again.
    at = gateway.ledger.events.newest(film_id)
    said = gateway.ledger.comments.of_shot(film_id, shot_id)
    ratio = _ratio(gateway, film_id, digest)
    replies: dict[str | None, list[Comment]] = {}
    for each in said:
        replies.setdefault(each.parent_id, []).append(each)
    threads = [
        _thread(first, replies.get(first.comment_id, []), ratio) for first in replies.get(None, [])
    ]
    return Notes(
        film_id=film_id,
        shot_id=shot_id,
        digest=digest,
        at=at,
        width=round(HEIGHT * ratio),
        here=tuple(each for each in threads if each.first.digest == digest),
        elsewhere=tuple(each for each in threads if each.first.digest != digest),
    )


def steered(gateway: Gateway, film_id: str, shot_id: str, digest: str, note: str) -> str:
    """What steers the retake of a rejected frame: the note, then what is open of that very frame.

    Reads the database; what is said later is not part of it.
    """
    return steering_note(note, gateway.ledger.comments.open_on(film_id, shot_id, digest))


@router.get("")
async def read_notes(
    viewer: Seeing,
    gateway: Parts,
    film: KnownFilm,
    shot: KnownShot,
    digest: Annotated[Digest, Query(description="the take that is seen")],
) -> Response:
    """The list of notes alone, for a page that shows it already."""
    notes = await asyncio.to_thread(notes_for, gateway, film.film_id, shot.shot.shot_id, digest)
    return fragment("notes_list.html", notes=notes, viewer=viewer)


@router.post("")
async def say(
    request: Request, viewer: Commenting, gateway: Parts, film: KnownFilm, shot: KnownShot
) -> Response:
    """Say something of a take, or of what another said."""
    remark = await read_form(request, Remark, viewer.form_key)
    add = gateway.ledger.comments.add
    where = film.film_id, shot.shot.shot_id
    made = await asyncio.to_thread(add, *where, remark, viewer.who, viewer.principal)
    return _answer(request, made, 201)


@router.post("/{comment_id}/resolve")
async def resolve(
    request: Request, viewer: Commenting, gateway: Parts, shot: KnownShot, comment_id: CommentPath
) -> Response:
    """What a comment asked for is done."""
    await read_form(request, Pressed, viewer.form_key)
    where = shot.film_id, shot.shot.shot_id, comment_id
    done = await asyncio.to_thread(gateway.ledger.comments.resolve, *where, viewer.who)
    return _answer(request, done)


@router.post("/{comment_id}/reopen")
async def reopen(
    request: Request, viewer: Commenting, gateway: Parts, shot: KnownShot, comment_id: CommentPath
) -> Response:
    """It is not done after all."""
    await read_form(request, Pressed, viewer.form_key)
    where = shot.film_id, shot.shot.shot_id, comment_id
    done = await asyncio.to_thread(gateway.ledger.comments.reopen, *where, viewer.who)
    return _answer(request, done)


class _Told(BaseModel):
    """What a module is told of a comment it sent."""

    comment_id: str
    resolved: bool


def _answer(request: Request, comment: Comment, status: int = 200) -> Response:
    if not wants_html(request):
        told = _Told(comment_id=comment.comment_id, resolved=comment.resolved_at is not None)
        return json_response(told, status)
    place = f"/films/{comment.film_id}/shots/{comment.shot_id}#notes"
    return RedirectResponse(place, 303, QUIET_HEADERS)


def _ratio(gateway: Gateway, film_id: str, digest: str) -> float:
    """How wide a take is for its height, as far as is known."""
    known = gateway.ledger.assets.several([digest]).get(digest)
    if known and known.width and known.height:
        return known.width / known.height
    output = gateway.ledger.films.read(film_id).brief.output
    return output.width / output.height


def _thread(first: Comment, replies: list[Comment], ratio: float) -> Thread:
    drawn = [mark.model_dump(mode="json") for mark in first.marks]
    return Thread(
        first=first,
        replies=tuple(replies),
        place=words_of(first.marks),
        paths=tuple(_path(mark, ratio) for mark in first.marks),
        drawn=json.dumps(drawn),
    )


def _path(mark: Drawn, ratio: float) -> str:
    """A mark as the path of an SVG that is HEIGHT high."""

    def at(point: tuple[float, float]) -> tuple[float, float]:
        return point[0] * ratio * HEIGHT, point[1] * HEIGHT

    match mark:
        case Rectangle():
            left, top, right, bottom = mark.box
            corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
            return f"{_line([at(corner) for corner in corners])}Z"
        case Freehand():
            return _line([at(point) for point in mark.points])
        case Arrow():
            tail, head = at(mark.tail), at(mark.head)
            way = atan2(head[1] - tail[1], head[0] - tail[0]) + pi
            barbs = [
                (head[0] + _HEAD * cos(way + turn), head[1] + _HEAD * sin(way + turn))
                for turn in (_SPREAD, -_SPREAD)
            ]
            return _line([tail, head]) + _line([barbs[0], head, barbs[1]])


def _line(points: list[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{across:.1f} {down:.1f}" for across, down in points)
