"""The application: state, routes, and what starts and stops with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

from filmforge.fakeserver.answers import Problem, problem_answer
from filmforge.fakeserver.artwork import Artwork
from filmforge.fakeserver.control_api import ControlApi
from filmforge.fakeserver.controls import Controls
from filmforge.fakeserver.jobs import Jobs, open_state
from filmforge.fakeserver.queue_api import QueueApi
from filmforge.fakeserver.webhooks import Webhooks


def build_app(state: Path, webhook_secret: str) -> Starlette:
    """The server over the state file; clip templates are kept in a folder beside it.

    Raises NotConfigured for a webhook secret that is not base64.
    """
    database = open_state(state)
    jobs, controls = Jobs(database), Controls(database)
    webhooks = Webhooks(webhook_secret, jobs)
    artwork = Artwork(state.with_name(f"{state.name}-clips"))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        webhooks.resume()
        yield
        await webhooks.close()
        database.close()

    calls = QueueApi(jobs, controls, artwork, webhooks).routes()
    return Starlette(
        routes=[*calls, *ControlApi(jobs, controls).routes()],
        exception_handlers={Problem: problem_answer},
        lifespan=lifespan,
    )
