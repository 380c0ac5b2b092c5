"""The base of the fake providers: jobs, charges, faults and callbacks behind any wire protocol."""

import argparse
import asyncio
import inspect
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from filmforge.fakeserver.answers import Cut, Silence
from tests.fakes.callbacks import Callbacks
from tests.fakes.control import ControlApi
from tests.fakes.faults import Controls, Fault, Moment, Settings
from tests.fakes.media import Media
from tests.fakes.state import Billing, FakeJob, Jobs, Sightings, open_state
from tests.fakes.wire import Drip, Drop, Late, Line, Witness

UNKNOWN_STATUS = "marinating"
WRONG_OUTPUT = b"<!doctype html><title>502 Bad Gateway</title>"
DRIP_S = 0.1
STATUS_POLL_S = 0.02


class Refusal(Exception):
    """An answer that is not a success; `code` is the base's word, see Vendor.error_body."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


class Vendor:
    """One fake provider over a state file; a subclass gives it its protocol.

    `url` is the address it answers at. A subclass defines `name` and `routes`, and where they
    differ `bill_on`, `error_body`, `callback`, `content_refusal`, `gone_status`, `settings_type`.
    """

    name: ClassVar[str]
    bill_on: ClassVar[Billing] = "completion"
    content_refusal: ClassVar[int] = 422
    gone_status: ClassVar[int] = 404
    settings_type: ClassVar[type[Settings]] = Settings

    def __init__(self, state: Path, url: str) -> None:
        self.url = url
        self.database = open_state(state)
        self.controls = Controls(self.database, self.settings_type)
        self.jobs = Jobs(self.database, self.controls, self.bill_on)
        self.sightings = Sightings(self.database)
        self.callbacks = Callbacks(
            self.database, self.jobs, self.controls, self.sightings, self.callback
        )
        self._media = Media(state.with_name(f"{state.name}-media"))
        self.app = Starlette(
            routes=[*self.routes(), *ControlApi(self).routes()],
            middleware=[Middleware(Witness, sightings=self.sightings)],
            exception_handlers={Refusal: self._refused},
            lifespan=self._lifespan,
        )

    def routes(self) -> Sequence[BaseRoute]:
        """The paths of the provider's protocol, outputs included."""
        raise NotImplementedError

    def error_body(self, status: int, code: str, message: str) -> Any:
        """The JSON of an error in the provider's shape.

        `code` is one of bad_request, unauthorized, not_found, content_refused, rate_limited,
        unavailable, internal, gone, or whatever the subclass raises Refusal with.
        """
        return {"error": {"status": status, "code": code, "message": message}}

    def callback(self, job: FakeJob, at: float) -> tuple[dict[str, str], bytes]:
        """Headers and body of a job's callback, signed as of `at` (POSIX seconds)."""
        raise NotImplementedError(f"{self.name} has no callbacks")

    def reset(self) -> None:
        """Forget jobs, charges, settings, faults, callbacks and what was seen."""
        for part in (self.callbacks, self.jobs, self.controls, self.sightings):
            part.reset()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.controls.settings

    def strike(self, moment: Moment, words: str) -> Fault | None:
        """The fault whose turn it is, counted down; None lets the job be."""
        return self.controls.strike(moment, words)

    def problem(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> Response:
        """An error in the provider's shape."""
        return JSONResponse(self.error_body(status, code, message), status, headers)

    def refusal(self, fault: Fault | None) -> Response | None:
        """The answer of a fault that strikes before acceptance; None: go on and accept."""
        if fault is None:
            return None
        match fault.fault:
            case "rate_limit":
                return self._rate_limited(fault)
            case "refuse_content":
                status = fault.status or self.content_refusal
                return self.problem(status, "content_refused", "the content was refused")
            case "refuse":
                return self.problem(fault.status or 400, "bad_request", "the order was refused")
            case "unavailable":
                return self.problem(503, "unavailable", "not accepted: try again later")
            case "hang":
                return Silence()
            case "drop":
                return Drop()
        return None

    async def submit_answer(
        self, fault: Fault | None, make_ok: Callable[[], Response | Awaitable[Response]]
    ) -> Response:
        """The answer to an accepted order, as the fault spoils it."""
        if fault is None:
            return await _made(make_ok)
        match fault.fault:
            case "accept_then_drop":
                return Drop()
            case "accept_then_status":
                return self._failed(fault.status or 500)
            case "accept_then_hang":
                return Late(lambda: _made(make_ok), fault.seconds)
            case "accept_then_malformed":
                return _malformed(await _made(make_ok))
        return await _made(make_ok)

    async def poll_answer(self, job: FakeJob, tell: Callable[[str], Response]) -> Response:
        """The answer to a poll: `tell` gets our status word, or one nobody knows."""
        fault = self.strike(Moment.POLL, job.words)
        if fault is None:
            return tell(job.status())
        match fault.fault:
            case "poll_status":
                return self._failed(fault.status or 500)
            case "poll_malformed":
                return _malformed(tell(job.status()))
            case "unknown_status":
                return tell(UNKNOWN_STATUS)
        return tell(job.status())

    async def until_done(self, job: FakeJob) -> FakeJob:
        """Wait until a job ended, for protocols that answer with the result."""
        while job.status() in ("queued", "running"):
            await asyncio.sleep(min(STATUS_POLL_S, max(0.001, job.ends_at - time.time())))
            job = self.jobs.find(job.id) or job
        return job

    async def media(self, job: FakeJob, media_type: str | None = None, index: int = 0) -> bytes:
        """The file of a job: the same bytes for the same id, words and index, whenever asked.

        `media_type` is one of image/png, image/jpeg, image/webp, video/mp4, audio/mpeg,
        audio/wav; without it image/png, video/mp4 or audio/mpeg.
        """
        return await self._media.make(job, media_type, index)

    async def output_response(
        self, job: FakeJob | None, media_type: str | None = None, index: int = 0
    ) -> Response:
        """The output of a job that succeeded, whole and without Range, as a fault spoils it."""
        if job is None or job.status() != "succeeded":
            return self.problem(404, "not_found", "there is no such output")
        fault = self.strike(Moment.OUTPUT, job.words)
        expired = time.time() > job.ends_at + self.settings.output_ttl_s
        if expired or (fault and fault.fault == "gone_output"):
            status = (fault and fault.status) or self.gone_status
            return self.problem(status, "gone", "the output is gone")
        media_type = media_type or Media.usual(job)
        body = await self.media(job, media_type, index)
        return _spoilt(fault, body, media_type) or Response(body, media_type=media_type)

    async def order(self, request: Request) -> dict[str, Any]:
        """The JSON object of a request. Raises Refusal (400, bad_request)."""
        try:
            body = json.loads(await request.body())
        except ValueError:
            raise Refusal(400, "bad_request", "the body must be JSON") from None
        if not isinstance(body, dict):
            raise Refusal(400, "bad_request", "the body must be a JSON object")
        return body

    def _rate_limited(self, fault: Fault) -> Response:
        wait = {} if fault.retry_after is None else {"retry-after": f"{fault.retry_after:g}"}
        return self.problem(429, "rate_limited", "too many requests", wait)

    def _failed(self, status: int) -> Response:
        if status == 500:
            return self.problem(500, "internal", "internal server error")
        # A gateway in front of the provider answers these, and it speaks no JSON.
        return Response(f"<html><title>{status}</title></html>", status, media_type="text/html")

    async def _refused(self, _request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Refusal)
        return self.problem(refusal.status, refusal.code, str(refusal), refusal.headers)

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self.callbacks.resume()
        yield
        await self.callbacks.close()
        self.database.close()


def serve(vendor: type[Vendor], line: type[Line] = Line) -> None:
    """Run a vendor on a loopback port until a signal says stop: --port P --state FILE."""
    parser = argparse.ArgumentParser(prog=f"tests.fakes.{vendor.name}", description=vendor.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="SQLite file, made if missing")
    chosen = parser.parse_args()
    uvicorn.run(
        vendor(chosen.state, f"http://127.0.0.1:{chosen.port}").app,
        host="127.0.0.1",
        port=chosen.port,
        http=line,
        ws="none",
        access_log=False,
        log_level="error",
        timeout_graceful_shutdown=1,
    )


async def _made(make_ok: Callable[[], Response | Awaitable[Response]]) -> Response:
    answer = make_ok()
    return await answer if inspect.isawaitable(answer) else answer


def _spoilt(fault: Fault | None, body: bytes, media_type: str) -> Response | None:
    if fault is None:
        return None
    match fault.fault:
        case "truncated_output":
            return Cut(body, media_type, 0.5)
        case "wrong_type_output":
            return Response(WRONG_OUTPUT, media_type="text/html")
        case "slow_drip":
            return Drip(body, media_type, DRIP_S if fault.seconds is None else fault.seconds)
    return None


def _malformed(answer: Response) -> Response:
    whole = bytes(answer.body)
    return Response(whole[: len(whole) // 2], answer.status_code, media_type=answer.media_type)
