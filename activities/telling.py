"""Telling: how far a long step of a film is, as events for those who watch it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import JsonValue

from filmforge.ledger import Ledger
from filmforge.ledger.films import PROGRESS
from filmforge.media.progress import Progress

EVERY_S = 1.0
_STEPS = 10


@asynccontextmanager
async def telling(ledger: Ledger, film_id: str, step: str) -> AsyncIterator[Progress]:
    """Record `film.progress` whenever another tenth of a step is done, at most once a second.

    What it gives may be called from any thread with a share from 0 to 1.
    """
    reached = 0.0

    def progress(share: float) -> None:
        nonlocal reached
        reached = max(reached, share)

    async def tell() -> None:
        told = 0
        while True:
            await asyncio.sleep(EVERY_S)
            tenths = int(reached * _STEPS)
            if tenths > told:
                told = tenths
                data: dict[str, JsonValue] = {"step": step, "share": tenths / _STEPS}
                await asyncio.to_thread(ledger.events.tell, film_id, PROGRESS, data)

    watching = asyncio.create_task(tell())
    try:
        yield progress
    finally:
        watching.cancel()
        await asyncio.wait([watching])
