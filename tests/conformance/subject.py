"""A provider under test: what it is asked for, and what its fake saw."""

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.media.probe import MediaFacts, verify
from filmforge.providers.base import Job, JobReport, JobStatus, Material, Provider
from filmforge.providers.catalogue import Model, fit
from tests.crash.makers import Fake

OWN = ["fake", "preview"]
HOSTED = ["fal", "replicate", "openai", "elevenlabs", "runway", "modal"]
FINISH_TIMEOUT_S = 60
MAX_BYTES = 20_000_000
WORDS = "A lamp in an empty attic"
# The shipped fake has older words for two of the faults.
SHIPPED = {
    "accept_then_malformed": "malformed_json",
    "accept_then_hang": "hang",
}


def a_frame() -> bytes:
    """A small picture."""
    file = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").resize((320, 180)).save(file, "PNG")
    return file.getvalue()


FRAME = a_frame()
FRAME_DIGEST = hashlib.sha256(FRAME).hexdigest()


async def fetch_frame(digest: str, path: Path) -> None:
    """Write the one asset there is."""
    assert digest == FRAME_DIGEST
    path.write_bytes(FRAME)  # noqa: ASYNC240 - a few bytes


@asynccontextmanager
async def frame_server() -> AsyncIterator[str]:
    """The URL of the frame on a little server, as the store would give one."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {len(FRAME)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + FRAME)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{FRAME_DIGEST}?X=1"


class Subject:
    """A provider, one kind of what it makes, the folder its outputs go to, and its fake."""

    def __init__(
        self, provider: Provider, kind: Kind, folder: Path, fake: Fake | None, frame_url: str
    ) -> None:
        self.provider = provider
        self.kind = kind
        self.folder = folder
        self._fake = fake
        self._frame_url = frame_url

    @property
    def url(self) -> str:
        """The address of the fake."""
        assert self._fake is not None
        return self._fake.url

    @property
    def model(self) -> Model:
        """The first model of the kind; of sounds, of speech."""
        models = self.provider.models().values()
        return next(m for m in models if m.kind is self.kind and m.makes in (None, "speech"))

    @property
    def answers(self) -> bool:
        """Whether the answer to a submit is the asset itself."""
        return self.kind is Kind.AUDIO and self.provider.name in ("openai", "elevenlabs")

    def request(self, words: str = WORDS, seed: int = 7) -> GenerationRequest:
        """A request of the kind, fitted to the model as a shot's would be."""
        model = self.model
        offered = {
            "prompt": words,
            "width": 320,
            "height": 180,
            "fps": "12",
            "duration": "1",
            "text": words,
            "voice": "narrator",
        }
        return GenerationRequest(
            kind=self.kind,
            provider=self.provider.name,
            model=model.id,
            parameters=fit(model, offered),
            seed=seed if model.takes_seed else None,
            inputs=(Ingredient(role="frame", digest=FRAME_DIGEST),)
            if self.kind is Kind.VIDEO
            else (),
        )

    async def submit(self, request: GenerationRequest, provider: Provider | None = None) -> Job:
        """Send a request with its inputs at hand, without a callback."""
        material = Material(url=self._frame_url, media_type="image/png", public=False, data=FRAME)
        inputs = {str(part.role): material for part in request.inputs}
        answer = self.folder / "answer"
        return await (provider or self.provider).submit(request, inputs, None, answer)

    async def finish(self, request: GenerationRequest) -> tuple[Job, JobReport]:
        """Submit a request and follow its job to the end."""
        job = await self.submit(request)
        return job, await self.finish_job(job, request)

    async def finish_job(self, job: Job, request: GenerationRequest) -> JobReport:
        """Poll a job until its last word."""
        started = time.monotonic()
        async with asyncio.timeout(FINISH_TIMEOUT_S):
            while True:
                report = await self.provider.poll(job, request)
                if report.status is not JobStatus.RUNNING:
                    return report
                # A fake is quicker than what it stands for.
                wait_s = self.provider.poll_interval_s(time.monotonic() - started)
                await asyncio.sleep(min(wait_s, 0.1))

    async def make(self, request: GenerationRequest, name: str = "out") -> Path:
        """The asset of a request as a local file."""
        path, answer = self.folder / name, self.folder / "answer"
        job = await self.submit(request)
        if await asyncio.to_thread(answer.exists):
            await asyncio.to_thread(answer.replace, path)
            return path
        report = await self.finish_job(job, request)
        assert report.status is JobStatus.SUCCEEDED, report.message
        assert report.output_url
        await self.provider.fetch(report.output_url, path, MAX_BYTES)
        return path

    def look_at(self, path: Path) -> MediaFacts:
        """What a file is; raises BadMedia unless it is of the kind."""
        return verify(path, self.kind)

    def charges(self) -> int:
        """How many charges the fake has counted."""
        assert self._fake is not None
        return int(self._fake.charges()["count"])

    async def accepted(self, count: int) -> int:
        """Wait until the fake has accepted so many orders; returns how many it has."""
        async with asyncio.timeout(60):
            while (have := len(await asyncio.to_thread(self._orders))) < count:  # noqa: ASYNC110 - it is another process's
                await asyncio.sleep(0.02)
        return have

    def spoil(self, *faults: dict[str, Any]) -> None:
        """Have the fake misbehave at the next requests."""
        assert self._fake is not None
        if self.provider.name == "fake":
            faults = tuple(_shipped(fault) for fault in faults)
        self._fake.set_faults(*faults)

    def _orders(self) -> list[Any]:
        assert self._fake is not None
        orders: list[Any] = self._fake.charges()["jobs"]
        return orders


def _shipped(fault: dict[str, Any]) -> dict[str, Any]:
    name = fault["fault"]
    if name == "accept_then_status":
        return {"fault": f"accept_then_{fault['status']}"}
    told = {"fault": SHIPPED.get(name, name)}
    return told | {k: v for k, v in fault.items() if k == "retry_after"}
