"""A fake provider that takes one key of ours, and quotes it when it is asked to.

`python -m tests.keys.lock`: VENDOR names the fake, OPENS the key, SIGNS its secret. A request whose
body holds "(fal quotes 401)" is answered so by the fake named fal, whatever its key: in the
provider's own form, with the key in it. 0 is an answer that nobody can read, 1 a connection that is
cut. POST /control/quote has every request answered so, from now on.
"""

import importlib
import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.fakes.vendor import Vendor, serve
from tests.fakes.wire import Drop

VENDORS = {
    "fal": ("Fal", "fal-key-id:fal-key-secret"),
    "replicate": ("Replicate", "r8_0123456789abcdefghijklmnopqrstuvwxyzA"),
    "openai": ("FakeOpenAI", "sk-proj-fake0123456789abcdef"),
    "elevenlabs": ("ElevenLabs", "sk_of_a_fake"),
    "runway": ("Runway", "key_of_a_fake"),
}
CODES = {401: "unauthorized", 403: "unauthorized", 404: "not_found", 429: "rate_limited"}
MALFORMED, CUT = 0, 1
PROVE_NOTHING = (MALFORMED, CUT, 500, 502)
PATIENTLY = 1


class Lock:
    """Turns the planted key into the one that the fake knows."""

    def __init__(self, app: ASGIApp, vendor: Vendor, planted: str, known: str) -> None:
        self._app = app
        self._vendor = vendor
        self._planted = planted.encode()
        self._known = known.encode()
        self._always: int | None = None
        self._quoted: Counter[bytes] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in the fake's place where it shall quote, otherwise let it answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        if scope["path"] == "/control/quote":
            self._always = json.loads(body)
            await Response()(scope, receive, send)
        elif (status := self._wanted(scope["path"], body)) is not None:
            await self._quote(status, dict(scope["headers"]))(scope, receive, send)
        else:
            headers = [
                (name, value.replace(self._planted, self._known))
                for name, value in scope["headers"]
            ]
            await self._app({**scope, "headers": headers}, _again(body, receive), send)

    def _wanted(self, path: str, body: bytes) -> int | None:
        if path.startswith(("/control/", "/healthz")):
            return None
        found = re.search(rb"\(%s quotes (\d+)\)" % self._vendor.name.encode(), body)
        if found is None:
            return self._always
        status = int(found[1])
        self._quoted[found[0]] += 1
        # Nothing would ever end if it did so for ever: such an answer proves nothing.
        if status in PROVE_NOTHING and self._quoted[found[0]] > PATIENTLY:
            return None
        return status

    def _quote(self, status: int, headers: dict[bytes, bytes]) -> Response:
        given = headers.get(b"authorization") or headers.get(b"xi-api-key", b"no key")
        key = given.rpartition(b" ")[2].decode()
        if status == CUT:
            return Drop()
        if status == MALFORMED:
            return JSONResponse({"id": [key], "status": key, "detail": {key: key}})
        if status == 502:
            return Response(f"<html>Key {key} of {headers}</html>", status, media_type="text/html")
        told: Any = self._vendor.error_body(
            status, CODES.get(status, "bad_request"), f"The key {key} may not do this: {key}"
        )
        return JSONResponse(told, status)


def _again(body: bytes, receive: Receive) -> Receive:
    told = False

    async def once() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


def locked(name: str, planted: str, secret: str = "") -> type[Vendor]:
    """The fake of that name behind the lock; OpenAI's signs its callbacks with the secret."""
    class_name, known = VENDORS[name]
    module = importlib.import_module(f"tests.fakes.{name}")
    kind: type[Vendor] = getattr(module, class_name)
    if name == "openai" and secret:
        module.WEBHOOK_SECRET = secret  # type: ignore[attr-defined] # a constant of that module

    class Locked(kind):  # type: ignore[valid-type, misc] # chosen by its name
        def __init__(self, state: Path, url: str) -> None:
            super().__init__(state, url)
            self.app = Lock(self.app, self, planted, known)  # type: ignore[assignment] # as good

    Locked.name = kind.name
    return Locked


if __name__ == "__main__":
    serve(locked(os.environ["VENDOR"], os.environ["OPENS"], os.environ.get("SIGNS", "")))
