"""Live: what changes in films, looked at once for everybody who has a page of one open."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

import structlog

from filmforge.ledger.events import Events

POLL_S = 0.5
HEARTBEAT_S = 10.0
PAGE = 500
_KEPT = 4_000
_log = structlog.get_logger()


class News(NamedTuple):
    """The shots that events up to the one of this id were about, each once."""

    shots: Sequence[str]
    at: int

    @property
    def message(self) -> str:
        """The news as a server-sent event, after which a page goes on."""
        return f"id: {self.at}\ndata: {json.dumps(self._asdict())}\n\n"


class Watch:
    """One film while anybody looks at it."""

    def __init__(self, events: Events, film_id: str, at: int) -> None:
        self._events, self._film_id = events, film_id
        # What was seen lately is everything after `_begins` and up to `_at`.
        self._begins = self._at = at
        self._seen: list[tuple[int, str | None]] = []
        self._fresh = asyncio.Event()
        self.viewers = 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Look for news until the server stops; a database that is away is asked again."""
        while not stopping.is_set():
            try:
                count = await self._look()
            except Exception:  # noqa: BLE001  it is logged, and looked again
                _log.exception("live_cannot_look", film_id=self._film_id, again_in_s=POLL_S)
                count = 0
            if count < PAGE:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), POLL_S)
        self._fresh.set()

    async def after(self, at: int) -> News | None:
        """What came after an event, as soon as anything did; None if it is quiet for long."""
        if at < self._begins:
            missed = await asyncio.to_thread(self._events.touched, self._film_id, at, PAGE)
            return _news(missed) if missed else None
        if at >= self._at:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._fresh.wait(), HEARTBEAT_S)
        found = [each for each in self._seen if each[0] > at]
        return _news(found) if found else None

    async def _look(self) -> int:
        found = await asyncio.to_thread(self._events.touched, self._film_id, self._at, PAGE)
        if found:
            self._seen += found
            self._at = found[-1][0]
            if len(self._seen) > _KEPT:
                self._begins = self._seen[-_KEPT - 1][0]
                del self._seen[:-_KEPT]
            self._fresh.set()
            self._fresh = asyncio.Event()
        return len(found)


class Live:
    """The films that are watched now."""

    def __init__(self) -> None:
        self._watches: dict[str, tuple[Watch, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def watching(
        self, events: Events, film_id: str, stopping: asyncio.Event
    ) -> AsyncIterator[Watch]:
        """The watch of a film, which ends with the last viewer."""
        newest = await asyncio.to_thread(events.newest, film_id)
        if film_id not in self._watches:
            watch = Watch(events, film_id, newest)
            self._watches[film_id] = (watch, asyncio.create_task(watch.run(stopping)))
        watch, task = self._watches[film_id]
        watch.viewers += 1
        try:
            yield watch
        finally:
            watch.viewers -= 1
            if not watch.viewers:
                del self._watches[film_id]
                task.cancel()


def _news(found: Sequence[tuple[int, str | None]]) -> News:
    shots = dict.fromkeys(shot_id for _, shot_id in found if shot_id)
    return News(list(shots), found[-1][0])
