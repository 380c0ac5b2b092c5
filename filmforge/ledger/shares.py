"""Shares: links by which people without a key see, comment on or decide about one film."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, or_, select, update

from filmforge.errors import NotFound
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, now
from filmforge.ledger.gates import record_audit
from filmforge.ledger.people_tables import shares
from filmforge.rights import Given

# So many wrong passphrases one after another close the link for a while.
MOST_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)


class Share(Frozen):
    """A link to one film; `passphrase` is the hash of it, if there is one.

    `opened` counts how often somebody came in by it.
    """

    share_id: str
    film_id: str
    name: str
    gives: Given
    passphrase: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    opened: int
    last_opened_at: datetime | None
    locked_until: datetime | None

    def holds(self, moment: datetime) -> bool:
        """Whether it lets people in at that moment."""
        return self.revoked_at is None and moment < self.expires_at


class Shares:
    """The share links of every film; each use stands in the film's audit trail."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def create(
        self,
        film_id: str,
        name: str,
        gives: Given,
        expires_at: datetime,
        who: str,
        passphrase: str | None = None,
    ) -> Share:
        """A new link; `passphrase` is the hash of the one that is asked for."""
        share_id = secrets.token_hex(12)
        with self._db.write() as tx:
            tx.execute(
                insert(shares).values(
                    share_id=share_id,
                    film_id=film_id,
                    name=name,
                    gives=gives,
                    passphrase=passphrase,
                    created_by=who,
                    created_at=now(),
                    expires_at=expires_at,
                )
            )
            record_audit(
                tx,
                film_id,
                None,
                who,
                "share.created",
                share=share_id,
                name=name,
                gives=gives,
                expires_at=expires_at.isoformat(),
                passphrase=passphrase is not None,
            )
            return _share(tx.execute(_named(share_id)).one())

    def read(self, share_id: str) -> Share:
        """One link. Raises NotFound."""
        with self._db.read() as tx:
            row = tx.execute(_named(share_id)).one_or_none()
        if row is None:
            raise NotFound("there is no such share link")
        return _share(row)

    def of_film(self, film_id: str) -> Sequence[Share]:
        """Every link of a film, newest first."""
        mine = select(*_SHOWN).where(shares.c.film_id == film_id)
        with self._db.read() as tx:
            return [_share(row) for row in tx.execute(mine.order_by(shares.c.created_at.desc()))]

    def revoke(self, film_id: str, share_id: str, who: str) -> Share:
        """Let nobody in by it any more, nor those that are in. Raises NotFound."""
        mine = (shares.c.share_id == share_id, shares.c.film_id == film_id)
        with self._db.write() as tx:
            held = update(shares).where(*mine, shares.c.revoked_at.is_(None))
            if tx.execute(held.values(revoked_at=now())).rowcount:
                record_audit(tx, film_id, None, who, "share.revoked", share=share_id)
            row = tx.execute(_named(share_id).where(*mine)).one_or_none()
            if row is None:
                raise NotFound("the film has no such share link")
            return _share(row)

    def opened(self, share: Share, who: str) -> None:
        """Somebody came in by it, under the name they gave."""
        with self._db.write() as tx:
            tx.execute(
                update(shares)
                .where(shares.c.share_id == share.share_id)
                .values(
                    opened=shares.c.opened + 1,
                    last_opened_at=now(),
                    failures=0,
                    locked_until=None,
                )
            )
            told = {"share": share.share_id, "name": share.name}
            record_audit(tx, share.film_id, None, who, "share.opened", **told)

    def guess(self, share: Share) -> bool:
        """Count a guess at its passphrase, before it is looked at; False while it is closed.

        The last one that is allowed closes it, unless that one opens it.
        """
        with self._db.write() as tx:
            mine = shares.c.share_id == share.share_id
            is_open = or_(shares.c.locked_until.is_(None), shares.c.locked_until <= now())
            counted = update(shares).where(mine, is_open)
            if not tx.execute(counted.values(failures=shares.c.failures + 1)).rowcount:
                return False
            closed = update(shares).where(mine, shares.c.failures >= MOST_FAILURES)
            tx.execute(closed.values(failures=0, locked_until=now() + LOCKED_FOR))
            return True

    def refused(self, share: Share) -> None:
        """Its passphrase was guessed wrong."""
        with self._db.write() as tx:
            told = {"share": share.share_id, "name": share.name}
            record_audit(tx, share.film_id, None, "share link", "share.refused", **told)


_SHOWN = [shares.c[name] for name in Share.model_fields]


def _named(share_id: str) -> Any:
    return select(*_SHOWN).where(shares.c.share_id == share_id)


def _share(row: Row[Any]) -> Share:
    return Share.model_validate(dict(row._mapping))
