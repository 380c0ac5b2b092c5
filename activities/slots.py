"""Slots: how many jobs one worker has under way at once, shared fairly between projects."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """A bounded number of places; one that falls free goes to whoever waits and holds fewest.

    A semaphore would serve in order of arrival: a film of a thousand shots would take every place
    before a film of three had its turn.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._held: Counter[str] = Counter()
        self._waiting: defaultdict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    @asynccontextmanager
    async def one(self, owner: str) -> AsyncIterator[None]:
        """Hold one place for an owner while the block runs."""
        await self._take(owner)
        try:
            yield
        finally:
            self._give_back(owner)

    async def _take(self, owner: str) -> None:
        if self._free:
            self._free -= 1
            self._held[owner] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting[owner].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(owner)  # its turn came in the very moment it left
            else:
                self._leave(owner, turn)
            raise

    def _give_back(self, owner: str) -> None:
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        while self._waiting:
            nearest = min(self._waiting, key=lambda waiting: self._held[waiting])
            turn = self._waiting[nearest][0]
            self._leave(nearest, turn)
            if not turn.done():  # one who is leaving takes no turn
                self._held[nearest] += 1
                turn.set_result(None)
                return
        self._free += 1

    def _leave(self, owner: str, turn: asyncio.Future[None]) -> None:
        if turn in self._waiting.get(owner, ()):
            self._waiting[owner].remove(turn)
            if not self._waiting[owner]:
                del self._waiting[owner]
