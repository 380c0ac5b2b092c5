"""Temporal's limits: however long the film, no history and no family of children grows with it."""

import asyncio
from dataclasses import dataclass, field

import pytest
from temporalio import workflow
from temporalio.client import WorkflowExecutionStatus
from temporalio.worker import Worker

from filmforge.commands import Decide
from filmforge.contracts import (
    FILM_WORKFLOW,
    SHOT_WORKFLOW,
    FilmOrder,
    Progress,
    ShotOrder,
    ShotOutcome,
    ShotResult,
    film_workflow_id,
)
from filmforge.domain import Execution, Stage
from tests.no_ops import NoOps
from tests.world import World, film_document
from workers.composition import sandbox
from workflows import film

MOST_EVENTS = 10_000
MOST_CHILDREN = 500
SHOTS = 2_000
QUEUE = "limits"


@workflow.defn(name=SHOT_WORKFLOW, sandboxed=False)
class InstantShot:
    """A shot that is done at once; its own history never grows with the film."""

    @workflow.run
    async def run(self, order: ShotOrder) -> ShotResult:
        return ShotResult(outcome=ShotOutcome.DONE)


@dataclass
class Watch:
    """What was seen of a film's workflow, run by run, while it worked."""

    most_children: int = 0
    events: dict[str, int] = field(default_factory=dict)

    async def look(self, world: World, film_id: str) -> bool:
        """Look once; True when the film has ended."""
        told = await world.client.get_workflow_handle(film_workflow_id(film_id)).describe()
        self.events[told.run_id] = told.history_length
        children = len(told.raw_description.pending_children)
        self.most_children = max(self.most_children, children)
        return told.status == WorkflowExecutionStatus.COMPLETED


async def histories(world: World, workflow_id: str) -> list[int]:
    """Events of every run of a workflow, also of those that were continued as new."""
    runs = world.client.list_workflows(f"WorkflowId = '{workflow_id}'")
    return [
        len(
            (
                await world.client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
            ).events
        )
        async for run in runs
    ]


@pytest.mark.timeout(300)
async def test_a_film_of_2000_shots_breaks_no_limit(world: World) -> None:
    ops, film_id, watch = NoOps(SHOTS, Stage.FRAMES), "limits", Watch()
    async with Worker(
        world.client,
        task_queue=QUEUE,
        workflows=[film.FilmWorkflow, InstantShot],
        workflow_runner=sandbox(),
        activities=[ops.open_film, ops.plan_shots, ops.report_film],
        max_cached_workflows=500,
    ):
        handle = await world.client.start_workflow(
            FILM_WORKFLOW,
            FilmOrder(film_id=film_id),
            id=film_workflow_id(film_id),
            task_queue=QUEUE,
            result_type=Progress,
        )
        await world.until_told(lambda: watch.look(world, film_id), timeout_s=240, every_s=0.1)
        progress: Progress = await handle.result()
    assert (progress.execution, progress.done) == (Execution.SUCCEEDED, SHOTS)
    assert 0 < watch.most_children <= MOST_CHILDREN
    lengths = await histories(world, film_workflow_id(film_id))
    assert len(lengths) > 1, "a film of this length continues as new"
    assert max(lengths) <= MOST_EVENTS


async def test_a_film_carries_its_open_gates_into_its_next_run_and_finishes_after_approval(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "FULL_HISTORY_EVENTS", 75)
    shots = 30
    film_id = await world.submit(
        film_document(shots=shots, stop_after="frames", approval={"frames": "required"})
    )
    await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == shots)
    for index in range(shots):
        await world.until_waiting(film_id, f"s{index:03d}")
    gates = await asyncio.to_thread(world.ledger.gates.waiting, film_id)
    for gate in gates:
        wish = Decide(shot_id=gate.shot_id, digest=gate.digest, verdict="approve", who="Ada")
        assert (await world.command(film_id, wish)).outcome == "accepted"
    progress = await world.finish(film_id)
    assert (progress.execution, progress.done) == (Execution.SUCCEEDED, shots)
    lengths = await histories(world, film_workflow_id(film_id))
    assert len(lengths) > 2
    assert world.fake.charges()["count"] == shots
