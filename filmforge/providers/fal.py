"""fal: every model of its queue, ordered once, polled, found again in its list of requests.

Its own client is not used. Submitting, it sends a POST again up to ten times; polling, it takes its
host from the environment at import, moves to a second domain by itself and fails with a KeyError
for an answer that lacks a field. Paths and headers are those of fal_client 1.0 and of fal.ai/docs,
whose pages are named where a figure comes from.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from filmforge.domain import GenerationRequest
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    CreateAmbiguous,
    FilmError,
    OutOfCredit,
    ProviderUnavailable,
    Refused,
)
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
from filmforge.providers.catalogue import Model, Recovery, price_of, unknown_model
from filmforge.providers.fal_callbacks import Signature
from filmforge.providers.fal_forms import (
    CONTENT,
    Accepted,
    Callback,
    Cancelled,
    Item,
    Problem,
    Status,
    problem_of,
    read_json,
)
from filmforge.providers.fal_history import Forbidden, History
from filmforge.providers.fal_orders import check_names, decoded, order_of
from filmforge.providers.fal_outcomes import cancelled_in_the_queue, failed, made
from filmforge.providers.signature import not_genuine
from filmforge.providers.wire import Answer, Wire, fingerprint, written

START_S = 3600  # what has not been started by then ends with 504, which is not billed
LONGEST_RUN_S = 3600  # fal promises no bound; minutes are usual
LISTING_LAG_S = 600.0  # a request is listed once it was started: by then most have ended
SUBMIT_TIMEOUT_S = 30.0
SUBMITS_PER_S = 10.0  # fal.ai/docs/faq: "10 requests per second per user, across all endpoints"
# documentation/model-apis/common-parameters: retries of the queue would run a model again behind
# our back, and a fallback would run another model at another price.
ONCE = {
    "x-fal-no-retry": "1",
    "x-app-fal-disable-fallback": "1",
    "x-fal-request-timeout": str(START_S),
}
MAX_FRAME_BYTES = 10_000_000  # "Max file size: 10.0MB", the schema of Kling's start_image_url
MAX_RESULT_BYTES = 64 * 1024 * 1024  # a result may hold its output as a data URI
GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)
NOT_THE_JOBS = (401, 403, 408, 425, 429)
NAMESPACES = ("workflows", "comfy")

A = TypeVar("A", bound=BaseModel)


class FalProvider:
    """A client of fal's queue: a paid POST is sent exactly once, and the queue runs it once.

    A lost answer is looked for after `listing_lag_s`. That a request is absent is believed after
    an operator's own `listing_lag_s`, otherwise after the two hours by which it must have been
    started and ended; until then `find` cannot tell. Raises NotConfigured for an address or a
    wire name that cannot be used.
    """

    name = "fal"
    local = False
    wants_files = False

    def __init__(
        self,
        key: str,
        models: Mapping[str, Model],
        terms: Terms,
        *,
        queue_url: str,
        api_url: str,
        jwks_url: str,
    ) -> None:
        check_names(models)
        ended_s = float(START_S + LONGEST_RUN_S)
        self.account = fingerprint(key)
        self.submit_timeout_s = _given(terms.submit_timeout_s, SUBMIT_TIMEOUT_S)
        self.listing_lag_s = _given(terms.listing_lag_s, LISTING_LAG_S)
        self.callback_wait_s = _given(terms.callback_wait_s, ended_s)
        # Requests over an account's concurrency wait in the queue and none is turned away
        # (documentation/model-apis/concurrency-limits), so there is no default.
        self.max_in_flight = terms.max_in_flight
        self.submits_per_s: float | None = _given(terms.submits_per_s, SUBMITS_PER_S)
        self._absent_after_s = _given(terms.listing_lag_s, ended_s)
        self._models = models
        self._removed: set[str] = set()

        def wire(url: str, headers: Mapping[str, str]) -> Wire:
            return Wire(
                self.name,
                url,
                headers,
                key=key,
                submit_timeout_s=self.submit_timeout_s,
                allow_private=terms.private,
                max_connections=terms.max_connections,
            )

        authorization = {"authorization": f"Key {key}"}
        self._queue = wire(queue_url, authorization)
        self._api = wire(api_url, authorization)
        self._history = History(self._api)
        self._keys = wire(jwks_url, {})
        self._signature = Signature(self._keys)

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return self._models

    def recovery(self, request: GenerationRequest) -> Recovery:
        """The list of requests, unless the catalogue says otherwise of the model."""
        model = self._models.get(request.model)
        return (model and model.recovery) or Recovery.LISTING

    def quote(self, request: GenerationRequest) -> Money:
        """The highest price of the request, in US dollars. Raises BadInput naming the field."""
        model = self._model(request)
        order_of(model, request, None)
        return price_of(model, request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Order the request exactly once.

        Raises NotSent or RateLimited when it provably was not accepted, Refused or
        ContentRefused when it never will be, AnswerLost for everything else.
        """
        model = self._model(request)
        frame = self._reference(inputs["frame"]) if model.references else None
        told = await self._queue.post_once(
            f"/{request.model}",
            json=order_of(model, request, frame),
            params={"fal_webhook": callback_url} if callback_url else {},
            headers=ONCE,
        )
        if not told.ok:
            raise self._not_accepted(told)
        try:
            accepted = Accepted.model_validate_json(told.body)
        except ValidationError:
            lost = self._queue.told("the answer to a submission cannot be read")
            raise AnswerLost(lost) from None
        return Job(id=accepted.request_id, urls=accepted.urls())

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a job. Raises ProviderUnavailable; free of charge.

        What the queue has forgotten, or cannot tell, is looked up in the list of requests.
        """
        urls = {**urls_of(request.model, job.id), **job.urls}
        answer = await self._queue.call("GET", _path(urls["status"]))
        if answer.status in GONE:
            return await self._recalled(job, request)
        said = self._read(Status, answer, "status")
        if said.status != "COMPLETED":
            return JobReport(status=JobStatus.RUNNING)
        answer = await self._queue.call("GET", _path(urls["response"]), max_bytes=MAX_RESULT_BYTES)
        result = read_json(answer.body)
        if answer.ok and isinstance(result, dict):
            return made(request, result, self._queue.told)
        if answer.ok or answer.status in NOT_THE_JOBS:
            raise ProviderUnavailable(self._queue.told(f"result: HTTP {answer.status}, unreadable"))
        problem = problem_of(result, said)
        if not said.error and _may_be_a_gateways(answer.status, problem):
            return await self._recalled(job, request)
        return failed(
            answer.status,
            problem,
            self._queue.told,
            removed=job.id in self._removed,
            retryable=answer.headers.get("x-fal-retryable") != "false",
        )

    def poll_interval_s(self, age_s: float) -> float:
        """Seconds to the next poll: 0.5 at first, then a tenth of the age, at last 5."""
        return max(0.5, min(age_s / 10, 5.0))

    async def cancel(self, job: Job) -> None:
        """Ask for a job to stop; harmless when it has ended. Raises ProviderUnavailable."""
        if "cancel" not in job.urls:
            return  # known from a callback, and fal calls back when a request has ended
        answer = await self._queue.call("PUT", _path(job.urls["cancel"]))
        if answer.status in (httpx.codes.BAD_REQUEST, *GONE):
            return  # ALREADY_COMPLETED, NOT_FOUND
        if self._read(Cancelled, answer, "cancel").status == "OK":
            self._removed.add(job.id)  # it never left the queue, so it is not billed

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The oldest listed request of the same model and input, sent at or after `since`.

        Where there is none, the last one within CLOCK_MARGIN before it. Raises CreateAmbiguous
        when what is listed cannot tell, when absence proves nothing yet, or when the key may not
        see the list; ProviderUnavailable when it cannot be had now.
        """
        model = self._model(request)
        try:
            same, like = await self._history.alike(model, request, since - CLOCK_MARGIN, known)
        except Forbidden as error:
            raise CreateAmbiguous(str(error)) from None
        after = [item for item in same if item.sent_at >= since]
        if after:
            return _job(min(after, key=lambda item: item.sent_at))
        if same:
            return _job(max(same, key=lambda item: item.sent_at))
        if like:
            why = f"may have accepted it as {like[0].request_id}, of which it shows too little"
            raise CreateAmbiguous(self._api.told(why))
        sure_at = since + timedelta(seconds=self.submit_timeout_s + self._absent_after_s)
        if datetime.now(UTC) < sure_at:
            why = f"lists a request once it was started: look again, at last at {sure_at:%H:%M} UTC"
            raise CreateAmbiguous(self._api.told(why))
        return None

    async def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """The account's requests to the models of the catalogue, newest first.

        Raises CreateAmbiguous when the key may not see them, ProviderUnavailable.
        """
        found: list[Listed] = []
        try:
            async for item in self._history.since(self._models, since):
                found.append(self._listed(item))
        except Forbidden as error:
            raise CreateAmbiguous(str(error)) from None
        for each in sorted(found, key=lambda each: each.created_at, reverse=True):
            yield each

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output to a local file, or write the one that the result itself holds.

        Raises ProviderUnavailable or BadMedia; after a failure there is no file.
        """
        if not url.startswith("data:"):
            await self._queue.download(url, path, max_bytes)
            return
        data = decoded(url)
        if data is None:
            raise BadMedia(self._queue.told("the output is not base64"))
        if len(data) > max_bytes:
            raise BadMedia(self._queue.told(f"the output is longer than {max_bytes} bytes"))
        with written(path) as file:
            file.write(data)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a genuine callback says; a request is called back for once, under its own id.

        Raises BadInput for a forged, stale or unreadable one, ProviderUnavailable when the keys
        it is checked with cannot be had.
        """
        webhook_id = await self._signature.verify(headers, body)
        try:
            told = Callback.model_validate_json(body)
        except ValidationError:
            raise not_genuine() from None
        return Notice(webhook_id=webhook_id, job=Job(id=told.request_id))

    async def close(self) -> None:
        """Release the connections."""
        for wire in (self._queue, self._api, self._keys):
            await wire.close()

    def _model(self, request: GenerationRequest) -> Model:
        model = self._models.get(request.model)
        if model is None:
            raise unknown_model(self.name, request, self._models)
        if model.references and not any(part.role == "frame" for part in request.inputs):
            raise BadInput("image", f"{model.id} needs a frame to start from", "Make one first.")
        return model

    def _reference(self, frame: Material) -> str:
        reference, size = frame.reference, len(frame.data or b"")
        if reference.startswith("data:") and size > MAX_FRAME_BYTES:
            why = f"takes frames of at most {MAX_FRAME_BYTES} bytes with an order, not {size}"
            raise Refused(self._queue.told(f"{why}: give the store a public address"))
        return reference

    def _not_accepted(self, answer: Answer) -> FilmError:
        problem = problem_of(read_json(answer.body))
        # The words of the lock that a spent account is under; it has no status of its own.
        if (
            answer.status == httpx.codes.FORBIDDEN
            and "exhausted balance" in problem.message.lower()
        ):
            return OutOfCredit(self._queue.told(problem.message))
        content = CONTENT in problem.types
        return self._queue.not_accepted(answer, problem.message, content=content)

    async def _recalled(self, job: Job, request: GenerationRequest) -> JobReport:
        try:
            item = await self._history.one(request.model, job.id)
        except Forbidden as error:
            raise ProviderUnavailable(str(error)) from None
        if item is None and job.id in self._removed:
            return cancelled_in_the_queue(self._queue.told)
        if item is None:
            raise ProviderUnavailable(self._queue.told(f"does not know the request {job.id}"))
        if item.status_code is None:
            return JobReport(status=JobStatus.RUNNING)
        if item.status != JobStatus.SUCCEEDED:
            problem, removed = problem_of(item.json_output), job.id in self._removed
            return failed(item.status_code, problem, self._queue.told, removed=removed)
        if isinstance(item.json_output, dict):
            return made(request, item.json_output, self._queue.told)
        why = self._queue.told("the result was not kept")
        return JobReport(status=JobStatus.FAILED, message=why)

    def _listed(self, item: Item) -> Listed:
        model = self._models[item.endpoint_id]
        given = item.json_input if isinstance(item.json_input, dict) else {}
        words = given.get(model.names.get(model.words, model.words))
        return Listed(
            job=_job(item),
            status=item.status,
            created_at=item.sent_at,
            model=item.endpoint_id,
            words=words if isinstance(words, str) else "",
        )

    def _read(self, form: type[A], answer: Answer, what: str) -> A:
        if not answer.ok:
            raise ProviderUnavailable(self._queue.told(f"{what}: HTTP {answer.status}"))
        try:
            return form.model_validate_json(answer.body)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise ProviderUnavailable(self._queue.told(f"{what}: unreadable: {problem}")) from None


def _given(chosen: float | None, usual: float) -> float:
    return usual if chosen is None else chosen


def _job(item: Item) -> Job:
    return Job(id=item.request_id, urls=urls_of(item.endpoint_id, item.request_id))


def urls_of(model: str, request_id: str) -> dict[str, str]:
    """Where a request answers: under the owner and the name of its app, without the rest."""
    parts = model.split("/")
    app = "/".join(parts[: 3 if parts[0] in NAMESPACES else 2])
    response = f"/{app}/requests/{quote(request_id, safe='')}"
    return {
        "status": f"{response}/status",
        "response": response,
        "cancel": f"{response}/cancel",
    }


def _may_be_a_gateways(status: int, problem: Problem) -> bool:
    """Whether an error need not be the request's own, which has a type."""
    return status in GONE or (status >= 500 and not problem.types)


def _path(url: str) -> str:
    """The path alone: whatever host an answer names, the key goes to the queue and nowhere else."""
    return urlsplit(url).path
