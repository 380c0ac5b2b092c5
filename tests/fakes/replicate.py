"""A fake of Replicate's HTTP API: predictions, their list, files, webhooks and deliveries."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tests.fakes.callbacks import standard_signature
from tests.fakes.faults import Moment, Settings, Span
from tests.fakes.state import FakeJob, Kind
from tests.fakes.vendor import Refusal, Vendor, serve

TOKEN = "r8_0123456789abcdefghijklmnopqrstuvwxyzA"
OTHER_TOKEN = "r8_9876543210zyxwvutsrqponmlkjihgfedcbaZ"
SECRET = "whsec_" + base64.b64encode(b"the secret of this very account!").decode()
SDXL = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
THROTTLED_S = 7
DEFAULT_SECONDS = 1.0

STATUSES = {
    "queued": "starting",
    "running": "processing",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "canceled",
}
TITLES = {
    401: "Unauthenticated",
    402: "Insufficient credit",
    404: "Not found",
    422: "Input validation failed",
}
DETAILS = {
    "unauthorized": "You did not pass a valid authentication token: ",
    "content_refused": "The input or output was flagged as sensitive. Please try again with"
    " different inputs. (E005)",
    "rate_limited": f"Request was throttled. Your rate limit resets in ~{THROTTLED_S}s.",
}
NO_CREDIT = (
    "You have insufficient credit to run this model. Go to"
    " https://replicate.com/account/billing#billing to purchase credit."
)

RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
PICTURE = {"prompt": str, "seed": int, "num_outputs": int, "aspect_ratio": RATIOS}
PICTURE |= {"output_format": ("webp", "jpg", "png"), "go_fast": bool, "megapixels": ("1", "0.25")}
KLING = {"prompt": str, "negative_prompt": str, "start_image": "uri", "duration": (5, 10)}
VEO = {"prompt": str, "negative_prompt": str, "image": "uri", "seed": int, "duration": (4, 6, 8)}
VEO |= {"resolution": ("720p", "1080p"), "generate_audio": bool, "aspect_ratio": ("16:9", "9:16")}
SPEECH = {"text": str, "voice_id": str, "audio_format": ("mp3", "wav", "flac", "pcm")}


@dataclass(frozen=True)
class Offer:
    """A model: its inputs by name (a type, the values there are, or "uri") and what it takes."""

    kind: Kind
    inputs: dict[str, Any]
    required: tuple[str, ...]
    price: Callable[[dict[str, Any]], Decimal]
    metric: str
    many: bool = False


def _image(usd: str, many: bool = True) -> Offer:
    price = Decimal(usd)
    return Offer("image", PICTURE, ("prompt",), lambda _: price, "image_output_count", many)


def _clip(inputs: dict[str, Any], image: str, usd: Callable[[dict[str, Any]], str]) -> Offer:
    def price(asked: dict[str, Any]) -> Decimal:
        return Decimal(usd(asked)) * asked["duration"]

    return Offer("video", inputs, ("prompt", image), price, "video_output_duration_seconds")


OFFERS = {
    "black-forest-labs/flux-schnell": _image("0.003"),
    "black-forest-labs/flux-dev": _image("0.025"),
    "black-forest-labs/flux-1.1-pro": _image("0.04", many=False),
    "kwaivgi/kling-v2.1": _clip(
        {**KLING, "mode": ("standard", "pro")},
        "start_image",
        lambda asked: "0.09" if asked.get("mode") == "pro" else "0.05",
    ),
    "google/veo-3.1-fast": _clip(
        VEO, "prompt", lambda asked: "0.15" if asked.get("generate_audio", True) else "0.10"
    ),
    "minimax/speech-2.6-turbo": Offer(
        "audio", SPEECH, ("text",), lambda asked: Decimal("0.00006") * len(asked["text"]),
        "token_input_count",
    ),
    f"stability-ai/sdxl:{SDXL}": Offer(
        "image", {"prompt": str, "width": int, "height": int, "seed": int}, ("prompt",),
        lambda _: Decimal("0.0063"), "predict_time", many=True,
    ),
}  # fmt: skip
MEDIA = {"image": ("out-0.png", "image/png"), "video": ("tmp.mp4", "video/mp4")}
MEDIA["audio"] = ("tmp.mp3", "audio/mpeg")


class ReplicateSettings(Settings):
    """A page of the list holds `page_size`; data goes `data_ttl_s` after a prediction ended.

    `lists_inputs` and `tells_webhooks` choose what the list and predictions tell. A prediction
    whose words hold `aborts`, where that is not empty, passes its deadline before it starts.
    """

    page_size: int = 100
    data_ttl_s: Span = 3600
    lists_inputs: bool = True
    tells_webhooks: bool = False
    aborts: str = ""
    secret: str = SECRET


class Replicate(Vendor):
    """A fake of Replicate's HTTP API."""

    name = "replicate"
    bill_on = "acceptance"  # one that never started is refunded, as cancelling refunds it
    settings_type: ClassVar[type[Settings]] = ReplicateSettings

    def __init__(self, state: Path, url: str) -> None:
        super().__init__(state, url)
        self._files = state.with_name(f"{state.name}-files")

    @property
    def chosen(self) -> ReplicateSettings:
        """The settings in force."""
        assert isinstance(self.settings, ReplicateSettings)
        return self.settings

    def routes(self) -> Sequence[BaseRoute]:
        """The paths of the API, and the deliveries."""
        return [
            Route("/v1/models/{owner}/{name}/predictions", self.create_official, methods=["POST"]),
            Route("/v1/predictions", self.create, methods=["POST"]),
            Route("/v1/predictions", self.list, methods=["GET"]),
            Route("/v1/predictions/{id}", self.get, methods=["GET"]),
            Route("/v1/predictions/{id}/cancel", self.cancel, methods=["POST"]),
            Route("/v1/webhooks/default/secret", self.secret, methods=["GET"]),
            Route("/v1/files", self.upload, methods=["POST"]),
            Route("/delivery/{id}/{file}", self.deliver, methods=["GET"]),
        ]

    def error_body(self, status: int, code: str, message: str) -> Any:
        """A problem as the API tells it; a refusal of the token quotes it."""
        detail = DETAILS.get(code, "") + ("" if code in DETAILS and status != 401 else message)
        if status == 402:
            detail = NO_CREDIT
        body: dict[str, Any] = {"detail": detail, "status": status}
        if status in TITLES:
            body["title"] = TITLES[status]
        if code == "rate_limited":
            body["retry_after"] = THROTTLED_S
        if code == "invalid":
            described = [line.partition(": ") for line in message[2:].strip().split("\n- ")]
            body["invalid_fields"] = [
                {"type": "required" if "required" in what else "invalid", "field": field,
                 "description": what}
                for field, _, what in described
            ]  # fmt: skip
        return body

    def callback(self, job: FakeJob, at: float) -> tuple[dict[str, str], bytes]:
        """The prediction, signed by the rules of Standard Webhooks."""
        body = json.dumps(self._told(job)).encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": f"msg_{job.id}",
            "webhook-timestamp": str(int(at)),
            "webhook-signature": standard_signature(
                self.chosen.secret, f"msg_{job.id}", int(at), body
            ),
        }
        return headers, body

    async def create_official(self, request: Request) -> Response:
        """POST /v1/models/{owner}/{name}/predictions."""
        model = f"{request.path_params['owner']}/{request.path_params['name']}"
        return await self._create(request, model, ("input",))

    async def create(self, request: Request) -> Response:
        """POST /v1/predictions, for the version that the body names."""
        version = str((await self.order(request)).get("version", ""))
        known = {name.partition(":")[2]: name for name in OFFERS}
        return await self._create(request, known.get(version, version), ("version", "input"))

    async def _create(self, request: Request, model: str, required: tuple[str, ...]) -> Response:
        account, order = self._account(request), await self.order(request)
        offer = OFFERS.get(model)
        if offer is None:
            raise Refusal(404, "not_found", "The requested resource could not be found.")
        _check(order, offer, required)
        asked = order["input"]
        words = str(asked.get("prompt") or asked.get("text"))
        fault = self.strike(Moment.SUBMIT, words)
        if refusal := self.refusal(fault):
            return refusal
        job = self.jobs.accept(
            model, words, order, offer.price(asked), order.get("webhook"), account, offer.kind,
            _size(asked), float(asked.get("duration", DEFAULT_SECONDS)),
            self.strike(Moment.FATE, words), secrets.token_hex(13),
        )  # fmt: skip
        if self.chosen.aborts and self.chosen.aborts in words:
            self.jobs.note(self.jobs.cancel(job, refund=True), {"aborted": True})
        self.callbacks.owe(job)
        return await self.submit_answer(fault, lambda: JSONResponse(self._told(job), 201))

    async def list(self, request: Request) -> Response:
        """GET /v1/predictions: the newest first, page by page."""
        account, cursor = self._account(request), request.query_params.get("cursor")
        before = int(base64.urlsafe_b64decode(cursor)) if cursor else 2**62
        jobs = self.jobs.listing(before=before, limit=self.chosen.page_size + 1, account=account)
        shown = jobs[: self.chosen.page_size]
        following = None
        if len(jobs) > len(shown):
            mark = base64.urlsafe_b64encode(str(shown[-1].seq).encode()).decode()
            following = f"https://api.replicate.com/v1/predictions?cursor={mark}"
        told = [self._told(job) for job in shown]
        if not self.chosen.lists_inputs:
            told = [{name: one[name] for name in one if name != "input"} for one in told]
        return JSONResponse({"next": following, "previous": None, "results": told})

    async def get(self, request: Request) -> Response:
        """GET /v1/predictions/{id}."""
        job = self._job(request)
        return await self.poll_answer(job, lambda word: JSONResponse(self._told(job, word)))

    async def cancel(self, request: Request) -> Response:
        """POST /v1/predictions/{id}/cancel; one that has started is paid for."""
        job = self._job(request)
        ended = job.status() not in ("queued", "running")
        job = self.jobs.cancel(job, refund=job.status() == "queued")
        if not ended:
            self.callbacks.owe(job)
        return JSONResponse(self._told(job))

    async def secret(self, request: Request) -> Response:
        """GET /v1/webhooks/default/secret."""
        self._account(request)
        return JSONResponse({"key": self.chosen.secret})

    async def upload(self, request: Request) -> Response:
        """POST /v1/files: multipart, the file under `content`."""
        self._account(request)
        async with request.form() as form:
            given = form.get("content")
            if not isinstance(given, UploadFile):
                raise Refusal(400, "bad_request", "Missing content")
            data = await given.read()
            name, media_type = given.filename, given.content_type
        file_id, digest = secrets.token_hex(24), hashlib.sha256(data).hexdigest()
        self._files.mkdir(exist_ok=True)
        (self._files / file_id).write_bytes(data)
        told = {"id": file_id, "name": name, "content_type": media_type, "size": len(data),
                "etag": digest, "checksums": {"sha256": digest}, "metadata": {},
                "created_at": _told_at(datetime.now(UTC).timestamp()),
                "urls": {"get": f"{self.url}/v1/files/{file_id}"}}  # fmt: skip
        return JSONResponse(told, 201)

    async def deliver(self, request: Request) -> Response:
        """An output, for whoever has its address, for a while; a token is not asked for."""
        if "authorization" in request.headers:
            raise Refusal(400, "bad_request", "Only one auth mechanism allowed")
        job = self.jobs.find(request.path_params["id"])
        return await self.output_response(job, MEDIA[job.kind][1] if job else None)

    def _account(self, request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in (TOKEN, OTHER_TOKEN):
            raise Refusal(401, "unauthorized", token)
        return token

    def _job(self, request: Request) -> FakeJob:
        account, job = self._account(request), self.jobs.find(request.path_params["id"])
        if job is None or job.account != account:
            raise Refusal(404, "not_found", "The requested resource could not be found.")
        return job

    def _told(self, job: FakeJob, word: str | None = None) -> dict[str, Any]:
        word = word or job.status()
        status = "aborted" if (job.result or {}).get("aborted") else STATUSES.get(word, word)
        now = datetime.now(UTC).timestamp()
        ended_at = job.ends_at if job.cancelled_at is None else job.cancelled_at
        started, ended = now >= job.starts_at < ended_at, now >= ended_at
        removed = now > ended_at + self.chosen.data_ttl_s
        name, _, version = job.model.partition(":")
        url = f"{self.url}/v1/predictions/{job.id}"
        told = {
            "id": job.id, "model": name, "version": version or "hidden", "status": status,
            "input": {} if removed else job.body["input"], "logs": "", "source": "api",
            "output": self._output(job) if status == "succeeded" and not removed else None,
            "error": job.failure.message if status == "failed" and job.failure else None,
            "data_removed": removed, "created_at": _told_at(job.accepted_at),
            "started_at": _told_at(job.starts_at) if started else None,
            "completed_at": _told_at(ended_at) if ended else None,
            "metrics": _metrics(job, status, ended_at) if ended else {},
            "urls": {"get": url, "cancel": f"{url}/cancel",
                     "web": f"https://replicate.com/p/{job.id}"},
        }  # fmt: skip
        if self.chosen.tells_webhooks and job.webhook_url:
            told |= {"webhook": job.webhook_url, "webhook_events_filter": ["completed"]}
        return told

    def _output(self, job: FakeJob) -> Any:
        origin = self.url.replace("127.0.0.1", "localhost")  # as replicate.delivery is another
        url = f"{origin}/delivery/{job.id}/{MEDIA[job.kind][0]}"
        return [url] if OFFERS[job.model].many else url


def _check(order: dict[str, Any], offer: Offer, required: tuple[str, ...]) -> None:
    wrong = [f"(root): {name} is required" for name in required if name not in order]
    allowed = {*required, "webhook", "webhook_events_filter"}
    wrong += [f"(root): {name} is not allowed" for name in order if name not in allowed]
    asked = order.get("input", {})
    wrong += [f"input: {name} is required" for name in offer.required if not asked.get(name)]
    for name, value in asked.items():
        if name not in offer.inputs:
            wrong.append(f"input: {name} is not allowed")
        elif not _fits(value, offer.inputs[name]):
            wrong.append(f"input.{name}: {name} is not valid")
    if wrong:
        raise Refusal(422, "invalid", "".join(f"- {line}\n" for line in wrong))


def _fits(value: Any, form: Any) -> bool:
    if isinstance(form, tuple):
        return any(value == one and type(value) is type(one) for one in form)
    if form == "uri":
        return isinstance(value, str) and value.startswith(("https://", "http://", "data:"))
    return type(value) is form


def _size(asked: dict[str, Any]) -> tuple[int, int]:
    wide, high = (int(side) for side in asked.get("aspect_ratio", "16:9").split(":"))
    scale = 256 // max(wide, high)
    return wide * scale // 2 * 2, high * scale // 2 * 2


def _metrics(job: FakeJob, status: str, ended_at: float) -> dict[str, float]:
    if ended_at < job.starts_at:
        return {}
    told = {"predict_time": round(ended_at - job.starts_at, 6)}
    counts = {
        "image_output_count": 1,
        "video_output_duration_seconds": job.seconds,
        "token_input_count": len(job.words),
    }
    metric = OFFERS[job.model].metric
    if metric in counts and (status == "succeeded" or (job.failure and job.failure.billed)):
        told[metric] = counts[metric]
    return told


def _told_at(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    serve(Replicate)
