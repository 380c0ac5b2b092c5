"""A vendor with the plainest protocol there is, and its client: what the base is tested with."""

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.callbacks import standard_signature
from tests.fakes.faults import Moment
from tests.fakes.process import FakeVendor
from tests.fakes.state import FakeJob
from tests.fakes.vendor import Refusal, Vendor, serve

SECRET = "whsec_ZmlsbWZvcmdlLXRlc3Qtc2VjcmV0LTEyMzQ1"
KINDS: dict[str, Any] = {
    "image/png": "image",
    "image/jpeg": "image",
    "image/webp": "image",
    "video/mp4": "video",
    "audio/mpeg": "audio",
    "audio/wav": "audio",
}


class Demo(Vendor):
    """A vendor with the plainest protocol there is."""

    name = "demo"

    def routes(self) -> list[Route]:
        return [
            Route("/jobs", self.create, methods=["POST"]),
            Route("/jobs", self.newest),
            Route("/jobs/{id}", self.show),
            Route("/jobs/{id}", self.cancel, methods=["DELETE"]),
            Route("/out/{id}", self.out),
        ]

    def callback(self, job: FakeJob, at: float) -> tuple[dict[str, str], bytes]:
        body = json.dumps({"id": job.id, "status": job.status()}).encode()
        signature = standard_signature(SECRET, job.id, at, body)
        headers = {"webhook-id": job.id, "webhook-timestamp": str(int(at))}
        return {**headers, "webhook-signature": signature}, body

    async def create(self, request: Request) -> Response:
        order = await self.order(request)
        words = str(order["prompt"])
        fault = self.strike(Moment.SUBMIT, words)
        if refused := self.refusal(fault):
            return refused
        media_type = order.get("media_type", "image/png")
        job = self.jobs.accept(
            "demo-1", words, order, Decimal("0.05"), order.get("webhook"),
            kind=KINDS[media_type], size=(320, 180), fate=self.strike(Moment.FATE, words),
        )  # fmt: skip
        self.callbacks.owe(job)
        return await self.submit_answer(fault, lambda: JSONResponse({"id": job.id}, 201))

    async def newest(self, _request: Request) -> Response:
        return JSONResponse([job.id for job in self.jobs.listing()])

    async def show(self, request: Request) -> Response:
        job = self._job(request)
        message = job.failure.message if job.failure else None
        return await self.poll_answer(
            job, lambda word: JSONResponse({"status": word, "error": message})
        )

    async def cancel(self, request: Request) -> Response:
        job = self.jobs.cancel(self._job(request))
        if "tell" in request.query_params:
            self.callbacks.owe(job)
        return JSONResponse({"status": job.status()})

    async def out(self, request: Request) -> Response:
        job = self._job(request)
        return await self.output_response(job, job.body.get("media_type"))

    def _job(self, request: Request) -> FakeJob:
        job = self.jobs.find(request.path_params["id"])
        if job is None:
            raise Refusal(404, "not_found", "there is no such job")
        return job


class Client:
    """What a user of the demo does."""

    def __init__(self, fake: FakeVendor) -> None:
        self.fake = fake
        self.http = httpx.Client(base_url=fake.url, timeout=10, trust_env=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, prompt: str, timeout: float = 10, **order: Any) -> httpx.Response:
        return self.http.post("/jobs", json={"prompt": prompt, **order}, timeout=timeout)

    def submit(self, prompt: str, **order: Any) -> str:
        answer = self.post(prompt, **order)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def finish(self, job_id: str) -> str:
        wait_for(lambda: self.status(job_id) in ("succeeded", "failed", "cancelled"))
        return self.status(job_id)

    def status(self, job_id: str) -> str:
        return str(self.http.get(f"/jobs/{job_id}").raise_for_status().json()["status"])


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


if __name__ == "__main__":
    serve(Demo)
