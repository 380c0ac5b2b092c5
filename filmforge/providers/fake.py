"""The `fake` provider: a hosted queue in everything but the money, for tests and trials."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, Field, ValidationError
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from filmforge.domain import GenerationRequest
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    ContentRefused,
    FilmError,
    NotConfigured,
    NotSent,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.money import Money
from filmforge.providers.base import Job, JobReport, JobStatus, Model, Recovery
from filmforge.providers.fake_catalogue import MODELS, price_of

MAX_ANSWER_BYTES = 1024 * 1024
CLOCK_MARGIN = timedelta(seconds=5)
ASK_TIMEOUT_S = 10.0
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


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


class _Page(BaseModel):
    jobs: list[_Listed]
    next_cursor: str | None


class _Notice(BaseModel):
    request_id: str = Field(min_length=1)


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    def trouble(self) -> _Trouble:
        try:
            return _Problem.model_validate_json(self.body).error
        except ValidationError:
            return _Trouble(code="", message=f"HTTP {self.status}")


A = TypeVar("A", bound=BaseModel)


class FakeProvider:
    """A client of filmforge.fakeserver at `base_url`; a paid POST is sent exactly once.

    Without a webhook secret no callback is asked for, and polls alone tell what happens.
    Raises NotConfigured for an address or a secret that cannot be used.
    """

    name = "fake"
    recovery = Recovery.LISTING

    def __init__(
        self,
        base_url: str,
        webhook_secret: str = "",
        *,
        submit_timeout_s: float = 10.0,
        listing_lag_s: float = 1.0,
        max_connections: int = 64,
        api_key: str = "fake",
    ) -> None:
        self.submit_timeout_s = submit_timeout_s
        self.listing_lag_s = listing_lag_s
        self._base = _checked_url(base_url)
        self._verifier = _verifier(webhook_secret)
        limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections
        )
        self._client = httpx.AsyncClient(
            headers={"authorization": f"Key {api_key}", "accept-encoding": "identity"},
            timeout=ASK_TIMEOUT_S,
            limits=limits,
            trust_env=False,
        )

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return MODELS

    def quote(self, request: GenerationRequest) -> Money:
        """What the request costs, in US dollars. Raises BadInput naming the parameter."""
        return price_of(request)

    async def submit(
        self, request: GenerationRequest, inputs: Mapping[str, str], callback_url: str | None
    ) -> Job:
        """Send the request exactly once; the request key goes along as client_key.

        Raises NotSent or RateLimited when it provably was not accepted, Refused or
        ContentRefused when it never will be, AnswerLost for everything else.
        """
        order = {
            "input": request.parameters,
            "seed": request.seed,
            "inputs": dict(inputs),
            "webhook_url": callback_url if self._verifier else None,
            "client_key": request.key,
        }
        answer = await self._post_once(f"/v1/queue/{quote(request.model, safe='')}", order)
        if answer.status != httpx.codes.OK:
            raise _not_accepted(answer)
        try:
            return _Accepted.model_validate_json(answer.body).job()
        except ValidationError:
            raise AnswerLost("fake: the answer to a submission cannot be read") from None

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a job. Raises ProviderUnavailable; free of charge."""
        said = await self._ask(_Status, "GET", _path(job, "status"))
        match said.status:
            case "IN_QUEUE" | "IN_PROGRESS":
                return JobReport(status=JobStatus.RUNNING, progress=said.progress)
            case "COMPLETED":
                done = await self._ask(_Finished, "GET", _path(job, "response"))
                return JobReport(
                    status=JobStatus.SUCCEEDED, output_url=done.output.url, cost=done.cost_usd
                )
            case "FAILED" | "CANCELLED":
                return JobReport(
                    status=JobStatus(said.status.lower()),
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
        await self._ask(_Cancelled, "PUT", _path(job, "cancel"))

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The oldest job with this request's key accepted at or after `since`, but none `known`.

        Clocks may differ by five seconds: where there is none, the last one accepted within
        that margin before `since` is taken. Raises ProviderUnavailable.
        """
        listing = self._listing(request.key, since - CLOCK_MARGIN)
        listed = [job async for job in listing if job.request_id not in known]
        after = [job for job in listed if job.accepted_at >= since]
        found = after[-1:] or listed[:1]
        return found[0].job() if found else None

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output to a local file.

        Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes` or ends too early; after a failure there is no file.
        """
        async with self._output(url) as answer:
            with _written(path) as file:
                await _copy(answer, file, max_bytes)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> str:
        """The job id of a callback signed as Standard Webhooks says, at most 5 minutes ago.

        Raises BadInput for a forged, stale or unreadable one.
        """
        if self._verifier is None:
            raise BadInput("webhook-signature", "cannot be checked", "Set the webhook secret.")
        try:
            self._verifier.verify(body, dict(headers), json_parse=False)
            return _Notice.model_validate_json(body).request_id
        except (WebhookVerificationError, ValueError):
            remedy = "Sign the body with the webhook secret and the time of sending."
            raise BadInput("webhook-signature", "is not genuine or is stale", remedy) from None

    async def close(self) -> None:
        """Release the connections."""
        await self._client.aclose()

    async def _post_once(self, path: str, order: dict[str, Any]) -> _Answer:
        # Waiting for a connection is given half the time, so that it fails by its own name:
        # a request that never left is worth telling from one whose answer was lost.
        wait_s = self.submit_timeout_s / 4
        timeout = httpx.Timeout(self.submit_timeout_s, connect=wait_s, pool=wait_s)
        try:
            async with asyncio.timeout(self.submit_timeout_s):
                return await self._call("POST", path, json=order, timeout=timeout)
        except NEVER_SENT as error:
            raise NotSent(f"fake: cannot be reached: {error!r}") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise AnswerLost(f"fake: no answer to a submission: {error!r}") from error

    async def _ask(self, form: type[A], method: str, path: str, **options: Any) -> A:
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                answer = await self._call(method, path, **options)
        except (httpx.HTTPError, TimeoutError) as error:
            raise ProviderUnavailable(f"fake: {path}: {error!r}") from error
        if answer.status != httpx.codes.OK:
            raise ProviderUnavailable(f"fake: {path}: {answer.trouble().message}")
        try:
            return form.model_validate_json(answer.body)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise ProviderUnavailable(f"fake: {path}: an unreadable answer: {problem}") from None

    async def _call(self, method: str, path: str, **options: Any) -> _Answer:
        body = bytearray()
        async with self._client.stream(method, self._base + path, **options) as answer:
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise httpx.RemoteProtocolError("the answer is longer than 1 MiB")
        return _Answer(answer.status_code, answer.headers, bytes(body))

    async def _listing(self, key: str, since: datetime) -> AsyncIterator[_Listed]:
        asked = {"since": since.astimezone(UTC).isoformat(), "client_key": key}
        while True:
            page = await self._ask(_Page, "GET", "/v1/jobs", params=asked)
            for job in page.jobs:
                if job.client_key == key:
                    yield job
            if page.next_cursor is None:
                return
            asked["cursor"] = page.next_cursor

    @asynccontextmanager
    async def _output(self, url: str) -> AsyncIterator[httpx.Response]:
        if _origin(url) != _origin(self._base):
            raise ProviderUnavailable(f"fake: {url} is not at {self._base}: poll again")
        try:
            async with self._client.stream("GET", url) as answer:
                if answer.status_code != httpx.codes.OK:
                    gone = answer.status_code in (httpx.codes.GONE, httpx.codes.NOT_FOUND)
                    why = "is gone" if gone else "cannot be had now"
                    problem = f"fake: the output {why} (HTTP {answer.status_code})"
                    raise ProviderUnavailable(problem)
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailable(f"fake: the output cannot be had: {error!r}") from error


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotConfigured(f"fake: {url!r} is no address: set FILMFORGE_FAKE_URL to http://…")
    return url.rstrip("/")


def _verifier(secret: str) -> Webhook | None:
    try:
        return Webhook(secret) if secret else None
    except (ValueError, EmptyWebhookSecretError):
        problem = "FILMFORGE_FAKE_WEBHOOK_SECRET must be base64, with or without whsec_ before it"
        raise NotConfigured(f"fake: {problem}") from None


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _copy(answer: httpx.Response, file: BinaryIO, max_bytes: int) -> None:
    size = 0
    try:
        async for piece in answer.aiter_bytes():
            size += len(piece)
            if size > max_bytes:
                raise BadMedia(f"fake: the output is longer than {max_bytes} bytes")
            file.write(piece)
    except httpx.RemoteProtocolError:
        raise BadMedia("fake: the output ended too early") from None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _path(job: Job, call: str) -> str:
    return f"/v1/requests/{quote(job.id, safe='')}/{call}"


def _not_accepted(answer: _Answer) -> FilmError:
    trouble = answer.trouble()
    message = f"fake: {trouble.message}"
    if answer.status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(message, _retry_after_s(answer.headers))
    if answer.status == httpx.codes.SERVICE_UNAVAILABLE and trouble.code == "not_accepted":
        return NotSent(message)
    if httpx.codes.is_client_error(answer.status) and answer.status != httpx.codes.REQUEST_TIMEOUT:
        return ContentRefused(message) if trouble.code == "content_policy" else Refused(message)
    return AnswerLost(message)


def _retry_after_s(headers: httpx.Headers) -> float | None:
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None
