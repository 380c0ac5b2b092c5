"""What an edit makes stale: which takes are to be made again, what that costs, what is free.

A draft steers nothing: here its direction is only thought of, never kept.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from filmforge.commands import Seen
from filmforge.direction import directed
from filmforge.domain import Kind, Shot, Stage, Take
from filmforge.errors import BadInput
from filmforge.gateway.estimate import quotes_apart
from filmforge.gateway.quotes import Quote
from filmforge.gateway.state import Gateway
from filmforge.ledger.drafts import EditDraft
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.posting import Made
from filmforge.ledger.shots import ShotRecord, retrying
from filmforge.money import ZERO, format_money

# What becomes of a take: it stays, is made again, is found among what was made before, is made
# for the first time, or is needed no more.
Fate = Literal["stays", "again", "found", "first", "dropped"]


class Part(NamedTuple):
    """What becomes of one kind of take, and what that costs at most."""

    kind: Kind
    fate: Fate
    usd: Decimal
    key: str


class Effect(NamedTuple):
    """What one draft comes to; `objection` says why it cannot be asked for as it is."""

    record: ShotRecord
    draft: EditDraft
    asked: Shot
    parts: tuple[Part, ...]
    piece: bool
    film: bool
    seen: Seen
    objection: str

    @property
    def usd(self) -> Decimal:
        """What making the shot again costs at most."""
        return sum((part.usd for part in self.parts), ZERO)


class Effects(NamedTuple):
    """What the drafts of a film come to together."""

    each: tuple[Effect, ...]

    @property
    def ready(self) -> tuple[Effect, ...]:
        """Those that can be asked for."""
        return tuple(effect for effect in self.each if not effect.objection)

    @property
    def usd(self) -> Decimal:
        """What all of it costs at most; what two of them share is paid for once."""
        parts = [part for effect in self.ready for part in effect.parts]
        prices = {part.key: part.usd for part in parts if part.usd}
        return sum(prices.values(), ZERO)

    @property
    def film(self) -> bool:
        """Whether the film is assembled again."""
        return any(effect.film for effect in self.ready)

    @property
    def seen(self) -> str:
        """A print of everything that was shown: another edit, price or state is another print."""
        shown = [_shown(effect) for effect in self.ready]
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()

    def only(self, shot_id: str) -> "Effects":
        """That of one shot; a shot without a draft has none."""
        return Effects(tuple(each for each in self.each if each.draft.shot_id == shot_id))


def effects_of(gateway: Gateway, film: FilmRecord, shot_id: str | None = None) -> Effects:
    """What the drafts of a film, or that of one shot, come to; reads the database only."""
    ledger = gateway.ledger
    drafts = [d for d in ledger.drafts.of_film(film.film_id) if shot_id in (None, d.shot_id)]
    records = [ledger.shots.read(film.film_id, draft.shot_id) for draft in drafts]
    takes = ledger.takes.of_film(film.film_id) if drafts else {}
    return Effects(
        tuple(
            _effect(gateway, film, record, draft, takes.get(draft.shot_id, []))
            for draft, record in zip(drafts, records, strict=True)
        )
    )


def _effect(
    gateway: Gateway,
    film: FilmRecord,
    record: ShotRecord,
    draft: EditDraft,
    takes: Sequence[Take],
) -> Effect:
    way = retrying(record, takes, draft.changes, draft.providers)
    stand = gateway.ledger.stand(record)
    try:
        asked = directed(record.shot, way)
        [quotes], made = quotes_apart(gateway, film, [(record.shot, way)])
    except BadInput as error:
        return Effect(record, draft, record.shot, (), False, False, stand, str(error))
    parts = tuple(_part(record, each, takes, made) for each in quotes)
    if record.audio_digest and not asked.dialogue:
        parts = (*parts, Part(Kind.AUDIO, "dropped", ZERO, ""))
    now = directed(record.shot, record.direction)
    moves = any(part.kind is Kind.VIDEO and part.fate != "stays" for part in parts)
    piece = moves or asked.duration != now.duration
    heard = asked.dialogue != now.dialogue or any(
        part.kind is Kind.AUDIO and part.fate != "stays" for part in parts
    )
    whole = film.stop_after is Stage.FILM and (piece or heard)
    return Effect(record, draft, asked, parts, piece, whole, stand, "")


def _part(
    record: ShotRecord, quote: Quote, takes: Sequence[Take], made: Mapping[str, Made]
) -> Part:
    """The fate of a take: its request is compared with the one it was made by."""
    kind = quote.request.kind
    in_use = record.digest(kind)
    keys = {t.request_key for t in takes if t.kind is kind and t.digest == in_use}
    found = made.get(quote.key)
    if in_use and (quote.key in keys or (found and found.digest == in_use)):
        return Part(kind, "stays", ZERO, quote.key)
    if found:
        return Part(kind, "found", ZERO, quote.key)
    return Part(kind, "again" if in_use else "first", quote.price, quote.key)


def _shown(effect: Effect) -> list[object]:
    parts = [[part.kind, part.fate, format_money(part.usd), part.key] for part in effect.parts]
    draft = effect.draft.model_dump(mode="json", exclude={"who"})
    return [draft, effect.seen.model_dump(mode="json"), parts]
