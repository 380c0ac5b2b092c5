"""Measurements: what was measured of a file, which depends on its bytes and on nothing else."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from filmforge.ledger.database import Database, batched, insert_new, now
from filmforge.ledger.tables import measures


class Measurements:
    """The figures of every file that was measured, by its digest and the edition of the measure."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def of(self, digest: str, edition: int) -> dict[str, Any] | None:
        """What was measured before; None for a file that was not."""
        mine = (measures.c.digest == digest, measures.c.edition == edition)
        with self._db.read() as tx:
            found: dict[str, Any] | None = tx.execute(
                select(measures.c.found).where(*mine)
            ).scalar_one_or_none()
        return found

    def among(self, digests: Sequence[str], edition: int) -> dict[str, dict[str, Any]]:
        """What was measured before of any of these, by digest."""
        found: dict[str, dict[str, Any]] = {}
        with self._db.read() as tx:
            for some in batched(digests):
                mine = (measures.c.digest.in_(some), measures.c.edition == edition)
                rows = tx.execute(select(measures.c.digest, measures.c.found).where(*mine))
                found |= {row.digest: row.found for row in rows}
        return found

    def keep(self, digest: str, edition: int, found: dict[str, Any]) -> None:
        """Remember what was measured; who was first is believed."""
        with self._db.write() as tx:
            insert_new(tx, measures, digest=digest, edition=edition, found=found, at=now())
