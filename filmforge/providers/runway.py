"""The `runway` provider: clips from a frame, and frames, as tasks that are polled."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import httpx
from pydantic import BaseModel, Field, JsonValue, ValidationError

from filmforge.addresses import check_url, open_checked
from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    AnswerLost,
    BadInput,
    CreateAmbiguous,
    FilmError,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
)
from filmforge.providers.base import Job, JobReport, JobStatus, Listed, Material, Notice, Terms
from filmforge.providers.catalogue import Model, Recovery, cost_of, price_of, unknown_model
from filmforge.providers.wire import Answer, Wire, fingerprint

API_VERSION = "2024-11-06"
# The SDK gives a call 60 s; half of this is for a picture that must be uploaded first.
SUBMIT_TIMEOUT_S = 120.0
# "Image, data URI: 5MB" (docs, API Input Parameters), read as the shorter megabyte and whole URI.
MAX_DATA_URI_CHARS = 5_000_000
# "Consumers should not expect updates more frequent than once every five seconds" (reference).
POLL_S = 5.0
NO_CREDIT = "not have enough credits"
UPLOAD_FAILED = (
    AnswerLost,
    BadInput,
    ProviderUnavailable,
    httpx.HTTPError,
    TimeoutError,
)


class _Credits(BaseModel):
    credits: Decimal = Field(ge=0)


class _Accepted(BaseModel):
    id: str = Field(min_length=1)


class _Task(BaseModel):
    status: Literal[
        "PENDING", "THROTTLED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "CANCELED"
    ]
    progress: float = 0.0
    output: list[str] = []
    failure: str = ""
    failure_code: str | None = Field(default=None, alias="failureCode")
    cost: _Credits | None = None

    @property
    def credits(self) -> Decimal | None:
        """What it took, once it has ended."""
        return None if self.cost is None else self.cost.credits

    @property
    def refused(self) -> bool:
        """Whether the content was refused; SAFETY is one of the words of the code."""
        return "SAFETY" in (self.failure_code or "").split(".")

    @property
    def transient(self) -> bool:
        """Whether it may go well another time; without a code Runway says no more than failed."""
        again = ("INTERNAL", "INPUT_PREPROCESSING.INTERNAL", "THIRD_PARTY")
        return self.failure_code is None or self.failure_code.startswith(again)


class _Issue(BaseModel):
    message: str = ""
    path: list[str | int] = []


class _Problem(BaseModel):
    error: str
    issues: list[_Issue] = []

    @property
    def message(self) -> str:
        issues = [f"{'.'.join(map(str, i.path))}: {i.message}" for i in self.issues]
        return "; ".join([self.error, *issues])


class _Slot(BaseModel):
    uri: str = Field(alias="runwayUri", min_length=1)
    upload_url: str = Field(alias="uploadUrl")
    fields: dict[str, str]


class RunwayProvider:
    """A client of Runway's API; a paid POST is sent exactly once.

    Runway lists no tasks, calls nobody back and takes no key of ours, so a task whose answer was
    lost is for a person to decide. A task tells what it took in credits.
    """

    name = "runway"
    listing_lag_s = 0.0
    callback_wait_s = 0.0
    # A presigned address answers GET alone, and Runway asks with HEAD first.
    wants_files = True
    local = False

    def __init__(
        self, key: str, models: Mapping[str, Model], terms: Terms, *, base_url: str
    ) -> None:
        self.account = fingerprint(key)
        self.submit_timeout_s = (
            SUBMIT_TIMEOUT_S if terms.submit_timeout_s is None else terms.submit_timeout_s
        )
        # Tasks beyond an account's limit are queued by Runway as THROTTLED, not turned away.
        self.max_in_flight = terms.max_in_flight
        self.submits_per_s = terms.submits_per_s
        self._models = dict(models)
        self._private = terms.private
        self._wire = Wire(
            self.name,
            base_url,
            {"authorization": f"Bearer {key}", "x-runway-version": API_VERSION},
            key=key,
            submit_timeout_s=self.submit_timeout_s / 2,
            allow_private=terms.private,
            max_connections=terms.max_connections,
        )

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return self._models

    def recovery(self, request: GenerationRequest) -> Recovery:
        """Nothing tells of a task but its id."""
        return Recovery.NONE

    def quote(self, request: GenerationRequest) -> Decimal:
        """The price of the seconds or the picture asked for. Raises BadInput."""
        model = self._model(request)
        if model.kind is Kind.VIDEO and not any(i.role == "frame" for i in request.inputs):
            raise BadInput("image", "is missing", "Give the frame that the clip begins with.")
        return price_of(model, request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Send the request exactly once, its frame in it or, if that is large, uploaded before.

        Raises NotSent or RateLimited when it provably was not accepted, Refused when it never
        will be, AnswerLost for everything else.
        """
        model = self._model(request)
        order = _order(model, request)
        if model.kind is Kind.VIDEO:
            if "frame" not in inputs:
                raise BadInput("image", "is missing", "Give the frame that the clip begins with.")
            order["promptImage"] = await self._picture(inputs["frame"])
        path = "/v1/image_to_video" if model.kind is Kind.VIDEO else "/v1/text_to_image"
        said = await self._wire.post_once(path, json=order)
        if not said.ok:
            raise self._not_accepted(said)
        try:
            return Job(id=_Accepted.model_validate_json(said.body).id)
        except ValidationError:
            told = self._wire.told("the answer to a submission cannot be read")
            raise AnswerLost(told) from None

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a task. Raises ProviderUnavailable; free of charge.

        A task that was deleted tells nothing any more: its whole price counts as taken.
        """
        task = await self._task(job)
        if task is None:
            return JobReport(status=JobStatus.CANCELLED, message="Runway has deleted the task")
        cost = cost_of(self._models.get(request.model), task.credits)
        # Input that moderation refused is paid for (docs, task failures); the cost says it too.
        billed = task.credits != 0
        match task.status:
            case "PENDING" | "THROTTLED" | "RUNNING":
                return JobReport(
                    status=JobStatus.RUNNING, progress=min(max(task.progress, 0.0), 1.0)
                )
            case "SUCCEEDED":
                if not task.output:
                    raise ProviderUnavailable(self._wire.told(f"{job.id} tells no output"))
                return JobReport(status=JobStatus.SUCCEEDED, output_url=task.output[0], cost=cost)
            case "FAILED":
                return JobReport(
                    status=JobStatus.FAILED,
                    cost=cost,
                    billed=billed,
                    transient=task.transient,
                    code="content_refused" if task.refused else "provider_failed",
                    message=self._wire.told(f"{task.failure} ({task.failure_code or 'no code'})"),
                )
            case "CANCELLED" | "CANCELED":
                return JobReport(status=JobStatus.CANCELLED, cost=cost, billed=billed)

    def poll_interval_s(self, age_s: float) -> float:
        """Five seconds, the pace that Runway keeps itself."""
        return POLL_S

    async def cancel(self, job: Job) -> None:
        """Take back a task that waits. Raises ProviderUnavailable.

        One that runs is paid for whether it is stopped or not, and deleting one that has ended
        deletes its output: both are left alone.
        """
        task = await self._task(job)
        if task is None or task.status not in ("PENDING", "THROTTLED"):
            return
        said = await self._wire.call("DELETE", _path(job))
        if not said.ok and said.status != httpx.codes.NOT_FOUND:
            raise ProviderUnavailable(self._wire.told(f"{job.id}: HTTP {said.status}"))

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """Nobody can tell: Runway has no list of tasks. Raises CreateAmbiguous."""
        raise self._no_list()

    def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """Runway has no list of tasks. Raises CreateAmbiguous."""
        raise self._no_list()

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output to a local file; its address is good for 24 to 48 hours.

        Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes` or ends too early; after a failure there is no file.
        """
        await self._wire.download(url, path, max_bytes)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Refuse every callback: Runway sends none. Raises BadInput."""
        raise BadInput("provider", "runway sends no callbacks", "Nothing needs to be called.")

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    def _model(self, request: GenerationRequest) -> Model:
        model = self._models.get(request.model)
        if model is None:
            raise unknown_model(self.name, request, self._models)
        return model

    def _no_list(self) -> CreateAmbiguous:
        return CreateAmbiguous(self._wire.told("no list tells whether it took the request"))

    async def _task(self, job: Job) -> _Task | None:
        """The task; None when Runway itself says that there is none of that id."""
        said = await self._wire.call("GET", _path(job))
        try:
            if said.status == httpx.codes.NOT_FOUND and _Problem.model_validate_json(said.body):
                return None
            if said.ok:
                return _Task.model_validate_json(said.body)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise ProviderUnavailable(self._wire.told(f"{job.id}: unreadable: {problem}")) from None
        raise ProviderUnavailable(self._wire.told(f"{job.id}: HTTP {said.status}"))

    async def _picture(self, material: Material) -> str:
        """What Runway reads a frame from: the frame itself, or the address of its upload."""
        if material.data is None:
            return material.url
        uri = material.model_copy(update={"public": False}).reference
        if len(uri) <= MAX_DATA_URI_CHARS:
            return uri
        try:
            async with asyncio.timeout(self.submit_timeout_s / 2):
                return await self._upload(material.media_type, material.data)
        except ValidationError:  # its words hold what was answered
            raise NotSent(self._wire.told("the frame cannot be uploaded: unreadable")) from None
        except UPLOAD_FAILED as error:
            raise NotSent(self._wire.told(f"the frame cannot be uploaded: {error!r}")) from None

    async def _upload(self, media_type: str, data: bytes) -> str:
        """Store a picture for a day, at no cost (docs, Ephemeral uploads)."""
        name = f"frame.{media_type.rpartition('/')[2]}"
        order = {"filename": name, "type": "ephemeral"}
        said = await self._wire.call("POST", "/v1/uploads", json=order)
        if not said.ok:
            raise self._not_accepted(said)
        slot = _Slot.model_validate_json(said.body)
        form = httpx.Request(
            "POST", slot.upload_url, data=slot.fields, files={"file": (name, data, media_type)}
        )
        checked = await check_url(slot.upload_url, self._private, "upload")
        headers = {"content-type": form.headers["content-type"]}
        async with open_checked(
            checked,
            "POST",
            headers=headers,
            content=form.read(),
            timeout_s=self.submit_timeout_s / 2,
        ) as answer:
            if not answer.is_success:
                raise ProviderUnavailable(f"HTTP {answer.status_code}")
        return slot.uri

    def _not_accepted(self, said: Answer) -> FilmError:
        try:
            problem = _Problem.model_validate_json(said.body)
        except ValidationError:
            return self._wire.not_accepted(said, "")
        # "Returned when Runway is shedding load" (docs, HTTP errors), if Runway says it itself.
        if said.status == httpx.codes.SERVICE_UNAVAILABLE:
            return NotSent(self._wire.told(problem.message))
        if httpx.codes.is_client_error(said.status) and NO_CREDIT in problem.error:
            return OutOfCredit(self._wire.told(problem.message))
        return self._wire.not_accepted(said, problem.message)


def _order(model: Model, request: GenerationRequest) -> dict[str, JsonValue]:
    order: dict[str, JsonValue] = {"model": model.id}
    for name, value in request.parameters.items():
        whole = int(Decimal(str(value))) if name == "duration" else value
        order[model.names.get(name, name)] = whole
    if request.seed is not None:
        order["seed"] = request.seed
    return order


def _path(job: Job) -> str:
    return f"/v1/tasks/{quote(job.id, safe='')}"
