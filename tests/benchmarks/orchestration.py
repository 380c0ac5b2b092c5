"""Milliseconds of orchestration a step: 50 shots of three no-op steps on the embedded server."""

import asyncio
import contextlib
import sqlite3
import statistics
import time
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
    FilmOrder,
    Generated,
    GenerateOrder,
    Progress,
)
from filmforge.domain import Stage
from filmforge.embedded import start_servers
from filmforge.engine import connect
from filmforge.settings import Settings
from tests.benchmarks.one_workflow import SHOTS, OneWorkflow
from tests.no_ops import NoOps
from workers.composition import WORKFLOWS, sandbox, worker_options

STEPS = 3
RUNS = 5
DIGEST = "0" * 64


class NoSteps(NoOps):
    """The same for everything a shot and its film need."""

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


def commit_ms(folder: Path) -> float:
    """Milliseconds of one durable commit to SQLite: the floor under any record of a step."""
    with sqlite3.connect(folder / "floor.db", isolation_level=None) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("CREATE TABLE steps (id INTEGER PRIMARY KEY, body TEXT)")
        started = time.perf_counter()
        for number in range(1_000):
            db.execute("INSERT INTO steps VALUES (?, ?)", (number, "x" * 200))
        return time.perf_counter() - started


async def time_one(client: Client, name: str) -> float:
    """Seconds that the same steps take in one workflow."""
    started = time.perf_counter()
    await client.execute_workflow(OneWorkflow.run, id=name, task_queue=ORCHESTRATION_QUEUE)
    return time.perf_counter() - started


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


async def measure(folder: Path) -> tuple[list[float], list[float]]:
    """Milliseconds a step: (films with a child a shot, one workflow), in turn, after a warm-up."""
    async with start_servers(folder / "state", Settings(), s3=False) as servers:
        client = await connect(Settings(temporal_address=servers.temporal_address or ""))
        ops = NoSteps(SHOTS, Stage.FILM)
        async with contextlib.AsyncExitStack() as running:
            films = Worker(
                client,
                task_queue=ORCHESTRATION_QUEUE,
                workflows=[*WORKFLOWS, OneWorkflow],
                workflow_runner=sandbox(),
                activities=[ops.open_film, ops.plan_shots, ops.report_film, ops.generate],
                **worker_options(),
            )
            cpu = Worker(client, task_queue=CPU_QUEUE, activities=[ops.conform, ops.assemble])
            await running.enter_async_context(films)
            await running.enter_async_context(cpu)
            pairs = [
                (await time_film(client, f"film-{n}"), await time_one(client, f"one-{n}"))
                for n in range(RUNS + 1)
            ]
    steps = SHOTS * STEPS
    return [1000 * f / steps for f, _ in pairs[1:]], [1000 * o / steps for _, o in pairs[1:]]


def main() -> None:
    """Print the film's cost beside that of its parts, all from this run."""
    with TemporaryDirectory() as name:
        films, ones = asyncio.run(measure(Path(name)))
        floor = commit_ms(Path(name))
    film, one = statistics.median(films), statistics.median(ones)
    print(
        f"orchestration: a film with a child a shot {film:.1f} ms a step (goal 5.0);"
        f" the same steps in one workflow {one:.1f} ms ({film / one:.1f} x);"
        f" one SQLite commit {floor:.2f} ms ({film / floor:.0f} x)"
    )


if __name__ == "__main__":
    main()
