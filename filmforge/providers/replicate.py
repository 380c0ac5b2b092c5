"""The `replicate` provider: predictions of official and of community models.

The vendor's own client has no place here: its Prediction refuses the status `aborted`, also in
the answer to a paid POST, its errors lose `Retry-After`, and its GETs sleep as long as a server
tells them to.
"""

import time
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

from pydantic import BaseModel, Field, JsonValue, ValidationError

from filmforge.domain import GenerationRequest
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    CreateAmbiguous,
    FilmError,
    NotSent,
    ProviderUnavailable,
    RateLimited,
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
from filmforge.providers.replicate_predictions import (
    STATUSES,
    Accepted,
    Prediction,
    asked,
    billed,
    decoded,
    frame_word,
    is_same,
    may_be,
    moderated,
    taken,
    takes_frame,
)
from filmforge.providers.signature import StandardSignature, not_genuine
from filmforge.providers.wire import ASK_TIMEOUT_S, Answer, Wire, fingerprint, written

SUBMIT_TIMEOUT_S = 30.0
LISTING_LAG_S = 15.0
# 600 predictions a minute: replicate.com/docs/topics/predictions/rate-limits.
SUBMITS_PER_S = 10.0
# Larger files are given as URLs: replicate.com/docs/reference/http, predictions.create.
MAX_DATA_URI_BYTES = 256_000
# A page is 100 predictions, each with its inputs, data URIs among them.
MAX_PAGE_BYTES = 64 * 1024 * 1024
SECRET_LASTS_S = 60.0


class _Problem(BaseModel):
    title: str = ""
    detail: str = ""
    retry_after: float | None = Field(default=None, ge=0)


class _Page(BaseModel):
    results: list[Prediction]
    next: str | None = None


class _FileUrls(BaseModel):
    get: str


class _File(BaseModel):
    urls: _FileUrls


class _Secret(BaseModel):
    key: str = Field(min_length=1)


class ReplicateProvider:
    """A client of the HTTP API at `base_url`; a paid POST is sent exactly once.

    A model is "owner/name", or "owner/name:version" for one that is not official. Without a
    webhook secret the account's own is asked for when a callback comes.
    """

    name = "replicate"
    callback_wait_s = 0.0
    wants_files = False
    local = False

    def __init__(
        self,
        key: str,
        models: Mapping[str, Model],
        terms: Terms,
        *,
        base_url: str,
        webhook_secret: str = "",
    ) -> None:
        self.account = fingerprint(key)
        post_s = _chosen(terms.submit_timeout_s, SUBMIT_TIMEOUT_S)
        self.submit_timeout_s = post_s + ASK_TIMEOUT_S  # a large frame goes up before the POST
        self.listing_lag_s = _chosen(terms.listing_lag_s, LISTING_LAG_S)
        self.max_in_flight = terms.max_in_flight
        self.submits_per_s: float | None = _chosen(terms.submits_per_s, SUBMITS_PER_S)
        self._models = models
        self._plain_callbacks = terms.private
        self._wire = Wire(
            self.name,
            base_url,
            {"authorization": f"Bearer {key}"},
            key=key,
            submit_timeout_s=post_s,
            allow_private=terms.private,
            max_connections=terms.max_connections,
        )
        self._signing = _Signing(self._wire, webhook_secret)

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return self._models

    def recovery(self, request: GenerationRequest) -> Recovery:
        """Predictions are listed with their input."""
        return Recovery.LISTING

    def quote(self, request: GenerationRequest) -> Money:
        """The highest price of the request, in US dollars. Raises BadInput."""
        model = self._model(request)
        if takes_frame(model) and not any(part.role == "frame" for part in request.inputs):
            raise BadInput("image", f"{model.id} needs a frame", "Make or upload one first.")
        return price_of(model, request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Send the request exactly once; a large frame is uploaded before, free of charge.

        Raises NotSent or RateLimited when it provably was not accepted, Refused or one of its
        kind when it never will be, AnswerLost for everything else.
        """
        model = self._model(request)
        order: dict[str, JsonValue] = {"input": await self._input(model, request, inputs)}
        # Replicate calls back to https only, and refuses an order that names anything else.
        if callback_url and (self._plain_callbacks or callback_url.startswith("https://")):
            order |= {"webhook": callback_url, "webhook_events_filter": ["completed"]}
        name, _, version = request.model.partition(":")
        path = f"/v1/models/{quote(name)}/predictions"
        if version:
            order["version"], path = version, "/v1/predictions"
        said = await self._wire.post_once(path, json=order)
        if not said.ok:
            raise self._not_accepted(said)
        try:
            return Accepted.model_validate_json(said.body).job
        except ValidationError:
            told = self._wire.told("the answer to a submission cannot be read")
            raise AnswerLost(told) from None

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a job. Raises ProviderUnavailable; free of charge."""
        said = await self._whole(job.id)
        status = self._status(said)
        if status is JobStatus.RUNNING:
            return JobReport(status=status)
        model = self._models.get(request.model)
        cost = taken(said, model, request.parameters) if model else None
        if status is not JobStatus.SUCCEEDED:
            return JobReport(
                status=status,
                cost=cost,
                billed=billed(said, request, cost),
                transient=said.interrupted,
                code="content_refused" if moderated(said.message) else "provider_failed",
                message=self._wire.told(said.message),
            )
        if said.output_url is None:
            told = self._wire.told("it made no file, or its output was deleted after an hour")
            return JobReport(status=JobStatus.FAILED, cost=cost, message=told)
        return JobReport(status=status, output_url=said.output_url, cost=cost)

    def poll_interval_s(self, age_s: float) -> float:
        """Seconds to the next poll: 0.25 at first, then a twentieth of the age, at last 3."""
        return max(0.25, min(age_s / 20, 3.0))

    async def cancel(self, job: Job) -> None:
        """Ask for a job to stop; harmless when it has ended. Raises ProviderUnavailable."""
        await self._wire.ask(Accepted, "POST", f"{_path(job.id)}/cancel")

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The oldest prediction of this request made at or after `since`, but none `known`.

        Where there is none, the last one made within CLOCK_MARGIN before `since` is taken.
        Raises CreateAmbiguous when one that may be it has lost its input, ProviderUnavailable
        when the list cannot be read.
        """
        model = self._model(request)
        same: list[Prediction] = []
        unreadable: list[str] = []
        async for listed in self._listing(since - CLOCK_MARGIN):
            if listed.id in known or not may_be(listed, request):
                continue
            item = await self._whole(listed.id) if listed.input is None else listed
            if is_same(item, model, request):
                same.append(item)
            elif not item.readable:
                unreadable.append(item.id)
        found = [item for item in same if item.created_at >= since][-1:] or same[:1]
        if unreadable and not found:
            told = f"the input of {', '.join(unreadable)} is deleted: it may be this request"
            raise CreateAmbiguous(self._wire.told(told))
        return found[0].job if found else None

    async def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """Every prediction of the account since then, newest first; words last for an hour."""
        async for item in self._listing(since):
            given = item.input or {}
            model = self._models.get(item.model)
            yield Listed(
                job=item.job,
                status=self._status(item),
                created_at=item.created_at,
                model=item.model,
                words=str(given.get("prompt") or given.get("text") or ""),
                request_key=item.request_key,
                cost=taken(item, model, given) if model and item.readable else None,
            )

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Write an output, at an address or in a data URI, to a local file.

        Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes` or ends too early; after a failure there is no file.
        """
        if not url.startswith("data:"):
            await self._wire.download(url, path, max_bytes)
            return
        data = decoded(url)
        if data is None or len(data) > max_bytes:
            raise BadMedia(self._wire.told(f"the output is no file of at most {max_bytes} bytes"))
        with written(path) as file:
            file.write(data)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a callback signed as Standard Webhooks says, at most 5 minutes ago.

        Raises BadInput for a forged, stale or unreadable one, ProviderUnavailable when the
        account's secret cannot be had.
        """
        webhook_id = await self._signing.verify(headers, body)
        try:
            told = Accepted.model_validate_json(body)
        except ValidationError:
            raise not_genuine() from None
        return Notice(webhook_id=webhook_id, job=told.job, request_key=told.request_key)

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    def _model(self, request: GenerationRequest) -> Model:
        model = self._models.get(request.model)
        if model is None or model.kind is not request.kind:
            raise unknown_model(self.name, request, self._models)
        return model

    async def _input(
        self, model: Model, request: GenerationRequest, inputs: Mapping[str, Material]
    ) -> dict[str, JsonValue]:
        given = asked(model, request)
        if takes_frame(model) and "frame" in inputs:
            given[frame_word(model)] = await self._reference(inputs["frame"])
        return given

    async def _reference(self, frame: Material) -> str:
        """What Replicate can read: a public URL, a data URI, or a file uploaded to it."""
        if frame.public or frame.data is None or len(frame.data) <= MAX_DATA_URI_BYTES:
            return frame.reference
        name = f"frame.{frame.media_type.rpartition('/')[2]}"
        content = (name, frame.data, frame.media_type)
        try:
            said = await self._wire.call("POST", "/v1/files", files={"content": content})
            if said.ok:
                return _File.model_validate_json(said.body).urls.get
        except ProviderUnavailable as error:
            raise NotSent(str(error)) from None
        except ValidationError:
            raise NotSent(self._wire.told("/v1/files: unreadable")) from None
        refusal = self._not_accepted(said)
        raise NotSent(str(refusal)) if isinstance(refusal, AnswerLost) else refusal

    def _not_accepted(self, said: Answer) -> FilmError:
        try:
            problem = _Problem.model_validate_json(said.body)
        except ValidationError:
            problem = _Problem()
        message = problem.detail.strip() or problem.title
        error = self._wire.not_accepted(said, message, content=moderated(message))
        if isinstance(error, RateLimited) and error.retry_after_s is None:
            return RateLimited(str(error), problem.retry_after)
        return error

    def _status(self, said: Prediction) -> JobStatus:
        try:
            return STATUSES[said.status]
        except KeyError:
            told = self._wire.told(f"{said.id} has the unknown status {said.status!r}")
            raise ProviderUnavailable(told) from None

    async def _whole(self, prediction_id: str) -> Prediction:
        path = _path(prediction_id)
        return await self._wire.ask(Prediction, "GET", path, max_bytes=MAX_PAGE_BYTES)

    async def _listing(self, since: datetime) -> AsyncIterator[Prediction]:
        cursor: dict[str, str] = {}
        while True:
            page = await self._wire.ask(
                _Page, "GET", "/v1/predictions", max_bytes=MAX_PAGE_BYTES, params=cursor
            )
            for item in page.results:
                if item.created_at < since:
                    return
                yield item
            if page.next is None:
                return
            cursor = self._after(page.next)

    def _after(self, url: str) -> dict[str, str]:
        # Only the cursor is taken from it: the key goes to no address that an answer names.
        cursors = parse_qs(urlsplit(url).query).get("cursor", [])
        if not cursors:
            raise ProviderUnavailable(self._wire.told("a page of the list names no next one"))
        return {"cursor": cursors[0]}


class _Signing:
    """The webhook secret: the one that was given, or the account's own, asked for when needed.

    One that does not fit a callback is asked for again, at most once in SECRET_LASTS_S.
    """

    def __init__(self, wire: Wire, secret: str) -> None:
        self._wire = wire
        self._given = bool(secret)
        self._asked_at = 0.0
        self._signature: StandardSignature | None = None
        if secret:
            self._signature = StandardSignature(secret, "REPLICATE_WEBHOOK_SECRET")

    async def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """The id of a genuine callback. Raises BadInput or ProviderUnavailable."""
        signature = self._signature or await self._ask()
        try:
            return signature.verify(headers, body)
        except BadInput:
            if self._given or time.monotonic() - self._asked_at < SECRET_LASTS_S:
                raise
        return (await self._ask()).verify(headers, body)

    async def _ask(self) -> StandardSignature:
        said = await self._wire.ask(_Secret, "GET", "/v1/webhooks/default/secret")
        self._signature = StandardSignature(said.key, "the webhook secret of Replicate")
        self._asked_at = time.monotonic()
        return self._signature


def _path(prediction_id: str) -> str:
    return f"/v1/predictions/{quote(prediction_id, safe='')}"


def _chosen(term: float | None, ours: float) -> float:
    return ours if term is None else term
