"""The audit trail: by the API as JSON and CSV, for films as they are known to a caller."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints

from filmforge.fields import Frozen
from filmforge.gateway.auth import caller
from filmforge.gateway.charges import csv_rows, safe
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.replies import json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger.trail import TrailEntry, Wanted

router = APIRouter(prefix="/v1/films/{film_id}", tags=["films"], dependencies=[Depends(caller)])

# What an entry may tell that has a column of its own; the rest stands in the last one.
_TOLD = ("take", "digest", "note", "link", "principal")
COLUMNS = ("at", "film_id", "shot_id", "who", "action", *_TOLD, "detail")
_ROWS_A_PIECE = 500
_CSV = "text/csv"

Text = Annotated[str, StringConstraints(max_length=200)]


class Selection(BaseModel):
    """Which entries are wanted; what is empty is any."""

    model_config = ConfigDict(extra="forbid")

    person: Text = ""
    action: Text = ""
    shot: Text = ""

    @property
    def wanted(self) -> Wanted:
        """The same for the ledger."""
        return Wanted(
            who=self.person or None, action=self.action or None, shot_id=self.shot or None
        )


class Export(Selection):
    """Which entries are wanted, and as what."""

    format: Literal["json", "csv"] | None = None


class AuditLine(Frozen):
    """Who did what, and when."""

    at: datetime
    shot_id: str | None
    who: str
    action: str
    detail: dict[str, JsonValue]


class AuditTrail(Frozen):
    """Everything people did to a film, oldest first."""

    film_id: str
    entries: tuple[AuditLine, ...]


@router.get(
    "/audit", response_model=AuditTrail, responses={200: {"content": {_CSV: {"schema": {}}}}}
)
async def audit(request: Request, film: KnownFilm, chosen: Annotated[Export, Query()]) -> Response:
    """Everything people did to a film, oldest first; as CSV by `format` or by Accept."""
    gateway = gateway_of(request)
    asked = request.headers.get("accept", "")
    if (chosen.format or ("csv" if asked.startswith(_CSV) else "json")) == "csv":
        return await trail_as_csv(gateway, film.film_id, chosen)
    return json_response(await asyncio.to_thread(trail_of, gateway, film.film_id, chosen))


def trail_of(gateway: Gateway, film_id: str, chosen: Selection) -> AuditTrail:
    """The entries that are wanted, oldest first; reads the database."""
    found = gateway.ledger.trail.all(film_id, chosen.wanted)
    lines = (AuditLine(**entry.model_dump(exclude={"entry_id"})) for entry in found)
    return AuditTrail(film_id=film_id, entries=tuple(lines))


async def trail_as_csv(gateway: Gateway, film_id: str, chosen: Selection) -> Response:
    """The entries that are wanted as a file (RFC 4180) that a spreadsheet runs nothing of."""
    found = gateway.ledger.trail.all(film_id, chosen.wanted)
    # The first one is read before anything is answered: a database that is away is a problem.
    first = await asyncio.to_thread(next, found, None)
    entries = chain([first] if first else [], found)
    headers = {
        "Content-Disposition": f'attachment; filename="trail-{film_id}.csv"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    media_type = f"{_CSV}; charset=utf-8; header=present"
    return StreamingResponse(_csv(film_id, entries), headers=headers, media_type=media_type)


def _csv(film_id: str, entries: Iterable[TrailEntry]) -> Iterator[str]:
    yield csv_rows([COLUMNS])
    rest = (_cells(film_id, entry) for entry in entries)
    while some := list(islice(rest, _ROWS_A_PIECE)):
        yield csv_rows(some)


def _cells(film_id: str, entry: TrailEntry) -> tuple[str, ...]:
    told = {name: entry.detail.get(name) for name in _TOLD}
    more = {name: value for name, value in entry.detail.items() if name not in _TOLD}
    cells = (
        entry.at.isoformat(),
        film_id,
        entry.shot_id or "",
        entry.who,
        entry.action,
        *("" if value is None else str(value) for value in told.values()),
        json.dumps(more, ensure_ascii=False) if more else "",
    )
    return tuple(map(safe, cells))
