"""The queue protocol: order, ask, collect, cancel, list, download."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
from pydantic import JsonValue, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from filmforge.fakeserver.answers import (
    MALFORMED,
    Cut,
    Problem,
    Silence,
    read_body,
    refuse_invalid,
)
from filmforge.fakeserver.artwork import Artwork
from filmforge.fakeserver.catalogue import OFFERS, Input, Offer
from filmforge.fakeserver.controls import Controls, Fault, Moment
from filmforge.fakeserver.jobs import Job, Jobs, Order
from filmforge.fakeserver.webhooks import Webhooks
from filmforge.money import format_money, from_micros

PAGE = 50
MAX_INPUT_BYTES = 64 * 1024 * 1024
WRONG_OUTPUT = b"<!doctype html><title>502 Bad Gateway</title>"
CALLBACKS = {"webhook_lost": 0, "webhook_twice": 2}


@dataclass(frozen=True)
class QueueApi:
    """The calls a client makes."""

    jobs: Jobs
    controls: Controls
    artwork: Artwork
    webhooks: Webhooks

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [
            Route("/v1/models", self.models),
            Route("/v1/queue/{model}", self.order, methods=["POST"]),
            Route("/v1/requests/{id}/status", self.status),
            Route("/v1/requests/{id}/response", self.response),
            Route("/v1/requests/{id}/cancel", self.cancel, methods=["PUT"]),
            Route("/v1/jobs", self.listing),
            Route("/files/{name}", self.file),
        ]

    async def models(self, _request: Request) -> Response:
        """What is on offer, at which price and with which latency (seconds)."""
        settings = self.controls.settings
        return JSONResponse(
            {
                offer.model: {
                    "usd": str(offer.usd),
                    "unit": offer.unit,
                    "parameters": sorted(offer.takes.model_fields),
                    "latency_s": settings.latency_s.get(offer.model, offer.latency_s)
                    * settings.latency_scale,
                }
                for offer in OFFERS.values()
            }
        )

    async def order(self, request: Request) -> Response:
        """Accept a job and its charge, unless it is refused or a fault strikes."""
        _authorize(request)
        offer, order, wanted = await self._read_order(request)
        words = f"{getattr(wanted, 'prompt', getattr(wanted, 'text', ''))}\n{order.client_key}"
        fault = self.controls.strike(Moment.ORDER, offer.model, words)
        if fault:
            _refuse(fault)
        fate = self.controls.strike(Moment.FATE, offer.model, words)
        callback = self.controls.strike(Moment.CALLBACK, offer.model, words)
        callbacks = CALLBACKS[callback.fault] if callback else 1
        job = self.jobs.accept(offer, order, wanted, self.controls.settings, fate, callbacks)
        self.webhooks.owe(job)
        return _broken(fault) or JSONResponse(_accepted(request, job))

    async def status(self, request: Request) -> Response:
        """How far a job has come, what it cost so far and why it failed."""
        job, now = self._job(request, request.path_params["id"]), time.time()
        fault = self.controls.strike(Moment.STATUS, job.model, job.words)
        if fault and fault.fault == "malformed_json":
            return MALFORMED
        return JSONResponse(
            {
                "request_id": job.id,
                "status": "MARINATING" if fault else job.status(now),
                "progress": round(job.progress(now), 3),
                "cost_usd": _cost(job, now),
                "error": _error(job, now),
            }
        )

    async def response(self, request: Request) -> Response:
        """Where the output of a completed job is, and what it cost."""
        job, now = self._job(request, request.path_params["id"]), time.time()
        if job.status(now) != "COMPLETED":
            raise Problem(409, "not_completed", f"the job is {job.status(now)}")
        offer = OFFERS[job.model]
        url = f"{_base(request)}/files/{job.id}.{offer.extension}"
        output = {"url": url, "content_type": offer.content_type}
        return JSONResponse({"output": output, "cost_usd": _cost(job, now)})

    async def cancel(self, request: Request) -> Response:
        """Stop a job that has not ended; harmless for one that has."""
        job = self.jobs.cancel(self._job(request, request.path_params["id"]))
        return JSONResponse({"request_id": job.id, "status": job.status(time.time())})

    async def listing(self, request: Request) -> Response:
        """Accepted jobs, newest first, a page at a time; a new job shows after the lag."""
        _authorize(request)
        asked = request.query_params
        limit = min(_number(asked.get("limit"), PAGE), PAGE)
        rows = self.jobs.listing(
            since=_moment(asked.get("since")),
            until=time.time() - self.controls.settings.listing_lag_s,
            client_key=asked.get("client_key"),
            before=_number(asked.get("cursor"), 2**62),
            limit=limit,
        )
        cursor = str(rows[-1][0]) if len(rows) == limit else None
        listed = [_listed(request, job) for _, job in rows]
        return JSONResponse({"jobs": listed, "next_cursor": cursor})

    async def file(self, request: Request) -> Response:
        """The output of a completed job; gone once it has expired."""
        job_id, _, extension = request.path_params["name"].partition(".")
        job, now = self.jobs.find(job_id), time.time()
        if not job or extension != OFFERS[job.model].extension or job.status(now) != "COMPLETED":
            raise Problem(404, "not_found", "there is no such file")
        if now > job.ends_at + self.controls.settings.output_ttl_s:
            raise Problem(410, "expired", "the output has expired")
        offer = OFFERS[job.model]
        fault = self.controls.strike(Moment.OUTPUT, job.model, job.words)
        if fault and fault.fault == "wrong_type_output":
            return Response(WRONG_OUTPUT, media_type="text/html")
        black = fault is not None and fault.fault == "black_output"
        wanted = offer.takes.model_validate_json(job.wanted)
        body = await self.artwork.make(wanted, job.digest, black=black)
        if fault and not black:
            return Cut(body, offer.content_type, 0.5)
        return Response(body, media_type=offer.content_type)

    async def _read_order(self, request: Request) -> tuple[Offer, Order, Input]:
        offer = OFFERS.get(request.path_params["model"])
        if offer is None:
            raise Problem(404, "unknown_model", f"model: one of {', '.join(OFFERS)}")
        try:
            order = Order.model_validate_json(await read_body(request))
            wanted = offer.takes.model_validate(order.input)
        except ValidationError as error:
            refuse_invalid(error)
        if order.webhook_url and not self.webhooks.ready:
            raise Problem(422, "bad_request", "webhook_url: the server has no webhook secret")
        if self.controls.settings.fetch_inputs:
            await _fetch_inputs(order)
        return offer, order, wanted

    def _job(self, request: Request, job_id: str) -> Job:
        _authorize(request)
        job = self.jobs.find(job_id)
        if job is None:
            raise Problem(404, "unknown_request", "there is no such request")
        return job


def _authorize(request: Request) -> None:
    if not request.headers.get("authorization", "").startswith("Key "):
        raise Problem(401, "unauthorized", 'Authorization: must be "Key …"')


def _refuse(fault: Fault) -> None:
    match fault.fault:
        case "refuse_content":
            raise Problem(422, "content_policy", "the prompt breaks the content policy")
        case "refuse_400":
            raise Problem(400, "bad_request", "input: refused, as it was told to")
        case "rate_limit":
            wait = {"retry-after": f"{fault.retry_after:g}"}
            raise Problem(429, "rate_limited", "too many requests", wait)
        case "unavailable_503_not_accepted":
            raise Problem(503, "not_accepted", "the queue is closed for now")


def _broken(fault: Fault | None) -> Response | None:
    match fault and fault.fault:
        case "accept_then_drop":
            return Cut(b"{}" * 50, "application/json", 0)
        case "accept_then_500":
            return Response("Internal Server Error", 500)
        case "accept_then_504":
            return Response("Gateway Time-out", 504)
        case "malformed_json":
            return MALFORMED
        case "hang":
            return Silence()
    return None


def _base(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _accepted(request: Request, job: Job) -> dict[str, str]:
    base = f"{_base(request)}/v1/requests/{job.id}"
    calls = {f"{call}_url": f"{base}/{call}" for call in ("status", "response", "cancel")}
    return {"request_id": job.id, **calls}


def _listed(request: Request, job: Job) -> dict[str, JsonValue]:
    now = time.time()
    accepted = datetime.fromtimestamp(job.accepted_at, UTC).isoformat(timespec="microseconds")
    inputs: dict[str, Any] = json.loads(job.inputs)
    return {
        **_accepted(request, job),
        "model": job.model,
        "client_key": job.client_key,
        "digest": job.digest,
        "inputs": inputs,
        "status": job.status(now),
        "accepted_at": accepted,
        "cost_usd": _cost(job, now),
    }


def _cost(job: Job, now: float) -> str:
    return format_money(from_micros(job.cost_micros) if job.charged(now) else Decimal(0))


def _error(job: Job, now: float) -> dict[str, JsonValue] | None:
    if job.failure is None or job.status(now) != "FAILED":
        return None
    transient = Fault.model_validate_json(job.failure).transient
    message = "the job failed, as it was told to"
    return {"code": "job_failed", "message": message, "transient": transient}


def _moment(text: str | None) -> float:
    if not text:
        return 0.0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(422, "bad_request", "since: must be an ISO 8601 time") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _number(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= default:
        raise Problem(422, "bad_request", f"limit, cursor: must be between 1 and {default}")
    return int(text)


async def _fetch_inputs(order: Order) -> None:
    """Read every input as a real provider would; a job whose input is out of reach is refused."""
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        for role, url in order.inputs.items():
            try:
                await _read_input(client, url)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Problem(422, "input_unreachable", f"inputs.{role}: {error}") from None


async def _read_input(client: httpx.AsyncClient, url: str) -> None:
    size = 0
    async with client.stream("GET", url) as answer:
        answer.raise_for_status()
        async for piece in answer.aiter_bytes():
            size += len(piece)
            if size > MAX_INPUT_BYTES:
                raise Problem(422, "input_too_large", f"at most {MAX_INPUT_BYTES} bytes")
