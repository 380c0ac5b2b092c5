"""A world for tests: real servers, a real ledger and a worker in this process."""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from pydantic import SecretStr
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from filmforge.brief import Brief, Film, read_film
from filmforge.commands import Answer
from filmforge.contracts import Progress, film_workflow_id
from filmforge.domain import Execution, Stage
from filmforge.embedded import Servers
from filmforge.engine import Engine, FilmCommand, connect
from filmforge.ledger import Ledger
from filmforge.ledger.events import Event
from filmforge.ledger.migrate import migrate
from filmforge.ledger.shots import ShotRecord
from filmforge.ledger.tables import paces
from filmforge.settings import Settings
from tests.fake_process import FakeServer
from workers.composition import Parts, assembled, build_workers

_numbers = itertools.count(1)

# How long a condition is waited for, also on a busy machine.
PATIENCE_S = 60

FAKE_PROVIDERS = {
    "image": "fake:image-1",
    "video": "fake:video-1",
    "audio": "fake:voice-1",
}


def world_settings(fake: FakeServer, folder: Path, **changes: Any) -> Settings:
    """Settings of one test: its own database and work directory; servers as in the environment."""
    values: dict[str, Any] = {
        "database_url": SecretStr(f"sqlite:///{folder / 'ledger.db'}"),
        "work_dir": folder / "work",
        "fake_url": fake.url,
        "api_keys": SecretStr("test-key"),
        "signing_key": SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "allow_private_urls": True,
    }
    return Settings(**{**values, **changes})


def film_document(shots: int = 3, **changes: Any) -> dict[str, Any]:
    """A small film for the fake provider, with a fresh id; every shot is its own request."""
    number = next(_numbers)
    return {
        "film_id": f"film-{time.time_ns():x}-{number}",
        "title": "A test",
        "providers": FAKE_PROVIDERS,
        "output": {"width": 64, "height": 64, "fps": 12},
        "shots": [
            {
                "shot_id": f"s{index:03d}",
                "enhanced_prompt": f"shot {index} of film {number}",
                "duration": 1,
            }
            for index in range(shots)
        ],
        **changes,
    }


def own_size(width: int) -> dict[str, int]:
    """An output whose pieces no other test has made: a film of known pieces is not joined again."""
    return {"width": width, "height": 64, "fps": 12}


class World:
    """What a test drives: submit films, wait for conditions, look at the ledger and charges."""

    def __init__(self, settings: Settings, client: Client, parts: Parts, fake: FakeServer) -> None:
        self.settings = settings
        self.client = client
        self.parts = parts
        self.fake = fake
        self.engine: Engine = parts.engine
        self.ledger: Ledger = parts.ledger

    async def submit(self, document: dict[str, Any]) -> str:
        """Keep a film and start it; returns its id."""
        film_id = await asyncio.to_thread(self.keep, document)
        await self.engine.start_film(film_id, await asyncio.to_thread(self.brief, film_id))
        return film_id

    def brief(self, film_id: str) -> Brief:
        """What a kept film says besides its shots."""
        return self.ledger.films.read(film_id).brief

    def keep(self, document: dict[str, Any]) -> str:
        """Keep a film without starting it; returns its id."""
        film: Film = read_film(document)
        return self.ledger.films.create(film, Decimal(10))[0].film_id

    async def finish(self, film_id: str, timeout_s: float = PATIENCE_S) -> Progress:
        """Wait until the film's workflow has ended."""
        handle = self.client.get_workflow_handle(film_workflow_id(film_id), result_type=Progress)
        return await asyncio.wait_for(handle.result(), timeout_s)

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        """Wait until something is so, looking often."""
        await self.until_told(lambda: asyncio.to_thread(condition), timeout_s)

    async def until_told(
        self,
        ask: Callable[[], Awaitable[bool]],
        timeout_s: float = PATIENCE_S,
        every_s: float = 0.05,
    ) -> None:
        """The same for a condition that must be asked for."""
        async with asyncio.timeout(timeout_s):
            while not await ask():  # noqa: ASYNC110 - it is another process's
                await asyncio.sleep(every_s)

    async def until_waiting(self, film_id: str, shot_id: str, reason: str = "wfa") -> None:
        """Wait until the film itself has laid the shot aside for this reason."""

        async def told() -> bool:
            return (await self.engine.progress(film_id)).waiting.get(shot_id) == reason

        await self.until_told(told)

    async def until_film(
        self, film_id: str, execution: Execution, timeout_s: float = PATIENCE_S
    ) -> None:
        """Wait until the read model says that the film stands so."""
        await self.until(lambda: self.ledger.films.read(film_id).execution == execution, timeout_s)

    async def command(self, film_id: str, wish: FilmCommand) -> Answer:
        """Carry a person's command to the film."""
        return await self.engine.command(film_id, wish)

    async def start_again(self, film_id: str, stop_after: Stage) -> None:
        """Resume a film that ended, as the gateway does."""
        await self.until_closed(film_id)
        await asyncio.to_thread(self.ledger.films.reopen, film_id, stop_after)
        await self.engine.start_film(
            film_id, await asyncio.to_thread(self.brief, film_id), stop_after
        )

    async def until_closed(self, film_id: str) -> None:
        """Wait until no workflow works on the film."""

        async def told() -> bool:
            return not await self.engine.running(film_id)

        await self.until_told(told)

    def shot(self, film_id: str, shot_id: str) -> ShotRecord:
        """Where a shot stands in the read model."""
        return self.ledger.shots.read(film_id, shot_id)

    async def until_shot(
        self, film_id: str, shot_id: str, timeout_s: float = PATIENCE_S, **state: Any
    ) -> ShotRecord:
        """Wait until the read model says that the shot stands so; returns it."""
        await self.until(
            lambda: state.items() <= self.shot(film_id, shot_id).model_dump().items(), timeout_s
        )
        return self.shot(film_id, shot_id)

    def events(self, film_id: str, type_: str) -> list[Event]:
        """The events of one type, oldest first."""
        every = self.ledger.events.since(film_id, count=10_000)
        return [event for event in every if event.type == type_]

    def jobs(self, *, model: str = "", words: str = "") -> list[dict[str, Any]]:
        """The jobs the provider accepted, of one model and with these words in the prompt."""
        jobs: list[dict[str, Any]] = self.fake.charges()["jobs"]
        return [job for job in jobs if model in job["model"] and words in job["words"]]

    def forget_pauses(self) -> None:
        """Let every provider be asked again at once, also one that asked for a pause."""
        with self.ledger.db.write() as tx:
            tx.execute(paces.delete())

    async def close(self) -> None:
        """End every workflow that the test left running, and its films for any later sweep."""
        for film in await asyncio.to_thread(self.ledger.films.unended):
            await asyncio.to_thread(self.ledger.films.set, film.film_id, Execution.CANCELLED)
            with contextlib.suppress(Exception):
                await self.client.get_workflow_handle(film_workflow_id(film.film_id)).terminate()
        async for found in self.client.list_workflows("ExecutionStatus = 'Running'"):
            with contextlib.suppress(Exception):
                await self.client.get_workflow_handle(found.id, run_id=found.run_id).terminate()


async def in_own_namespace(settings: Settings) -> Settings:
    """The settings with a new Temporal namespace, where no other test's worker listens."""
    client = await connect(settings)
    name = f"test-{uuid.uuid4().hex}"
    retention = Duration(seconds=86_400)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
    )
    return settings.model_copy(update={"temporal_namespace": name})


@asynccontextmanager
async def open_world(
    servers: Servers, fake: FakeServer, folder: Path, **changes: Any
) -> AsyncIterator[World]:
    """A world on running servers; `changes` replaces settings."""
    assert servers.temporal_address
    settings = await in_own_namespace(world_settings(fake, folder, **changes))
    await asyncio.to_thread(migrate, settings.database_url.get_secret_value())
    client = await connect(settings)
    async with assembled(settings, client) as parts, contextlib.AsyncExitStack() as running:
        for worker in build_workers(client, parts):
            await running.enter_async_context(worker)
        world = World(settings, client, parts, fake)
        try:
            yield world
        finally:
            await world.close()
