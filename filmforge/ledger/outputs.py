"""Outputs: the files that films were made into."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from filmforge.errors import Conflict, FilmError, NotFound
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, now
from filmforge.ledger.events import record_event
from filmforge.ledger.holds import HELD, let_out
from filmforge.ledger.tables import films, outputs, takes
from filmforge.quality import Checked

# The kind of output that is the film itself.
FILM = "film"


class Output(Frozen):
    """A file that the film was made into; `recipe_key` names the files that belong to it."""

    kind: str
    digest: str
    media_type: str
    recipe_key: str | None
    checked: Checked | None


class Outputs:
    """The files of every film, one of each kind."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def released(self, film_id: str) -> str | None:
        """The digest of the film that people are given now, if there is one."""
        with self._db.read() as tx:
            return _known(tx, film_id, FILM)

    def deliver(
        self,
        film_id: str,
        kind: str,
        digest: str,
        media_type: str,
        recipe_key: str | None = None,
        *,
        beside: str | None = None,
    ) -> None:
        """Record a file that the film was made into; it takes the place of an earlier one.

        With another film goes all that was made of the one before. A file that was made `beside`
        a film raises Conflict once another one is released.
        """
        with self._db.write() as tx:
            must_film(tx, film_id)
            known = _known(tx, film_id, kind)
            if kind == FILM and known not in (None, digest):
                _drop_made_of_earlier(tx, film_id)
            elif beside and _known(tx, film_id, FILM) != beside:
                raise Conflict(f"another film of {film_id} was released: {kind} is not of it")
            mine = (outputs.c.film_id == film_id, outputs.c.kind == kind)
            values: dict[str, Any] = {
                "digest": digest,
                "media_type": media_type,
                "recipe_key": recipe_key,
                "at": now(),
            }
            if kind == FILM:
                values |= let_out(tx, film_id)
            if not tx.execute(update(outputs).where(*mine).values(**values)).rowcount:
                tx.execute(insert(outputs).values(film_id=film_id, kind=kind, **values))
            if digest != known:
                record_event(tx, film_id, "film.output", kind=kind, digest=digest)

    def undelivered(
        self, film_id: str, kind: str, error: FilmError, *, beside: str | None = None
    ) -> None:
        """Record why a file that the film was to be made into can't be made.

        An earlier one is not given out any more. Of a film that is not the released one any more
        there is nothing to tell.
        """
        with self._db.write() as tx:
            must_film(tx, film_id)
            if beside and _known(tx, film_id, FILM) != beside:
                return
            mine = (outputs.c.film_id == film_id, outputs.c.kind == kind)
            tx.execute(delete(outputs).where(*mine))
            told = {"code": error.code, "message": str(error)}
            record_event(tx, film_id, "film.undelivered", kind=kind, **told)

    def given(self, film_id: str) -> Sequence[Output]:
        """Everything the film was made into, the film first."""
        wanted = select(outputs).where(outputs.c.film_id == film_id)
        with self._db.read() as tx:
            rows = tx.execute(wanted.order_by(outputs.c.kind != FILM, outputs.c.kind)).all()
        return [
            Output(
                kind=row.kind,
                digest=row.digest,
                media_type=row.media_type,
                recipe_key=row.recipe_key,
                checked=Checked.model_validate(row.checked) if row.checked else None,
            )
            for row in rows
        ]

    def owns(self, film_id: str, digest: str) -> bool:
        """Whether an asset is a take of the film or was made of it."""
        ours = [
            select(table.c.digest).where(table.c.film_id == film_id, table.c.digest == digest)
            for table in (takes, outputs)
        ]
        with self._db.read() as tx:
            return any(tx.execute(wanted.limit(1)).first() for wanted in ours)

    def outputs(self, film_id: str) -> Sequence[tuple[str, str, str]]:
        """(kind, digest, media type) of every file the film was made into, the film first."""
        return [(each.kind, each.digest, each.media_type) for each in self.given(film_id)]


def _known(tx: Connection, film_id: str, kind: str) -> str | None:
    mine = (outputs.c.film_id == film_id, outputs.c.kind == kind)
    return tx.execute(select(outputs.c.digest).where(*mine)).scalar()


def _drop_made_of_earlier(tx: Connection, film_id: str) -> None:
    """What was made of the film before is not given out as if it were of the new one."""
    others = outputs.c.kind.not_in((FILM, HELD))
    tx.execute(delete(outputs).where(outputs.c.film_id == film_id, others))


def must_film(tx: Connection, film_id: str, lock: bool = True) -> Row[Any]:
    """The row of a film, locked unless told otherwise. Raises NotFound."""
    wanted = select(films).where(films.c.film_id == film_id)
    row = tx.execute(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()
    if row is None:
        raise NotFound(f"there is no film {film_id}")
    return row
