"""Peak memory of the worker process while it makes a film of 2,000 shots."""

import asyncio
import os
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from filmforge.brief import read_film
from filmforge.contracts import film_workflow_id
from filmforge.embedded import Servers, serve
from filmforge.engine import Engine
from filmforge.ledger import open_ledger
from filmforge.ledger.migrate import migrate
from filmforge.settings import Settings
from tests.fake_process import FakeServer, fake_server
from tests.world import film_document, world_settings

SHOTS = 2_000
TIMEOUT_S = 1_500


def environment(servers: Servers, fake: FakeServer, settings: Settings) -> dict[str, str]:
    """What a worker process of its own needs to know."""
    return {
        **os.environ,
        **servers.environment,
        "FILMFORGE_DATABASE_URL": settings.database_url.get_secret_value(),
        "FILMFORGE_WORK_DIR": str(settings.work_dir),
        "FILMFORGE_FAKE_URL": fake.url,
    }


async def peak_bytes(pid: int, ended: asyncio.Event) -> int:
    """The largest resident size of a process, its children apart, until something ended."""
    process, peak = psutil.Process(pid), 0
    while not ended.is_set():
        peak = max(peak, process.memory_info().rss)
        try:
            await asyncio.wait_for(ended.wait(), 0.2)
        except TimeoutError:
            continue
    return peak


async def measure_memory(servers: Servers, fake: FakeServer, folder: Path) -> tuple[int, float]:
    """(peak resident bytes, seconds) of one long film."""
    settings = world_settings(fake, folder)
    url = settings.database_url.get_secret_value()
    migrate(url)
    ledger = open_ledger(url)
    film, _ = ledger.films.create(read_film(film_document(SHOTS, budget_usd="1000")), Decimal(10))
    command = [sys.executable, "-m", "workers.main"]
    worker = subprocess.Popen(  # noqa: ASYNC220 - it is started once and ends with the benchmark
        command, env=environment(servers, fake, settings), stdout=subprocess.DEVNULL
    )
    try:
        engine = await Engine.connected(Settings())
        ended = asyncio.Event()
        watching = asyncio.create_task(peak_bytes(worker.pid, ended))
        started = time.perf_counter()
        await engine.start_film(film.film_id, film.brief)
        handle = engine.client.get_workflow_handle(film_workflow_id(film.film_id))
        await asyncio.wait_for(handle.result(), TIMEOUT_S)
        ended.set()
        return await watching, time.perf_counter() - started
    finally:
        worker.terminate()
        worker.wait(20)
        ledger.close()


def main() -> None:
    """Print the peak and its goal."""
    with (
        TemporaryDirectory() as name,
        serve(Path(name) / "state", Settings()) as servers,
        fake_server(Path(name) / "fake.db", latency_scale=0.02) as fake,
    ):
        os.environ.update(servers.environment)
        peak, seconds = asyncio.run(measure_memory(servers, fake, Path(name)))
    mib = peak / 2**20
    print(f"memory: {mib:.0f} MiB at most in {SHOTS} shots, {seconds:.0f} s (goal 300 MiB)")


if __name__ == "__main__":
    main()
