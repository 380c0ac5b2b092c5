"""Shots: what is asked of each, and where it stands on both axes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Row, func, select, update

from filmforge.brief import Brief
from filmforge.contracts import ShotPlan
from filmforge.cues import SoundShot
from filmforge.domain import (
    Asset,
    Direction,
    Execution,
    GenerationRequest,
    Kind,
    Providers,
    Review,
    Shot,
    Take,
)
from filmforge.errors import BudgetExceeded, NotFound
from filmforge.fields import Frozen
from filmforge.ledger.assets import index_step
from filmforge.ledger.database import Database, now
from filmforge.ledger.events import record_event
from filmforge.ledger.gates import record_audit
from filmforge.ledger.tables import films, shots


class ShotRecord(Frozen):
    """A shot as kept; the digests are those of the takes in use."""

    film_id: str
    position: int
    shot: Shot
    direction: Direction
    attempt: int
    execution: Execution
    review: Review
    reason: str | None
    message: str | None
    image_digest: str | None
    video_digest: str | None
    audio_digest: str | None
    conformed_digest: str | None
    conformed_key: str | None
    signed_digest: str | None = None

    def digest(self, kind: Kind) -> str | None:
        """The digest of the take in use of one kind."""
        found: str | None = getattr(self, f"{kind.value}_digest")
        return found

    @property
    def landed(self) -> bool:
        """Whether what was asked for last is there to be part of the film."""
        if isinstance(self.shot, SoundShot):
            return self.execution == Execution.SUCCEEDED and self.review == Review.DONE
        return self.execution == Execution.SUCCEEDED and bool(self.conformed_digest)


class Shots:
    """The shots of every film."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def read(self, film_id: str, shot_id: str) -> ShotRecord:
        """One shot. Raises NotFound."""
        with self._db.read() as tx:
            return _shot(_must_shot(tx, film_id, shot_id, lock=False))

    def of_film(self, film_id: str, start: int = 0, count: int = 10_000) -> Sequence[ShotRecord]:
        """The shots of a film in film order, from one position on, without its sounds."""
        mine = (shots.c.film_id == film_id, shots.c.position >= start, shots.c.cue.is_(None))
        return self._in_order(count, *mine)

    def sounds_of_film(self, film_id: str) -> Sequence[ShotRecord]:
        """The sounds that models make for a film, in order."""
        return self._in_order(None, shots.c.film_id == film_id, shots.c.cue.is_not(None))

    def in_trouble(self, film_id: str) -> Sequence[ShotRecord]:
        """The shots and sounds of a film that failed for good or wait for budget, in order."""
        failed = shots.c.execution == Execution.FAILED
        parked = (shots.c.execution == Execution.QUEUED) & (shots.c.reason == BudgetExceeded.code)
        return self._in_order(None, shots.c.film_id == film_id, failed | parked)

    def _in_order(self, count: int | None, *which: ColumnElement[bool]) -> Sequence[ShotRecord]:
        wanted = select(shots).where(*which).order_by(shots.c.position).limit(count)
        with self._db.read() as tx:
            return [_shot(row) for row in tx.execute(wanted)]

    def plan(self, film_id: str, positions: Sequence[int]) -> Sequence[ShotPlan]:
        """What the film workflow needs to know of some shots, in film order. Raises NotFound."""
        with self._db.read() as tx:
            brief = tx.execute(
                select(films.c.document).where(films.c.film_id == film_id)
            ).scalar_one_or_none()
            if brief is None:
                raise NotFound(f"there is no film {film_id}")
            rows = tx.execute(
                select(shots)
                .where(shots.c.film_id == film_id, shots.c.position.in_(positions))
                .order_by(shots.c.position)
            ).all()
        approval = brief["approval"]["frames"] == "required"
        return [_plan(_shot(row), approval) for row in rows]

    def set(
        self,
        film_id: str,
        shot_id: str,
        *,
        execution: Execution | None = None,
        review: Review | None = None,
        reason: str | None = None,
        message: str | None = None,
        event: str = "shot.changed",
    ) -> None:
        """Record where a shot stands; an axis that is None stays as it is."""
        with self._db.write() as tx:
            before = _must_shot(tx, film_id, shot_id)
            state = {
                "execution": execution or before.execution,
                "review": review or before.review,
                "reason": reason,
                "message": message,
            }
            if all(getattr(before, name) == value for name, value in state.items()):
                return
            _update_shot(tx, film_id, shot_id, **state)
            record_event(tx, film_id, event, shot_id, **state)

    def direct(
        self, film_id: str, shot_id: str, direction: Direction, review: Review = Review.READY
    ) -> None:
        """Change what is asked of a shot: it is to be made again, which counts as a new wish."""
        with self._db.write() as tx:
            _must_shot(tx, film_id, shot_id)
            _direct(tx, film_id, shot_id, direction, review)

    def conformed(
        self, film_id: str, shot_id: str, piece: Asset, recipe: GenerationRequest
    ) -> None:
        """The shot has landed: its piece of the film is stored; the recipe says how it was made."""
        with self._db.write() as tx:
            index_step(tx, piece, recipe)
            _update_shot(
                tx,
                film_id,
                shot_id,
                conformed_digest=piece.digest,
                conformed_key=recipe.key,
                reason=None,
                message=None,
                execution=Execution.SUCCEEDED,
                review=Review.DONE,
            )
            record_event(
                tx,
                film_id,
                "shot.changed",
                shot_id,
                execution=Execution.SUCCEEDED,
                review=Review.DONE,
            )

    def remake(self, film_id: str, shot_id: str, takes: Mapping[Kind, str], why: str) -> None:
        """Let takes be made again because of what was found in them; a take counts once."""
        with self._db.write() as tx:
            old = Direction.model_validate(_must_shot(tx, film_id, shot_id).direction)
            new = remaking(old, takes)
            if new == old:
                return
            told: dict[str, JsonValue] = {kind.value: digest for kind, digest in takes.items()}
            record_audit(tx, film_id, shot_id, "filmforge", "retake", takes=told, why=why)
            _direct(tx, film_id, shot_id, new, Review.RETAKE)

    def signed(self, film_id: str, shot_id: str, clip: str, signed: str) -> None:
        """Record the signed copy of a clip, if the shot still uses this clip."""
        mine = (shots.c.film_id == film_id, shots.c.shot_id == shot_id)
        with self._db.write() as tx:
            given = update(shots).where(*mine, shots.c.video_digest == clip)
            tx.execute(given.values(signed_digest=signed))

    def fall_back(self, film_id: str, shot_id: str, kind: Kind, ref: str, why: str) -> bool:
        """Let the fallback model make one kind of asset; False when that was done before.

        It happens once a kind: what fails there too is for a person.
        """
        with self._db.write() as tx:
            row = _must_shot(tx, film_id, shot_id)
            old = Direction.model_validate(row.direction)
            if kind in old.fell_back:
                return False
            providers = Providers.model_validate({kind.value: ref}).over(old.providers)
            made = {"providers": providers, "fell_back": (*old.fell_back, kind)}
            direction = old.model_copy(update=made).model_dump(mode="json")
            _update_shot(tx, film_id, shot_id, direction=direction)
            before = _chosen(tx, film_id, row, old, kind)
            told: dict[str, JsonValue] = {"kind": kind, "from": before, "to": ref, "why": why}
            record_audit(tx, film_id, shot_id, "filmforge", "fallback", **told)
            record_event(tx, film_id, "shot.fell_back", shot_id, **told)
            return True

    def tally(self, film_id: str) -> dict[str, int]:
        """How many shots stand where, by review state; sounds are none."""
        with self._db.read() as tx:
            rows = tx.execute(
                select(shots.c.review, func.count())
                .where(shots.c.film_id == film_id, shots.c.cue.is_(None))
                .group_by(shots.c.review)
            )
            return {row[0]: row[1] for row in rows}


def remaking(direction: Direction, takes: Mapping[Kind, str]) -> Direction:
    """The direction under which these takes are made again; one that names them all is the same."""
    remade = dict(direction.remade)
    for kind, digest in takes.items():
        if digest not in remade.get(kind, ()):
            remade[kind] = (*remade.get(kind, ()), digest)
    if remade == direction.remade:
        return direction
    return direction.model_copy(update={"remade": remade, "takes": 1})


def found_wanting(record: ShotRecord, takes: Iterable[Take]) -> dict[Kind, Take]:
    """The takes in use that did not pass their check."""
    return {
        take.kind: take
        for take in takes
        if take.digest == record.digest(take.kind) and take.checked and not take.checked.passes
    }


def retrying(
    record: ShotRecord,
    takes: Iterable[Take],
    changes: Mapping[str, JsonValue],
    providers: Providers,
) -> Direction:
    """The direction under which a shot is made when somebody asks for it once more."""
    old = record.direction
    anew = changes or providers != Providers()
    if record.reason == "quality" and not anew:
        # The same request again would only find the same take again.
        wanting = found_wanting(record, takes)
        old = remaking(old, {kind: take.digest for kind, take in wanting.items()})
    return old.model_copy(
        update={
            "changes": {**old.changes, **changes},
            "providers": providers.over(old.providers),
            "replaced": {} if anew else old.replaced,
            "takes": 1 if anew else old.takes,
        }
    )


def _must_shot(tx: Connection, film_id: str, shot_id: str, lock: bool = True) -> Row[Any]:
    wanted = select(shots).where(shots.c.film_id == film_id, shots.c.shot_id == shot_id)
    row = tx.execute(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()
    if row is None:
        raise NotFound(f"there is no shot {shot_id} in film {film_id}")
    return row


def _chosen(
    tx: Connection, film_id: str, row: Row[Any], direction: Direction, kind: Kind
) -> str | None:
    """The model that somebody chose for a shot; None when it is the default one."""
    document = tx.execute(select(films.c.document).where(films.c.film_id == film_id)).scalar_one()
    chosen = direction.providers.over(Shot.model_validate(row.document).providers)
    ref: str | None = getattr(chosen.over(Brief.model_validate(document).providers), kind.value)
    return ref


def _direct(
    tx: Connection, film_id: str, shot_id: str, direction: Direction, review: Review
) -> None:
    """Queue a shot to be made anew under another direction."""
    state = {"execution": Execution.QUEUED, "review": review, "reason": None}
    _update_shot(
        tx,
        film_id,
        shot_id,
        **state,
        message=None,
        conformed_digest=None,
        direction=direction.model_dump(mode="json"),
        attempt=shots.c.attempt + 1,
    )
    record_event(tx, film_id, "shot.changed", shot_id, **state)


def _update_shot(tx: Connection, film_id: str, shot_id: str, **values: Any) -> None:
    mine = (shots.c.film_id == film_id, shots.c.shot_id == shot_id)
    tx.execute(update(shots).where(*mine).values(updated_at=now(), **values))


def _shot(row: Row[Any]) -> ShotRecord:
    return ShotRecord(
        film_id=row.film_id,
        position=row.position,
        shot=_asked_for(row),
        direction=Direction.model_validate(row.direction),
        attempt=row.attempt,
        execution=Execution(row.execution),
        review=Review(row.review),
        reason=row.reason,
        message=row.message,
        image_digest=row.image_digest,
        video_digest=row.video_digest,
        audio_digest=row.audio_digest,
        conformed_digest=row.conformed_digest,
        conformed_key=row.conformed_key,
        signed_digest=row.signed_digest,
    )


def _asked_for(row: Row[Any]) -> Shot:
    if row.cue is None:
        return Shot.model_validate(row.document)
    return SoundShot.model_validate({**row.document, "cue": row.cue})


def _plan(record: ShotRecord, approval: bool) -> ShotPlan:
    changed = record.direction.changes.get("dialogue", record.shot.dialogue)
    return ShotPlan(
        shot_id=record.shot.shot_id,
        position=record.position,
        has_dialogue=bool(str(changed or "").strip()),
        approval=approval,
        own_clip=Kind.VIDEO in record.direction.replaced,
        finished=record.landed,
        omitted=record.review == Review.OMITTED,
        sound=isinstance(record.shot, SoundShot),
        takes=record.direction.takes,
    )
