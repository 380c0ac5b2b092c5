"""Holds: the film as it was assembled and checked, while it is not released."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from filmforge.domain import Asset
from filmforge.errors import Conflict
from filmforge.ledger.database import Database, now
from filmforge.ledger.events import record_event
from filmforge.ledger.gates import record_audit
from filmforge.ledger.tables import films, outputs
from filmforge.quality import Checked, Outcome

# The kind of output that is the assembled film; once it is released there is none of it.
HELD = "assembled"


class Holds:
    """What was found in assembled films, and which of them a person let out."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def hold(self, film_id: str, film: Asset, checked: Checked) -> None:
        """Record the film as it was assembled and what was found in it, until it is released."""
        values = {
            "digest": film.digest,
            "media_type": film.media_type,
            "checked": checked.model_dump(mode="json"),
            "at": now(),
        }
        with self._db.write() as tx:
            if not tx.execute(update(outputs).where(*_held(film_id)).values(**values)).rowcount:
                tx.execute(insert(outputs).values(film_id=film_id, kind=HELD, **values))
            if checked.outcome is not Outcome.OK:
                record_event(
                    tx,
                    film_id,
                    "film.found_wanting",
                    digest=film.digest,
                    outcome=checked.outcome,
                    words=[*checked.words],
                )

    def held(self, film_id: str) -> tuple[str, Checked] | None:
        """The digest of the film that is held back and what was found in it, if one is."""
        wanted = select(outputs.c.digest, outputs.c.checked).where(*_held(film_id))
        with self._db.read() as tx:
            row = tx.execute(wanted).one_or_none()
        return (row.digest, Checked.model_validate(row.checked)) if row else None

    def accept(self, film_id: str, who: str, seen: str | None = None) -> None:
        """Let the film that is held out as it is.

        Raises Conflict when none is, or when it is not the one that was seen.
        """
        mine = films.c.film_id == film_id
        with self._db.write() as tx:
            locked = select(films.c.accepted).where(mine).with_for_update(key_share=True)
            before = tx.execute(locked).scalar() or []
            digest = tx.execute(select(outputs.c.digest).where(*_held(film_id))).scalar()
            if digest is None:
                raise Conflict(f"the film {film_id} is not held back: there is nothing to accept")
            if seen not in (None, digest):
                raise Conflict(f"the film {film_id} was assembled anew: look at it again")
            tx.execute(update(films).where(mine).values(accepted=sorted({*before, digest})))
            record_audit(tx, film_id, None, who, "accept", digest=digest)


def let_out(tx: Connection, film_id: str) -> dict[str, Any]:
    """The film that was held is released: what was found in it stands on what people are given."""
    checked = tx.execute(select(outputs.c.checked).where(*_held(film_id))).scalar()
    tx.execute(delete(outputs).where(*_held(film_id)))
    # A worker that was killed after it released the film finds nothing held any more.
    return {"checked": checked} if checked else {}


def _held(film_id: str) -> tuple[ColumnElement[bool], ...]:
    return outputs.c.film_id == film_id, outputs.c.kind == HELD
