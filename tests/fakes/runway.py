"""A fake Runway: clips and pictures as tasks, uploads, refunds and outputs at another address."""

import base64
import binascii
import io
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.fakes.faults import Moment, Settings
from tests.fakes.state import FakeJob
from tests.fakes.vendor import Refusal, Vendor, serve

VERSION = "2024-11-06"
DOCS = "https://docs.dev.runwayml.com/api"
USD_A_CREDIT = Decimal("0.01")
MAX_DATA_URI_CHARS = 5 * 1024 * 1024
MAX_UPLOAD_BYTES = 200_000_000
GEN4 = {"1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672"}
VEO = {"1280:720", "720:1280", "1920:1080", "1080:1920"}
PICTURES = {"1280:720", "720:1280", "720:720", "1920:1080", "1080:1920", "1080:1080"}
WHOLE = range(2, 11)
CLIPS: dict[str, tuple[int, Any, Any, set[str]]] = {  # credits a second, lengths, ratios, more
    "gen4_turbo": (5, WHOLE, GEN4, set()),
    "gen4.5": (12, WHOLE, GEN4, set()),
    "veo3.1": (20, (4, 6, 8), VEO, {"audio", "negativePrompt"}),
    "veo3.1_fast": (10, (4, 6, 8), VEO, {"audio", "negativePrompt"}),
}
WORDS = {
    "queued": "PENDING",
    "running": "RUNNING",
    "succeeded": "SUCCEEDED",
    "failed": "FAILED",
    "cancelled": "CANCELLED",
}


class RunwaySettings(Settings):
    """`throttled` shows waiting tasks as THROTTLED, `forgets` shows cancelled ones as 404.

    `poor` is an account without credit, `costs` whether ended tasks tell what they took.
    """

    throttled: bool = False
    forgets: bool = False
    poor: bool = False
    costs: bool = True


class Runway(Vendor):
    """Runway as its SDK 5.24 and its reference describe it; keys begin with key_."""

    name = "runway"
    bill_on = "acceptance"
    content_refusal = 400
    settings_type = RunwaySettings

    def __init__(self, state: Path, url: str) -> None:
        super().__init__(state, url)
        self._uploads = state.with_name(f"{state.name}-uploads")
        self._uploads.mkdir(exist_ok=True)
        # The outputs are at another address than the API, as Runway's are.
        self._elsewhere = url.replace("127.0.0.1", "localhost")

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/v1/image_to_video", self.clip, methods=["POST"]),
            Route("/v1/text_to_image", self.picture, methods=["POST"]),
            Route("/v1/tasks/{id}", self.show),
            Route("/v1/tasks/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/uploads", self.slot, methods=["POST"]),
            Route("/uploads/{name}", self.upload, methods=["POST"]),
            Route("/outputs/{id}", self.output),
        ]

    def error_body(self, status: int, code: str, message: str) -> Any:
        if not code.startswith("issue:"):
            return {"error": message, "docUrl": DOCS}
        path = [code.removeprefix("issue:")]
        issues = [{"code": "custom", "message": message, "path": path}]
        return {"error": "Validation of body failed", "issues": issues, "docUrl": DOCS}

    async def clip(self, request: Request) -> Response:
        self._account(request)
        order = await self.order(request)
        if order.get("model") not in CLIPS:
            raise _invalid("model", "Invalid discriminator value")
        credits_a_second, lengths, ratios, more = CLIPS[order["model"]]
        known = {"model", "promptImage", "promptText", "ratio", "duration", "seed", *more}
        self._check(order, known, ratios)
        self._check_picture(order.get("promptImage"))
        seconds = order.get("duration", 5)
        if type(seconds) is not int or seconds not in lengths:
            raise _invalid("duration", "Invalid duration")
        return await self._accept(order, "video", credits_a_second * seconds, float(seconds))

    async def picture(self, request: Request) -> Response:
        self._account(request)
        order = await self.order(request)
        if order.get("model") != "gen4_image":
            raise _invalid("model", "Invalid discriminator value")
        self._check(order, {"model", "promptText", "ratio", "seed"}, PICTURES)
        small = "720" in order["ratio"].split(":")
        return await self._accept(order, "image", 5 if small else 8, 1.0)

    async def show(self, request: Request) -> Response:
        self._account(request)
        job = self._job(request)
        assert isinstance(self.settings, RunwaySettings)
        if self.settings.forgets and job.status() == "cancelled":
            raise Refusal(404, "not_found", "Could not find Task")
        return await self.poll_answer(job, lambda word: JSONResponse(self._told(job, word)))

    async def delete(self, request: Request) -> Response:
        self._account(request)
        job = self._job(request)
        if job.status() in ("queued", "running"):
            job = self.jobs.cancel(job, refund=job.status() == "queued")
        self.jobs.note(job, {"deleted": True})
        return Response(status_code=204)

    async def slot(self, request: Request) -> Response:
        self._account(request)
        order = await self.order(request)
        if order.get("type") != "ephemeral" or not order.get("filename"):
            raise _invalid("filename", "Required")
        name = uuid.uuid4().hex
        return JSONResponse(
            {
                "uploadUrl": f"{self._elsewhere}/uploads/{name}",
                "fields": {"key": f"ephemeral/{name}", "policy": "eyJleHBpcmF0aW9uIjoi"},
                "runwayUri": f"runway://{name}",
            }
        )

    async def upload(self, request: Request) -> Response:
        """The bucket: it knows its form's fields and no key of the API."""
        form = await request.form(max_part_size=MAX_UPLOAD_BYTES)
        name = request.path_params["name"]
        file = form.get("file")
        if "authorization" in request.headers or form.get("key") != f"ephemeral/{name}":
            return Response("<Error><Code>AccessDenied</Code></Error>", 403)
        if fault := self.strike(Moment.OUTPUT, "upload"):
            return Response("<Error><Code>SlowDown</Code></Error>", fault.status or 503)
        assert file is not None
        assert not isinstance(file, str)
        (self._uploads / name).write_bytes(await file.read())
        return Response(status_code=204)

    async def output(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return Response("<Error><Code>InvalidArgument</Code></Error>", 400)
        return await self.output_response(self.jobs.find(request.path_params["id"]))

    async def _accept(
        self, order: dict[str, Any], kind: Any, taken: int, seconds: float
    ) -> Response:
        assert isinstance(self.settings, RunwaySettings)
        if self.settings.poor:
            raise Refusal(400, "bad_request", "You do not have enough credits to run this task.")
        words = str(order["promptText"])
        fault = self.strike(Moment.SUBMIT, words)
        if refused := self.refusal(fault):
            return refused
        width, height = (int(side) for side in order["ratio"].split(":"))
        job = self.jobs.accept(
            order["model"], words, order, USD_A_CREDIT * taken, kind=kind,
            size=(width, height), seconds=seconds, fate=self.strike(Moment.FATE, words),
        )  # fmt: skip
        accepted = {"id": job.id, "estimatedCost": {"credits": taken}}
        return await self.submit_answer(fault, lambda: JSONResponse(accepted))

    def _told(self, job: FakeJob, word: str) -> dict[str, Any]:
        assert isinstance(self.settings, RunwaySettings)
        status = WORDS.get(word, word)
        if status == "PENDING" and self.settings.throttled:
            status = "THROTTLED"
        created = datetime.fromtimestamp(job.accepted_at, UTC)
        told: dict[str, Any] = {
            "id": job.id,
            "createdAt": f"{created:%Y-%m-%dT%H:%M:%S}.{created.microsecond // 1000:03d}Z",
            "status": status,
        }
        credits_taken = job.cost_micros / 10_000
        if word in ("queued", "running"):
            told |= {"estimatedCost": {"credits": credits_taken}}
        elif self.settings.costs:
            told |= {"cost": {"credits": credits_taken if job.charged() else 0}}
        if word == "running":
            told |= {"progress": 0.5}
        if word == "succeeded":
            told |= {"output": [f"{self._elsewhere}/outputs/{job.id}?_jwt={uuid.uuid4().hex}"]}
        if word == "failed" and job.failure:
            told |= {"failure": job.failure.message}
            if job.failure.code != "no code":
                told |= {"failureCode": _code(job.failure.code)}
        return told

    def _account(self, request: Request) -> None:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not key.startswith("key_"):
            raise Refusal(401, "unauthorized", f"The API key {key} is not valid.")
        if request.headers.get("x-runway-version") != VERSION:
            raise Refusal(400, "bad_request", "The X-Runway-Version header is missing or unknown.")

    def _job(self, request: Request) -> FakeJob:
        job = self.jobs.find(request.path_params["id"])
        gone = job is not None and job.result == {"deleted": True} and job.status() != "cancelled"
        if job is None or gone:
            raise Refusal(404, "not_found", "Could not find Task")
        return job

    def _check(self, order: dict[str, Any], known: set[str], ratios: Any) -> None:
        for name in sorted(set(order) - known):
            raise _invalid(name, "Unrecognized key")
        if order.get("ratio") not in ratios:
            raise _invalid("ratio", "Invalid enum value")
        prompt = order.get("promptText")
        if not isinstance(prompt, str) or not 1 <= len(prompt) <= 1000:
            raise _invalid("promptText", "String must contain 1 to 1000 characters")

    def _check_picture(self, uri: Any) -> None:
        """A picture that can be read, as Runway looks at it before it takes the order."""
        if not isinstance(uri, str) or not uri.startswith(("https://", "runway://", "data:image/")):
            raise _invalid("promptImage", "Invalid asset")
        if uri.startswith("https://"):
            return
        if len(uri) > MAX_DATA_URI_CHARS:
            raise _invalid("promptImage", "String must contain at most 5242880 characters")
        kept = self._uploads / uri.removeprefix("runway://")
        try:
            data = _decoded(uri) if uri.startswith("data:") else kept.read_bytes()
            Image.open(io.BytesIO(data)).verify()
        except (OSError, binascii.Error):
            raise _invalid("promptImage", "Failed to fetch asset.") from None


def _decoded(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2], validate=True)


def _invalid(name: str, message: str) -> Refusal:
    return Refusal(400, f"issue:{name}", message)


def _code(code: str) -> str:
    return "INTERNAL.BAD_OUTPUT.CODE01" if code == "job_failed" else code


if __name__ == "__main__":
    serve(Runway)
