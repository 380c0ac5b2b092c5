"""What tests ask of the server: its charges, its settings, its faults."""

import json
import time
from collections import Counter
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from filmforge.fakeserver.answers import Problem, read_body, refuse_invalid
from filmforge.fakeserver.controls import Controls
from filmforge.fakeserver.jobs import Job, Jobs
from filmforge.money import format_money, from_micros


@dataclass(frozen=True)
class ControlApi:
    """The calls a test makes; they need no key."""

    jobs: Jobs
    controls: Controls

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [
            Route("/healthz", self.health),
            Route("/control/charges", self.charges),
            Route("/control/settings", self.settings, methods=["GET", "POST"]),
            Route("/control/faults", self.faults, methods=["GET", "POST"]),
            Route("/control/reset", self.reset, methods=["POST"]),
        ]

    async def health(self, _request: Request) -> Response:
        """The server answers."""
        return JSONResponse({"status": "ok"})

    async def charges(self, _request: Request) -> Response:
        """What was charged so far, by client key, and every job that was accepted."""
        now, jobs = time.time(), self.jobs.all()
        charged = [job for job in jobs if job.charged(now)]
        total = from_micros(sum(job.cost_micros for job in charged))
        return JSONResponse(
            {
                "total_usd": format_money(total),
                "count": len(charged),
                "by_key": Counter(job.client_key for job in charged),
                "jobs": [_told(job, now) for job in jobs],
            }
        )

    async def settings(self, request: Request) -> Response:
        """Show the settings, or change those that are named."""
        if request.method == "POST":
            given = await _json(request)
            try:
                self.controls.change_settings(given)
            except ValidationError as error:
                refuse_invalid(error)
        return JSONResponse(self.controls.settings.model_dump(mode="json"))

    async def faults(self, request: Request) -> Response:
        """Show the faults, or put others in their place."""
        if request.method == "POST":
            given = await _json(request)
            try:
                self.controls.replace_faults(given)
            except ValidationError as error:
                refuse_invalid(error)
        return JSONResponse([fault.model_dump(mode="json") for fault in self.controls.faults])

    async def reset(self, _request: Request) -> Response:
        """Forget jobs, charges, settings and faults."""
        self.jobs.reset()
        self.controls.reset()
        return JSONResponse({"status": "ok"})


async def _json(request: Request) -> object:
    try:
        body: object = json.loads(await read_body(request))
    except ValueError:
        raise Problem(400, "bad_request", "body: must be JSON") from None
    return body


def _told(job: Job, now: float) -> dict[str, object]:
    return {
        "request_id": job.id,
        "model": job.model,
        "client_key": job.client_key,
        "digest": job.digest,
        "status": job.status(now),
        "charged": job.charged(now),
        "cost_usd": format_money(from_micros(job.cost_micros)),
        "accepted_at": job.accepted_at,
        "inputs": json.loads(job.inputs),
        "words": job.words,
    }
