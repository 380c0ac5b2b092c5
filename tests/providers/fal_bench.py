"""What the tests of the fal provider share: requests, recorded payloads, an ear for callbacks."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.providers.base import Job, JobReport, JobStatus, Material, Terms
from filmforge.providers.catalogue import Model, fit, load_models
from filmforge.providers.fal import FalProvider
from tests.fakes.fal import DOT, KEY
from tests.fakes.process import FakeVendor
from tests.providers.recordings import recording

PROMPT = "A lamp in an empty attic"
TEXT = "Nobody has been here for years."
FLUX = "fal-ai/flux/schnell"
KLING = "fal-ai/kling-video/v2.5-turbo/pro/image-to-video"
KLING_V3 = "fal-ai/kling-video/v3/pro/image-to-video"
HAILUO = "fal-ai/minimax/hailuo-02/standard/image-to-video"
HAILUO_FAST = "fal-ai/minimax/hailuo-2.3-fast/standard/image-to-video"
LTX = "fal-ai/ltx-2/image-to-video"
VEO = "fal-ai/veo3.1/image-to-video"
KOKORO = "fal-ai/kokoro/american-english"
NONE: frozenset[str] = frozenset()
OFFERED = {
    "prompt": PROMPT,
    "negative_prompt": "blur",
    "width": 320,
    "height": 192,
    "duration": "3",
    "fps": "24",
    "text": TEXT,
    "voice": "narrator",
}
FRAME_DIGEST = "ab" * 32
FRAME_URL = f"https://frames.example/sha256/ab/{FRAME_DIGEST}?X-Amz-Signature={'0' * 64}"
FRAME = Material(url=FRAME_URL, media_type="image/png", public=True)
DOT_DIGEST = hashlib.sha256(DOT).hexdigest()
DOT_FRAME = Material(
    url=f"http://127.0.0.1:9/{DOT_DIGEST}", media_type="image/png", public=False, data=DOT
)
MODELS = load_models("fal")


def payload(name: str) -> Any:
    """A recorded payload."""
    return recording("fal", name)


def a_request(
    model: str = FLUX, seed: int = 7, frame: str = FRAME_DIGEST, **changes: Any
) -> GenerationRequest:
    """A valid request for a model; `changes` are wishes."""
    known = MODELS[model]
    return GenerationRequest(
        kind=known.kind,
        provider="fal",
        model=model,
        parameters=fit(known, {**OFFERED, **changes}),
        seed=seed if known.takes_seed else None,
        inputs=(Ingredient(role="frame", digest=frame),) if known.kind is Kind.VIDEO else (),
    )


def a_provider(
    fake: FakeVendor, key: str = KEY, models: dict[str, Model] = MODELS, **terms: Any
) -> FalProvider:
    """A provider on the fake; `terms` over those of the tests."""
    return FalProvider(
        key,
        models,
        Terms(**{"submit_timeout_s": 4.0, "listing_lag_s": 0.2, "private": True, **terms}),
        queue_url=fake.url,
        api_url=fake.url,
        jwks_url=f"{fake.url}/.well-known/jwks.json",
    )


async def submitted(
    provider: FalProvider,
    request: GenerationRequest,
    frame: Material = FRAME,
    callback_url: str | None = None,
) -> Job:
    """A job for a request; its frame goes along."""
    return await provider.submit(request, {"frame": frame}, callback_url, Path("unused"))


async def ended(provider: FalProvider, job: Job, request: GenerationRequest) -> JobReport:
    """How a job ended."""
    async with asyncio.timeout(60):
        while True:
            report = await provider.poll(job, request)
            if report.status is not JobStatus.RUNNING:
                return report
            await asyncio.sleep(0.02)


async def until(ready: Callable[[], Awaitable[bool] | bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(60):
        while True:
            told = ready()
            if told if isinstance(told, bool) else await told:
                return
            await asyncio.sleep(0.02)


def posts(fake: FakeVendor) -> list[str]:
    """The paths of every order the fake has seen."""
    seen = fake.log()["requests"]
    return [r["path"] for r in seen if r["method"] == "POST" and "/control" not in r["path"]]


def a_while_ago() -> datetime:
    """A time so long ago that the lists of the tests are sure of it."""
    return datetime.now(UTC) - timedelta(seconds=5)


class Listener:
    """Takes callbacks at `url` and keeps them, headers in lower case."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[tuple[dict[str, str], bytes]] = []

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request and answer 204."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
        pairs = (line.split(": ", 1) for line in head if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        self.calls.append((headers, body))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """A listener on a free loopback port."""
    listener = Listener()
    server = await asyncio.start_server(listener.take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    listener.url = f"http://127.0.0.1:{port}/hook"
    async with server:
        yield listener
