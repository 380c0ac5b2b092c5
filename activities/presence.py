"""Presence: a long activity shows that it lives, and is never cut in the middle of a payment."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from temporalio import activity

R = TypeVar("R")

BEAT_S = 0.7


@asynccontextmanager
async def heartbeats() -> AsyncIterator[None]:
    """Heartbeat until the block ends; the SDK sends as many as the timeout asks for."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_S)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


async def uninterrupted(work: Coroutine[Any, Any, R]) -> R:
    """Finish this work even when the caller is cancelled meanwhile; then be cancelled."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def asked_to_stop() -> bool:
    """Whether a person's cancel ended the activity, not a shutdown or a lost heartbeat."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested
