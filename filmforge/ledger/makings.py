"""Makings: which files each recipe of ours came to."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select

from filmforge.fields import Digest, Frozen
from filmforge.ledger.database import Database, now
from filmforge.ledger.tables import makings


class Making(Frozen):
    """A stored file that a recipe came to; `name` is empty where there is only one."""

    name: str
    digest: Digest
    media_type: str
    size: int


class Makings:
    """What was made of every recipe, whether or not the same bytes came of another one too."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, recipe_key: str) -> tuple[Making, ...]:
        """The files of a recipe in the order they were made; none when it was never made."""
        wanted = select(makings).where(makings.c.recipe_key == recipe_key)
        with self._db.read() as tx:
            rows = tx.execute(wanted.order_by(makings.c.position)).all()
        return tuple(
            Making(name=r.name, digest=r.digest, media_type=r.media_type, size=r.size) for r in rows
        )

    def keep(self, recipe_key: str, made: Sequence[Making]) -> None:
        """Remember what a recipe came to, in place of what was remembered of it before."""
        with self._db.write() as tx:
            tx.execute(delete(makings).where(makings.c.recipe_key == recipe_key))
            tx.execute(
                insert(makings),
                [
                    {
                        "recipe_key": recipe_key,
                        "position": place,
                        "at": now(),
                        **each.model_dump(),
                    }
                    for place, each in enumerate(made)
                ],
            )
