"""The paid step of one worker without Temporal around it, over a ledger that others share."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import update
from temporalio.testing import ActivityEnvironment

from activities.answers import Answers
from activities.collect import Collect
from activities.commission import Commission, Commissions
from activities.download import Downloads
from activities.generate import Generate
from activities.marks import Marks
from activities.send import Send
from filmforge.brief import read_film
from filmforge.contracts import Generated, GenerateOrder
from filmforge.domain import Kind
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.database import now
from filmforge.ledger.migrate import migrate
from filmforge.ledger.posting import Posting
from filmforge.ledger.tables import journal
from filmforge.providers.registry import build_registry
from filmforge.settings import Settings
from filmforge.store import AssetStore
from tests.world import film_document

FRAME_USD = Decimal("0.003")


class At(Marks):
    """Does something whenever the work on a request comes to a point."""

    def __init__(self, point: str, act: Callable[[str], None]) -> None:
        self._point = point
        self._act = act

    def reach(self, point: str, key: str) -> None:
        if point == self._point:
            self._act(key)


class Bench:
    """One worker on a machine of its own; workers with the same database share a ledger."""

    def __init__(
        self, settings: Settings, machine: Path, marks: Marks | None = None, ledger: Any = None
    ) -> None:
        url = settings.database_url.get_secret_value()
        migrate(url)
        marks = marks or Marks()
        self.settings = settings
        self.ledger: Ledger = ledger or open_ledger(url)
        self.store = AssetStore(settings.s3_bucket, settings.s3_endpoint)
        self.registry = build_registry(settings, self.store.fetch)
        self.commissions = Commissions(
            self.ledger, self.store, self.registry, settings.public_url, allow_private=True
        )
        self.answers = Answers(machine / "answers")
        downloads = Downloads(self.store, machine / "downloads", settings.max_asset_bytes)
        self.send = Send(self.ledger, self.store, self.commissions, self.answers, marks)
        self.collect = Collect(self.ledger, self.store, downloads, self.answers, marks)
        self.generate = Generate(
            self.ledger,
            self.commissions,
            self.send,
            self.collect,
            marks,
            slots=settings.generate_slots,
            patience_s=settings.patience_s,
        )

    def film(self, count: int = 1, **changes: Any) -> str:
        """Keep a film that no workflow works on; returns its id."""
        film = read_film({**film_document(shots=count), **changes})
        return self.ledger.films.create(film, Decimal(10))[0].film_id

    async def commission(
        self, film_id: str, shot_id: str = "s000", kind: Kind = Kind.IMAGE
    ) -> Commission:
        """The commission for one asset of a shot."""
        return await self.commissions.write(order(film_id, shot_id, kind))

    async def make(self, film_id: str, shot_id: str = "s000", kind: Kind = Kind.IMAGE) -> Generated:
        """The whole activity, once; a failure is raised as Temporal would be told it."""
        return await ActivityEnvironment().run(
            self.generate.generate, order(film_id, shot_id, kind)
        )

    def reserve(self, commission: Commission, account: str | None = None) -> Posting:
        """Take the money for a request."""
        own = commission.provider.account if account is None else account
        return self.ledger.journal.reserve(
            commission.request, commission.quote, commission.claim, own
        )

    def age(self, key: str, **ago: float) -> Posting:
        """Let a request have been submitted that long ago; returns its row."""
        moment = now() - timedelta(**ago)
        with self.ledger.db.write() as tx:
            mine = journal.c.request_key == key
            tx.execute(update(journal).where(mine).values(submitted_at=moment))
        return self.ledger.journal.read(key)

    def money(self, film_id: str) -> tuple[Decimal, Decimal]:
        """What a film has spent, and what it holds reserved."""
        budget = self.ledger.budget(film_id)
        return budget.spent, budget.reserved

    async def close(self) -> None:
        """Release connections."""
        await self.registry.close()
        await asyncio.to_thread(self.ledger.close)


class Killed(Exception):
    """The worker ends here."""


def die(_key: str) -> None:
    """What a worker does that is killed at a point."""
    raise Killed


def order(film_id: str, shot_id: str = "s000", kind: Kind = Kind.IMAGE) -> GenerateOrder:
    """What the workflow asks of the activity."""
    return GenerateOrder(film_id=film_id, shot_id=shot_id, kind=kind)
