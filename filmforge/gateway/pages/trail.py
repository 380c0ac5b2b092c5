"""The page of a film's audit trail: who decided what on which take, from which link, when."""

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from pydantic import Field, JsonValue

from filmforge.fields import Frozen
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.viewer import Producing
from filmforge.gateway.rendering import QUIET_HEADERS
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.trail import Selection, trail_as_csv, trail_of
from filmforge.gateway.wording import clip
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.trail import Known, TakeShown, TrailEntry

router = APIRouter(prefix="/films/{film_id}", include_in_schema=False)

_A_PAGE = 50
_MOST_CHARS = 2_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SEEN = ("image", "video")
# Said on their own, or nothing to a person.
_APART = ("digest", "take", "note", "name", "link", "principal", "share")
_DEEDS = {
    "accept": "let it out as it is",
    "budget": "set the budget",
    "cancel": "cancelled the film",
    "channel.added": "had somebody told of it",
    "channel.removed": "had somebody told of it no more",
    "fallback": "went on with another provider",
    "frame.approved": "approved",
    "frame.rejected": "rejected",
    "resolve": "settled a charge nobody knows of",
    "resume": "let the film go on",
    "retake": "made it again",
    "share.created": "made a link",
    "share.opened": "came in by a link",
    "share.refused": "was refused: wrong passphrase",
    "share.revoked": "revoked a link",
    "skip": "left the shot out",
}


class Line(Frozen):
    """An entry as a person reads it; `picture` is the digest of what to show of it."""

    at: datetime
    who: str
    action: str
    deed: str
    shot_id: str | None
    take: str
    by: str
    note: str
    more: tuple[tuple[str, str], ...]
    picture: str | None


class Part(Selection):
    """Which entries are wanted, and from where on back."""

    before: int | None = Field(default=None, ge=1, le=2**62)


@router.get("/trail")
async def show_trail(
    viewer: Producing, film: KnownFilm, gateway: Parts, part: Annotated[Part, Query()]
) -> Response:
    """The audit trail of a film, the latest first."""
    lines, known, earlier = await asyncio.to_thread(_read, gateway, film, part)
    chosen = {"person": part.person, "action": part.action, "shot": part.shot}
    filters = {name: value for name, value in chosen.items() if value}
    return film_page(
        "trail.html",
        viewer,
        film,
        "Trail",
        lines=lines,
        fields=_fields(known, chosen),
        filters=urlencode(filters),
        earlier=urlencode({**filters, "before": earlier}) if earlier else "",
        later=part.before is not None,
    )


@router.get("/trail.csv")
async def csv_trail(
    viewer: Producing, film: KnownFilm, gateway: Parts, chosen: Annotated[Selection, Query()]
) -> Response:
    """The trail as a file for spreadsheets."""
    answer = await trail_as_csv(gateway, film.film_id, chosen)
    answer.headers.update(QUIET_HEADERS)
    return answer


@router.get("/trail.json")
async def json_trail(
    viewer: Producing, film: KnownFilm, gateway: Parts, chosen: Annotated[Selection, Query()]
) -> Response:
    """The trail as a file for programs."""
    told = await asyncio.to_thread(trail_of, gateway, film.film_id, chosen)
    name = f'attachment; filename="trail-{film.film_id}.json"'
    return json_response(told, headers={**QUIET_HEADERS, "Content-Disposition": name})


def _read(gateway: Gateway, film: FilmRecord, part: Part) -> tuple[list[Line], Known, int | None]:
    trail, film_id = gateway.ledger.trail, film.film_id
    # One more than is shown tells whether there are more.
    found = trail.latest(film_id, part.wanted, _A_PAGE + 1, part.before)
    shown = found[:_A_PAGE]
    takes = trail.takes(film_id, [digest for entry in shown if (digest := _digest(entry))])
    names = {share.share_id: share.name for share in gateway.ledger.shares.of_film(film_id)}
    lines = [_line(entry, takes, names) for entry in shown]
    return lines, trail.known(film_id), shown[-1].entry_id if len(found) > _A_PAGE else None


def _fields(known: Known, chosen: dict[str, str]) -> list[tuple[str, str, str, list[str]]]:
    """The filters of the page: name, label, what is chosen, what there is to choose."""
    options = {"person": known.people, "action": known.actions, "shot": known.shots}
    labels = {"person": "Person", "action": "Deed", "shot": "Shot"}

    def offered(name: str) -> Sequence[str]:
        extra = chosen[name]
        return (extra,) if extra and extra not in options[name] else ()

    return [
        (name, labels[name], chosen[name], [*options[name], *offered(name)]) for name in options
    ]


def _line(entry: TrailEntry, takes: dict[str, TakeShown], names: dict[str, str]) -> Line:
    detail, take = entry.detail, takes.get(_digest(entry) or "")
    number = detail.get("take") or (take.take if take else None)
    more = ((name, _text(value)) for name, value in detail.items() if name not in _APART)
    return Line(
        at=entry.at,
        who=entry.who,
        action=entry.action,
        deed=_DEEDS.get(entry.action, entry.action.replace(".", " ").replace("_", " ")),
        shot_id=entry.shot_id,
        take=f"take {number}" if number else "",
        by=_door(detail, names),
        note=_text(detail.get("note") or ""),
        more=tuple((name.replace("_", " "), value) for name, value in more if value),
        picture=take.digest if take and take.kind in _SEEN else None,
    )


def _door(detail: dict[str, JsonValue], names: dict[str, str]) -> str:
    """By which link or key it was done, as far as the entry tells."""
    principal = _text(detail.get("principal") or "")
    door, _, subject = principal.partition(" ")
    share = _text(detail.get("share") or (subject if door == "share" else ""))
    if share:
        return f"link {names.get(share, share)}"
    link = _text(detail.get("link") or "")
    return " · ".join(part for part in (principal, f"link {link}" if link else "") if part)


def _digest(entry: TrailEntry) -> str | None:
    digest = entry.detail.get("digest")
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else None


def _text(value: JsonValue) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return clip(", ".join(map(_text, value)), _MOST_CHARS)
        case dict():
            pairs = (f"{name}: {_text(each)}" for name, each in value.items())
            return clip(", ".join(pairs), _MOST_CHARS)
    return clip(str(value), _MOST_CHARS)
