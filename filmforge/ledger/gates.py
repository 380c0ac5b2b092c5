"""Gates: frames that wait for a person, and the trail of every decision."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Row, func, insert, select, update

from filmforge.domain import Execution, Kind, Review
from filmforge.errors import NotFound
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, insert_new, now
from filmforge.ledger.events import record_event
from filmforge.ledger.tables import audit, commands, gates, shots, takes


class Gate(Frozen):
    """One frame before one person: open, approved, rejected or replaced (not needed any more)."""

    gate_id: str
    film_id: str
    shot_id: str
    digest: str
    state: str
    opened_at: datetime
    decided_at: datetime | None
    who: str | None
    note: str | None
    link_id: str | None


class AuditEntry(Frozen):
    """Who did what to a film, and when."""

    at: datetime
    shot_id: str | None
    who: str
    action: str
    detail: dict[str, JsonValue]


class Gates:
    """The gates of every film."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def open(self, film_id: str, shot_id: str, digest: str) -> Gate:
        """Let a frame wait, unless this very frame was decided before.

        An older open gate of the shot is closed as replaced.
        """
        with self._db.write() as tx:
            _lock_shot(tx, film_id, shot_id)
            mine = (gates.c.film_id == film_id, gates.c.shot_id == shot_id)
            known = tx.execute(select(gates).where(*mine, gates.c.digest == digest)).one_or_none()
            if known is not None and known.state == "approved":
                return _gate(known)
            _withdraw(tx, *mine, gates.c.digest != digest)
            if known is None or known.state != "open":
                _open(tx, film_id, shot_id, digest, known)
            _show_waiting(tx, film_id, shot_id)
            row = tx.execute(select(gates).where(*mine, gates.c.digest == digest)).one()
            return _gate(row)

    def read(self, gate_id: str) -> Gate:
        """One gate. Raises NotFound."""
        with self._db.read() as tx:
            row = tx.execute(select(gates).where(gates.c.gate_id == gate_id)).one_or_none()
        if row is None:
            raise NotFound("there is no such gate")
        return _gate(row)

    def waiting(self, film_id: str) -> Sequence[Gate]:
        """The open gates of a film, oldest first."""
        with self._db.read() as tx:
            rows = tx.execute(
                select(gates)
                .where(gates.c.film_id == film_id, gates.c.state == "open")
                .order_by(gates.c.opened_at, gates.c.gate_id)
            )
            return [_gate(row) for row in rows]

    def approvers(self, film_id: str) -> dict[tuple[str, str], str]:
        """Who approved each approved frame of a film, by shot and digest."""
        mine = (gates.c.film_id == film_id, gates.c.state == "approved")
        with self._db.read() as tx:
            rows = tx.execute(select(gates).where(*mine)).all()
        return {(row.shot_id, row.digest): row.who or "" for row in rows}

    def of_frame(self, film_id: str, shot_id: str, digest: str) -> Gate | None:
        """The open gate of one frame, if it still waits."""
        mine = (gates.c.film_id == film_id, gates.c.shot_id == shot_id, gates.c.digest == digest)
        with self._db.read() as tx:
            row = tx.execute(select(gates).where(*mine, gates.c.state == "open")).one_or_none()
        return _gate(row) if row else None

    def latest(self, film_id: str, shot_id: str, digest: str) -> Gate | None:
        """The gate of one frame however it stands, if there ever was one."""
        mine = (*_of_shot(film_id, shot_id), gates.c.digest == digest)
        with self._db.read() as tx:
            row = tx.execute(select(gates).where(*mine)).one_or_none()
        return _gate(row) if row else None

    def approved(self, film_id: str) -> Sequence[Gate]:
        """The frames of a film that were approved, also those that are not in use any more."""
        mine = (gates.c.film_id == film_id, gates.c.state == "approved")
        with self._db.read() as tx:
            return [_gate(row) for row in tx.execute(select(gates).where(*mine))]

    def decide(
        self,
        film_id: str,
        shot_id: str,
        digest: str,
        state: str,
        who: str,
        note: str,
        link_id: str,
        principal: str = "",
        asked_for: int = 1,
    ) -> bool:
        """Close an open gate with its audit entry; False when it was not open any more.

        Where they came by no link, `principal` says how; `asked_for` counts the takes wished for.
        """
        by = {"link": link_id or None, "principal": principal or None}
        wished: dict[str, JsonValue] = {"takes": asked_for} if asked_for > 1 else {}
        with self._db.write() as tx:
            mine = (*_of_shot(film_id, shot_id), gates.c.digest == digest)
            if not _close(tx, *mine, state=state, who=who, note=note, link_id=link_id):
                return False
            told = _told(tx, film_id, shot_id, digest, note)
            record_audit(tx, film_id, shot_id, who, f"frame.{state}", **told, **by, **wished)
            record_event(tx, film_id, f"frame.{state}", shot_id, digest=digest, who=who, note=note)
            return True

    def choose(
        self,
        film_id: str,
        shot_id: str,
        digest: str,
        instead_of: str,
        who: str,
        note: str,
        principal: str,
    ) -> bool:
        """Let another frame count as approved while one waits; False when that does not any more.

        A frame that was approved before stays as it is.
        """
        with self._db.write() as tx:
            _lock_shot(tx, film_id, shot_id)
            mine = _of_shot(film_id, shot_id)
            if not _close(tx, *mine, gates.c.digest == instead_of, state="replaced", who=who):
                return False
            known = tx.execute(select(gates).where(*mine, gates.c.digest == digest)).one_or_none()
            if known is None or known.state != "approved":
                verdict = {"state": "approved", "decided_at": now(), "who": who, "note": note}
                _judge_anew(tx, film_id, shot_id, digest, known, **verdict)
            told = _told(tx, film_id, shot_id, digest, note)
            by: dict[str, JsonValue] = {"instead_of": instead_of, "principal": principal or None}
            record_audit(tx, film_id, shot_id, who, "frame.chosen", **told, link=None, **by)
            said: dict[str, JsonValue] = {"who": who, "note": note, "instead_of": instead_of}
            record_event(tx, film_id, "frame.approved", shot_id, digest=digest, **said)
            return True

    def settle_upload(self, film_id: str, shot_id: str, digest: str, who: str) -> None:
        """A frame that a person uploaded needs no approval: its gate is born approved."""
        with self._db.write() as tx:
            _lock_shot(tx, film_id, shot_id)
            mine = (gates.c.film_id == film_id, gates.c.shot_id == shot_id)
            _withdraw(tx, *mine, who=who)
            known = tx.execute(select(gates.c.gate_id).where(*mine, gates.c.digest == digest))
            if known.scalar() is None:
                _insert(tx, film_id, shot_id, digest)
            tx.execute(
                update(gates)
                .where(*mine, gates.c.digest == digest)
                .values(state="approved", note="uploaded", decided_at=now(), who=who)
            )

    def withdraw(self, film_id: str, shot_id: str) -> None:
        """Nobody needs to judge the shot's frame any more: an open gate is closed as replaced."""
        with self._db.write() as tx:
            _lock_shot(tx, film_id, shot_id)
            _withdraw(tx, gates.c.film_id == film_id, gates.c.shot_id == shot_id)

    def remind(self, film_id: str, shot_id: str, digest: str) -> None:
        """Owe the film's callback URL a reminder."""
        with self._db.write() as tx:
            record_event(tx, film_id, "frame.reminder", shot_id, digest=digest)

    def note(
        self, film_id: str, shot_id: str | None, who: str, action: str, **detail: JsonValue
    ) -> None:
        """Write what a person did into the audit trail."""
        with self._db.write() as tx:
            record_audit(tx, film_id, shot_id, who, action, **detail)

    def once(self, command_id: str, work: Callable[[], JsonValue]) -> JsonValue:
        """Do the work of a command in one transaction, or return what it came to before."""
        with self._db.write() as tx:
            mine = commands.c.command_id == command_id
            # Inserted before the work: whoever does the same at this moment waits here.
            if not insert_new(tx, commands, command_id=command_id, recorded=None, at=now()):
                known = tx.execute(select(commands.c.recorded).where(mine)).scalar_one()
                return cast(JsonValue, known)
            recorded = work()
            tx.execute(update(commands).where(mine).values(recorded=recorded))
            return recorded

    def trail(self, film_id: str) -> Sequence[AuditEntry]:
        """Everything people did to a film, oldest first."""
        with self._db.read() as tx:
            rows = tx.execute(select(audit).where(audit.c.film_id == film_id).order_by(audit.c.id))
            return [
                AuditEntry(
                    at=row.at,
                    shot_id=row.shot_id,
                    who=row.who,
                    action=row.action,
                    detail=row.detail,
                )
                for row in rows
            ]


def record_audit(
    tx: Connection, film_id: str, shot_id: str | None, who: str, action: str, **detail: JsonValue
) -> None:
    """Append an entry to the audit trail."""
    tx.execute(
        insert(audit).values(
            at=now(), film_id=film_id, shot_id=shot_id, who=who, action=action, detail=detail
        )
    )


def _lock_shot(tx: Connection, film_id: str, shot_id: str) -> None:
    """One at a time decides which frame of a shot waits; a gate to lock may not exist yet."""
    mine = (shots.c.film_id == film_id, shots.c.shot_id == shot_id)
    tx.execute(select(shots.c.shot_id).where(*mine).with_for_update(key_share=True))


def _withdraw(tx: Connection, *which: ColumnElement[bool], who: str | None = None) -> None:
    """Close open gates as replaced."""
    tx.execute(
        update(gates)
        .where(*which, gates.c.state == "open")
        .values(state="replaced", decided_at=now(), who=who)
    )


def _open(tx: Connection, film_id: str, shot_id: str, digest: str, known: Row[Any] | None) -> None:
    # One rejected before whose retake came out the same must be judged again.
    _judge_anew(
        tx, film_id, shot_id, digest, known, state="open", decided_at=None, who=None, note=None
    )
    record_event(tx, film_id, "frame.waiting", shot_id, digest=digest)


def _judge_anew(
    tx: Connection,
    film_id: str,
    shot_id: str,
    digest: str,
    known: Row[Any] | None,
    **verdict: Any,
) -> None:
    """Begin a frame's gate afresh; what was decided there before stands in the audit trail."""
    if known is None:
        _insert(tx, film_id, shot_id, digest)
    else:
        fresh = {"gate_id": secrets.token_hex(12), "opened_at": now(), "link_id": None}
        tx.execute(update(gates).where(gates.c.gate_id == known.gate_id).values(**fresh))
    mine = (*_of_shot(film_id, shot_id), gates.c.digest == digest)
    tx.execute(update(gates).where(*mine).values(**verdict))


def _close(tx: Connection, *which: ColumnElement[bool], **verdict: Any) -> bool:
    """Close an open gate; False when there is none."""
    closed = update(gates).where(*which, gates.c.state == "open")
    return bool(tx.execute(closed.values(decided_at=now(), **verdict)).rowcount)


def _told(
    tx: Connection, film_id: str, shot_id: str, digest: str, note: str
) -> dict[str, JsonValue]:
    """What the trail says of a frame that was judged."""
    mine = (takes.c.film_id == film_id, takes.c.shot_id == shot_id, takes.c.digest == digest)
    number = select(func.max(takes.c.take)).where(*mine, takes.c.kind == Kind.IMAGE)
    return {"digest": digest, "take": tx.execute(number).scalar(), "note": note}


def _of_shot(film_id: str, shot_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return gates.c.film_id == film_id, gates.c.shot_id == shot_id


def _show_waiting(tx: Connection, film_id: str, shot_id: str) -> None:
    tx.execute(
        update(shots)
        .where(shots.c.film_id == film_id, shots.c.shot_id == shot_id)
        .values(execution=Execution.RUNNING, review=Review.WFA, reason=None, updated_at=now())
    )


def _insert(tx: Connection, film_id: str, shot_id: str, digest: str) -> None:
    tx.execute(
        insert(gates).values(
            gate_id=secrets.token_hex(12),
            film_id=film_id,
            shot_id=shot_id,
            digest=digest,
            state="open",
            opened_at=now(),
        )
    )


def _gate(row: Row[Any]) -> Gate:
    return Gate.model_validate(dict(row._mapping))
