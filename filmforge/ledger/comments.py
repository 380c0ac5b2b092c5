"""Comments: what people say of frames and clips, in threads that are resolved or not."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Connection, Row, func, insert, select, update

from filmforge.domain import Kind
from filmforge.errors import BadInput, Conflict, NotFound
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, now
from filmforge.ledger.events import record_event
from filmforge.ledger.gates import record_audit
from filmforge.ledger.people_tables import comments
from filmforge.ledger.tables import shots, takes
from filmforge.marks import Marks, Remark

MOST_OF_SHOT = 500
EVENT = "shot.comment"


class Comment(Frozen):
    """What somebody said of the take with this digest; a reply has a `parent_id`.

    `who` is as in the audit trail, `principal` what they came in by.
    """

    comment_id: str
    film_id: str
    shot_id: str
    digest: str
    at_ms: int | None
    marks: Marks
    text: str
    who: str
    principal: str
    parent_id: str | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


class Comments:
    """The comments of every film."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, film_id: str, shot_id: str, remark: Remark, who: str, principal: str) -> Comment:
        """Keep what somebody said of a take of a shot, or of another comment.

        Raises NotFound, BadInput for what cannot be said of that take, and Conflict for too many.
        """
        comment_id = secrets.token_hex(16)
        with self._db.write() as tx:
            _lock_shot(tx, film_id, shot_id)
            digest = _parent(tx, film_id, shot_id, remark) or _take(tx, film_id, shot_id, remark)
            _refuse_many(tx, film_id, shot_id)
            given = remark.model_dump(mode="json", exclude={"digest"})
            place = {"film_id": film_id, "shot_id": shot_id, "digest": digest}
            said = {"who": who, "principal": principal, "created_at": now()}
            tx.execute(insert(comments).values(comment_id=comment_id, **place, **given, **said))
            made = _comment(_must(tx, film_id, shot_id, comment_id))
            _tell(tx, made, "added", who, text=remark.text)
            return made

    def resolve(self, film_id: str, shot_id: str, comment_id: str, who: str) -> Comment:
        """What a comment asked for is done; once is enough. Raises NotFound."""
        return self._mark(film_id, shot_id, comment_id, who, resolved=True)

    def reopen(self, film_id: str, shot_id: str, comment_id: str, who: str) -> Comment:
        """It is not done after all. Raises NotFound."""
        return self._mark(film_id, shot_id, comment_id, who, resolved=False)

    def of_shot(self, film_id: str, shot_id: str) -> Sequence[Comment]:
        """Every comment on a shot, oldest first."""
        return self._of(comments.c.film_id == film_id, comments.c.shot_id == shot_id)

    def of_film(self, film_id: str) -> Sequence[Comment]:
        """Every comment on a film's shots, oldest first."""
        return self._of(comments.c.film_id == film_id)

    def open_on(self, film_id: str, shot_id: str, digest: str) -> Sequence[Comment]:
        """What is not resolved of one take, every comment with its replies after it."""
        mine = [each for each in self.of_shot(film_id, shot_id) if each.digest == digest]
        return [
            said
            for first in mine
            if first.parent_id is None and first.resolved_at is None
            for said in (first, *(each for each in mine if each.parent_id == first.comment_id))
        ]

    def _of(self, *which: Any) -> Sequence[Comment]:
        wanted = select(comments).where(*which)
        with self._db.read() as tx:
            rows = tx.execute(wanted.order_by(comments.c.created_at, comments.c.comment_id))
            return [_comment(row) for row in rows]

    def _mark(
        self, film_id: str, shot_id: str, comment_id: str, who: str, *, resolved: bool
    ) -> Comment:
        was = comments.c.resolved_at.is_(None) if resolved else comments.c.resolved_at.is_not(None)
        values = {"resolved_at": now(), "resolved_by": who} if resolved else _OPEN
        with self._db.write() as tx:
            first = (comments.c.comment_id == comment_id, comments.c.parent_id.is_(None))
            mine = (comments.c.film_id == film_id, comments.c.shot_id == shot_id)
            done = tx.execute(update(comments).where(*mine, *first, was).values(**values))
            found = _comment(_must(tx, film_id, shot_id, comment_id))
            if done.rowcount:
                _tell(tx, found, "resolved" if resolved else "reopened", who)
            elif found.parent_id:
                raise NotFound("a reply is resolved with the comment it belongs to")
            return found


_OPEN: dict[str, Any] = {"resolved_at": None, "resolved_by": None}


def _lock_shot(tx: Connection, film_id: str, shot_id: str) -> None:
    """One at a time says something of a shot, so that they can be counted. Raises NotFound."""
    mine = (shots.c.film_id == film_id, shots.c.shot_id == shot_id)
    if tx.execute(select(shots.c.shot_id).where(*mine).with_for_update(key_share=True)).first():
        return
    raise NotFound(f"there is no shot {shot_id} in film {film_id}")


def _parent(tx: Connection, film_id: str, shot_id: str, remark: Remark) -> str | None:
    """The digest of the take that a reply's comment is about, None for what is no reply."""
    if remark.parent_id is None:
        return None
    parent = _comment(_must(tx, film_id, shot_id, remark.parent_id))
    if parent.parent_id is not None:
        raise BadInput("parent_id", "is itself a reply", "Answer the comment it belongs to.")
    if remark.marks or remark.at_ms is not None:
        raise BadInput("parent_id", "a reply has neither marks nor a time", "Make a comment of it.")
    return parent.digest


def _take(tx: Connection, film_id: str, shot_id: str, remark: Remark) -> str:
    """The digest of the take that a remark is about, if it is one that is seen."""
    mine = (takes.c.film_id == film_id, takes.c.shot_id == shot_id)
    wanted = select(takes.c.kind).where(*mine, takes.c.digest == remark.digest)
    kind = tx.execute(wanted.limit(1)).scalar()
    if kind not in (Kind.IMAGE, Kind.VIDEO):
        problem = f"is no frame and no clip of {shot_id}"
        raise BadInput("digest", problem, "Load the page again and say it of what is there.")
    if kind == Kind.IMAGE and remark.at_ms is not None:
        raise BadInput("at_ms", "a frame has no time", "Leave it out, or say it of the clip.")
    return remark.digest


def _refuse_many(tx: Connection, film_id: str, shot_id: str) -> None:
    mine = (comments.c.film_id == film_id, comments.c.shot_id == shot_id)
    count = tx.execute(select(func.count()).select_from(comments).where(*mine)).scalar_one()
    if count >= MOST_OF_SHOT:
        raise Conflict(f"{shot_id} has {MOST_OF_SHOT} comments, more than anybody reads")


def _must(tx: Connection, film_id: str, shot_id: str, comment_id: str) -> Row[Any]:
    mine = (comments.c.film_id == film_id, comments.c.shot_id == shot_id)
    wanted = select(comments).where(*mine, comments.c.comment_id == comment_id)
    row = tx.execute(wanted).one_or_none()
    if row is None:
        raise NotFound(f"{shot_id} has no such comment")
    return row


def _tell(tx: Connection, comment: Comment, what: str, who: str, **more: JsonValue) -> None:
    told: dict[str, JsonValue] = {"comment_id": comment.comment_id, "digest": comment.digest}
    record_audit(tx, comment.film_id, comment.shot_id, who, f"comment.{what}", **told, **more)
    told |= {"what": what, "who": who, **more}
    record_event(tx, comment.film_id, EVENT, comment.shot_id, **told)


def _comment(row: Row[Any]) -> Comment:
    return Comment.model_validate(dict(row._mapping))
