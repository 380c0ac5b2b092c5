"""Answers that break on the wire, the connection they break, and who writes requests down."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from filmforge.fakeserver.answers import Silence
from tests.fakes.state import Sightings

PIECES = 24


class Line(H11Protocol):
    """A connection whose transport an answer can reach, as state["transport"] of its scope."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.app_state = {**self.app_state, "transport": transport}
        super().connection_made(transport)


class Drop(Response):
    """The connection is cut before any byte of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["transport"].abort()
        await Silence()(scope, receive, send)


class Late(Response):
    """Silence until the caller hangs up or `seconds` pass; then the answer after all."""

    def __init__(
        self, make_answer: Callable[[], Awaitable[Response]], seconds: float | None
    ) -> None:
        super().__init__()
        self._make_answer = make_answer
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await Silence()(scope, receive, send)
        except TimeoutError:
            answer = await self._make_answer()
            await answer(scope, receive, send)


class Drip(Response):
    """A whole body that comes in pieces, `pause_s` apart."""

    def __init__(self, body: bytes, media_type: str, pause_s: float) -> None:
        super().__init__(body, media_type=media_type)
        self._pause_s = pause_s

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        body = bytes(self.body)
        step = len(body) // PIECES + 1
        for start in range(0, len(body), step):
            piece = body[start : start + step]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(self._pause_s)
        await send({"type": "http.response.body", "body": b""})


class Witness:
    """Writes down every request but the controls; one that got no answer has status None."""

    def __init__(self, app: ASGIApp, sightings: Sightings) -> None:
        self._app = app
        self._sightings = sightings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(("/control/", "/healthz")):
            await self._app(scope, receive, send)
            return
        seq = self._sightings.write("requests", _told(scope))

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._sightings.answered(seq, message["status"])
            await send(message)

        await self._app(scope, receive, watched)


def _told(scope: Scope) -> dict[str, Any]:
    return {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "status": None,
        "at": time.time(),
    }
