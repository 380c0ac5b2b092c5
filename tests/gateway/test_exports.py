"""What an export with its media takes of the machine, and what is left of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from fastapi import FastAPI

from filmforge.domain import Execution
from filmforge.embedded import Servers
from filmforge.gateway import app, timeline
from filmforge.store import AssetStore
from tests.fake_process import fake_server
from tests.gateway.editing import OUTPUT, QUALITY, Editor
from tests.gateway.test_whole import HEADERS, gateway
from tests.world import World, film_document, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def editor(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Editor]:
    """A finished film."""
    folder = tmp_path_factory.mktemp("exports")
    with fake_server(folder / "fake.db", latency_scale=0.02) as fake:
        async with open_world(servers, fake, folder) as world, gateway(world) as http:
            film_id = await world.submit(film_document(2, output=OUTPUT, quality=QUALITY))
            await world.until_film(film_id, Execution.SUCCEEDED)
            yield Editor(world, http, film_id, folder)


async def test_an_export_that_the_store_cannot_give_now_is_to_be_asked_for_again(
    editor: Editor,
) -> None:
    """Nothing of it is left behind."""
    world = editor.world
    away = replace(world.parts, store=AssetStore(world.settings.s3_bucket, "http://127.0.0.1:9"))
    async with gateway(World(world.settings, world.client, away, world.fake)) as http:
        path = f"{editor.path}/timeline?format=otioz"
        answer = await http.get(path, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    assert answer.headers["retry-after"]
    assert list((world.settings.work_dir / "exports").iterdir()) == []


class Reader:
    """Somebody who takes the first bytes of an export and then no more, until told to."""

    def __init__(self) -> None:
        self.reading, self.goes_on = asyncio.Event(), asyncio.Event()

    async def export(self, made: FastAPI, film_id: str) -> None:
        headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
        scope = {"type": "http", "method": "GET", "path": f"/v1/films/{film_id}/timeline"}
        scope |= {"query_string": b"format=otioz", "headers": headers}
        await made(scope, self._receive, self._send)

    async def _send(self, message: Any) -> None:
        if message.get("body"):
            self.reading.set()
            await self.goes_on.wait()

    async def _receive(self) -> Any:
        await self.goes_on.wait()
        return {"type": "http.disconnect"}


@pytest.fixture
def alone(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """A gateway that makes one export at a time."""
    monkeypatch.setattr(app, "EXPORTS", 1)
    parts = editor.world.parts
    return app.build_app(
        editor.world.settings, parts.ledger, parts.store, parts.engine, parts.registry
    )


async def test_an_export_takes_its_place_until_it_is_read_to_its_end(
    editor: Editor, alone: FastAPI
) -> None:
    reader = Reader()
    async with asyncio.timeout(60), alone.router.lifespan_context(alone):
        answering = asyncio.create_task(reader.export(alone, editor.film_id))
        await reader.reading.wait()
        assert alone.state.exports.locked()
        reader.goes_on.set()
        await answering
        assert not alone.state.exports.locked()


async def test_a_reader_who_stalls_makes_room_for_others(
    editor: Editor, alone: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "READ_STALL_S", 0.05)
    async with asyncio.timeout(60), alone.router.lifespan_context(alone):
        with pytest.raises(TimeoutError):
            await Reader().export(alone, editor.film_id)
        assert not alone.state.exports.locked()
