"""The page of a shot: what it looks like now, how it came to look so, and what to do about it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from filmforge.direction import directed
from filmforge.domain import Kind, Review, Shot, Take
from filmforge.errors import NotFound
from filmforge.fields import Digest
from filmforge.gateway.attention import attention_for
from filmforge.gateway.lookup import KnownFilm, KnownShot
from filmforge.gateway.pages.film_page import film_page
from filmforge.gateway.pages.frame import facts_of
from filmforge.gateway.pages.notes import notes_for
from filmforge.gateway.pages.priced import choosing, priced
from filmforge.gateway.pages.viewer import Seeing, Viewer
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.gates import Gate
from filmforge.ledger.shots import ShotRecord

router = APIRouter(prefix="/films/{film_id}/shots/{shot_id}", include_in_schema=False)

BEFORE = "before"
Compared = Annotated[str | None, Query(pattern=r"^(before|[0-9a-f]{64},[0-9a-f]{64})$")]
_NAMES = {Kind.IMAGE: "Frame", Kind.VIDEO: "Clip", Kind.AUDIO: "Voice"}
_STATES = {
    Review.READY: "Ready",
    Review.WIP: "WIP",
    Review.WFA: "Waiting for approval",
    Review.RETAKE: "Retake",
    Review.DONE: "Done",
    Review.OMITTED: "Omitted",
}


@dataclass(frozen=True)
class TakeCard:
    """A take as the strip shows it; `before` is the take of its kind that it is compared with."""

    take: Take
    in_use: bool
    before: Take | None

    @property
    def name(self) -> str:
        """What people call it: Frame 2."""
        return f"{_NAMES[self.take.kind]} {self.take.take}"

    @property
    def is_picture(self) -> bool:
        """Whether there is something to look at."""
        return self.take.kind is not Kind.AUDIO


@dataclass(frozen=True)
class ShotSeen:
    """A shot with its takes and, where it waits for a person, its gate."""

    record: ShotRecord
    cards: Sequence[TakeCard]
    gate: Gate | None

    @property
    def current(self) -> TakeCard | None:
        """The frame that waits, else the clip, unless a frame was taken into use after it."""
        in_use = [card for card in self.cards if card.in_use and card.is_picture]
        if self.gate:
            in_use = [card for card in in_use if card.take.digest == self.gate.digest]
        return in_use[-1] if in_use else None

    @property
    def choices(self) -> list[str]:
        """The frames that somebody may go on with instead of the one that waits."""
        frames = dict.fromkeys(c.take.digest for c in self.cards if c.take.kind is Kind.IMAGE)
        return [frame for frame in frames if self.gate and frame != self.gate.digest]

    def card(self, digest: str) -> TakeCard:
        """The picture or clip of this digest. Raises NotFound."""
        for card in reversed(self.cards):
            if card.take.digest == digest and card.is_picture:
                return card
        raise NotFound(f"the shot {self.record.shot.shot_id} has no such take")


@router.get("")
async def show_shot(
    viewer: Seeing,
    gateway: Parts,
    film: KnownFilm,
    record: KnownShot,
    take: Digest | None = None,
    compare: Compared = None,
) -> Response:
    """Show a shot, one of its takes, or two of them beside each other; decides nothing."""
    return await asyncio.to_thread(_page, gateway, viewer, film, record, take, compare)


def _page(
    gateway: Gateway,
    viewer: Viewer,
    film: FilmRecord,
    record: ShotRecord,
    take: str | None,
    compare: str | None,
) -> Response:
    # Before the rest: what changes while it is read is told again.
    at = gateway.ledger.events.newest(film.film_id)
    seen = _seen(gateway, film, record)
    shown = seen.card(take) if take else seen.current
    pair = _pair(seen, shown, compare)
    shot = directed(record.shot, record.direction)
    # What notes are about; of a shot without a picture there is nothing to say yet.
    digest = shown.take.digest if shown else None
    notes = notes_for(gateway, film.film_id, shot.shot_id, digest) if digest else None
    asks = bool(seen.gate) and viewer.may("decide")
    return film_page(
        "shot.html",
        viewer,
        film,
        here=record.shot.shot_id,
        scripts=("shot.js", "decide.js", "notes.js"),
        at=at,
        record=record,
        shot=shot,
        seen=seen,
        shown=shown,
        pair=pair,
        lonely=compare == BEFORE and pair is None,
        state=_STATES[record.review],
        facts=_facts(shot),
        notes=notes,
        attention=attention_for(gateway, film, record),
        back="shot",
        price=priced(gateway, film, shot.shot_id) if asks else None,
        choices=choosing(gateway, film, record, seen.choices) if asks else {},
        **_neighbours(gateway, record),
    )


def _seen(gateway: Gateway, film: FilmRecord, record: ShotRecord) -> ShotSeen:
    shot_id = record.shot.shot_id
    takes = gateway.ledger.takes.of_shot(film.film_id, shot_id)
    digest = record.image_digest
    gate = gateway.ledger.gates.of_frame(film.film_id, shot_id, digest) if digest else None
    return ShotSeen(record, _cards(record, takes), gate)


def _cards(record: ShotRecord, takes: Sequence[Take]) -> list[TakeCard]:
    last: dict[Kind, Take] = {}
    cards = []
    for take in takes:
        in_use = take.digest == record.digest(take.kind)
        cards.append(TakeCard(take, in_use, last.get(take.kind)))
        last[take.kind] = take
    return cards


def _pair(
    seen: ShotSeen, shown: TakeCard | None, compare: str | None
) -> tuple[TakeCard, TakeCard] | None:
    if compare is None:
        return None
    if compare != BEFORE:
        first, _, second = compare.partition(",")
        return seen.card(first), seen.card(second)
    if shown is None or shown.before is None:
        return None
    return seen.card(shown.before.digest), shown


def _facts(shot: Shot) -> list[tuple[str, str]]:
    return [("Shot type", shot.shot_type), ("Length", f"{shot.duration} s"), *facts_of(shot)]


def _neighbours(gateway: Gateway, record: ShotRecord) -> dict[str, Any]:
    """The shots before and after in film order."""
    near = gateway.ledger.shots.of_film(record.film_id, max(0, record.position - 1), 3)
    ids = {each.position: each.shot.shot_id for each in near}
    return {
        "before": ids.get(record.position - 1),
        "after": ids.get(record.position + 1),
    }
