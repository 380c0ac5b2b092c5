"""Watch a film until it ends or stands still."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import httpx

from filmforge.cli.access import Access
from filmforge.cli.api import film_path, is_loopback, refuse, unreachable
from filmforge.cli.forecast import Forecast
from filmforge.cli.problems import Refusal, Unreachable
from filmforge.cli.progress import View
from filmforge.cli.stream import news
from filmforge.cli.verdict import ended, stands_still

Film = dict[str, Any]

_LEAST_PAUSE_S = 0.25
_IDLE_S = 5.0
_PATIENCE_S = 60.0
_BUSY_SHARE = 4  # at most a fifth of the time is spent asking
_SETTLE_S = 1.0


def watch_film(access: Access, film_id: str, view: View, *, patient: bool) -> Film:
    """Show a film until it ends, and return it as it then is.

    Unless `patient`, a film that can't go on without a person ends the watch too. Raises
    Refusal, and Unreachable when nothing was heard for a minute.
    """
    return asyncio.run(_watch(access, film_id, view, patient))


async def _watch(access: Access, film_id: str, view: View, patient: bool) -> Film:
    async with httpx.AsyncClient(
        base_url=access.url,
        headers={"Authorization": f"Bearer {access.key}"},
        timeout=httpx.Timeout(30, connect=5),
        trust_env=not is_loopback(access.url),
    ) as client:
        watcher = _Watcher(client, access.url, film_id, view)
        # The first look is before the view: a wrong film id is an error, not a picture.
        film = await watcher.read()
        with view:
            return await watcher.follow(film, patient)


class _Watcher:
    """Reads the film whenever there is news, never more often than it can be answered."""

    def __init__(self, client: httpx.AsyncClient, url: str, film_id: str, view: View) -> None:
        self._client = client
        self._url = url
        self._path = film_path(film_id)
        self._view = view
        self._forecast = Forecast(client, self._path)
        self._changed = asyncio.Event()
        self._took_s = 0.0
        self._heard_s = time.monotonic()

    async def follow(self, film: Film, patient: bool) -> Film:
        listener = asyncio.create_task(self._listen())
        still_since: float | None = None
        try:
            while True:
                self._view.show(film)
                if ended(film):
                    return film
                # A shot that is about to start looks the same as one nobody starts.
                still_since = (still_since or time.monotonic()) if stands_still(film) else None
                if not patient and still_since and time.monotonic() - still_since >= _SETTLE_S:
                    return film
                film = await self._next(film, listener, settling=still_since is not None)
        finally:
            await self._forecast.close()
            listener.cancel()
            with suppress(asyncio.CancelledError, Refusal):
                await listener

    async def read(self) -> Film:
        started = time.monotonic()
        try:
            answer = await self._client.get(self._path)
        except httpx.TransportError as error:
            raise unreachable(self._url, error) from None
        refuse(answer)
        film: Film = answer.json()
        self._heard_s = time.monotonic()
        self._took_s = self._heard_s - started
        if not ended(film) and (rest := self._forecast.of(film["budget"])):
            film["budget"]["cost_to_finish_usd"] = rest
        return film

    async def _next(self, film: Film, listener: "asyncio.Task[None]", settling: bool) -> Film:
        await asyncio.sleep(max(_LEAST_PAUSE_S, _BUSY_SHARE * self._took_s))
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S if settling else _IDLE_S):
                await self._changed.wait()
        self._changed.clear()
        if listener.done():
            listener.result()
        return await self._read_patiently(film)

    async def _read_patiently(self, film: Film) -> Film:
        try:
            return await self.read()
        except (Refusal, Unreachable) as error:
            for_good = isinstance(error, Refusal) and error.status < 500
            if for_good or time.monotonic() - self._heard_s > _PATIENCE_S:
                raise
            self._view.lost(str(error))
            return film

    async def _listen(self) -> None:
        async for _ in news(self._client, f"{self._path}/events"):
            self._changed.set()
