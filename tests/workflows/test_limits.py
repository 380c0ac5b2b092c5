"""Temporal's limits: however long the film, no history and no family of children grows with it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from filmforge.contracts import Decide, Progress, film_workflow_id
from filmforge.domain import Execution, Review
from tests.world import World, film_document
from workflows import film

MOST_EVENTS = 10_000
MOST_CHILDREN = 500


@dataclass
class Watch:
    """What was seen of a film's workflow while it ran."""

    most_children: int = 0
    runs: set[str] = field(default_factory=set)

    async def look(self, world: World, film_id: str) -> bool:
        """Look once; False when the film has ended."""
        told = await world.client.get_workflow_handle(film_workflow_id(film_id)).describe()
        self.runs.add(told.run_id)
        self.most_children = max(
            self.most_children, len(told.raw_description.pending_children)
        )
        return told.status != WorkflowExecutionStatus.COMPLETED


async def runs_of(world: World, film_id: str) -> AsyncIterator[Any]:
    """Every run of a film's workflow that the server knows, also those continued as new."""
    async for run in world.client.list_workflows(f"WorkflowId = '{film_workflow_id(film_id)}'"):
        yield run


@pytest.mark.timeout(300)
async def test_a_film_of_2000_shots_breaks_no_limit(world: World) -> None:
    await asyncio.to_thread(world.fake.settings, latency_scale=0)
    film_id = await world.submit(film_document(shots=2_000, stop_after="frames"))
    watch = Watch()
    while await watch.look(world, film_id):
        await asyncio.sleep(0.2)
    assert (await world.finish(film_id)).done == 2_000
    assert 0 < watch.most_children <= MOST_CHILDREN
    lengths = [run.history_length async for run in runs_of(world, film_id)]
    assert len(lengths) > 1
    assert max(lengths) <= MOST_EVENTS
    print(watch, lengths)
    assert world.fake.charges()["count"] == 2_000
    assert world.ledger.budget(film_id).reserved == 0
