"""A gateway on real servers in a thread of its own, and a worker that plays the film's part."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from pydantic import SecretStr
from temporalio.worker import Worker

from filmforge.contracts import ORCHESTRATION_QUEUE
from filmforge.embedded import Servers
from filmforge.engine import Engine
from filmforge.gateway.app import build_app
from filmforge.gateway.main import Server
from filmforge.ledger import open_ledger
from filmforge.ledger.migrate import migrate
from filmforge.providers.registry import build_registry
from filmforge.settings import Settings
from filmforge.store import AssetStore
from tests.gateway.api import KEY, SIGNING_KEY, Api, StandInFilm
from tests.world import in_own_namespace


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file to copy."""
    file = tmp_path_factory.mktemp("ledger") / "empty.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def api(
    servers: Servers, empty_ledger: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    """The whole gateway over HTTP; films start, and answer commands by rules."""
    folder = tmp_path_factory.mktemp("gateway")
    shutil.copy(empty_ledger, folder / "ledger.db")
    settings = Settings(
        database_url=SecretStr(f"sqlite:///{folder / 'ledger.db'}"),
        work_dir=folder / "work",
        api_keys=SecretStr(f"other-key,{KEY}"),
        signing_key=SecretStr(SIGNING_KEY),
        fake_url="http://127.0.0.1:9",
        fal_key=SecretStr("fal-key-of-a-test"),
        openai_api_key=SecretStr("openai-key-of-a-test"),
    )
    with Api(settings, _serve) as running:
        yield running


async def _serve(api: Api) -> None:
    settings = api.settings = await in_own_namespace(api.settings)
    engine = await Engine.connected(settings)
    store = AssetStore(settings.s3_bucket, settings.s3_endpoint)
    ledger = open_ledger(settings.database_url.get_secret_value())
    registry = build_registry(settings, store.fetch, engine)
    app = build_app(settings, ledger, store, engine, registry)
    server = Server(app, "127.0.0.1", 0)
    film = Worker(engine.client, task_queue=ORCHESTRATION_QUEUE, workflows=[StandInFilm])
    try:
        async with film:
            serving = asyncio.create_task(server.serve())
            while not server.started:
                assert not serving.done(), "the gateway did not start"
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            api.ready(app.state.gateway, port, asyncio.get_running_loop())
            await asyncio.to_thread(api.over.wait)
            server.handle_exit(15, None)
            await serving
    finally:
        await registry.close()
        ledger.close()


@pytest.fixture(scope="session")
def png(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small whole picture."""
    file = tmp_path_factory.mktemp("media") / "panel.png"
    Image.new("RGB", (64, 48), (30, 60, 90)).save(file)
    return file.read_bytes()
