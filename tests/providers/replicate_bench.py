"""What the tests of the `replicate` provider share: requests, recorded payloads, an inbox."""

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.providers.base import Job, JobReport, JobStatus, Material, Terms
from filmforge.providers.catalogue import Model, fit, load_models
from filmforge.providers.replicate import ReplicateProvider
from tests.fakes.process import FakeVendor
from tests.fakes.replicate import TOKEN
from tests.providers.recordings import recording

MODELS = load_models("replicate")
NOWHERE = Path("never-written")
PROMPT = "A lamp in an empty attic"
FRAME = "5" * 64
OFFERED = {
    "prompt": PROMPT,
    "negative_prompt": "people",
    "width": 1280,
    "height": 720,
    "fps": "24",
    "duration": "4.2",
    "text": "Nobody has been here for years.",
    "voice": "Narrator",
}
USUAL = {
    Kind.IMAGE: "black-forest-labs/flux-schnell",
    Kind.VIDEO: "kwaivgi/kling-v2.1",
    Kind.AUDIO: "minimax/speech-2.6-turbo",
}


def payload(name: str) -> Any:
    """A recorded payload."""
    return recording("replicate", name)


def provider_of(vendor: FakeVendor, token: str = TOKEN, **changes: Any) -> ReplicateProvider:
    """A provider on the fake; `changes` are terms, models or a webhook secret."""
    models = changes.pop("models", MODELS)
    secret = changes.pop("webhook_secret", "")
    url = changes.pop("base_url", vendor.url)
    terms = Terms(**{"submit_timeout_s": 20, "listing_lag_s": 0, "private": True, **changes})
    return ReplicateProvider(token, models, terms, base_url=url, webhook_secret=secret)


def request_of(
    kind: Kind = Kind.IMAGE,
    model_id: str = "",
    *,
    seed: int = 7,
    frame: str | None = FRAME,
    models: dict[str, Model] = MODELS,
    **changes: Any,
) -> GenerationRequest:
    """A request as the film makes it from a shot."""
    model = models[model_id or USUAL[kind]]
    clip = kind is Kind.VIDEO and frame
    return GenerationRequest(
        kind=kind,
        provider="replicate",
        model=model.id,
        parameters=fit(model, {**OFFERED, **changes}),
        seed=seed if model.takes_seed else None,
        inputs=(Ingredient(role="frame", digest=frame),) if clip and frame else (),
    )


def materials(request: GenerationRequest) -> dict[str, Material]:
    """A frame that the whole internet can read, where the request is made from one."""
    url = f"https://frames.example/{FRAME}.png"
    return {
        part.role: Material(url=url, media_type="image/png", public=True) for part in request.inputs
    }


async def send(provider: ReplicateProvider, request: GenerationRequest) -> Job:
    """Submit a request, without a callback."""
    return await provider.submit(request, materials(request), None, NOWHERE)


async def finish(provider: ReplicateProvider, job: Job, request: GenerationRequest) -> JobReport:
    """Poll until the provider has said its last word."""
    async with asyncio.timeout(60):
        while True:
            report = await provider.poll(job, request)
            if report.status is not JobStatus.RUNNING:
                return report
            await asyncio.sleep(0.02)


def posts(vendor: FakeVendor) -> int:
    """How many predictions were asked for."""
    seen = vendor.log()["requests"]
    paths = [one["path"] for one in seen if one["method"] == "POST"]
    return sum(path.endswith("/predictions") for path in paths)


class Inbox:
    """A server on a free loopback port that keeps the callbacks it gets."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                inbox.calls.append((dict(self.headers.items()), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    async def wait(self, count: int = 1) -> list[tuple[dict[str, str], bytes]]:
        """The calls, when there are so many."""
        async with asyncio.timeout(60):
            while True:
                if len(self.calls) >= count:
                    return list(self.calls)
                await asyncio.sleep(0.01)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
