"""Makings: which files each recipe of ours came to."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select

from filmforge.fields import Digest, Frozen
from filmforge.ledger.database import Database, batched, now
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
        return self.among([recipe_key]).get(recipe_key, ())

    def among(self, recipe_keys: Sequence[str]) -> dict[str, tuple[Making, ...]]:
        """The files of each of these recipes that was made before."""
        found: dict[str, tuple[Making, ...]] = {}
        with self._db.read() as tx:
            for some in batched(recipe_keys):
                wanted = select(makings).where(makings.c.recipe_key.in_(some))
                for row in tx.execute(wanted.order_by(makings.c.position)):
                    found[row.recipe_key] = (*found.get(row.recipe_key, ()), _making(row))
        return found

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


def _making(row: Row[Any]) -> Making:
    return Making(name=row.name, digest=row.digest, media_type=row.media_type, size=row.size)
