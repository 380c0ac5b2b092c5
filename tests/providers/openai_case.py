"""What the tests of the openai provider share: requests, recorded payloads, an ear."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.providers.base import Job, JobReport, JobStatus, Terms
from filmforge.providers.catalogue import fit, load_models
from filmforge.providers.openai import OpenAIProvider
from tests.fakes.openai import KEY, WEBHOOK_SECRET
from tests.fakes.process import FakeVendor
from tests.providers.recordings import recording

MODELS = load_models("openai")
PROMPT = "A boy climbs the stairs to the attic"
LINE = "Who is there?"
MEGABYTES = 20_000_000


def a_provider(
    server: FakeVendor, key: str = KEY, secret: str = WEBHOOK_SECRET, **terms: Any
) -> OpenAIProvider:
    terms = {"submit_timeout_s": 5, "private": True, **terms}
    url = f"{server.url}/v1"
    return OpenAIProvider(key, MODELS, Terms(**terms), base_url=url, webhook_secret=secret)


def picture_request(
    prompt: str = PROMPT, model: str = "gpt-image-2.5-flare", pictures: int = 0, **more: Any
) -> GenerationRequest:
    wish = {"prompt": prompt, "width": 1280, "height": 720, **more}
    digests = [f"{number:064x}" for number in range(pictures)]
    return GenerationRequest(
        kind=Kind.IMAGE,
        provider="openai",
        model=model,
        parameters=fit(MODELS[model], wish),
        inputs=tuple(Ingredient(role="frame", digest=digest) for digest in digests),
    )


def speech_request(text: str = LINE, model: str = "tts-1") -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.AUDIO,
        provider="openai",
        model=model,
        parameters=fit(MODELS[model], {"text": text, "voice": "narrator", "mood": "calm"}),
    )


def payload(name: str) -> dict[str, Any]:
    read: dict[str, Any] = recording("openai", name)
    return read


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while True:
            if answer := await ask():
                return answer
            await asyncio.sleep(0.02)


async def draw(provider: OpenAIProvider, answer: Path, **asked: Any) -> Job:
    return await provider.submit(picture_request(**asked), {}, None, answer)


async def ended(provider: OpenAIProvider, job: Job, **asked: Any) -> JobReport:
    async def report() -> JobReport | None:
        told = await provider.poll(job, picture_request(**asked))
        return None if told.status is JobStatus.RUNNING else told

    done: JobReport = await until(report)
    return done


class Ear:
    """A server that keeps what it is sent and answers with a sound of no length."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []

    async def __aenter__(self) -> "Ear":
        self._server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1/callbacks/x"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.heard.append((headers, body))
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ncontent-length: 0\r\n"
            b"connection: close\r\n\r\n"
        )
        await writer.drain()
        writer.close()


async def heard(server: FakeVendor, *faults: dict[str, Any], count: int = 1) -> Any:
    async with Ear() as ear:
        server.settings(webhook_url=ear.url)
        server.set_faults(*faults)
        provider = a_provider(server)
        await draw(provider, Path("-"))
        await provider.close()

        async def all_heard() -> bool:
            return len(ear.heard) >= count

        await until(all_heard)
        return ear.heard
