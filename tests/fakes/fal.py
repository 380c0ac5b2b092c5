"""A fake fal: the queue, the list of requests, the keys of callbacks and the files, on one port.

The queue takes any order of a model it knows; what is wrong with it shows in the result, as with
fal. A request that was not started is in no list, and one that is cancelled in the queue is gone.
"""

import base64
import hashlib
import json
import time
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.fal_models import (
    FILES,
    MEDIA,
    PRICES,
    cost_of,
    kind_of,
    seconds_of,
    size_of,
    wrong_with,
)
from tests.fakes.faults import Moment, Settings
from tests.fakes.state import Failure, FakeJob
from tests.fakes.vendor import Refusal, Vendor, serve

KEY = "fal-key-id:fal-key-secret"
OTHER_KEY = "another-key-id:another-key-secret"
USER_ID = "github|4711"
FIRST_PAGE = 1
CANCELLED = ("Request was cancelled by the client", "client_cancelled")


class FalSettings(Settings):
    """Settings of this vendor; times in seconds.

    The queue forgets a request `queue_keeps_s` after its end, and with `forgets_cancelled` at once
    one that it had not started when it was cancelled. `locked` is an account without
    credit; `lists` whether a key may see the list of requests, and `payloads` whether it holds
    what went in and out. `blacks_out` is what the safety checker does. `result_status` is what a
    gateway answers in place of results. `signing_key` numbers the key callbacks are signed with,
    and `serves_keys` tells whether it can be had.
    """

    queue_keeps_s: float = 3600
    forgets_cancelled: bool = True
    locked: bool = False
    lists: bool = True
    payloads: bool = True
    blacks_out: bool = False
    result_status: int = 0
    signing_key: int = 1
    serves_keys: bool = True


class Fal(Vendor):
    """fal's wire protocol; a request is billed when it ends with a result."""

    name = "fal"
    settings_type = FalSettings
    settings: FalSettings  # type: ignore[assignment] # the type named above

    def routes(self) -> list[Route]:
        """The queue under every owner there is, and the rest."""
        queue = [
            route
            for owner in sorted({model.partition("/")[0] for model in PRICES})
            for route in self._queue(f"/{owner}/{{app}}")
        ]
        return [
            *queue,
            Route("/v1/models/requests/by-endpoint", self.listing),
            Route("/.well-known/jwks.json", self.keys),
            Route("/files/{name}", self.file),
            Route("/control/orders", self.orders),
        ]

    def _queue(self, app: str) -> list[Route]:
        return [
            Route(f"{app}/requests/{{id}}/status", self.status),
            Route(f"{app}/requests/{{id}}/cancel", self.cancel, methods=["PUT"]),
            Route(f"{app}/requests/{{id}}", self.result),
            Route(f"{app}/{{path:path}}", self.submit, methods=["POST"]),
        ]

    def error_body(self, status: int, code: str, message: str) -> Any:
        """A model's details, or a sentence of the platform with its type."""
        if code == "content_refused":
            return {"detail": [_detail("content_policy_violation", message)]}
        if code == "bad_request":
            return {"detail": message, "error_type": "bad_request"}
        return {"detail": message}

    def callback(self, job: FakeJob, at: float) -> tuple[dict[str, str], bytes]:
        """The result with an Ed25519 signature over ids, time and the body's digest."""
        status, payload = self._result(job)
        told: dict[str, Any] = {"request_id": job.id, "gateway_request_id": job.id}
        if status == 200:
            told |= {"status": "OK", "payload": payload}
        else:
            error = f"Invalid status code: {status}"
            told |= {"status": "ERROR", "error": error, "payload": payload}
        body = json.dumps(told).encode()
        words = (job.id, USER_ID, str(int(at)))
        message = "\n".join([*words, hashlib.sha256(body).hexdigest()]).encode()
        names = ("request-id", "user-id", "timestamp")
        headers = {f"x-fal-webhook-{n}": w for n, w in zip(names, words, strict=True)}
        signature = signing_key(self.settings.signing_key).sign(message).hex()
        return {**headers, "x-fal-webhook-signature": signature}, body

    async def submit(self, request: Request) -> Response:
        """Take an order into the queue."""
        account = self._account(request)
        model = request.url.path.strip("/")
        if model not in PRICES:
            raise Refusal(404, "not_found", f"Application {model!r} not found")
        body = await self.order(request)
        words = str(body.get("prompt", ""))
        fault = self.strike(Moment.SUBMIT, words)
        if refused := self.refusal(fault):
            return refused
        kind, seconds = kind_of(model), seconds_of(body)
        webhook_url = request.query_params.get("fal_webhook")
        fate = wrong_with(model, body) or self.strike(Moment.FATE, words)
        job = self.jobs.accept(
            model, words, body, cost_of(model, body), webhook_url, account, kind,
            size_of(kind, body), seconds, fate,
        )  # fmt: skip
        headers = {name: value for name, value in request.headers.items() if "fal" in name}
        self.jobs.note(job, {"headers": headers})
        self.callbacks.owe(job)
        return await self.submit_answer(
            fault, lambda: JSONResponse({**self._urls(job), "queue_position": 0})
        )

    async def status(self, request: Request) -> Response:
        """How far a request is; COMPLETED is said of failed ones too."""
        job = self._known(request)

        def tell(word: str) -> Response:
            told: dict[str, Any] = dict(self._urls(job))
            match word:
                case "queued":
                    return JSONResponse({**told, "status": "IN_QUEUE", "queue_position": 0}, 202)
                case "running":
                    return JSONResponse({**told, "status": "IN_PROGRESS", "logs": None}, 202)
                case "succeeded" | "failed" | "cancelled":
                    told |= {"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 1}}
                    return JSONResponse(told | self._error(job))
            return JSONResponse({**told, "status": word.upper()})

        return await self.poll_answer(job, tell)

    async def result(self, request: Request) -> Response:
        """The result of a request that ended, or why there is none, with its status."""
        job = self._known(request)
        if job.status() in ("queued", "running"):
            raise Refusal(400, "in_progress", "Request is still in progress")
        if self.settings.result_status:
            return Response("<html>bad gateway</html>", self.settings.result_status)
        status, payload = self._result(job)
        headers = {"x-fal-request-id": job.id}
        if job.failure and not job.failure.transient:
            headers["x-fal-retryable"] = "false"
        return JSONResponse(payload, status, headers)

    async def cancel(self, request: Request) -> Response:
        """Take a request from the queue, or ask the runner to stop and bill what it did."""
        job = self._known(request)
        match job.status():
            case "queued":
                self.jobs.note(self.jobs.cancel(job), {"removed": True})
                return JSONResponse({"status": "OK"})
            case "running":
                self.jobs.cancel(job)
                self.database.execute(
                    "UPDATE jobs SET billed_at = cancelled_at WHERE id = ?", (job.id,)
                )
                return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)
        return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)

    async def listing(self, request: Request) -> Response:
        """The account's requests to some models, newest first, by pages."""
        account = self._account(request)
        asked = request.query_params
        if not self.settings.lists:
            return _platform_error(403, "authorization_error", "Insufficient permissions")
        limit, endpoints = int(asked.get("limit", "50")), asked.get("endpoint_id", "")
        if not endpoints or not 1 <= limit <= 100 or len(endpoints.split(",")) > 50:
            return _platform_error(400, "validation_error", "endpoint_id or limit")
        page = int(base64.b64decode(asked["cursor"])) if "cursor" in asked else FIRST_PAGE
        since = _posix(asked["start"]) if "start" in asked else time.time() - 86_400
        jobs = [
            job
            for job in self.jobs.listing(since=since, account=account)
            if job.model in endpoints.split(",")
            and asked.get("request_id", job.id) == job.id
            and job.status() != "queued"
            and not job.result.get("removed")
        ]
        shown = jobs[(page - 1) * limit : page * limit]
        more = len(jobs) > page * limit
        expanded = "payloads" in asked.get("expand", "") and self.settings.payloads
        return JSONResponse(
            {
                "items": [self._item(job, expanded) for job in shown],
                "next_cursor": base64.b64encode(str(page + 1).encode()).decode() if more else None,
                "has_more": more,
            }
        )

    async def keys(self, request: Request) -> Response:
        """The public key of callbacks; nobody needs a key for it."""
        _refuse_key(request)
        if not self.settings.serves_keys:
            return Response("<html>unavailable</html>", 503)
        public = signing_key(self.settings.signing_key).public_key()
        x = base64.urlsafe_b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw))
        return JSONResponse(
            {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x.decode().rstrip("=")}]}
        )

    async def file(self, request: Request) -> Response:
        """An output; nobody needs a key for it."""
        _refuse_key(request)
        job = self.jobs.find(request.path_params["name"].partition(".")[0])
        return await self.output_response(job, MEDIA[job.kind] if job else None)

    async def orders(self, _request: Request) -> Response:
        """What each accepted order said besides its body, oldest first."""
        return JSONResponse(
            [
                {"headers": job.result.get("headers"), "webhook_url": job.webhook_url}
                for job in self.jobs.all()
            ]
        )

    def _account(self, request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Key" or key not in (KEY, OTHER_KEY):
            raise Refusal(401, "unauthorized", f"No user found for Key ID and Secret {key!r}")
        if self.settings.locked and request.method == "POST":
            words = "User is locked. Reason: Exhausted balance. Top up your balance."
            raise Refusal(403, "locked", words)
        return key

    def _known(self, request: Request) -> FakeJob:
        account = self._account(request)
        job = self.jobs.find(request.path_params["id"])
        app = request.url.path.strip("/").split("/requests/")[0]
        lost = (
            job is None
            or job.account != account
            or "/".join(job.model.split("/")[:2]) != app
            or (job.result.get("removed") and self.settings.forgets_cancelled)
            or time.time() > job.ends_at + self.settings.queue_keeps_s
        )
        if job is None or lost:
            raise Refusal(404, "not_found", "Request not found")
        return job

    def _urls(self, job: FakeJob) -> dict[str, str]:
        app = "/".join(job.model.split("/")[:2])
        response = f"{self.url}/{app}/requests/{job.id}"
        return {
            "request_id": job.id,
            "response_url": response,
            "status_url": f"{response}/status",
            "cancel_url": f"{response}/cancel",
        }

    def _error(self, job: FakeJob) -> dict[str, str]:
        if job.status() == "cancelled":
            return {"error": CANCELLED[0], "error_type": CANCELLED[1]}
        if job.failure:
            return {"error": job.failure.message, "error_type": _type(job.failure)}
        return {}

    def _result(self, job: FakeJob) -> tuple[int, dict[str, Any]]:
        if job.status() == "cancelled":
            return 499, {"detail": CANCELLED[0], "error_type": CANCELLED[1]}
        if job.failure is None:
            return 200, self._output(job)
        if job.failure.transient:
            return 503, {"detail": job.failure.message, "error_type": "runner_disconnected"}
        details = {"detail": [_detail(_type(job.failure), job.failure.message)]}
        blamed = job.failure.billed or job.failure.code != "job_failed"
        return (422 if blamed else 500), details

    def _output(self, job: FakeJob) -> dict[str, Any]:
        # Another name for this machine, as fal's files are on another host than its queue.
        url = f"{self.url}/files/{job.id}.{FILES[job.kind]}".replace("127.0.0.1", "localhost")
        body, kind = job.body, MEDIA[job.kind]
        if job.kind != "image":
            name = f"output.{FILES[job.kind]}"
            return {job.kind: {"url": url, "content_type": kind, "file_name": name}}
        if body.get("sync_mode"):
            dot = base64.b64encode(DOT).decode()
            return {"images": [{"url": f"data:image/png;base64,{dot}"}]}
        picture = {"url": url, "width": job.width, "height": job.height, "content_type": kind}
        return {
            "images": [picture],
            "timings": {"inference": 0.4},
            "seed": body.get("seed", 7),
            "has_nsfw_concepts": [self.settings.blacks_out],
            "prompt": job.words,
        }

    def _item(self, job: FakeJob, expanded: bool) -> dict[str, Any]:
        ended = job.status() not in ("queued", "running")
        status, payload = self._result(job) if ended else (None, None)
        item: dict[str, Any] = {
            "request_id": job.id,
            "endpoint_id": job.model,
            "started_at": _iso(job.starts_at),
            "sent_at": _iso(job.accepted_at),
            "ended_at": _iso(job.ends_at) if ended else None,
            "status_code": status,
            "duration": 0.4 if ended else None,
        }
        if expanded:
            item |= {"json_input": job.body, "json_output": payload}
        return item


def signing_key(number: int) -> Ed25519PrivateKey:
    """The key of that number, the same in every process."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"fal {number}".encode()).digest())


DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def _refuse_key(request: Request) -> None:
    if "authorization" in request.headers:
        raise Refusal(400, "bad_request", "this address is no place for a key")


def _platform_error(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"error": {"type": kind, "message": message}}, status)


def _detail(kind: str, message: str) -> dict[str, Any]:
    return {
        "loc": ["body", "prompt"],
        "msg": message,
        "type": kind,
        "url": f"https://docs.fal.ai/errors#{kind}",
        "input": {},
    }


def _type(failure: Failure) -> str:
    return "internal_server_error" if failure.code == "job_failed" else failure.code


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _posix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    serve(Fal)
