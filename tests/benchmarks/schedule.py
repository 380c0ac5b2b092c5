"""The wall time of a film with simulated latencies against the ideal schedule of its steps."""

import asyncio
import heapq
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from filmforge.embedded import Servers, serve
from filmforge.settings import Settings
from tests.fake_process import FakeServer, fake_server
from tests.world import film_document, open_world

SHOTS = 50
SLOTS = 16
LATENCY_S = {"image-1": 2.0, "video-1": 6.0, "voice-1": 1.0}


def ideal_s(shots: int, slots: int, steps: list[float]) -> float:
    """Seconds when no slot is ever idle without need: the longest remaining shot goes first.

    Graham's list scheduling of chains of steps on equal slots; at least the work divided by
    the slots.
    """
    free = [0.0] * slots
    ready = [(0.0, -sum(steps), shot, 0) for shot in range(shots)]
    heapq.heapify(free)
    end = 0.0
    while ready:
        start = max(heapq.heappop(free), min(at for at, *_ in ready))
        now = [item for item in ready if item[0] <= start]
        item = min(now, key=lambda each: (each[1], each[2]))
        ready.remove(item)
        _, left, shot, step = item
        done = start + steps[step]
        end = max(end, done)
        heapq.heappush(free, done)
        if step + 1 < len(steps):
            ready.append((done, left + steps[step], shot, step + 1))
    return end


async def measure(servers: Servers, fake: FakeServer, folder: Path) -> float:
    """Seconds from submission to the finished film."""
    document = film_document(SHOTS, budget_usd="100")
    for number, shot in enumerate(document["shots"]):
        shot["dialogue"] = f"Line {number}."
    async with open_world(servers, fake, folder, generate_slots=SLOTS) as world:
        started = time.perf_counter()
        await world.finish(await world.submit(document), timeout_s=300)
        return time.perf_counter() - started


def main() -> None:
    """Print the ratio and its goal."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    ideal = ideal_s(SHOTS, SLOTS, list(LATENCY_S.values()))
    with (
        TemporaryDirectory() as name,
        serve(Path(name) / "state", Settings()) as servers,
        fake_server(Path(name) / "fake.db", latency_s=LATENCY_S) as fake,
    ):
        os.environ.update(servers.environment)
        wall = asyncio.run(measure(servers, fake, Path(name)))
    print(f"schedule: {wall / ideal:.3f} x the ideal {ideal:.1f} s (goal 1.05)")


if __name__ == "__main__":
    main()
