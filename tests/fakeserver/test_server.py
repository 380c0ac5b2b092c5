"""The fake server keeps its word over a SIGKILL, bills as it says and calls back as it is told."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from PIL import Image

from filmforge.errors import BadInput, NotConfigured
from filmforge.fakeserver.artwork import Artwork, picture, voice
from filmforge.fakeserver.catalogue import ClipInput, ImageInput, VoiceInput
from filmforge.fakeserver.jobs import Jobs, open_state
from filmforge.fakeserver.webhooks import Webhooks
from filmforge.providers.fake import FakeProvider
from tests.fake_process import FakeServer, fake_server, free_port

ORDER = {"input": {"prompt": "A lamp", "width": 64, "height": 64}, "seed": 1, "client_key": "k1"}
KEY = {"authorization": "Key test"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with fake_server(tmp_path_factory.mktemp("fake") / "fake.sqlite") as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> FakeServer:
    running.reset()
    running.settings(latency_scale=0)
    return running


@pytest.fixture
def client(server: FakeServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=KEY, trust_env=False) as client:
        yield client


def order(client: httpx.Client, model: str = "image-1", **changes: Any) -> dict[str, str]:
    answer = client.post(f"/v1/queue/{model}", json={**ORDER, **changes})
    assert answer.status_code == 200, answer.text
    accepted: dict[str, str] = answer.json()
    return accepted


def output(client: httpx.Client, accepted: dict[str, str]) -> bytes:
    done = client.get(accepted["response_url"]).json()
    return client.get(done["output"]["url"]).content


def test_jobs_charges_settings_and_faults_outlive_a_killed_server(tmp_path: Path) -> None:
    with fake_server(tmp_path / "fake.sqlite", latency_scale=0, listing_lag_s=0) as server:
        with httpx.Client(base_url=server.url, headers=KEY, trust_env=False) as client:
            accepted = order(client)
            before, file = server.charges(), output(client, accepted)
            server.set_faults({"fault": "refuse_400"})
            server.kill()
            server.start()
        with httpx.Client(base_url=server.url, headers=KEY, trust_env=False) as client:
            assert server.charges() == before
            assert client.get(accepted["status_url"]).json()["status"] == "COMPLETED"
            assert output(client, accepted) == file
            assert server.settings()["latency_scale"] == 0
            assert client.post("/v1/queue/image-1", json=ORDER).status_code == 400


def test_a_job_lost_on_the_wire_is_charged_even_if_the_server_dies_next(tmp_path: Path) -> None:
    with fake_server(tmp_path / "fake.sqlite") as server:
        server.set_faults({"fault": "accept_then_drop"})
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(f"{server.url}/v1/queue/image-1", json=ORDER, headers=KEY, trust_env=False)
        server.kill()
        server.start()
        assert server.charges()["by_key"] == {"k1": 1}


def test_the_same_order_twice_is_two_charges_and_one_picture(
    server: FakeServer, client: httpx.Client
) -> None:
    first, second = order(client), order(client)
    assert first["request_id"] != second["request_id"]
    assert output(client, first) == output(client, second)
    charges = server.charges()
    assert (charges["count"], charges["total_usd"]) == (2, "0.006")
    assert charges["by_key"] == {"k1": 2}


def test_an_input_counts_by_its_path_not_by_its_signature(
    client: httpx.Client, server: FakeServer
) -> None:
    clip = {"prompt": "x", "width": 64, "height": 64, "duration": 0.5}
    for url in ("http://a/frame1?sig=1", "http://b/frame1?sig=2", "http://a/frame2?sig=1"):
        order(client, "video-1", input=clip, inputs={"frame": url})
    digests = [job["digest"] for job in server.charges()["jobs"]]
    assert digests[0] == digests[1] != digests[2]


def test_a_charge_can_be_taken_at_completion(server: FakeServer, client: httpx.Client) -> None:
    server.settings(bill_on="completion", latency_s={"image-1": 60}, latency_scale=1)
    order(client)
    assert server.charges()["count"] == 0
    server.settings(latency_s={"image-1": 0})
    order(client)
    assert server.charges()["count"] == 1


def test_jobs_beyond_the_limit_wait_in_the_queue(server: FakeServer, client: httpx.Client) -> None:
    server.settings(max_running=2, latency_s={"image-1": 60}, latency_scale=1)
    statuses = [client.get(order(client)["status_url"]).json()["status"] for _ in range(4)]
    assert statuses == ["IN_PROGRESS", "IN_PROGRESS", "IN_QUEUE", "IN_QUEUE"]


def test_the_listing_is_paged_newest_first(client: httpx.Client) -> None:
    made = [order(client, client_key=f"k{n % 2}")["request_id"] for n in range(6)]
    listed, cursor = [], None
    while True:
        asked = {"limit": "2", "client_key": "k1", **({"cursor": cursor} if cursor else {})}
        page = client.get("/v1/jobs", params=asked).json()
        listed += [job["request_id"] for job in page["jobs"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert listed == made[5:0:-2]


@pytest.mark.parametrize(
    ("model", "changes", "field"),
    [
        ("nonesuch", {}, "image-1"),
        ("image-1", {"input": {"prompt": "x", "size": 1}}, "size"),
        ("image-1", {"input": {"prompt": "x", "width": 63}}, "width"),
        ("video-1", {}, "duration"),
        ("voice-1", {"input": {"text": ""}}, "text"),
        ("image-1", {"client_key": ""}, "client_key"),
        ("image-1", {"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_order_is_refused_by_field_and_costs_nothing(
    server: FakeServer, client: httpx.Client, model: str, changes: dict[str, Any], field: str
) -> None:
    answer = client.post(f"/v1/queue/{model}", json={**ORDER, **changes})
    assert answer.status_code in (404, 422)
    assert field in answer.json()["error"]["message"]
    assert server.charges()["jobs"] == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b'{"latency_scale": -1}', b'{"x": 1}', b'{"latency_s": {"no": 1}}'],
)
def test_bad_settings_change_nothing(server: FakeServer, client: httpx.Client, body: bytes) -> None:
    before = server.settings()
    assert client.post("/control/settings", content=body).status_code in (400, 422)
    assert server.settings() == before


def test_a_call_without_a_key_is_refused(server: FakeServer) -> None:
    answer = httpx.post(f"{server.url}/v1/queue/image-1", json=ORDER, trust_env=False)
    assert answer.status_code == 401


def test_a_body_without_end_is_refused(client: httpx.Client) -> None:
    assert client.post("/v1/queue/image-1", content=b" " * 1_100_000).status_code == 413


def test_a_fault_strikes_only_what_it_matches_and_as_often_as_it_says(
    server: FakeServer, client: httpx.Client
) -> None:
    server.set_faults({"fault": "refuse_400", "match": "attic", "times": 2})
    attic = {**ORDER, "input": {"prompt": "An attic"}}
    answers = [client.post("/v1/queue/image-1", json=body) for body in (ORDER, *[attic] * 3)]
    assert [answer.status_code for answer in answers] == [200, 400, 400, 200]


def test_an_unreachable_input_is_refused_when_inputs_are_fetched(
    server: FakeServer, client: httpx.Client
) -> None:
    server.settings(fetch_inputs=True)
    order(client, inputs={"frame": f"{server.url}/healthz"})
    body = {**ORDER, "inputs": {"frame": f"http://127.0.0.1:{free_port()}/frame"}}
    answer = client.post("/v1/queue/image-1", json=body)
    assert answer.json()["error"]["code"] == "input_unreachable"
    assert len(server.charges()["jobs"]) == 1


class Listener:
    """Collects callbacks; answers 500 to the first `refusals` of them."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.url = ""
        self._news = asyncio.Condition()

    async def count(self, number: int) -> None:
        async with asyncio.timeout(60):
            async with self._news:
                await self._news.wait_for(lambda: len(self.heard) >= number)

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(": ") for line in head.splitlines()[1:])
        headers = {name.lower(): value for name, _, value in lines}
        body = await reader.readexactly(int(headers["content-length"]))
        async with self._news:
            self.heard.append((headers, body))
            self._news.notify_all()
        status = "500 No" if len(self.heard) <= self.refusals else "204 Yes"
        writer.write(f"HTTP/1.1 {status}\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(refusals: int = 0) -> AsyncIterator[Listener]:
    listener = Listener(refusals)
    server = await asyncio.start_server(listener.hear, "127.0.0.1", 0)
    listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    yield listener
    server.close()
    await server.wait_closed()


async def test_a_callback_is_signed_and_tried_again(
    server: FakeServer, client: httpx.Client
) -> None:
    provider = FakeProvider(server.url, server.secret)
    async with listening(refusals=1) as listener:
        job = await asyncio.to_thread(order, client, webhook_url=listener.url)
        await listener.count(2)
        for headers, body in listener.heard:
            notice = await provider.parse_webhook(headers, body)
            assert notice.job.id == job["request_id"]
    other = FakeProvider(server.url, "whsec_b3RoZXItc2VjcmV0")
    with pytest.raises(BadInput):
        await other.parse_webhook(*listener.heard[0])
    await provider.close()
    await other.close()


async def test_a_callback_comes_twice_or_never_when_told_to(
    server: FakeServer, client: httpx.Client
) -> None:
    server.set_faults(
        {"fault": "webhook_lost", "match": "first"}, {"fault": "webhook_twice", "match": "second"}
    )
    async with listening() as listener:
        for key in ("first", "second"):
            accepted = await asyncio.to_thread(
                order, client, client_key=key, webhook_url=listener.url
            )
        await listener.count(2)
        bodies = [body for _, body in listener.heard]
    assert all(accepted["request_id"].encode() in body for body in bodies)


async def test_a_callback_still_owed_is_sent_after_a_kill(tmp_path: Path) -> None:
    async with listening() as listener:
        with fake_server(tmp_path / "fake.sqlite", latency_s={"image-1": 1.5}) as server:
            with httpx.Client(base_url=server.url, headers=KEY, trust_env=False) as client:
                order(client, webhook_url=listener.url)
            server.kill()
            assert listener.heard == []
            await asyncio.to_thread(server.start)
            await listener.count(1)


def test_a_secret_that_is_not_base64_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="FILMFORGE_FAKE_WEBHOOK_SECRET"):
        Webhooks("whsec_a", Jobs(open_state(tmp_path / "fake.sqlite")))


def test_a_picture_has_the_size_asked_for() -> None:
    wanted = ImageInput(prompt="x", width=640, height=360)
    with Image.open(io.BytesIO(picture(wanted, "a" * 64))) as image:
        image.load()
        assert image.size == (640, 360)


async def test_a_clip_has_the_rate_and_length_asked_for(tmp_path: Path) -> None:
    wanted = ClipInput.model_validate(
        {"prompt": "x", "width": 64, "height": 64, "fps": "24000/1001", "duration": "0.5"}
    )
    body = await Artwork(tmp_path).make(wanted, "a" * 64)
    with av.open(io.BytesIO(body), mode="r") as clip:
        stream = clip.streams.video[0]
        assert stream.average_rate == Fraction(24000, 1001)
        assert len(list(clip.decode(stream))) == 12
    assert await Artwork(tmp_path).make(wanted, "b" * 64) != body


def test_a_longer_text_makes_a_longer_voice() -> None:
    short, long = (voice(VoiceInput(text=text), "a" * 64) for text in ("Hello", "Hello " * 20))
    assert len(short) < len(long)
