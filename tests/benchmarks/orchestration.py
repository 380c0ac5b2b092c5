"""Milliseconds of orchestration a step: 50 shots of three no-op steps on the embedded server."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from filmforge.contracts import (
    CPU_QUEUE,
    FILM_WORKFLOW,
    ORCHESTRATION_QUEUE,
    AssembleOrder,
    ConformOrder,
    FilmNews,
    FilmOrder,
    FilmPlan,
    Generated,
    GenerateOrder,
    Page,
    Progress,
    ShotPlan,
)
from filmforge.domain import Stage
from filmforge.embedded import start_servers
from filmforge.engine import connect
from filmforge.settings import Settings
from workers.composition import WORKFLOWS, sandbox, worker_options

SHOTS = 50
STEPS = 3
RUNS = 5
DIGEST = "0" * 64


class NoOps:
    """The film's activities with nothing in them."""

    @activity.defn(name="open_film")
    async def open_film(self, order: FilmOrder) -> FilmPlan:
        """A film of fifty shots."""
        return FilmPlan(
            shots=SHOTS,
            stop_after=Stage.FILM,
            window=64,
            timeout_s=None,
            on_timeout="wait",
            reminder_s=86_400,
        )

    @activity.defn(name="plan_shots")
    async def plan_shots(self, page: Page) -> Sequence[ShotPlan]:
        """Shots without dialogue or approval."""
        return [
            ShotPlan(
                shot_id=f"s{position}",
                position=position,
                has_dialogue=False,
                approval=False,
                own_clip=False,
                finished=False,
                omitted=False,
            )
            for position in page.positions
        ]

    @activity.defn(name="report_film")
    async def report_film(self, news: FilmNews) -> None:
        """Nothing."""

    @activity.defn(name="generate")
    async def generate(self, order: GenerateOrder) -> Generated:
        """An asset at once."""
        return Generated(digest=DIGEST, request_key=DIGEST, reused=False)

    @activity.defn(name="conform")
    async def conform(self, order: ConformOrder) -> None:
        """Nothing."""

    @activity.defn(name="assemble")
    async def assemble(self, order: AssembleOrder) -> None:
        """Nothing."""


async def time_film(client: Client, film_id: str) -> float:
    """Seconds that one film of no-ops takes from start to result."""
    started = time.perf_counter()
    progress: Progress = await client.execute_workflow(
        FILM_WORKFLOW,
        FilmOrder(film_id=film_id),
        id=f"film/{film_id}",
        task_queue=ORCHESTRATION_QUEUE,
        result_type=Progress,
    )
    assert progress.done == SHOTS
    return time.perf_counter() - started


async def measure_orchestration(state: Path) -> list[float]:
    """Milliseconds a step of several films, one after another, after one to warm up."""
    async with start_servers(state, Settings(), s3=False) as servers:
        settings = Settings(temporal_address=servers.temporal_address or "")
        client = await connect(settings)
        ops = NoOps()
        steps = [ops.open_film, ops.plan_shots, ops.report_film, ops.generate]
        async with contextlib.AsyncExitStack() as running:
            await running.enter_async_context(
                Worker(
                    client,
                    task_queue=ORCHESTRATION_QUEUE,
                    workflows=WORKFLOWS,
                    workflow_runner=sandbox(),
                    activities=steps,
                    **worker_options(),
                )
            )
            await running.enter_async_context(
                Worker(client, task_queue=CPU_QUEUE, activities=[ops.conform, ops.assemble])
            )
            times = [await time_film(client, f"bench-{number}") for number in range(RUNS + 1)]
    return [1000 * seconds / (SHOTS * STEPS) for seconds in times[1:]]


def main() -> None:
    """Print the median and the goal."""
    with TemporaryDirectory() as folder:
        found = asyncio.run(measure_orchestration(Path(folder)))
    median = statistics.median(found)
    print(
        f"orchestration: {median:.1f} ms a step (goal 5.0; {', '.join(f'{f:.1f}' for f in found)})"
    )


if __name__ == "__main__":
    main()
