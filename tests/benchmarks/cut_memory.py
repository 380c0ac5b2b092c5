"""Peak memory of assembling a film of two hours, with small frames; ffmpeg's processes count."""

import asyncio
import logging
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import structlog

from filmforge.embedded import serve
from filmforge.settings import Settings
from tests.theatre import Rushes, theatre
from workers.thrift import be_thrifty

SHOTS = int(os.environ.get("FILMFORGE_BENCH_SHOTS", "1440"))
SECONDS, CLIPS = 5, 8
SAID: dict[str, Any] = {"transition": {"type": "crossfade", "duration": 0.5}}


class Peak:
    """The most memory that this process and the ffmpegs it started ever had together."""

    def __init__(self) -> None:
        self.bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        mine = psutil.Process()
        while not self._ended.wait(0.05):
            tools = [child for child in mine.children() if "ffmpeg" in _name(child)]
            self.bytes = max(self.bytes, sum(map(_resident, [mine, *tools])))


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


async def measure(folder: Path) -> tuple[int, float]:
    """(peak bytes, seconds) of one assembly; the clips repeat, so that few have to land."""
    rushes = Rushes(folder, "64x64", 12, SECONDS)
    async with theatre(folder) as stage:
        film_id = await stage.film(rushes, SHOTS, clips=CLIPS, **SAID)
        started = time.perf_counter()
        with Peak() as peak:
            await stage.assemble(film_id)
        return peak.bytes, time.perf_counter() - started


def main() -> None:
    """Print the peak and its goal."""
    be_thrifty()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        TemporaryDirectory() as name,
        serve(Path(name) / "state", Settings(), temporal=False) as servers,
    ):
        os.environ.update(servers.environment)
        peak, seconds = asyncio.run(measure(Path(name)))
    print(
        f"cut memory: {peak / 2**20:.0f} MiB at most while {SHOTS * SECONDS / 3600:.1f} h of film "
        f"are assembled in {seconds:.0f} s (goal 300 MiB)"
    )


if __name__ == "__main__":
    main()
