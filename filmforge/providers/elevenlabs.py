"""The `elevenlabs` provider: speech, sound effects and music, answered as the sound itself."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from pydantic import BaseModel, Field, JsonValue, ValidationError

from filmforge.domain import GenerationRequest
from filmforge.errors import (
    AnswerLost,
    BadInput,
    CreateAmbiguous,
    FilmError,
    OutOfCredit,
    ProviderUnavailable,
)
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
from filmforge.providers.catalogue import (
    Model,
    Recovery,
    cost_of,
    price_of,
    unknown_model,
)
from filmforge.providers.wire import Answer, Wire, fingerprint

# The SDK's own default: a long text is spoken, and a song composed, before the answer ends.
SUBMIT_TIMEOUT_S = 240.0
# Nobody promises when a finished line shows in the history; callers saw it late by seconds.
LISTING_LAG_S = 60.0
# The plan a new account has, docs "Concurrency and priority"; paid plans allow 3 to 15.
MAX_IN_FLIGHT = 2
# Every plan may have it (docs, `output_format`), and it is what the history keeps.
OUTPUT_FORMAT = "mp3_44100_128"
PAGE_ITEMS = 100
MAX_PAGE_BYTES = 16 * 1024 * 1024
NO_CREDIT = {"quota_exceeded", "insufficient_credits", "payment_required"}
NO_SUCH_CONTENT = {"content_against_policy", "bad_prompt", "bad_composition_plan"}


class _Detail(BaseModel):
    type: str = ""
    code: str = ""
    status: str = ""
    message: str = ""


class _Issue(BaseModel):
    loc: list[str | int] = []
    msg: str


class _Problem(BaseModel):
    detail: _Detail | list[_Issue] | str

    @property
    def message(self) -> str:
        match self.detail:
            case _Detail(message=message):
                return message
            case list() as issues:
                return "; ".join(f"{'.'.join(map(str, i.loc))}: {i.msg}" for i in issues)
        return self.detail

    @property
    def words(self) -> set[str]:
        """The code, which the older `status` may contradict, and the class of the error."""
        found = self.detail
        return {found.type, found.code, found.status} if isinstance(found, _Detail) else set()


class _Item(BaseModel):
    history_item_id: str = Field(min_length=1)
    request_id: str | None = None
    voice_id: str | None = None
    model_id: str | None = None
    text: str | None = None
    date_unix: int
    character_count_change_from: int
    character_count_change_to: int
    state: str | None = None

    @property
    def created_at(self) -> datetime:
        return datetime.fromtimestamp(self.date_unix, UTC)

    @property
    def credits(self) -> int | None:
        taken = self.character_count_change_to - self.character_count_change_from
        return taken if taken >= 0 else None  # the count began anew with a month

    def job(self, base: str) -> Job:
        item = f"{base}/v1/history/{quote(self.history_item_id, safe='')}"
        urls = {"item": item, "output": f"{item}/audio"}
        return Job(id=self.request_id or self.history_item_id, urls=urls)


class _Page(BaseModel):
    history: list[_Item]
    has_more: bool
    last_history_item_id: str | None = None


_STATES = {
    None: JobStatus.SUCCEEDED,
    "created": JobStatus.SUCCEEDED,
    "processing": JobStatus.RUNNING,
    "deleted": JobStatus.FAILED,
}


class ElevenLabsProvider:
    """A client of ElevenLabs; a paid POST is sent exactly once and answers the sound itself.

    A line whose answer was lost is found in the account's history. Effects and music are kept
    nowhere that can be read, so a lost one is for a person to decide.
    """

    name = "elevenlabs"
    callback_wait_s = 0.0
    wants_files = False
    local = False

    def __init__(
        self, key: str, models: Mapping[str, Model], terms: Terms, *, base_url: str
    ) -> None:
        self.account = fingerprint(key)
        self.submit_timeout_s = _chosen(terms.submit_timeout_s, SUBMIT_TIMEOUT_S)
        self.listing_lag_s = _chosen(terms.listing_lag_s, LISTING_LAG_S)
        self.max_in_flight: int | None = terms.max_in_flight or MAX_IN_FLIGHT
        self.submits_per_s = terms.submits_per_s
        self._models = dict(models)
        self._wire = Wire(
            self.name,
            base_url,
            {"xi-api-key": key},
            key=key,
            submit_timeout_s=self.submit_timeout_s,
            allow_private=terms.private,
            max_connections=terms.max_connections,
        )

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return self._models

    def recovery(self, request: GenerationRequest) -> Recovery:
        """Speech is listed in the history; effects and music are not, says its reference."""
        model = self._models.get(request.model)
        if model is None:
            return Recovery.NONE
        return model.recovery or (Recovery.LISTING if _speaks(model) else Recovery.NONE)

    def quote(self, request: GenerationRequest) -> Decimal:
        """The list price of the characters or seconds asked for. Raises BadInput.

        A voice of the voice library may cost a multiple; the job's own cost tells it afterwards.
        """
        model = self._model(request)
        if _speaks(model) and not request.parameters.get("voice"):
            raise BadInput("voice", "is missing", "Give the line a speaker.")
        return price_of(model, request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Send the request exactly once; the sound is written to `answer`, whole or not at all.

        Raises NotSent or RateLimited when it provably was not accepted, Refused or
        ContentRefused when it never will be, AnswerLost for everything else.
        """
        model = self._model(request)
        said = await self._wire.post_once(
            _path(model, request),
            into=answer,
            params={"output_format": OUTPUT_FORMAT},
            json=_order(model, request),
        )
        if not said.ok:
            raise self._not_accepted(said)
        media_type = said.headers.get("content-type", "")
        if not media_type.startswith("audio/") or await _is_empty(answer):
            await asyncio.to_thread(answer.unlink, missing_ok=True)
            raise AnswerLost(self._wire.told(f"answered {media_type or 'nothing'}, not a sound"))
        job_id = said.headers.get("request-id") or request.key
        return Job(id=job_id, cost=cost_of(model, _credits(said.headers)))

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """What the history says of a line; a job that was answered is done.

        Raises ProviderUnavailable; free of charge.
        """
        if "item" not in job.urls:
            return JobReport(status=JobStatus.SUCCEEDED, cost=job.cost)
        item = await self._wire.ask(_Item, "GET", job.urls["item"])
        if item.state not in _STATES:
            raise ProviderUnavailable(self._wire.told(f"{job.id} is in state {item.state!r}"))
        status = _STATES[item.state]
        return JobReport(
            status=status,
            output_url=job.urls["output"] if status is JobStatus.SUCCEEDED else None,
            cost=cost_of(self._models.get(request.model), item.credits),
            message="its recording was deleted" if status is JobStatus.FAILED else "",
        )

    def poll_interval_s(self, age_s: float) -> float:
        """One second: only a line found in the history is polled, and it is finished."""
        return 1.0

    async def cancel(self, job: Job) -> None:
        """Nothing is left to stop: a job is known by its answer, which comes when it is done."""

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The oldest line of this text, voice and model in the history since then, not `known`.

        Where there is none, the last one within CLOCK_MARGIN before `since` is taken. Raises
        CreateAmbiguous for what the history does not hold or tell, and ProviderUnavailable.
        """
        if self.recovery(request) is not Recovery.LISTING:
            raise CreateAmbiguous(self._wire.told("no list tells whether it took the request"))
        voice = str(request.parameters.get("voice", ""))
        history = self._history(since - CLOCK_MARGIN, voice_id=voice)
        unknown = [
            item
            async for item in history
            if not known & {item.history_item_id, item.request_id}
            and (item.voice_id, item.model_id) == (voice, request.model)
        ]
        if any(item.text is None for item in unknown):
            raise CreateAmbiguous(self._wire.told("its history does not tell a line's text"))
        text = _plain(str(request.parameters.get("text", "")))
        same = [item for item in unknown if _plain(item.text or "") == text]
        after = [item for item in same if item.created_at >= since.replace(microsecond=0)]
        found = after[-1:] or same[:1]
        return found[0].job(self._wire.base) if found else None

    async def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """The account's lines since then, newest first; effects and music are not among them."""
        async for item in self._history(since):
            if item.state not in _STATES:
                raise ProviderUnavailable(self._wire.told(f"unknown state {item.state!r}"))
            yield Listed(
                job=item.job(self._wire.base),
                status=_STATES[item.state],
                created_at=item.created_at,
                model=item.model_id or "",
                words=item.text or "",
                cost=cost_of(self._models.get(item.model_id or ""), item.credits),
            )

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream a recording of the history to a local file; that costs nothing.

        Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes` or ends too early; after a failure there is no file.
        """
        await self._wire.download(url, path, max_bytes)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Refuse every callback: none is sent for what is made here. Raises BadInput."""
        raise BadInput("provider", "elevenlabs sends no callbacks", "Nothing needs to be called.")

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    def _model(self, request: GenerationRequest) -> Model:
        model = self._models.get(request.model)
        if model is None:
            raise unknown_model(self.name, request, self._models)
        return model

    async def _history(self, since: datetime, **filters: str) -> AsyncIterator[_Item]:
        asked: dict[str, str | int] = {
            **filters,
            "page_size": PAGE_ITEMS,
            "date_after_unix": int(since.timestamp()),
            "source": "TTS",
        }
        while True:
            page = await self._wire.ask(
                _Page, "GET", "/v1/history", params=asked, max_bytes=MAX_PAGE_BYTES
            )
            for item in page.history:
                if item.created_at >= since.replace(microsecond=0):
                    yield item
            if not page.has_more:
                return
            last = page.last_history_item_id
            if not last or last == asked.get("start_after_history_item_id"):
                raise ProviderUnavailable(self._wire.told("its history does not go on"))
            asked["start_after_history_item_id"] = last

    def _not_accepted(self, said: Answer) -> FilmError:
        try:
            problem = _Problem.model_validate_json(said.body)
        except ValidationError:
            return self._wire.not_accepted(said, "")
        # An empty quota comes as 401 too, which says nothing against the key.
        if httpx.codes.is_client_error(said.status) and problem.words & NO_CREDIT:
            return OutOfCredit(self._wire.told(problem.message))
        content = bool(problem.words & NO_SUCH_CONTENT)
        return self._wire.not_accepted(said, problem.message, content=content)


def _speaks(model: Model) -> bool:
    return model.makes in (None, "speech")


def _path(model: Model, request: GenerationRequest) -> str:
    if model.makes == "effect":
        return "/v1/sound-generation"
    if model.makes == "music":
        return "/v1/music"
    return f"/v1/text-to-speech/{quote(str(request.parameters['voice']), safe='')}"


def _order(model: Model, request: GenerationRequest) -> dict[str, JsonValue]:
    order: dict[str, JsonValue] = {"model_id": model.id}
    for name, value in request.parameters.items():
        if name != "voice":
            word = model.names.get(name, name)
            order[word] = _length(word, value) if name == "duration" else value
    if request.seed is not None:
        order["seed"] = request.seed
    return order


def _length(word: str, value: Any) -> int | float:
    seconds = Decimal(str(value))
    return int(seconds * 1000) if word.endswith("_ms") else float(seconds)


def _credits(headers: httpx.Headers) -> Decimal | None:
    """What the one answer says it took; no reference promises the header."""
    try:
        taken = Decimal(headers["character-cost"])
    except (KeyError, InvalidOperation):
        return None
    return taken if taken.is_finite() and taken >= 0 else None


def _plain(text: str) -> str:
    """A text as it is compared: the history may have set its spaces and accents otherwise."""
    return " ".join(unicodedata.normalize("NFC", text).split())


async def _is_empty(path: Path) -> bool:
    return not (await asyncio.to_thread(path.stat)).st_size


def _chosen(term: float | None, ours: float) -> float:
    return ours if term is None else term
