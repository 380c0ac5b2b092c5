"""GPU work: one activity that has a work made in a thread, and ends it when it is cancelled."""

import asyncio
from collections.abc import Callable
from functools import partial
from threading import Event

from temporalio import activity

from activities.boundary import film_errors
from activities.presence import heartbeats
from filmforge.domain import Receipt, Work
from filmforge.errors import ServiceUnavailable
from filmforge.store import AssetStore

# Makes a work for the call of that id; asks between its steps whether it is to end.
Serve = Callable[[Work, str, Callable[[], bool]], Receipt]


class GpuWork:
    """Makes works, whose inputs are in the store; `serve` blocks, and one runs at a time."""

    def __init__(self, store: AssetStore, serve: Serve) -> None:
        self._store = store
        self._serve = serve

    @activity.defn(name="make_work")
    @film_errors
    async def make_work(self, work: Work) -> Receipt:
        """Make a work; one that was begun by an attempt before goes on from its checkpoints."""
        inputs = tuple(
            part.model_copy(update={"url": self._store.url(part.digest)}) for part in work.inputs
        )
        ended = Event()
        # All attempts of one run are one call: a claim that a killed worker left is its own.
        call_id = activity.info().workflow_run_id or ""
        ready = work.model_copy(update={"inputs": inputs})
        serving = asyncio.create_task(
            asyncio.to_thread(partial(self._serve, ready, call_id, ended.is_set))
        )
        async with heartbeats():
            try:
                receipt = await asyncio.shield(serving)
            except asyncio.CancelledError:
                ended.set()  # a thread cannot be cancelled: it ends at its next step
                await asyncio.wait([serving])
                raise
        if receipt.held_by:
            raise ServiceUnavailable(f"call {receipt.held_by} is still at this work")
        return receipt
