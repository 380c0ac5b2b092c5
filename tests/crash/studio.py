"""A studio to be attacked: real servers, the fake provider, and a worker in its own process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import select

from filmforge.contracts import shot_workflow_id
from filmforge.domain import Execution
from filmforge.engine import connect
from filmforge.fields import Frozen
from filmforge.ledger.migrate import migrate
from filmforge.ledger.tables import journal, journal_entries
from filmforge.media.probe import MediaFacts, probe
from tests.crash.crew import Crew, as_environment
from tests.crash.worker import Trap, work
from tests.fake_process import FakeServer
from tests.folders import files_below
from tests.world import PATIENCE_S, World, film_document, in_own_namespace, world_settings
from workers.composition import assembled

FPS = 12
# How long the fake's one POST may take; a test's worker is back no sooner than its heartbeats
# run out, so that waiting for this after a lost answer costs nothing.
SUBMIT_TIMEOUT_S = 2.0
LISTING_LAG_S = 0.1


class Entry(Frozen):
    """A line of the journal's history."""

    request_key: str
    state: str
    detail: dict[str, Any]


class Studio(World):
    """A world whose worker is a process that can be killed and started again."""

    worker: Crew
    traps: Sequence[str]
    trap_file: Path

    async def start_worker(self) -> None:
        """Start the worker and wait until it takes work, or has died in a trap."""
        ready_file = self.settings.ready_file
        assert ready_file
        ready_file.unlink(missing_ok=True)
        told = as_environment(self.settings, self.settings.model_fields_set)
        self.worker.start({**os.environ, **told}, Trap(self.traps, self.trap_file))
        await self.until(lambda: ready_file.exists() or not self.worker.alive)
        if not ready_file.exists() and not self.trap_file.exists():
            raise RuntimeError(f"the worker ended while starting: {self.worker.log.read_text()}")

    async def kill_worker(self) -> None:
        """SIGKILL from outside, to the worker alone; what it started goes when it is missed."""
        os.kill(self.worker.pid, signal.SIGKILL)
        await self.worker.exited()

    async def trapped(self, point: str) -> None:
        """Wait until the worker has killed itself at a point."""
        status = await asyncio.wait_for(self.worker.exited(), PATIENCE_S)
        assert status == -signal.SIGKILL
        assert self.trap_file.read_text().splitlines()[-1].startswith(f"{point} ")

    def entries(self) -> list[Entry]:
        """The journal's history, oldest first."""
        with self.ledger.db.read() as tx:
            rows = tx.execute(select(journal_entries).order_by(journal_entries.c.id)).all()
        return [Entry(request_key=r.request_key, state=r.state, detail=r.detail) for r in rows]

    def states(self) -> dict[str, str]:
        """The state of every request by its key."""
        with self.ledger.db.read() as tx:
            rows = tx.execute(select(journal.c.request_key, journal.c.state)).all()
        return {row.request_key: row.state for row in rows}

    def keys(self, shot_id: str) -> set[str]:
        """The requests that a shot has made so far."""
        with self.ledger.db.read() as tx:
            mine = select(journal.c.request_key).where(journal.c.shot_id == shot_id)
            return set(tx.execute(mine).scalars())

    def sources(self, key: str) -> list[str]:
        """Who wrote down the jobs of a request: submit or reconcile."""
        mine = [entry for entry in self.entries() if entry.request_key == key]
        return [entry.detail["source"] for entry in mine if entry.state == "accepted"]

    async def until_tried_again(self, film_id: str, shot_id: str) -> None:
        """Wait until an activity of a shot has failed and is to be begun again."""
        handle = self.client.get_workflow_handle(shot_workflow_id(film_id, shot_id))

        async def again() -> bool:
            told = (await handle.describe()).raw_description.pending_activities
            return any(activity.attempt > 1 for activity in told)

        await self.until_told(again)

    async def until_charged(self, shot_id: str) -> str:
        """Wait until the fake has accepted a shot's request; returns its key."""
        await self.until(lambda: bool(self.keys(shot_id) & set(self.fake.charges()["by_key"])))
        (key,) = self.keys(shot_id)
        return key

    async def until_entries(self, count: int) -> None:
        """Wait until the journal's history is so long."""
        await self.until(lambda: len(self.entries()) >= count)

    async def until_laid_aside(self, film_id: str, shot_id: str) -> None:
        """Wait until the film knows that a shot waits for a person."""

        async def waits() -> bool:
            return shot_id in (await self.engine.progress(film_id)).waiting

        await self.until_told(waits)

    async def until_state(self, state: str, count: int = 1) -> None:
        """Wait until so many requests stand so."""
        await self.until(lambda: list(self.states().values()).count(state) >= count)

    async def fetch_film(self, film_id: str) -> MediaFacts:
        """What the delivered film is, looked at as bytes from the store."""
        digest = self.ledger.films.outputs(film_id)[0][1]
        path = self.settings.work_dir / "delivered.mp4"
        await self.parts.store.fetch(digest, path)
        return probe(path)

    def left_behind(self) -> list[Path]:
        """What a killed worker left of its work and nobody removed."""
        folders = [self.settings.work_dir / name for name in ("downloads", "finish", "release")]
        return [path for folder in folders for path in files_below(folder)]

    async def check(self, film_id: str, document: dict[str, Any]) -> None:
        """The film is whole, each request was charged once, and the books agree with the fake."""
        assert not self.left_behind()
        charges, budget = self.fake.charges(), self.ledger.budget(film_id)
        shots, voices = document["shots"], [s for s in document["shots"] if "dialogue" in s]
        assert self.ledger.films.read(film_id).execution == Execution.SUCCEEDED
        assert set(self.states().values()) == {"succeeded"}
        assert len(self.states()) == 2 * len(shots) + len(voices)
        assert charges["by_key"] == dict.fromkeys(self.states(), 1)
        assert len(charges["jobs"]) == charges["count"]
        assert budget.reserved == 0
        assert budget.spent == Decimal(charges["total_usd"])
        facts = await self.fetch_film(film_id)
        assert (facts.width, facts.height) == (64, 64)
        assert facts.frames == FPS * len(shots)
        assert facts.audio_codec


def small_film(shots: int = 2, **changes: Any) -> dict[str, Any]:
    """A film of one-second shots, the first with dialogue."""
    document = film_document(shots=shots, **changes)
    document["shots"][0]["dialogue"] = "Who is there?"
    return document


@asynccontextmanager
async def open_studio(
    fake: FakeServer, folder: Path, traps: Sequence[str] = (), **changes: Any
) -> AsyncIterator[Studio]:
    """A studio on the servers of the environment, its worker started, with traps at points."""
    settings = world_settings(
        fake,
        folder,
        ready_file=folder / "worker-ready",
        fake_submit_timeout_s=SUBMIT_TIMEOUT_S,
        fake_listing_lag_s=LISTING_LAG_S,
        **changes,
    )
    settings = await in_own_namespace(settings)
    settings.work_dir.mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(migrate, settings.database_url.get_secret_value())
    client = await connect(settings)
    async with assembled(settings, client) as parts:
        studio = Studio(settings, client, parts, fake)
        studio.traps, studio.trap_file = traps, folder / "trapped"
        studio.worker = Crew(folder, work)
        await studio.start_worker()
        try:
            yield studio
        finally:
            await studio.worker.kill()
            await studio.close()
