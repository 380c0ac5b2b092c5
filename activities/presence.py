"""Presence: a long activity shows that it lives, and is never cut in the middle of a payment."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from temporalio import activity

R = TypeVar("R")

BEAT_S = 0.7
FORGIVEN_AFTER_S = 60


class Trouble:
    """How long a provider has been failing, over all attempts of this activity.

    It travels in the heartbeats, so that neither a retry nor a killed worker forgets it; what
    has not failed for a while is forgiven. Both times are POSIX seconds.
    """

    def __init__(self, since: float = 0, last: float = 0) -> None:
        self.since = since
        self.last = last

    @classmethod
    def of_earlier_attempts(cls) -> "Trouble":
        """The trouble that the last attempt told of."""
        return cls(*activity.info().heartbeat_details)

    def forgive(self) -> None:
        """Begin anew, as with another provider."""
        self.since = self.last = 0

    def lasts_s(self) -> float:
        """Seconds from the first failure to this one; the attempt that calls it has failed."""
        now = time.time()
        if now - self.last > FORGIVEN_AFTER_S:
            self.since = now
        self.last = now
        activity.heartbeat(self.since, self.last)
        return now - self.since


@asynccontextmanager
async def heartbeats(trouble: Trouble | None = None) -> AsyncIterator[None]:
    """Heartbeat until the block ends; the SDK sends as many as the timeout asks for."""

    async def beat() -> None:
        while True:
            activity.heartbeat(*((trouble.since, trouble.last) if trouble else ()))
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
