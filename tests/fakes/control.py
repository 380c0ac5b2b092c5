"""What tests ask of a fake provider: its charges, its settings, its faults, what it saw."""

import json
import time
from collections import Counter
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from filmforge.money import format_money, from_micros
from tests.fakes.faults import Controls
from tests.fakes.state import FakeJob, Jobs, Sightings


class Controlled(Protocol):
    """What a vendor shows to its controls."""

    jobs: Jobs
    controls: Controls
    sightings: Sightings

    def reset(self) -> None:
        """Forget everything."""


class ControlApi:
    """The calls a test makes; they need no key."""

    def __init__(self, vendor: Controlled) -> None:
        self._vendor = vendor

    def routes(self) -> list[Route]:
        """Paths and what answers them."""
        return [
            Route("/healthz", self.health),
            Route("/control/charges", self.charges),
            Route("/control/settings", self.settings, methods=["GET", "POST"]),
            Route("/control/faults", self.faults, methods=["GET", "POST"]),
            Route("/control/reset", self.reset, methods=["POST"]),
            Route("/control/log", self.log),
        ]

    async def health(self, _request: Request) -> Response:
        """The server answers."""
        return JSONResponse({"status": "ok"})

    async def charges(self, _request: Request) -> Response:
        """What was charged so far, by words, and every job that was accepted."""
        now, jobs = time.time(), self._vendor.jobs.all()
        charged = [job for job in jobs if job.charged(now)]
        return JSONResponse(
            {
                "total_usd": format_money(from_micros(sum(job.cost_micros for job in charged))),
                "count": len(charged),
                "by_words": Counter(job.words for job in charged),
                "jobs": [_told(job, now) for job in jobs],
            }
        )

    async def settings(self, request: Request) -> Response:
        """Show the settings, or change those that are named."""
        controls = self._vendor.controls
        if request.method == "POST":
            try:
                controls.change_settings(await request.json())
            except (ValidationError, ValueError, TypeError) as error:
                return _refused(error)
        return JSONResponse(controls.settings.model_dump(mode="json"))

    async def faults(self, request: Request) -> Response:
        """Show the faults, or put others in their place."""
        controls = self._vendor.controls
        if request.method == "POST":
            try:
                controls.replace_faults(await request.json())
            except (ValidationError, json.JSONDecodeError) as error:
                return _refused(error)
        return JSONResponse([fault.model_dump(mode="json") for fault in controls.faults])

    async def reset(self, _request: Request) -> Response:
        """Forget jobs, charges, settings, faults, callbacks and what was seen."""
        self._vendor.reset()
        return JSONResponse({"status": "ok"})

    async def log(self, _request: Request) -> Response:
        """The requests that came in and the callbacks that went out."""
        return JSONResponse(self._vendor.sightings.told())


def _refused(error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


def _told(job: FakeJob, now: float) -> dict[str, Any]:
    return {
        "id": job.id,
        "model": job.model,
        "words": job.words,
        "status": job.status(now),
        "charged": job.charged(now),
        "cost_usd": format_money(from_micros(job.cost_micros)),
        "accepted_at": job.accepted_at,
        "body": job.body,
    }
