"""The `fake` provider: a hosted queue in everything but the money, for tests and trials."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import httpx
from pydantic import BaseModel, Field, ValidationError

from filmforge.domain import GenerationRequest
from filmforge.errors import AnswerLost, BadInput, FilmError, NotSent
from filmforge.money import Money
from filmforge.providers.base import (
    CLOCK_MARGIN,
    Job,
    JobReport,
    JobStatus,
    Listed,
    Material,
    Notice,
    Terms,
)
from filmforge.providers.catalogue import Model, Recovery
from filmforge.providers.fake_catalogue import MODELS, price_of
from filmforge.providers.signature import StandardSignature, not_genuine
from filmforge.providers.wire import Answer, Wire

SUBMIT_TIMEOUT_S = 10.0
LISTING_LAG_S = 1.0


class _Trouble(BaseModel):
    code: str
    message: str
    transient: bool = False


class _Problem(BaseModel):
    error: _Trouble


class _Accepted(BaseModel):
    request_id: str = Field(min_length=1)
    status_url: str
    response_url: str
    cancel_url: str

    def job(self) -> Job:
        urls = {"status": self.status_url, "response": self.response_url, "cancel": self.cancel_url}
        return Job(id=self.request_id, urls=urls)


class _Status(BaseModel):
    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"]
    cost_usd: Money
    progress: float = Field(ge=0, le=1)
    error: _Trouble | None = None


class _Output(BaseModel):
    url: str


class _Finished(BaseModel):
    output: _Output
    cost_usd: Money


class _Cancelled(BaseModel):
    request_id: str


class _Listed(_Accepted):
    client_key: str
    accepted_at: datetime
    model: str
    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED"]
    cost_usd: Money


class _Page(BaseModel):
    jobs: list[_Listed]
    next_cursor: str | None


class _Told(BaseModel):
    request_id: str = Field(min_length=1)


_STATUSES = {
    "IN_QUEUE": JobStatus.RUNNING,
    "IN_PROGRESS": JobStatus.RUNNING,
    "COMPLETED": JobStatus.SUCCEEDED,
    "FAILED": JobStatus.FAILED,
    "CANCELLED": JobStatus.CANCELLED,
}


class FakeProvider:
    """A client of filmforge.fakeserver at `base_url`; a paid POST is sent exactly once.

    Without a webhook secret no callback is asked for, and polls alone tell what happens.
    Raises NotConfigured for an address or a secret that cannot be used.
    """

    name = "fake"
    account = "play-money"
    callback_wait_s = 0.0
    wants_files = False
    local = True

    def __init__(
        self,
        base_url: str,
        webhook_secret: str = "",
        terms: Terms = Terms(),  # noqa: B008 - frozen
    ) -> None:
        self.submit_timeout_s = _chosen(terms.submit_timeout_s, SUBMIT_TIMEOUT_S)
        self.listing_lag_s = _chosen(terms.listing_lag_s, LISTING_LAG_S)
        self.max_in_flight = terms.max_in_flight
        self.submits_per_s = terms.submits_per_s
        self._signature = (
            StandardSignature(webhook_secret, "FILMFORGE_FAKE_WEBHOOK_SECRET")
            if webhook_secret
            else None
        )
        self._wire = Wire(
            "fake",
            base_url,
            {"authorization": "Key fake"},
            submit_timeout_s=self.submit_timeout_s,
            max_connections=terms.max_connections,
        )

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return MODELS

    def recovery(self, request: GenerationRequest) -> Recovery:
        """Every job is listed with the request's key."""
        return Recovery.LISTING

    def quote(self, request: GenerationRequest) -> Money:
        """What the request costs, in US dollars. Raises BadInput naming the parameter."""
        return price_of(request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Send the request exactly once; the request key goes along as client_key.

        Raises NotSent or RateLimited when it provably was not accepted, Refused or
        ContentRefused when it never will be, AnswerLost for everything else.
        """
        order = {
            "input": request.parameters,
            "seed": request.seed,
            "inputs": {role: material.url for role, material in inputs.items()},
            "webhook_url": callback_url if self._signature else None,
            "client_key": request.key,
        }
        path = f"/v1/queue/{quote(request.model, safe='')}"
        said = await self._wire.post_once(path, json=order)
        if not said.ok:
            raise self._not_accepted(said)
        try:
            return _Accepted.model_validate_json(said.body).job()
        except ValidationError:
            raise AnswerLost("fake: the answer to a submission cannot be read") from None

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a job. Raises ProviderUnavailable; free of charge."""
        said = await self._wire.ask(_Status, "GET", _path(job, "status"))
        match said.status:
            case "IN_QUEUE" | "IN_PROGRESS":
                return JobReport(status=JobStatus.RUNNING, progress=said.progress)
            case "COMPLETED":
                done = await self._wire.ask(_Finished, "GET", _path(job, "response"))
                return JobReport(
                    status=JobStatus.SUCCEEDED, output_url=done.output.url, cost=done.cost_usd
                )
            case "FAILED" | "CANCELLED":
                return JobReport(
                    status=_STATUSES[said.status],
                    cost=said.cost_usd,
                    billed=said.cost_usd > 0,
                    transient=said.error is not None and said.error.transient,
                    message=said.error.message if said.error else "",
                )

    def poll_interval_s(self, age_s: float) -> float:
        """Seconds to the next poll: 0.05 at first, then a fortieth of the age, at last 1."""
        return max(0.05, min(age_s / 40, 1.0))

    async def cancel(self, job: Job) -> None:
        """Ask for a job to stop; harmless when it has ended. Raises ProviderUnavailable."""
        await self._wire.ask(_Cancelled, "PUT", _path(job, "cancel"))

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The oldest job with this request's key accepted at or after `since`, but none `known`.

        Where there is none, the last one accepted within CLOCK_MARGIN before `since` is taken.
        Raises ProviderUnavailable.
        """
        listing = self._listing(request.key, since - CLOCK_MARGIN)
        listed = [job async for job in listing if job.request_id not in known]
        after = [job for job in listed if job.accepted_at >= since]
        found = after[-1:] or listed[:1]
        return found[0].job() if found else None

    async def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """Every job accepted since then, newest first."""
        async for job in self._listing(None, since):
            yield Listed(
                job=job.job(),
                status=_STATUSES[job.status],
                created_at=job.accepted_at,
                model=job.model,
                request_key=job.client_key,
                cost=job.cost_usd,
            )

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output to a local file.

        Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes` or ends too early; after a failure there is no file.
        """
        await self._wire.download(url, path, max_bytes)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a callback signed as Standard Webhooks says, at most 5 minutes ago.

        Raises BadInput for a forged, stale or unreadable one.
        """
        if self._signature is None:
            raise BadInput("webhook-signature", "cannot be checked", "Set the webhook secret.")
        webhook_id = self._signature.verify(headers, body)
        try:
            job_id = _Told.model_validate_json(body).request_id
        except ValidationError:
            raise not_genuine() from None
        return Notice(webhook_id=webhook_id, job=Job(id=job_id))

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    async def _listing(self, key: str | None, since: datetime) -> AsyncIterator[_Listed]:
        asked = {"since": since.astimezone(UTC).isoformat()}
        if key is not None:
            asked["client_key"] = key
        while True:
            page = await self._wire.ask(_Page, "GET", "/v1/jobs", params=asked)
            for job in page.jobs:
                if key in (None, job.client_key):
                    yield job
            if page.next_cursor is None:
                return
            asked["cursor"] = page.next_cursor

    def _not_accepted(self, said: Answer) -> FilmError:
        trouble = _trouble(said)
        if said.status == httpx.codes.SERVICE_UNAVAILABLE and trouble.code == "not_accepted":
            return NotSent(self._wire.told(trouble.message))
        content = trouble.code == "content_policy"
        return self._wire.not_accepted(said, trouble.message, content=content)


def _chosen(term: float | None, ours: float) -> float:
    return ours if term is None else term


def _trouble(said: Answer) -> _Trouble:
    try:
        return _Problem.model_validate_json(said.body).error
    except ValidationError:
        return _Trouble(code="", message=f"HTTP {said.status}")


def _path(job: Job, call: str) -> str:
    return f"/v1/requests/{quote(job.id, safe='')}/{call}"
