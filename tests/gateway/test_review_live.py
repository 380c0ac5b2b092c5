"""Review by link on a film that really runs: real Temporal, real store, real workers."""

import asyncio
from typing import Any

import httpx
import pytest

from filmforge.commands import Cancel
from filmforge.contracts import film_workflow_id
from filmforge.domain import Execution, Kind
from filmforge.engine import Engine, connect
from filmforge.gateway.app import build_app
from filmforge.gateway.outbox import run_outbox
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import sign_review
from filmforge.ledger.gates import Gate
from tests.gateway.test_outbox import Hook
from tests.world import World, film_document

PROGRAM = {"accept": "application/json"}


class Door:
    """The gateway before a running film."""

    def __init__(self, world: World, engine: Engine | None = None) -> None:
        parts = world.parts
        app = build_app(
            world.settings, parts.ledger, parts.store, engine or parts.engine, parts.registry
        )
        self.gateway: Gateway = app.state.gateway
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://door.test", timeout=60
        )

    def link(self, gate: Gate) -> str:
        public = self.gateway.settings.public_url
        return sign_review(self.gateway.settings, gate)[0].removeprefix(public)

    async def post(self, path: str, **words: Any) -> httpx.Response:
        return await self._client.post(path, json=words, headers=PROGRAM)

    async def get(self, path: str) -> httpx.Response:
        return await self._client.get(path, headers={"accept": "text/html"})


async def gate_of(world: World, film_id: str, shot_id: str, other_than: str = "") -> Gate:
    """The open gate of a shot, as soon as there is one before another frame."""

    def found() -> list[Gate]:
        gates = world.ledger.gates.waiting(film_id)
        return [g for g in gates if g.shot_id == shot_id and g.digest != other_than]

    await world.until(lambda: bool(found()))
    return found()[0]


async def test_a_film_is_finished_by_the_people_who_have_its_links(world: World) -> None:
    door = Door(world)
    film_id = await world.submit(film_document(shots=2, approval={"frames": "required"}))
    first = await gate_of(world, film_id, "s000")
    second = await gate_of(world, film_id, "s001")

    links = [door.link(first), door.link(first)]
    shown = await door.get(links[0])
    assert shown.status_code == 200
    assert first.digest in shown.text
    clicks = [f"{link}/approve" for link in links * 4]
    answers = await asyncio.gather(*(door.post(click) for click in clicks))
    assert sorted(a.status_code for a in answers) == [200] + [409] * 7
    codes = {a.json().get("code") for a in answers if a.status_code == 409}
    assert codes <= {"link_used", "already_decided"}

    rejected = door.link(second)
    answer = await door.post(f"{rejected}/reject", note="More rain.", who="Ada")
    assert answer.status_code == 200
    retake = await gate_of(world, film_id, "s001", other_than=second.digest)
    again = await door.post(f"{rejected}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "link_used")
    page = await door.get(door.link(retake))
    assert "More rain." in page.text
    assert (await door.post(f"{door.link(retake)}/approve", who="Ada")).status_code == 200

    progress = await world.finish(film_id)
    assert progress.done == 2
    frames = [t for t in world.ledger.takes.of_shot(film_id, "s001") if t.kind == Kind.IMAGE]
    assert [take.note for take in frames] == [None, "More rain."]
    trail = [(e.shot_id, e.who, e.action) for e in world.ledger.gates.trail(film_id)]
    assert sorted(trail) == [
        ("s000", "review link", "frame.approved"),
        ("s001", "Ada", "frame.approved"),
        ("s001", "Ada", "frame.rejected"),
    ]


async def test_a_film_that_was_cancelled_or_has_gone_takes_no_decision(world: World) -> None:
    door = Door(world)
    for end in ("cancel", "terminate"):
        film_id = await world.submit(film_document(shots=1, approval={"frames": "required"}))
        link = door.link(await gate_of(world, film_id, "s000"))
        if end == "cancel":
            await world.engine.command(film_id, Cancel(who="test"))
            await world.until_film(film_id, Execution.CANCELLED)
        else:
            await world.client.get_workflow_handle(film_workflow_id(film_id)).terminate()
        answer = await door.post(f"{link}/approve")
        assert (answer.status_code, answer.json()["code"]) == (409, "film_not_running")


class Relay:
    """A line to Temporal that can be cut."""

    def __init__(self, target: str) -> None:
        self._host, _, self._port = target.partition(":")
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._host, int(self._port))
        for source, sink in ((reader, there[1]), (there[0], writer)):
            self._tasks.add(asyncio.create_task(self._pump(source, sink)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while piece := await source.read(65_536):
                sink.write(piece)
                await sink.drain()
        finally:
            sink.close()


async def test_while_temporal_is_away_nothing_is_decided(world: World) -> None:
    relay = Relay(world.settings.temporal_address)
    line = await connect(world.settings.model_copy(update={"temporal_address": await relay.open()}))
    film_id = await world.submit(film_document(shots=1, approval={"frames": "required"}))
    gate = await gate_of(world, film_id, "s000")
    door = Door(world, Engine(line))
    link = door.link(gate)
    await relay.cut()
    answer = await door.post(f"{link}/approve")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert world.ledger.gates.read(gate.gate_id).state == "open"
    assert (await Door(world).post(f"{link}/approve")).status_code == 200


async def test_the_link_that_a_webhook_brings_decides_at_once(world: World) -> None:
    receiver = Hook("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    door, stop = Door(world), asyncio.Event()
    outbox = asyncio.create_task(run_outbox(door.gateway, stop))
    try:
        document = film_document(shots=2, approval={"frames": "required"})
        film_id = await world.submit({**document, "callback_url": receiver.url})
        await world.until(lambda: len(receiver.got) == 2)
        for event in receiver.got:
            path = event["data"]["review_url"].removeprefix(world.settings.public_url)
            assert (await door.post(f"{path}/approve")).status_code == 200
        await world.finish(film_id)
        await world.until(lambda: any(e["type"] == "film.done" for e in receiver.got))
    finally:
        stop.set()
        await outbox
        receiver.close()
    done = receiver.got[-1]["data"]
    assert [output["kind"] for output in done["outputs"]].count("film") == 1
    async with httpx.AsyncClient(trust_env=False) as client:
        made = next(o for o in done["outputs"] if o["kind"] == "film")
        assert (await client.get(made["url"])).status_code == 200


@pytest.fixture(autouse=True)
def quick_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filmforge.gateway.outbox.POLL_S", 0.02)
