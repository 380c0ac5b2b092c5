"""Rhythms: the shots of reference films, found on the CPU queue and kept as small files."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from temporalio import activity

from activities.boundary import film_errors
from activities.presence import heartbeats
from activities.workshop import MadeFile, Workshop
from filmforge.contracts import RhythmOrder
from filmforge.cut.rhythm import RHYTHM_FILE, rhythm_recipe
from filmforge.ledger import Ledger
from filmforge.media.rhythm import rhythm
from filmforge.store import AssetStore


class Rhythms:
    """Finds rhythms, over the ledger and the store."""

    def __init__(self, ledger: Ledger, store: AssetStore, work_dir: Path) -> None:
        self._workshop = Workshop(ledger, store, work_dir)

    @activity.defn(name="find_rhythm")
    @film_errors
    async def find_rhythm(self, order: RhythmOrder) -> None:
        """Find the shots of a film that was uploaded, unless they were found before."""
        async with heartbeats():
            await self._workshop.made_files(rhythm_recipe(order.reference), _make)


async def _make(folder: Path, sources: Sequence[Path]) -> list[MadeFile]:
    stop = Event()
    try:
        found = await asyncio.to_thread(rhythm, sources[0], stop=stop)
    finally:
        stop.set()  # a thread cannot be cancelled
    path = folder / RHYTHM_FILE
    path.write_text(found.model_dump_json())
    return [MadeFile(RHYTHM_FILE, path, "application/json")]
