"""The `openai` provider: pictures by responses in the background, speech by the answer itself.

Every call goes through OpenAI's own client. With max_retries=0 it sends a request once, whatever
becomes of it: its loop runs over range(max_retries + 1) (openai/_base_client.py).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn, Protocol, cast
from urllib.parse import quote

import httpx
import openai
from openai.types.responses import ResponseInputContentParam
from openai.types.responses.tool_param import ImageGeneration
from pydantic import ValidationError

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    CreateAmbiguous,
    FilmError,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    Refused,
)
from filmforge.providers.base import Job, JobReport, JobStatus, Listed, Material, Notice, Terms
from filmforge.providers.catalogue import Model, Recovery, unknown_model
from filmforge.providers.openai_answers import Event, Reply, brief, trouble_in, unpack
from filmforge.providers.openai_prices import (
    DIRECTION,
    DIRECTOR,
    cost_of_tokens,
    longest,
    quote_picture,
    quote_speech,
    words_of,
)
from filmforge.providers.signature import StandardSignature, not_genuine
from filmforge.providers.wire import (
    MAX_ANSWER_BYTES,
    NEVER_SENT,
    Answer,
    Wire,
    fingerprint,
    written,
)

SUBMIT_TIMEOUT_S = 120.0  # speech is answered when it is spoken: 4,096 characters took 46 s
CALLBACK_WAIT_S = 900.0
LOOK_TIMEOUT_S = 120.0  # a finished response carries its picture
MAX_PICTURE_BYTES = 50_000_000  # openai/types/image_edit_params.py


class _Raw(Protocol):
    @property
    def content(self) -> bytes:
        """The body of an answer, as it came."""
        ...


class OpenAIProvider:
    """A client of OpenAI's API at `base_url`, which ends in its version.

    Without a webhook secret a picture whose answer was lost cannot be found: OpenAI has no list
    of responses. Raises NotConfigured for an address or a secret that cannot be used.
    """

    name = "openai"
    wants_files = True
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
        self.submit_timeout_s = _or(terms.submit_timeout_s, SUBMIT_TIMEOUT_S)
        self.listing_lag_s = _or(terms.listing_lag_s, 0.0)
        self.callback_wait_s = _or(terms.callback_wait_s, CALLBACK_WAIT_S)
        self.max_in_flight = terms.max_in_flight
        self.submits_per_s = terms.submits_per_s
        self._models = models
        variable = "OPENAI_WEBHOOK_SECRET"
        self._signature = StandardSignature(webhook_secret, variable) if webhook_secret else None
        self._wire = Wire(
            self.name,
            base_url,
            {"authorization": f"Bearer {key}"},
            key=key,
            submit_timeout_s=self.submit_timeout_s,
            allow_private=terms.private,
            max_connections=terms.max_connections,
        )
        # Waiting for a connection is given a part of the time, so that it fails by its own name.
        wait_s = self.submit_timeout_s / 2
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=self._wire.base,
            max_retries=0,
            timeout=openai.Timeout(self.submit_timeout_s, connect=wait_s, pool=wait_s),
            http_client=cast(Any, self._wire.client),  # it takes clients of both generations
        )

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return self._models

    def recovery(self, request: GenerationRequest) -> Recovery:
        """A callback tells of a picture, if they are configured; nothing tells of lost speech."""
        told = self._signature is not None and request.kind is Kind.IMAGE
        return Recovery.WEBHOOK if told else Recovery.NONE

    def quote(self, request: GenerationRequest) -> Decimal:
        """The highest price the request can cost, in US dollars. Raises BadInput."""
        model = self._model(request)
        quoted = quote_speech if model.kind is Kind.AUDIO else quote_picture
        return quoted(model, request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Send the request exactly once; callbacks come to the address of the whole project."""
        if self._model(request).kind is Kind.AUDIO:
            return await self._speak(request, answer)
        return await self._draw(request, inputs.values())

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a job; speech was answered whole. Raises ProviderUnavailable."""
        if not job.urls:
            return JobReport(status=JobStatus.SUCCEEDED)
        said = await self._look(job.id)
        cost = cost_of_tokens(request, said)
        match said.status:
            case "queued" | "in_progress":
                return JobReport(status=JobStatus.RUNNING)
            case "completed" | "failed" | "cancelled" | "incomplete" if said.picture:
                url = job.urls["response"]
                return JobReport(status=JobStatus.SUCCEEDED, output_url=url, cost=cost)
            case "cancelled":
                return JobReport(status=JobStatus.CANCELLED, cost=cost)
            case "completed" | "failed" | "incomplete":
                return self._failed(said, cost)
        raise ProviderUnavailable(self._wire.told(f"an unknown status {said.status!r}"))

    def poll_interval_s(self, age_s: float) -> float:
        """Seconds to the next poll: 1 at first, then a tenth of the age, at last 5."""
        return max(1.0, min(age_s / 10, 5.0))

    async def cancel(self, job: Job) -> None:
        """Ask for a picture to be stopped; harmless when it has ended. Raises ProviderUnavailable.

        Speech is whole when its job is known.
        """
        if job.urls:
            call = self._client.responses.with_raw_response.cancel(job.id, timeout=LOOK_TIMEOUT_S)
            await self._ask(call, ended=httpx.codes.BAD_REQUEST)

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """Raises CreateAmbiguous: OpenAI has no list of responses."""
        self._no_list()

    def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """Raises CreateAmbiguous: OpenAI has no list of responses."""
        self._no_list()

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Write the picture that a response carries to a local file.

        Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes`, cut or no base64; after a failure there is no file.
        """
        whole = path.with_name(path.name + ".json")
        try:
            await self._wire.download(url, whole, max_bytes * 4 // 3 + MAX_ANSWER_BYTES)
            problem = await asyncio.to_thread(unpack, whole, path, max_bytes)
        finally:
            whole.unlink(missing_ok=True)
        if problem:
            raise BadMedia(self._wire.told(problem))

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a genuine callback says; whose response it is, the response itself tells.

        Raises BadInput for a forged or stale one and for news of anything but a response,
        ProviderUnavailable when the response cannot be read.
        """
        if self._signature is None:
            remedy = "Set OPENAI_WEBHOOK_SECRET."
            raise BadInput("webhook-signature", "cannot be checked", remedy)
        webhook_id = self._signature.verify(headers, body)
        try:
            event = Event.model_validate_json(body)
        except ValidationError:
            raise not_genuine() from None
        if not event.type.startswith("response."):
            raise BadInput("type", f"{event.type!r} is no news of a response", "Send none of it.")
        said = await self._look(event.data.id)
        key = (said.metadata or {}).get("request_key")
        return Notice(webhook_id=webhook_id, job=self._job(said.id), request_key=key)

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    def _model(self, request: GenerationRequest) -> Model:
        model = self._models.get(request.model)
        if model is None or model.kind is not request.kind:
            raise unknown_model(self.name, request, self._models)
        return model

    async def _draw(self, request: GenerationRequest, pictures: Iterable[Material]) -> Job:
        words = words_of(request)
        content: list[ResponseInputContentParam] = [{"type": "input_text", "text": words}]
        content += [self._picture(picture) for picture in pictures]
        async with self._sending():
            said = await self._client.responses.with_raw_response.create(
                model=DIRECTOR,
                instructions=DIRECTION,
                input=[{"role": "user", "content": content}],
                tools=[_tool(request)],
                tool_choice={"type": "image_generation"},
                max_tool_calls=1,
                max_output_tokens=longest(words),
                reasoning={"effort": "none"},
                background=True,
                store=True,
                metadata={"request_key": request.key},
            )
            return self._job(Reply.model_validate_json(said.content).id)

    def _picture(self, picture: Material) -> ResponseInputContentParam:
        if picture.data is not None and len(picture.data) > MAX_PICTURE_BYTES:
            limit = f"{MAX_PICTURE_BYTES // 1_000_000} MB"
            raise Refused(self._wire.told(f"a picture to start from has more than {limit}"))
        url = picture.model_copy(update={"public": False}).reference
        return {"type": "input_image", "image_url": url, "detail": "auto"}

    async def _speak(self, request: GenerationRequest, answer: Path) -> Job:
        names = self._model(request).names
        order = {names.get(name, name): value for name, value in request.parameters.items()}
        speech = self._client.audio.speech.with_streaming_response
        async with (
            self._sending(),
            speech.create(**{"model": request.model, **cast(dict[str, Any], order)}) as said,
        ):
            kind = said.headers.get("content-type", "")
            if not kind.startswith(("audio/", "application/octet-stream")):
                raise AnswerLost(self._wire.told(f"speech was answered with {kind!r}"))
            with written(answer) as file:
                async for piece in said.iter_bytes():
                    file.write(piece)
                if not file.tell():
                    raise AnswerLost(self._wire.told("speech was answered with nothing"))
            return Job(id=said.headers.get("x-request-id") or request.key)

    @asynccontextmanager
    async def _sending(self) -> AsyncIterator[None]:
        """Give every end of a paid POST, and of reading its answer, its name."""
        told = self._wire.told
        try:
            async with asyncio.timeout(self.submit_timeout_s):
                yield
        except openai.APIStatusError as error:
            raise self._not_accepted(error) from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, NEVER_SENT):
                raise NotSent(told(f"cannot be reached: {error.__cause__!r}")) from None
            raise AnswerLost(told(f"no answer to a submission: {error.__cause__!r}")) from None
        except (openai.OpenAIError, httpx.HTTPError, ValidationError, OSError) as error:
            raise AnswerLost(told(f"no answer to a submission: {brief(error)}")) from None

    def _not_accepted(self, error: openai.APIStatusError) -> FilmError:
        trouble = trouble_in(error.response.content)
        # The words of a 401 quote the key, in part.
        refused = error.status_code == httpx.codes.UNAUTHORIZED
        message = "" if refused else trouble.message or ""
        if trouble.names_credit and httpx.codes.is_client_error(error.status_code):
            return OutOfCredit(self._wire.told(message))
        headers = httpx.Headers(dict(error.response.headers))
        answer = Answer(error.status_code, headers, b"")
        return self._wire.not_accepted(answer, message, content=trouble.names_content)

    def _failed(self, said: Reply, cost: Decimal | None) -> JobReport:
        """A failure. What was used is billed; what failed before anything was used is not.

        OpenAI bills the tokens recorded as used (community.openai.com/t/1385608).
        """
        trouble = said.trouble
        return JobReport(
            status=JobStatus.FAILED,
            cost=cost,
            billed=said.usage is not None or bool(said.calls),
            transient=trouble.passes,
            code="content_refused" if trouble.names_content else "provider_failed",
            message=self._wire.told(trouble.message or "the response has no picture"),
        )

    async def _look(self, response_id: str) -> Reply:
        look = self._client.responses.with_raw_response.retrieve
        said = await self._ask(look(response_id, timeout=LOOK_TIMEOUT_S))
        assert said is not None
        return said

    async def _ask(self, call: Awaitable[_Raw], ended: int | None = None) -> Reply | None:
        """Make a free call; None is an answer of status `ended`."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                said = await call
            return Reply.model_validate_json(said.content)
        except openai.APIStatusError as error:
            if error.status_code == ended:
                return None
            raise ProviderUnavailable(self._wire.told(f"HTTP {error.status_code}")) from None
        except (openai.OpenAIError, ValidationError, TimeoutError) as error:
            raise ProviderUnavailable(self._wire.told(brief(error))) from None

    def _job(self, response_id: str) -> Job:
        url = f"{self._wire.base}/responses/{quote(response_id, safe='')}"
        return Job(id=response_id, urls={"response": url})

    def _no_list(self) -> NoReturn:
        raise CreateAmbiguous(self._wire.told("has no list of what it was asked for"))


def _or(chosen: float | None, usual: float) -> float:
    return usual if chosen is None else chosen


def _tool(request: GenerationRequest) -> ImageGeneration:
    given = {
        name: value
        for name, value in request.parameters.items()
        if name not in ("prompt", "negative_prompt")
    }
    tool = {"type": "image_generation", "model": request.model, **given}
    return cast(ImageGeneration, tool)
