"""The forecast: what it takes to finish a film, asked for now and then while it is watched."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import httpx

_LEAST_PAUSE_S = 5.0
_BUSY_SHARE = 20  # the estimate of a long film is work for the API: at most a twentieth of its time


class Forecast:
    """What it takes to finish the film at `path`, as it was told last."""

    def __init__(self, client: httpx.AsyncClient, path: str) -> None:
        self._client = client
        self._path = path
        self._told: Any = None
        self._money: Any = None
        self._due_s = 0.0
        self._asking: asyncio.Task[None] | None = None

    def of(self, budget: Any) -> Any:
        """The two figures, or None while none are known; asked anew once money has moved."""
        money = (budget["spent_usd"], budget["reserved_usd"])
        idle = self._asking is None or self._asking.done()
        if idle and money != self._money and time.monotonic() >= self._due_s:
            self._money = money
            self._asking = asyncio.create_task(self._ask())
        return self._told

    async def close(self) -> None:
        """Wait for no answer any more."""
        if self._asking is not None:
            self._asking.cancel()
            with suppress(asyncio.CancelledError):
                await self._asking

    async def _ask(self) -> None:
        started = time.monotonic()
        # Without an answer the figures stay; the film, which is read all the time, tells why.
        with suppress(httpx.TransportError, ValueError):
            answer = await self._client.post(f"{self._path}/estimate")
            if answer.is_success:
                self._told = answer.json().get("cost_to_finish_usd")
        ended = time.monotonic()
        self._due_s = ended + max(_LEAST_PAUSE_S, _BUSY_SHARE * (ended - started))
