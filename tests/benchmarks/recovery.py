"""Seconds from SIGKILL of the worker to the next step done after its restart."""

import asyncio
import contextlib
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import select

from filmforge.embedded import start_servers
from filmforge.ledger.tables import takes
from filmforge.settings import Settings
from tests.crash.studio import Studio, open_studio
from tests.fake_process import fake_server
from tests.world import film_document

KILLS = 10
GOAL_S = 3.0
# More shots than run at once: at any moment one step or another is about to be done.
SHOTS = 400
WINDOW = 16
LATENCY_S = {"image-1": 0.3, "video-1": 0.3}
# As the supervisor waits before it starts a child again.
PAUSE_S = 0.1


async def measure_recovery(folder: Path, kills: int = KILLS) -> list[float]:
    """Seconds each kill cost, on servers of its own with their state under `folder`."""
    async with contextlib.AsyncExitStack() as stack:
        servers = await stack.enter_async_context(start_servers(folder / "state", Settings()))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in servers.environment.items():
            patch.setenv(name, value)
        fake = stack.enter_context(fake_server(folder / "fake.db", latency_s=LATENCY_S))
        studio = await stack.enter_async_context(open_studio(fake, folder, window=WINDOW))
        await studio.submit(film_document(shots=SHOTS))
        return [await _recovery(studio) for _ in range(kills)]


async def _recovery(studio: Studio) -> float:
    """Kill the worker while it is busy; returns when another step was done, in seconds."""
    start = datetime.now(UTC)
    await studio.until(lambda: len(_done_since(studio, start)) >= WINDOW)
    killed_at = datetime.now(UTC)
    await studio.kill_worker()
    died_at = datetime.now(UTC)
    await asyncio.sleep(PAUSE_S)
    studio.worker.spawn()
    await studio.until(lambda: bool(_done_since(studio, died_at)))
    return (_done_since(studio, died_at)[0] - killed_at).total_seconds()


def _done_since(studio: Studio, moment: datetime) -> list[datetime]:
    """When paid steps were done, earliest first."""
    with studio.ledger.db.read() as tx:
        later = select(takes.c.at).where(takes.c.at > moment).order_by(takes.c.at)
        return list(tx.execute(later).scalars())


def report(figures: Sequence[float]) -> str:
    """The figures in one line for people."""
    spread = f"from {min(figures):.1f} to {max(figures):.1f}"
    median = statistics.median(figures)
    return f"recovery of a killed worker: {median:.2f} s, median of {len(figures)} ({spread})"


def main() -> None:
    """Print the median and its goal."""
    with TemporaryDirectory() as work:
        print(report(asyncio.run(measure_recovery(Path(work)))), f"(goal {GOAL_S:g} s)")


if __name__ == "__main__":
    main()
