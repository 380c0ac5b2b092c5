"""A bulk film does not starve a small one: in a worker's slots, and in the server's queues."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.common import Priority
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from filmforge.contracts import film_workflow_id
from filmforge.embedded import Servers
from filmforge.engine import connect
from filmforge.settings import Settings
from tests.fake_process import FakeServer
from tests.world import film_document, in_own_namespace, open_world

BULK, SMALL = 24, 2
STEPS_OF_BULK, STEPS_OF_SMALL = 120, 6


async def test_a_small_film_is_made_while_a_bulk_film_of_another_project_waits(
    servers: Servers, fake: FakeServer, tmp_path: Path
) -> None:
    fake.settings(latency_scale=0.2)
    async with open_world(servers, fake, tmp_path, generate_slots=2) as world:
        bulk = film_document(shots=BULK, project="bulk", stop_after="frames")
        small = film_document(shots=SMALL, project="small", stop_after="frames")
        big = await world.submit(bulk)
        await world.until(lambda: len(world.jobs()) >= 2)
        assert (await world.finish(await world.submit(small))).done == SMALL
        served = len(world.jobs()) - SMALL
        assert served < BULK / 2, f"{served} of the bulk film's {BULK} frames came first"
        assert (await world.finish(big)).done == BULK


async def test_a_command_for_a_provider_that_is_full_goes_to_who_has_least_there(
    servers: Servers, fake: FakeServer, tmp_path: Path
) -> None:
    """The cap of two jobs is the provider's, over all workers; nobody ever sees three."""
    fake.settings(latency_scale=0.3)
    async with open_world(servers, fake, tmp_path, paces={"fake": {"max_in_flight": 2}}) as world:
        big = await world.submit(film_document(shots=12, project="bulk", stop_after="frames"))
        await world.until(lambda: len(world.jobs()) >= 2)
        small = await world.submit(film_document(shots=1, project="small", stop_after="frames"))
        assert (await world.finish(small)).done == 1
        assert len(world.jobs()) < 10
        assert (await world.finish(big)).done == 12
        assert _most_at_once(world.jobs()) <= 2


def _most_at_once(jobs: list[dict[str, float]]) -> int:
    starts = sorted(job["accepted_at"] for job in jobs)
    # Each takes 0.3 of a second or more: three accepted within half of that were three at once.
    return max(sum(1 for at in starts if first <= at < first + 0.15) for first in starts)


async def test_a_film_tells_the_server_its_project_and_priority(
    servers: Servers, fake: FakeServer, tmp_path: Path
) -> None:
    async with open_world(servers, fake, tmp_path) as world:
        document = film_document(shots=1, project="pilot", priority=1, stop_after="frames")
        film_id = await world.submit(document)
        found = await world.client.get_workflow_handle(film_workflow_id(film_id)).describe()
        turn = found.raw_description.workflow_execution_info.priority
        assert (turn.fairness_key, turn.priority_key) == ("pilot", 1)
        await world.finish(film_id)


served: list[str] = []


@activity.defn
async def step(project: str) -> None:
    served.append(project)
    await asyncio.sleep(0.005)


@workflow.defn
class Steps:
    @workflow.run
    async def run(self, project: str, count: int) -> None:
        await asyncio.gather(
            *(
                workflow.execute_activity(
                    step,
                    project,
                    task_queue="steps",
                    start_to_close_timeout=timedelta(seconds=30),
                )
                for _ in range(count)
            )
        )


async def test_the_embedded_server_deals_waiting_steps_out_between_projects(
    servers: Servers,
) -> None:
    assert servers.temporal_address
    client = await connect(await in_own_namespace(Settings()))
    async with AsyncExitStack() as running:
        runner = UnsandboxedWorkflowRunner()
        await running.enter_async_context(
            Worker(client, task_queue="films", workflows=[Steps], workflow_runner=runner)
        )
        begun = []
        for project, count in (("bulk", STEPS_OF_BULK), ("small", STEPS_OF_SMALL)):
            handle = await client.start_workflow(
                Steps.run,
                args=[project, count],
                id=uuid.uuid4().hex,
                task_queue="films",
                priority=Priority(fairness_key=project),
            )
            await _scheduled(handle, count)
            begun.append(handle)
        await running.enter_async_context(
            Worker(client, task_queue="steps", activities=[step], max_concurrent_activities=2)
        )
        for handle in begun:
            await handle.result()
    last = max(place for place, project in enumerate(served) if project == "small")
    assert last < STEPS_OF_BULK / 2


async def _scheduled(handle: object, count: int) -> None:
    async with asyncio.timeout(60):
        while True:
            told = await handle.describe()  # type: ignore[attr-defined] # a workflow's handle
            if len(told.raw_description.pending_activities) == count:
                return
            await asyncio.sleep(0.05)
