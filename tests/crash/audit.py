"""The audit: what a film's provider charged, beside what its ledger and its store hold."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select

from filmforge.errors import NotFound
from filmforge.ledger.tables import journal, journal_entries
from filmforge.money import ZERO, from_micros
from tests.crash.makers import Fake, Maker
from tests.crash.tally import Outcome
from tests.world import World


async def audit(
    world: World, fake: Fake, maker: Maker, films: Sequence[str], words: str
) -> Outcome:
    """Count everything about the requests of films whose words nobody else used."""
    told = await asyncio.to_thread(fake.charges)
    jobs = [job for job in told["jobs"] if words in job["words"] and job["charged"]]
    rows, entries = await asyncio.to_thread(_history, world, films)
    budgets = [world.ledger.budget(film_id) for film_id in films]
    choices = [entry.detail.get("choice") for entry in entries]
    return Outcome(
        maker=maker.name,
        charges=len(jobs),
        charged=sum((Decimal(job["cost_usd"]) for job in jobs), ZERO),
        requests=len(rows),
        estimate=sum((from_micros(row.estimate_micros) for row in rows), ZERO),
        spent=sum((budget.spent for budget in budgets), ZERO),
        reserved=sum((budget.reserved for budget in budgets), ZERO),
        assets=sum([await _is_kept(world, row) for row in rows]),
        chosen=choices.count("send_again"),
        written_off="write_off" in choices,
        doubts=sum(entry.state == "unknown" and "why" in entry.detail for entry in entries),
    )


def _history(world: World, films: Sequence[str]) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]]]:
    with world.ledger.db.read() as tx:
        rows = tx.execute(select(journal).where(journal.c.film_id.in_(films))).all()
        keys = [row.request_key for row in rows]
        mine = journal_entries.c.request_key.in_(keys)
        return rows, tx.execute(select(journal_entries).where(mine)).all()


async def _is_kept(world: World, row: Row[Any]) -> bool:
    """Whether what a request made is in the store, whole, and in use by its shot."""
    if row.state != "succeeded":
        return False
    takes = await asyncio.to_thread(world.ledger.takes.of_shot, row.film_id, row.shot_id)
    asset = await asyncio.to_thread(world.ledger.assets.read, row.digest)
    try:
        size = await world.parts.store.size(row.digest)
    except NotFound:
        return False
    return size == asset.asset.size and any(take.digest == row.digest for take in takes)
