"""Takes: which asset each attempt at a shot came to, made or used again."""

from collections.abc import Sequence
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, Select, case, func, insert, select, update

from filmforge.domain import Asset, GenerationRequest, Kind, Tags, Take
from filmforge.errors import NotFound
from filmforge.ledger.assets import Origin, index_asset
from filmforge.ledger.budget import add_saving
from filmforge.ledger.caps import lock_scopes
from filmforge.ledger.database import Database, now
from filmforge.ledger.events import record_event
from filmforge.ledger.posting import Posting
from filmforge.ledger.tables import assets, shots, takes
from filmforge.money import from_micros, to_micros
from filmforge.quality import Checked, Outcome


class Takes:
    """The take history of every shot."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def link(
        self, film_id: str, shot_id: str, posting: Posting, note: str | None, before_last: int = 0
    ) -> Take:
        """Use what a request made for a shot; the shot that paid for it reuses nothing.

        What was asked for together with others is only kept, with so many still to be made.
        """
        payer = (posting.payer.film_id, posting.payer.shot_id)
        paid_here = payer == (film_id, shot_id)
        with self._db.write() as tx:
            if before_last:
                _keep(tx, film_id, shot_id, before_last)
            else:
                assert posting.digest is not None, "only a succeeded request has a take"
                _use(tx, film_id, shot_id, posting.request.kind, posting.digest)
            return _link(tx, film_id, shot_id, posting, note, reused=not paid_here)

    def use(self, film_id: str, shot_id: str, kind: Kind, digest: str) -> None:
        """Use one of the takes of a shot."""
        with self._db.write() as tx:
            _use(tx, film_id, shot_id, kind, digest)

    def upload(
        self, film_id: str, shot_id: str, request: GenerationRequest, asset: Asset, tags: Tags
    ) -> None:
        """Put a person's file into the index, where a replacement can take it from."""
        with self._db.write() as tx:
            index_asset(tx, asset, Origin.of(request, 0), tags)
            record_event(tx, film_id, "asset.uploaded", shot_id, digest=asset.digest)

    def replace(self, film_id: str, shot_id: str, kind: Kind, digest: str, who: str) -> None:
        """Record a replacement as the newest take, at no cost. Raises NotFound."""
        with self._db.write() as tx:
            if tx.execute(select(assets.c.digest).where(assets.c.digest == digest)).first() is None:
                raise NotFound(f"there is no asset {digest}")
            _use(tx, film_id, shot_id, kind, digest)
            if _known(tx, film_id, shot_id, kind, digest) is None:
                _append(
                    tx,
                    film_id,
                    shot_id,
                    kind=kind,
                    provider="upload",
                    model="upload",
                    request_key=digest,
                    digest=digest,
                    cost_micros=0,
                    saved_micros=0,
                    reused=False,
                    note=f"replaced by {who}",
                )

    def checked(
        self, film_id: str, shot_id: str, kind: Kind, digest: str, checked: Checked
    ) -> None:
        """Write what was found in a take, with its event if that is news and not all well."""
        mine = (*_mine(film_id, shot_id, kind), takes.c.digest == digest)
        found = checked.model_dump(mode="json")
        with self._db.write() as tx:
            before = tx.execute(select(takes.c.checked).where(*mine)).scalars().all()
            if all(each == found for each in before):
                return
            tx.execute(update(takes).where(*mine).values(checked=found))
            if checked.outcome is not Outcome.OK:
                told: dict[str, JsonValue] = {"kind": kind, "digest": digest}
                told |= {"outcome": checked.outcome, "words": list(checked.words)}
                record_event(tx, film_id, "take.found_wanting", shot_id, **told)

    def of_film(self, film_id: str) -> dict[str, list[Take]]:
        """Every take of a film by shot, oldest first."""
        found: dict[str, list[Take]] = {}
        with self._db.read() as tx:
            for row in tx.execute(_in_order().where(takes.c.film_id == film_id)):
                found.setdefault(row.shot_id, []).append(_take(row))
        return found

    def of_shot(self, film_id: str, shot_id: str) -> Sequence[Take]:
        """Every take of a shot, oldest first."""
        mine = (takes.c.film_id == film_id, takes.c.shot_id == shot_id)
        with self._db.read() as tx:
            return [_take(row) for row in tx.execute(_in_order().where(*mine))]


def _in_order() -> Select[Any]:
    return select(takes).order_by(takes.c.at, takes.c.take)


def _link(
    tx: Connection, film_id: str, shot_id: str, posting: Posting, note: str | None, reused: bool
) -> Take:
    request, digest = posting.request, posting.digest
    known = _known(tx, film_id, shot_id, request.kind, posting.request_key)
    if known is not None:
        return known
    price = to_micros(posting.estimate)
    if reused:
        for scope in lock_scopes(tx, film_id):
            add_saving(tx, scope, price)
        tx.execute(
            update(assets)
            .where(assets.c.digest == digest)
            .values(reuses=assets.c.reuses + 1, saved_micros=assets.c.saved_micros + price)
        )
    return _append(
        tx,
        film_id,
        shot_id,
        kind=request.kind,
        provider=request.provider,
        model=request.model,
        request_key=posting.request_key,
        digest=digest,
        cost_micros=0 if reused else price,
        saved_micros=price if reused else 0,
        reused=reused,
        note=note or None,
    )


def _known(tx: Connection, film_id: str, shot_id: str, kind: Kind, key: str) -> Take | None:
    """The take that this request has come to for this shot before."""
    mine = _mine(film_id, shot_id, kind)
    row = tx.execute(select(takes).where(*mine, takes.c.request_key == key)).one_or_none()
    return _take(row) if row else None


def _append(tx: Connection, film_id: str, shot_id: str, *, kind: Kind, **values: Any) -> Take:
    """The shot's next take of its kind; `values` are the other columns of the row."""
    mine = _mine(film_id, shot_id, kind)
    number = (tx.execute(select(func.max(takes.c.take)).where(*mine)).scalar() or 0) + 1
    place = {"film_id": film_id, "shot_id": shot_id, "kind": kind, "take": number}
    tx.execute(insert(takes).values(**place, **values, at=now()))
    told = {name: values[name] for name in ("reused", "digest")}
    record_event(tx, film_id, "take.made", shot_id, kind=kind, take=number, **told)
    return _take(tx.execute(select(takes).where(*mine, takes.c.take == number)).one())


def _use(tx: Connection, film_id: str, shot_id: str, kind: Kind, digest: str) -> None:
    tx.execute(
        update(shots)
        .where(shots.c.film_id == film_id, shots.c.shot_id == shot_id)
        .values({f"{kind.value}_digest": digest, "updated_at": now(), **_signed(kind, digest)})
    )


def _keep(tx: Connection, film_id: str, shot_id: str, left: int) -> None:
    """Write down how many takes are still to be made; whoever counts takes now waits for that."""
    mine = (shots.c.film_id == film_id, shots.c.shot_id == shot_id)
    asked = select(shots.c.direction).where(*mine).with_for_update(key_share=True)
    direction = tx.execute(asked).scalar_one()
    fewer = {**direction, "takes": min(left, direction.get("takes", 1))}
    tx.execute(update(shots).where(*mine).values(direction=fewer, updated_at=now()))


def _signed(kind: Kind, digest: str) -> dict[str, Any]:
    """The signed copy of a clip goes with the clip."""
    if kind is not Kind.VIDEO:
        return {}
    kept = case((shots.c.video_digest == digest, shots.c.signed_digest), else_=None)
    return {"signed_digest": kept}


def _mine(film_id: str, shot_id: str, kind: Kind) -> tuple[Any, ...]:
    return (takes.c.film_id == film_id, takes.c.shot_id == shot_id, takes.c.kind == kind)


def _take(row: Any) -> Take:
    return Take(
        take=row.take,
        kind=Kind(row.kind),
        provider=row.provider,
        model=row.model,
        request_key=row.request_key,
        digest=row.digest,
        cost=from_micros(row.cost_micros),
        reused=row.reused,
        note=row.note,
        checked=row.checked,
    )
