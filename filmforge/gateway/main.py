"""The gateway as a process: `python -m filmforge.gateway.main --port 8700`."""

import argparse
import asyncio
import logging
import signal
import sys
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from structlog.typing import Processor

from filmforge.engine import Engine
from filmforge.errors import FilmError
from filmforge.gateway.app import build_app
from filmforge.gateway.scratch import scratch
from filmforge.ledger import open_ledger
from filmforge.providers.registry import build_registry
from filmforge.settings import Settings
from filmforge.store import AssetStore

STOP_WITHIN_S = 3

_log = structlog.get_logger()


class Server(uvicorn.Server):
    """A server that ends its endless streams when it is asked to stop."""

    def __init__(self, app: FastAPI, host: str, port: int) -> None:
        config = uvicorn.Config(
            app,
            host,
            port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came: streams end, requests under way are answered, then it is over.

        Not left to uvicorn, which would end the process by the same signal before we tidied up.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        if stopping := getattr(self._app.state, "stopping", None):
            stopping.set()


async def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until a signal comes. Raises FilmError when a part cannot be used."""
    engine = await Engine.connected(settings)
    store = AssetStore(settings.s3_bucket, settings.s3_endpoint)
    registry = build_registry(settings, store.fetch, engine)
    ledger = open_ledger(settings.database_url.get_secret_value())
    try:
        app = build_app(settings, ledger, store, engine, registry)
        with scratch(settings.work_dir):
            await Server(app, host, port).serve()
    finally:
        await registry.close()
        ledger.close()


def log_as_json() -> None:
    """Write every log, those of libraries too, as one JSON object a line to standard output."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # It writes down whole addresses, and those of callbacks and signed links hold tokens.
    logging.getLogger("httpx").setLevel(logging.WARNING)


def main() -> int:
    """Run the gateway; 1 when it cannot start."""
    parser = argparse.ArgumentParser(prog="filmforge.gateway.main", description=__doc__)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--host", default="127.0.0.1")
    given = parser.parse_args()
    log_as_json()
    try:
        asyncio.run(serve(Settings(), given.host, given.port))
    except FilmError as error:
        _log.error("gateway_cannot_start", code=error.code, error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
