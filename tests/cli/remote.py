"""A remote FilmForge as the command line sees one: an HTTP API with answers as told."""

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

KEY = "key-of-the-test"
MOVIE = b"the bytes of a film" * 1000


def shot(shot_id: str, execution: str = "queued", review: str = "ready", **more: Any) -> Any:
    """A shot as the API tells it."""
    standing = {"shot_id": shot_id, "execution": execution, "review": review}
    return {**standing, "reason": None, "takes": [], **more}


def take(kind: str, cost_usd: str = "0.003", **more: Any) -> Any:
    """A take as the API tells it."""
    made = {"take": 1, "kind": kind, "provider": "fake", "model": "x", "cost_usd": cost_usd}
    return {**made, "reused": False, "note": None, "digest": "0" * 64, "url": "http://x/y", **more}


def film(execution: str = "running", shots: list[Any] | None = None, **more: Any) -> Any:
    """A film as the API tells it."""
    money = {"limit_usd": "5.00", "reserved_usd": "0.05", "spent_usd": "0.11", "saved_usd": "0.02"}
    return {
        "film_id": "attic", "title": "Attic", "execution": execution, "reason": None,
        "budget": money, "shots": shots or [shot("shot_001")], "gates": [], "outputs": [], **more,
    }  # fmt: skip


class Remote:
    """What the API answers, after what it answers `before`, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.films: list[Any] = [film()]
        self.looks = 0
        self.answers: dict[str, tuple[int, Any]] = {}
        self.before: dict[str, list[tuple[int, Any]]] = {}
        self.late_s = 0.0
        self.calls: list[tuple[str, str, Any, dict[str, str]]] = []
        self.event_connections: list[str] = []
        self.cut_events = False

    def look(self) -> Any:
        """The film as it is now: each look is one step further, the last state stays."""
        found = self.films[min(self.looks, len(self.films) - 1)]
        self.looks += 1
        return found

    def called(self, path: str) -> Any:
        """The body of the last call to a path, with the headers it came with."""
        return next((body, headers) for _, p, body, headers in reversed(self.calls) if p == path)


def build(remote: Remote) -> FastAPI:
    """The application over what the test tells."""
    app = FastAPI()

    @app.get("/movie")
    async def movie(request: Request) -> Response:
        await _note(remote, request)
        return Response(MOVIE)

    @app.get("/v1/films/attic/events")
    async def events(request: Request) -> Response:
        remote.event_connections.append(request.headers.get("last-event-id", ""))
        return StreamingResponse(_events(remote), media_type="text/event-stream")

    @app.get("/v1/films/attic")
    async def read(request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return problem(401, "unauthorized", "The API key is not known here.")
        return JSONResponse(remote.look())

    @app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "DELETE"])
    async def other(request: Request, path: str) -> Response:
        await _note(remote, request)
        await asyncio.sleep(remote.late_s)
        first = remote.before.get(f"/{path}")
        status, answer = first.pop(0) if first else remote.answers.get(f"/{path}", (404, None))
        if answer is None:
            return problem(404, "not_found", f"there is nothing at {path}")
        if isinstance(answer, bytes):
            return Response(answer, status, media_type="text/csv")
        return JSONResponse(answer, status, {"Retry-After": "0"} if status == 202 else None)

    return app


async def _note(remote: Remote, request: Request) -> None:
    if "json" in request.headers.get("content-type", ""):
        body: Any = await request.json()
    elif "octet-stream" in request.headers.get("content-type", ""):
        body = {**request.query_params, "": await request.body()}
    else:
        body = dict(request.query_params.multi_items())
    remote.calls.append((request.method, request.url.path, body, dict(request.headers)))


async def _events(remote: Remote) -> AsyncIterator[str]:
    for number in range(1, 1000):
        yield f"id: {number}\nevent: shot.changed\ndata: {{}}\n\n: still here\n\n"
        if remote.cut_events:
            return
        await asyncio.sleep(0.05)


def problem(status: int, code: str, detail: str, errors: list[Any] | None = None) -> Response:
    """A problem document."""
    body = {"type": f"urn:{code}", "title": "It is so", "status": status, "detail": detail}
    return JSONResponse(
        {**body, "code": code, **({"errors": errors} if errors else {})},
        status,
        media_type="application/problem+json",
    )


def digest() -> str:
    """The digest of the movie."""
    return hashlib.sha256(MOVIE).hexdigest()


@contextmanager
def serving(remote: Remote) -> Iterator[Remote]:
    """The remote API on a free loopback port."""
    config = uvicorn.Config(
        build(remote), host="127.0.0.1", port=0, log_level="error", ws="none",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    remote.url = f"http://127.0.0.1:{port}"
    try:
        yield remote
    finally:
        server.should_exit = True
        thread.join(20)
