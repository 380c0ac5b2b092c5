"""The board: where every shot of a film stands, read narrowly enough for thousands of them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, or_, select

from filmforge.brief import MAX_SHOTS
from filmforge.domain import Execution, Review
from filmforge.fields import Identifier, plain_text
from filmforge.ledger.database import Database
from filmforge.ledger.people_tables import comments
from filmforge.ledger.tables import charges, gates, shots, takes
from filmforge.money import from_micros

ATTENTION = (Execution.NEEDS_ATTENTION, Execution.FAILED)
MOST_IDS = 200
# What a person has to do comes first, what is over last.
_RANKS = (Review.WFA, Review.RETAKE, Review.WIP, Review.READY, Review.DONE, Review.OMITTED)


def _or_none(given: Any) -> Any:
    """A form sends an empty text for what was left open."""
    return None if given == "" else given


def _split(given: Any) -> Any:
    parts = given if isinstance(given, list | tuple) else [given]
    return [each for part in parts for each in str(part).split(",") if each]


class Wanted(BaseModel):
    """Which shots are looked at: those named, or all that fit every filter."""

    model_config = ConfigDict(frozen=True)

    review: Annotated[Review | None, BeforeValidator(_or_none)] = None
    execution: Annotated[Execution | None, BeforeValidator(_or_none)] = None
    attention: bool = False
    q: Annotated[
        str,
        StringConstraints(max_length=200, strip_whitespace=True),
        AfterValidator(plain_text),
    ] = ""
    order: Literal["story", "status"] = "story"
    start: Annotated[int, Field(ge=0, le=MAX_SHOTS)] = 0
    ids: Annotated[tuple[Identifier, ...], BeforeValidator(_split), Field(max_length=MOST_IDS)] = ()

    @property
    def filters(self) -> dict[str, str]:
        """What narrows or orders the shots, as an address says it."""
        said = self.model_dump(mode="json", exclude={"start", "ids"}, exclude_defaults=True)
        return {name: "1" if value is True else value for name, value in said.items()}


class Card(NamedTuple):
    """A shot at a glance; `digest` is the frame that waits for a person, empty where none does.

    `cost_micros` is what was charged for the shot, `take` the number of the take in use, `notes`
    how many threads about it are not resolved.
    """

    shot_id: str
    position: int
    shot_type: str
    dialogue: str
    prompt: str
    review: str
    execution: str
    reason: str | None
    message: str | None
    image_digest: str | None
    video_digest: str | None
    take: int
    cost_micros: int
    notes: int
    gate_id: str
    digest: str

    @property
    def cost(self) -> Decimal:
        """What was charged for the shot, in US dollars."""
        return from_micros(self.cost_micros)


class Cards(NamedTuple):
    """Some cards in their order, and how many shots fit altogether."""

    cards: Sequence[Card]
    found: int


class _Beside(NamedTuple):
    """What stands beside the shots: takes by shot and digest, the rest by shot."""

    takes: dict[tuple[str, str], int]
    costs: dict[str, int]
    notes: dict[str, int]
    gates: dict[str, tuple[str, str]]


class Board:
    """Reading the cards of a film."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def cards(self, film_id: str, wanted: Wanted, count: int) -> Cards:
        """So many cards of a film from the wanted one on."""
        which = _which(film_id, wanted)
        with self._db.read() as tx:
            found = tx.execute(select(func.count()).select_from(shots).where(*which)).scalar_one()
            rows = tx.execute(_page(which, wanted, count)).all()
            ids = [row.shot_id for row in rows]
            place = (tx, film_id, ids)
            beside = _Beside(_takes(*place), _costs(*place), _notes(*place), _gates(*place))
        return Cards([_card(row, beside) for row in rows], found)


def _which(film_id: str, wanted: Wanted) -> list[ColumnElement[bool]]:
    which = [shots.c.film_id == film_id, shots.c.cue.is_(None)]
    if wanted.ids:
        which.append(shots.c.shot_id.in_(wanted.ids))
    if wanted.review:
        which.append(shots.c.review == wanted.review)
    if wanted.execution:
        which.append(shots.c.execution == wanted.execution)
    if wanted.attention:
        which.append(shots.c.execution.in_(ATTENTION))
    if wanted.q:
        places = (shots.c.shot_id, _asked("dialogue"), _asked("enhanced_prompt"))
        words = wanted.q.lower()
        which.append(or_(*(func.lower(each).contains(words, autoescape=True) for each in places)))
    return which


def _asked(name: str) -> ColumnElement[str]:
    """A text of a shot, as it was changed if it was."""
    changed = shots.c.direction[("changes", name)].as_string()
    return func.coalesce(changed, shots.c.document[name].as_string())


def _page(which: Sequence[ColumnElement[bool]], wanted: Wanted, count: int) -> Select[Any]:
    rank = case({state: place for place, state in enumerate(_RANKS)}, value=shots.c.review)
    urgent = case((shots.c.execution.in_(ATTENTION), 0), else_=1)
    order = [urgent, rank] if wanted.order == "status" else []
    return (
        select(shots)
        .where(*which)
        .order_by(*order, shots.c.position)
        .limit(count)
        .offset(wanted.start)
    )


def _takes(tx: Connection, film_id: str, ids: Sequence[str]) -> dict[tuple[str, str], int]:
    """The number of the newest take by shot and digest."""
    mine = (takes.c.film_id == film_id, takes.c.shot_id.in_(ids))
    wanted = select(takes.c.shot_id, takes.c.digest, func.max(takes.c.take)).where(*mine)
    rows = tx.execute(wanted.group_by(takes.c.shot_id, takes.c.digest))
    return {(shot_id, digest): take for shot_id, digest, take in rows}


def _costs(tx: Connection, film_id: str, ids: Sequence[str]) -> dict[str, int]:
    mine = (charges.c.film_id == film_id, charges.c.shot_id.in_(ids))
    wanted = select(charges.c.shot_id, func.sum(charges.c.micros)).where(*mine)
    return {shot_id: int(sum_) for shot_id, sum_ in tx.execute(wanted.group_by(charges.c.shot_id))}


def _notes(tx: Connection, film_id: str, ids: Sequence[str]) -> dict[str, int]:
    mine = (comments.c.film_id == film_id, comments.c.shot_id.in_(ids))
    open_ = (comments.c.parent_id.is_(None), comments.c.resolved_at.is_(None))
    wanted = select(comments.c.shot_id, func.count()).where(*mine, *open_)
    rows = tx.execute(wanted.group_by(comments.c.shot_id))
    return {row[0]: row[1] for row in rows}


def _gates(tx: Connection, film_id: str, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The id and the frame of each open gate."""
    mine = (gates.c.film_id == film_id, gates.c.shot_id.in_(ids), gates.c.state == "open")
    rows = tx.execute(select(gates.c.shot_id, gates.c.gate_id, gates.c.digest).where(*mine))
    return {shot_id: (gate_id, digest) for shot_id, gate_id, digest in rows}


def _card(row: Row[Any], beside: _Beside) -> Card:
    shot = {**row.document, **row.direction.get("changes", {})}
    gate_id, digest = beside.gates.get(row.shot_id, ("", ""))
    return Card(
        shot_id=row.shot_id,
        position=row.position,
        shot_type=shot.get("shot_type") or "",
        dialogue=str(shot.get("dialogue") or "").strip(),
        prompt=shot["enhanced_prompt"],
        review=row.review,
        execution=row.execution,
        reason=row.reason,
        message=row.message,
        image_digest=row.image_digest,
        video_digest=row.video_digest,
        take=beside.takes.get((row.shot_id, row.image_digest or row.video_digest or ""), 0),
        cost_micros=beside.costs.get(row.shot_id, 0),
        notes=beside.notes.get(row.shot_id, 0),
        gate_id=gate_id,
        digest=digest,
    )
