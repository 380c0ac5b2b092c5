"""The application: its routes, its layers and what runs beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from fastapi import FastAPI

from filmforge.engine import Engine
from filmforge.errors import BadInput
from filmforge.gateway import (
    assets,
    callbacks,
    caps,
    channels,
    control,
    costs,
    estimate,
    films,
    gpu,
    health,
    materials,
    members,
    outputs,
    progress,
    reconcile,
    recut,
    rhythm,
    shares,
    shots,
    timeline,
    trail,
    uploads,
)
from filmforge.gateway.access import AccessLog
from filmforge.gateway.limits import Guesses
from filmforge.gateway.live import Live
from filmforge.gateway.metrics import Metrics
from filmforge.gateway.notify import run_notify
from filmforge.gateway.outbox import run_outbox
from filmforge.gateway.pages.routes import PAGES
from filmforge.gateway.problems import install_problems
from filmforge.gateway.quiet import Quiet
from filmforge.gateway.replies import describe
from filmforge.gateway.state import Gateway
from filmforge.gateway.thumbs import Thumbs
from filmforge.gateway.view import Links
from filmforge.ledger import Ledger
from filmforge.providers.registry import Registry
from filmforge.settings import Settings
from filmforge.store import AssetStore

THREADS = 24
# Looking into an uploaded file takes a processor for seconds: the rest must go on.
LOOKS = 2
# An export with its media takes the disk space of both, until it is read to its end.
EXPORTS = 4
_AGAIN_S = 5.0

_API = tuple(
    part.router
    for part in (
        films, control, shots, uploads, estimate, assets, materials, costs, caps, reconcile,
        progress, timeline, recut, rhythm, outputs, callbacks, health, gpu, channels, shares,
        members, trail,
    )
)  # fmt: skip

_Beside = Callable[[Gateway, asyncio.Event], Coroutine[Any, Any, None]]
_log = structlog.get_logger()


def build_app(
    settings: Settings, ledger: Ledger, store: AssetStore, engine: Engine, registry: Registry
) -> FastAPI:
    """The HTTP API over these parts, which stay the caller's to close.

    Raises BadInput when there is no signing key: review links could not be made.
    """
    if not settings.signing_key.get_secret_value():
        raise BadInput("FILMFORGE_SIGNING_KEY", "is not set", "Set it to whsec_ and base64.")
    app = FastAPI(
        title="FilmForge",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        # As they are, and not included: an application that includes them makes each anew.
        routes=[route for router in (*_API, *PAGES) for route in router.routes],
    )
    app.state.gateway = Gateway(settings, ledger, store, engine, registry)
    app.state.links = Links(app.state.gateway)
    app.state.metrics = Metrics()
    app.state.stopping = asyncio.Event()
    app.state.guesses = Guesses()
    app.state.thumbs = Thumbs()
    app.state.live = Live()
    app.state.looks = asyncio.Semaphore(LOOKS)
    install_problems(app)
    app.add_middleware(Quiet)
    app.add_middleware(AccessLog, metrics=app.state.metrics)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign] # FastAPI's own way to extend it
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    # Every blocking call runs in a thread; the default number on a small machine is too few.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    stopping: asyncio.Event = app.state.stopping
    app.state.exports = asyncio.Semaphore(EXPORTS)
    beside = [
        asyncio.create_task(_kept_running(run, app.state.gateway, stopping))
        for run in (run_outbox, run_notify)
    ]
    try:
        yield
    finally:
        stopping.set()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*beside)


async def _kept_running(run: _Beside, gateway: Gateway, stopping: asyncio.Event) -> None:
    """Run what sends; when it breaks, begin again: what is owed stands in the database."""
    while not stopping.is_set():
        try:
            await run(gateway, stopping)
        except Exception:  # noqa: BLE001  it is logged, and tried again
            _log.exception("sending_broke", what=run.__name__, again_in_s=_AGAIN_S)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _AGAIN_S)
