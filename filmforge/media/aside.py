"""Work in a thread that stops when whoever waits for it is cancelled."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import TypeVar

from filmforge.errors import MediaToolFailed

R = TypeVar("R")
# Raises MediaToolFailed when the work is to be given up.
Pause = Callable[[], None]


async def aside(work: Callable[[Pause], R]) -> R:
    """What work in a thread comes to; it is to call `Pause` every tenth of a second or so.

    A cancelled caller waits until the thread has ended, so that no file is written after it.
    """
    stop = Event()

    def pause() -> None:
        if stop.is_set():
            raise MediaToolFailed("the work was given up")

    running = asyncio.ensure_future(asyncio.to_thread(work, pause))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await running
        raise
