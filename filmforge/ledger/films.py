"""Films and shots: what was submitted, and where each stands on both axes."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from filmforge.brief import Brief, Film
from filmforge.cast import Guides, Options
from filmforge.contracts import ASSEMBLING
from filmforge.cues import SoundShot, sounds_of
from filmforge.domain import Direction, Execution, Review, Stage
from filmforge.errors import BudgetExceeded, Conflict
from filmforge.fields import Digest, Frozen
from filmforge.ledger.budget import film_scope, open_budget
from filmforge.ledger.database import now
from filmforge.ledger.events import last_event, record_event
from filmforge.ledger.gates import record_audit
from filmforge.ledger.outputs import Outputs, must_film
from filmforge.ledger.tables import films, shots
from filmforge.transition import CUT

ENDED = (Execution.SUCCEEDED, Execution.CANCELLED)
# The event of a film that came to stand otherwise, with why and, where that helps, what to do.
CHANGED = "film.changed"
# How much of a long step is done.
PROGRESS = "film.progress"
_OVER = (*ENDED, Execution.CANCELLING)
# Fields that came later: without them a film is the one that was submitted before they existed.
_USUAL = Brief().model_dump(
    mode="json",
    include={
        "project", "priority", "fallbacks", "transition", "opening", "trim", "title_card",
        "end_card", "look", "scenes", "sound", "subtitles", "quality", "deliveries", "cast",
        "options",
    },
)  # fmt: skip
# What a shot without a transition said before films could say it for all their shots.
_CUT = CUT.model_dump(mode="json")
# What shots could not say at first.
_UNSAID = {"guides": Guides().model_dump(mode="json"), "options": Options().model_dump(mode="json")}


class AtWork(Frozen):
    """A long step on a film, `assemble` or the name of a delivery; `share` goes from 0 to 1."""

    step: str
    share: float


class FilmRecord(Frozen):
    """A film as kept; `run` counts how often it was started, `recut` its cut when not its own.

    `accepted` are assembled films that a person let out whatever was found in them.
    """

    film_id: str
    brief: Brief
    shot_count: int
    execution: Execution
    reason: str | None
    stop_after: Stage
    recut: dict[str, JsonValue] | None = None
    accepted: tuple[Digest, ...] = ()
    run: int
    created_at: datetime
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        """Whether no workflow works on it any more."""
        return self.execution in ENDED


class Films(Outputs):
    """Films and their shots."""

    def create(
        self, film: Film, default_limit: Decimal, idempotency_key: str | None = None
    ) -> tuple[FilmRecord, bool]:
        """Keep a submitted film, or find it again; True when it is new.

        Raises Conflict when its id or idempotency key belongs to another body.
        """
        digest = _body_digest(film)
        try:
            with self._db.write() as tx:
                if found := _earlier(tx, film.film_id, idempotency_key):
                    return _same(found, digest), False
                film_id = film.film_id or f"film-{secrets.token_hex(6)}"
                _insert_film(tx, film, film_id, digest, idempotency_key)
                limit = default_limit if film.budget_usd is None else film.budget_usd
                open_budget(tx, film_scope(film_id), limit)
                record_event(tx, film_id, "film.submitted", title=film.title)
                return _film(must_film(tx, film_id)), True
        except IntegrityError:  # the same film came twice at once: the other one was first
            with self._db.read() as tx:
                found = _earlier(tx, film.film_id, idempotency_key)
                if found is None:
                    raise
                return _same(found, digest), False

    def read(self, film_id: str) -> FilmRecord:
        """One film. Raises NotFound."""
        with self._db.read() as tx:
            return _film(must_film(tx, film_id, lock=False))

    def recent(self, count: int = 100, offset: int = 0) -> Sequence[FilmRecord]:
        """The films, newest first."""
        with self._db.read() as tx:
            wanted = select(films).order_by(films.c.created_at.desc(), films.c.film_id)
            return [_film(row) for row in tx.execute(wanted.limit(count).offset(offset))]

    def unended(self) -> Sequence[FilmRecord]:
        """The films that some workflow should be working on."""
        with self._db.read() as tx:
            wanted = select(films).where(films.c.execution.not_in(ENDED))
            return [_film(row) for row in tx.execute(wanted)]

    def waiting_for_budget(self) -> Sequence[str]:
        """The films that go on when there is more money: some shot of theirs did not fit."""
        wanted = (
            select(shots.c.film_id)
            .join(films, films.c.film_id == shots.c.film_id)
            .where(shots.c.reason == BudgetExceeded.code, films.c.execution.not_in(_OVER))
            .distinct()
            .order_by(shots.c.film_id)
        )
        with self._db.read() as tx:
            return tx.execute(wanted).scalars().all()

    def waiting_under_a_cap(self, before: datetime) -> Sequence[str]:
        """The films whose shots have not fitted under a project's or month's cap since then."""
        wanted = (
            select(shots.c.film_id)
            .join(films, films.c.film_id == shots.c.film_id)
            .where(
                shots.c.reason == BudgetExceeded.code,
                or_(*(shots.c.message.contains(f" in {cap}:") for cap in ("project", "month"))),
                shots.c.updated_at < before,
                films.c.execution.not_in(_OVER),
            )
            .distinct()
        )
        with self._db.read() as tx:
            return tx.execute(wanted).scalars().all()

    def message(self, film: FilmRecord) -> str | None:
        """What is wrong with a film that can't go on, and what helps; None if nothing was said."""
        if film.execution != Execution.NEEDS_ATTENTION:
            return None
        with self._db.read() as tx:
            last = last_event(tx, film.film_id, CHANGED)
        told = last.data if last and last.data.get("reason") == film.reason else {}
        return str(told.get("message") or "") or None

    def at_work(self, film: FilmRecord) -> AtWork | None:
        """The long step that was heard of last since the film came to stand as it does."""
        if film.execution != Execution.RUNNING or film.reason != ASSEMBLING:
            return None  # without a look through all events of a film that is still being shot
        with self._db.read() as tx:
            since, last = (last_event(tx, film.film_id, type_) for type_ in (CHANGED, PROGRESS))
        if last is None or (since and since.id > last.id):
            return None
        return AtWork.model_validate(last.data)

    def set(
        self, film_id: str, execution: Execution, reason: str | None = None, message: str = ""
    ) -> None:
        """Record where a film stands with the machines, with its event if that is news.

        A film that is being cancelled can only become cancelled, and stays so until it is
        reopened: no late news revives it.
        """
        with self._db.write() as tx:
            before = must_film(tx, film_id)
            if (before.execution, before.reason) == (execution, reason):
                return
            if before.execution == Execution.CANCELLED:
                return
            if before.execution == Execution.CANCELLING and execution != Execution.CANCELLED:
                return
            tx.execute(
                update(films)
                .where(films.c.film_id == film_id)
                .values(
                    execution=execution,
                    reason=reason,
                    ended_at=now() if execution in ENDED else None,
                )
            )
            if execution == Execution.CANCELLED:
                _cancel_shots(tx, film_id)
            record_event(
                tx,
                film_id,
                _event_type(execution, reason, before.reason),
                execution=execution,
                reason=reason,
                **({"message": message} if message else {}),
            )

    def reopen(self, film_id: str, stop_after: Stage) -> FilmRecord:
        """Make an ended film ready for another run. Raises Conflict while it still runs."""
        with self._db.write() as tx:
            row = must_film(tx, film_id)
            if row.execution not in ENDED:
                raise Conflict(f"the film {film_id} is {row.execution}: it goes on by itself")
            tx.execute(
                update(films)
                .where(films.c.film_id == film_id)
                .values(
                    execution=Execution.QUEUED,
                    reason=None,
                    ended_at=None,
                    stop_after=stop_after,
                    run=films.c.run + 1,
                )
            )
            record_event(tx, film_id, "film.resumed", stop_after=stop_after)
            return _film(must_film(tx, film_id))

    def set_recut(self, film_id: str, recut: dict[str, JsonValue] | None, who: str) -> None:
        """Cut an ended film otherwise from its next run on; None goes back to its own cut.

        Raises Conflict while the film runs: it would be assembled from both.
        """
        with self._db.write() as tx:
            row = must_film(tx, film_id)
            if row.execution not in ENDED:
                raise Conflict(f"the film {film_id} is {row.execution}: cut it when it has ended")
            tx.execute(update(films).where(films.c.film_id == film_id).values(recut=recut))
            action = "recut.cleared" if recut is None else "recut"
            record_audit(tx, film_id, None, who, action)
            record_event(tx, film_id, "film.recut", who=who, cleared=recut is None)


def _event_type(execution: Execution, reason: str | None, before: str | None) -> str:
    if reason == "budget_exceeded" and before != reason:
        return "budget.reached"
    ends = {Execution.SUCCEEDED: "film.done", Execution.CANCELLED: "film.cancelled"}
    return ends.get(execution, CHANGED)


def _cancel_shots(tx: Connection, film_id: str) -> None:
    tx.execute(
        update(shots)
        .where(shots.c.film_id == film_id, shots.c.execution != Execution.SUCCEEDED)
        .values(execution=Execution.CANCELLED, updated_at=now())
    )


def _insert_film(
    tx: Connection, film: Film, film_id: str, digest: str, idempotency_key: str | None
) -> None:
    tx.execute(
        insert(films).values(
            film_id=film_id,
            title=film.title,
            project=film.project,
            document=film.brief.model_dump(mode="json"),
            body_digest=digest,
            idempotency_key=idempotency_key,
            shot_count=len(film.shots),
            execution=Execution.QUEUED,
            stop_after=film.stop_after,
            callback_url=film.callback_url,
            run=0,
            created_at=now(),
        )
    )
    tx.execute(
        insert(shots),
        [
            {
                "film_id": film_id,
                "shot_id": shot.shot_id,
                "position": position,
                "document": shot.model_dump(mode="json", exclude={"cue"}),
                "cue": shot.cue.model_dump(mode="json") if isinstance(shot, SoundShot) else None,
                "direction": Direction().model_dump(mode="json"),
                "attempt": 0,
                "execution": Execution.QUEUED,
                "review": Review.READY,
                "updated_at": now(),
            }
            for position, shot in enumerate([*film.shots, *sounds_of(film)])
        ],
    )


def _body_digest(film: Film) -> str:
    body = film.model_dump(mode="json")
    for name, usual in _USUAL.items():
        if body[name] == usual:
            del body[name]
    for shot in body["shots"]:
        shot["transition"] = shot["transition"] or _CUT
        for name, usual in _UNSAID.items():
            if shot[name] == usual:
                del shot[name]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _earlier(tx: Connection, film_id: str | None, key: str | None) -> Row[Any] | None:
    by_key = select(films).where(films.c.idempotency_key == key)
    by_id = select(films).where(films.c.film_id == film_id)
    found = tx.execute(by_key).one_or_none() if key else None
    return found or (tx.execute(by_id).one_or_none() if film_id else None)


def _same(row: Row[Any], digest: str) -> FilmRecord:
    if row.body_digest != digest:
        raise Conflict(
            f"the film {row.film_id} was submitted before with another body; "
            "send the same body, or use another film_id and Idempotency-Key"
        )
    return _film(row)


def _film(row: Row[Any]) -> FilmRecord:
    return FilmRecord(
        film_id=row.film_id,
        brief=Brief.model_validate(row.document),
        shot_count=row.shot_count,
        execution=Execution(row.execution),
        reason=row.reason,
        stop_after=Stage(row.stop_after),
        recut=row.recut,
        accepted=tuple(row.accepted or ()),
        run=row.run,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )
