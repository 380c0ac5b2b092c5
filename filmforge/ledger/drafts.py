"""Drafts: edits of shots that nobody has asked to be made yet; they steer nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import ColumnElement, delete, insert, select

from filmforge.domain import Providers
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, insert_new, now
from filmforge.ledger.gates import record_audit
from filmforge.ledger.outputs import must_film
from filmforge.ledger.people_tables import drafts


class EditDraft(Frozen):
    """What somebody would change of a shot: its fields and its models."""

    shot_id: str
    changes: dict[str, JsonValue]
    providers: Providers
    who: str
    at: datetime


class Drafts:
    """The edits of every film, one a shot."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of_film(self, film_id: str) -> Sequence[EditDraft]:
        """The edits of a film, by shot id."""
        mine = select(*_SHOWN).where(drafts.c.film_id == film_id).order_by(drafts.c.shot_id)
        with self._db.read() as tx:
            return [EditDraft.model_validate(dict(row._mapping)) for row in tx.execute(mine)]

    def put(
        self,
        film_id: str,
        shot_id: str,
        changes: Mapping[str, JsonValue],
        providers: Providers,
        who: str,
    ) -> None:
        """Keep an edit in place of the one before; one that changes nothing is none."""
        told = providers.model_dump(exclude_none=True)
        values = {"changes": dict(changes), "providers": told, "who": who, "at": now()}
        with self._db.write() as tx:
            must_film(tx, film_id)  # one at a time: two of one shot could not both be inserted
            tx.execute(delete(drafts).where(*_mine(film_id, shot_id)))
            if changes or told:
                tx.execute(insert(drafts).values(film_id=film_id, shot_id=shot_id, **values))

    def take(self, film_id: str, draft: EditDraft) -> bool:
        """Take an edit away, to ask for it; False when it is not this very one any more."""
        same = (*_mine(film_id, draft.shot_id), drafts.c.at == draft.at)
        with self._db.write() as tx:
            return tx.execute(delete(drafts).where(*same)).rowcount == 1

    def put_back(self, film_id: str, draft: EditDraft) -> None:
        """Keep an edit that could not be asked for, unless there is a newer one."""
        with self._db.write() as tx:
            values = draft.model_dump(exclude={"providers"})
            told = draft.providers.model_dump(exclude_none=True)
            insert_new(tx, drafts, film_id=film_id, providers=told, **values)

    def discard(self, film_id: str, shot_id: str, who: str) -> None:
        """Throw an edit away; the trail keeps what it said."""
        with self._db.write() as tx:
            gone = delete(drafts).where(*_mine(film_id, shot_id)).returning(drafts.c.changes)
            changes = tx.execute(gone).scalar_one_or_none()
            if changes is not None:
                record_audit(tx, film_id, shot_id, who, "edit.discarded", changes=changes)


_SHOWN = [drafts.c[name] for name in EditDraft.model_fields]


def _mine(film_id: str, shot_id: str) -> tuple[ColumnElement[bool], ...]:
    return (drafts.c.film_id == film_id, drafts.c.shot_id == shot_id)
