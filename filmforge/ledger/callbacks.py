"""Callbacks: which webhooks of providers were seen before."""

from datetime import timedelta

from sqlalchemy import delete

from filmforge.ledger.database import Database, insert_new, now
from filmforge.ledger.tables import callbacks


class Callbacks:
    """The webhooks that were received, by provider and by their own id."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def first_time(self, provider: str, webhook_id: str, request_key: str) -> bool:
        """Remember a genuine webhook, whose id has at most 255 characters; False for a replay."""
        with self._db.write() as tx:
            return insert_new(
                tx,
                callbacks,
                provider=provider,
                webhook_id=webhook_id,
                request_key=request_key,
                at=now(),
            )

    def prune(self, older_than_s: float) -> int:
        """Forget old webhooks, whose signatures have expired long ago; returns how many."""
        before = now() - timedelta(seconds=older_than_s)
        with self._db.write() as tx:
            return tx.execute(delete(callbacks).where(callbacks.c.at < before)).rowcount
