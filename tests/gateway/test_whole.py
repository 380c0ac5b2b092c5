"""The gateway, a worker and a provider together: what is submitted over HTTP becomes a film."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import av
import httpx

from filmforge.gateway.app import build_app
from filmforge.gateway.main import Server
from filmforge.gateway.tokens import sign_board
from filmforge.ledger.events import Event
from tests.world import World, film_document

HEADERS = {"Authorization": "Bearer test-key"}


@asynccontextmanager
async def gateway(world: World) -> AsyncIterator[httpx.AsyncClient]:
    parts = world.parts
    app = build_app(world.settings, world.ledger, parts.store, world.engine, parts.registry)
    server = Server(app, "127.0.0.1", 0)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=url, headers=HEADERS, trust_env=False) as http:
            yield http
    finally:
        server.handle_exit(15, None)
        await serving


async def until(http: httpx.AsyncClient, film_id: str, execution: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            told: dict[str, Any] = (await http.get(f"/v1/films/{film_id}")).json()
            if told["execution"] == execution:
                return told
            await asyncio.sleep(0.05)


async def test_a_film_is_submitted_followed_and_fetched(world: World) -> None:
    document = film_document(2)
    async with gateway(world) as http:
        before = (await http.post("/v1/estimates", json=document)).json()
        film_id = (await http.post("/v1/films", json=document)).json()["film_id"]
        names = []
        path = f"/v1/films/{film_id}/events"
        async with asyncio.timeout(60), http.stream("GET", path, timeout=60) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    names.append(line.removeprefix("event: "))
        assert "film.done" in names
        told = (await http.get(f"/v1/films/{film_id}")).json()
        assert told["execution"] == "succeeded"
        assert told["budget"]["spent_usd"] == before["total_usd"]
        assert told["budget"]["reserved_usd"] == "0.00"
        assert {shot["review"] for shot in told["shots"]} == {"done"}
        (film,) = [o for o in told["outputs"] if o["kind"] == "film"]
        async with httpx.AsyncClient(trust_env=False) as outside:
            assert (await outside.get(film["url"])).content[4:8] == b"ftyp"
        costs = (await http.get(f"/v1/films/{film_id}/costs")).json()
        assert costs["spent_usd"] == before["total_usd"]
        again = (await http.post("/v1/estimates", json=document)).json()
        assert again["total_usd"] == "0.00"


async def test_a_stream_plays_from_its_address_alone(world: World) -> None:
    document = film_document(2, deliveries=[{"format": "hls", "quality": "draft"}])
    async with gateway(world) as http:
        film_id = (await http.post("/v1/films", json=document)).json()["film_id"]
        told = await until(http, film_id, "succeeded")
        (stream,) = [o for o in told["outputs"] if o["kind"] == "hls-draft"]
        assert stream["files"] > 3
        address = str(http.base_url.join(httpx.URL(stream["url"]).raw_path.decode()))
        assert await asyncio.to_thread(frames_played, address) == 24


async def test_a_film_that_cannot_be_assembled_says_why_and_what_helps(world: World) -> None:
    """Twelve frames hold no five subtitles; the film goes on when the shot is left out."""
    said = "Nobody has been up here for years, you know, and look at all this dust. " * 8
    document = film_document(2)
    document["shots"][0]["dialogue"] = "Oh."
    tracks = [{"language": "de", "lines": {"s000": said}}]
    film_id = await world.submit({**document, "subtitles": {"tracks": tracks}})
    async with gateway(world) as http:
        told = await until(http, film_id, "needs_attention")
        assert told["reason"] == "bad_input"
        assert told["message"].startswith("shots.s000: its text makes ")
        assert "frames long, or its text shorter" in told["message"]
        (listed,) = [
            film
            for film in (await http.get("/v1/films")).json()["films"]
            if film["film_id"] == film_id
        ]
        assert listed["message"] == told["message"]
        board = sign_board(world.settings, film_id).removeprefix(world.settings.public_url)
        assert "its text shorter" in (await http.get(board)).text
        await http.post(f"/v1/films/{film_id}/resume")
        await world.until(lambda: len(_blocked(world, film_id)) == 2)
        assert _blocked(world, film_id)[1].data["message"] == told["message"]
        await http.post(f"/v1/films/{film_id}/shots/s000/skip")
        assert (await until(http, film_id, "succeeded"))["message"] is None


def _blocked(world: World, film_id: str) -> list[Event]:
    changed = world.events(film_id, "film.changed")
    return [event for event in changed if event.data["execution"] == "needs_attention"]


async def test_a_subtitle_file_that_is_gone_is_named_and_found_again(world: World) -> None:
    text = b"1\n00:00:00,200 --> 00:00:00,900\nWords of a film that is lost.\n"
    async with gateway(world) as http:
        digest = hashlib.sha256(text).hexdigest()
        tracks = [{"language": "en", "file": digest}]
        film_id = await world.submit(film_document(1, subtitles={"tracks": tracks}))
        told = await until(http, film_id, "needs_attention")
        assert told["reason"] == "not_found"
        assert digest in told["message"]
        assert "upload the same file again and resume the film" in told["message"]
        assert (await http.post("/v1/assets", content=text)).json()["digest"] == digest
        assert (await http.post(f"/v1/films/{film_id}/resume")).status_code == 202
        await until(http, film_id, "succeeded")


def frames_played(address: str) -> int:
    """How many pictures a player shows."""
    with av.open(address) as played:
        return sum(1 for _ in played.decode(video=0))


async def test_a_film_at_its_limit_goes_on_when_the_limit_is_raised(world: World) -> None:
    document = film_document(2, budget_usd="0.001")
    async with gateway(world) as http:
        film_id = (await http.post("/v1/films", json=document)).json()["film_id"]
        told = await until(http, film_id, "needs_attention")
        assert told["reason"] == "budget_exceeded"
        raised = await http.post(f"/v1/films/{film_id}/budget", json={"limit_usd": "5"})
        assert raised.status_code == 200, raised.text
        assert raised.json()["budget"]["limit_usd"] == "5.00"
        await until(http, film_id, "succeeded")


async def test_a_cancelled_film_is_resumed_and_pays_nothing_twice(world: World) -> None:
    document = film_document(2, approval={"frames": "required"})
    async with gateway(world) as http:
        film_id = (await http.post("/v1/films", json=document)).json()["film_id"]
        await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == 2)
        spent = world.ledger.budget(film_id).spent
        assert (await http.post(f"/v1/films/{film_id}/cancel")).status_code == 202
        await until(http, film_id, "cancelled")
        resumed = await http.post(f"/v1/films/{film_id}/resume")
        assert resumed.status_code == 202, resumed.text
        async with asyncio.timeout(60):
            while len((await world.engine.progress(film_id)).waiting) < 2:  # noqa: ASYNC110 - it is the worker's
                await asyncio.sleep(0.05)
        assert len((await http.get(f"/v1/films/{film_id}")).json()["gates"]) == 2
        for shot in ("s000", "s001"):
            answer = await http.post(f"/v1/films/{film_id}/shots/{shot}/skip")
            assert answer.status_code == 202, answer.text
        told = await until(http, film_id, "succeeded")
        assert {shot["review"] for shot in told["shots"]} == {"omitted"}
        assert world.ledger.budget(film_id).spent == spent


async def test_films_at_the_cap_of_their_project_go_on_when_it_is_raised(world: World) -> None:
    async with gateway(world) as http:
        cap = "/v1/caps/project:noir"
        await http.put(cap, json={"limit_usd": "0.001"})
        documents = [film_document(1, project="noir") for _ in range(2)]
        films = [(await http.post("/v1/films", json=d)).json()["film_id"] for d in documents]
        for film_id in films:
            told = await until(http, film_id, "needs_attention")
            assert told["reason"] == "budget_exceeded"
            assert told["shots"][0]["message"].endswith("free in project:noir")
            assert told["budget"]["spent_usd"] == "0.00"
        limits = {told["budget"]["limit_usd"] for told in [await _read(http, f) for f in films]}
        raised = (await http.put(cap, json={"limit_usd": "5"})).json()
        assert raised["woken"] == sorted(films)
        for film_id in films:
            await until(http, film_id, "succeeded")
        assert {(await _read(http, f))["budget"]["limit_usd"] for f in films} == limits
        spent = [Decimal((await _read(http, f))["budget"]["spent_usd"]) for f in films]
        told = (await http.get(cap)).json()
        assert Decimal(told["spent_usd"]) == sum(spent)
        assert told["reserved_usd"] == "0.00"


async def _read(http: httpx.AsyncClient, film_id: str) -> dict[str, Any]:
    told: dict[str, Any] = (await http.get(f"/v1/films/{film_id}")).json()
    return told
