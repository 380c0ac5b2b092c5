"""What a prediction of Replicate says: which request it is, what it made and what it took."""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal

from pydantic import AwareDatetime, BaseModel, Field, JsonValue

from filmforge.domain import GenerationRequest, Kind
from filmforge.money import Money, from_micros, to_micros
from filmforge.providers.base import Job, JobStatus
from filmforge.providers.catalogue import Model, Unit, price_for

STATUSES = {
    "starting": JobStatus.RUNNING,
    "processing": JobStatus.RUNNING,
    "succeeded": JobStatus.SUCCEEDED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
    "aborted": JobStatus.CANCELLED,
}
# What official models are billed by; a prediction tells the counts in its `metrics`.
_METRICS = {
    Unit.ITEM: ("image_output_count", "video_output_count", "audio_output_count"),
    Unit.SECOND: ("video_output_duration_seconds", "audio_output_duration_seconds"),
    Unit.CHARACTER: ("character_input_count", "token_input_count"),
    Unit.MEGAPIXEL: (),
}
_MODERATED = re.compile(
    r"\bNSFW\b|flagged|\(E005\)|\bmoderation\b|safety (?:checker|filter|system)|content policy",
    re.IGNORECASE,
)
_INTERRUPTED = re.compile(r"please retry \(code: PA\)|^Director: unexpected error", re.IGNORECASE)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Accepted(BaseModel):
    """A prediction as far as it must be known to be followed."""

    id: str = Field(min_length=1)
    urls: dict[str, str | None] = {}
    webhook: str | None = None

    @property
    def job(self) -> Job:
        """The job that it is."""
        return Job(id=self.id, urls={name: url for name, url in self.urls.items() if url})

    @property
    def request_key(self) -> str | None:
        """The end of our callback URL, where the prediction tells it."""
        end = (self.webhook or "").rpartition("/")[2]
        return end if _DIGEST.fullmatch(end) else None


class Prediction(Accepted):
    """A prediction as it is told; its input and output are deleted after an hour."""

    status: str
    created_at: AwareDatetime
    started_at: AwareDatetime | None = None
    model: str = ""
    version: str | None = None
    source: str | None = None
    input: dict[str, JsonValue] | None = None
    output: JsonValue = None
    error: JsonValue = None
    metrics: dict[str, JsonValue] | None = None
    data_removed: bool = False

    @property
    def readable(self) -> bool:
        """Whether its input is told."""
        return self.input is not None and not self.data_removed

    @property
    def output_url(self) -> str | None:
        """The first file it made: an address, or a data URI."""
        first = self.output[:1] if isinstance(self.output, list) else [self.output]
        return next((url for url in first if isinstance(url, str) and url), None)

    @property
    def message(self) -> str:
        """What it says of its end."""
        return str(self.error or self.status)

    @property
    def interrupted(self) -> bool:
        """Whether Replicate itself broke off, so that another try may do."""
        return bool(_INTERRUPTED.search(self.message))


def moderated(message: str) -> bool:
    """Whether a message says that the content was refused."""
    return bool(_MODERATED.search(message))


def takes_frame(model: Model) -> bool:
    """Whether a clip of the model is made from a frame."""
    return model.kind is Kind.VIDEO and model.references > 0


def frame_word(model: Model) -> str:
    """The name of the input that the frame is given in."""
    return model.names.get("image", "image")


def asked(model: Model, request: GenerationRequest) -> dict[str, JsonValue]:
    """The input of a request, in Replicate's words, without its frame."""
    wish = dict(request.parameters)
    if "duration" in wish:
        wish["duration"] = _number(str(wish["duration"]))
    if request.seed is not None:
        wish["seed"] = request.seed
    return {model.names.get(name, name): value for name, value in wish.items()}


def may_be(said: Prediction, request: GenerationRequest) -> bool:
    """Whether a prediction is of the request's model, ours and not another request's."""
    name, _, version = request.model.partition(":")
    return (
        said.source != "web"
        and said.model == name
        and (not version or said.version == version)
        and said.request_key in (None, request.key)
    )


def is_same(said: Prediction, model: Model, request: GenerationRequest) -> bool:
    """Whether a prediction that may be the request's is: by its key, else by its whole input.

    Inputs that we did not send are Replicate's own defaults.
    """
    if said.request_key is not None:
        return said.request_key == request.key
    if not said.readable or said.input is None:
        return False
    told = said.input
    same = all(told.get(name) == value for name, value in asked(model, request).items())
    frames = [part.digest for part in request.inputs if part.role == "frame"]
    if same and frames and takes_frame(model):
        return _may_show(told.get(frame_word(model)), frames[0])
    return same


def taken(said: Prediction, model: Model, given: Mapping[str, JsonValue]) -> Money | None:
    """What a prediction took by the counts it tells, in US dollars; None where it tells none.

    `given` are its parameters, of which its price may depend.
    """
    price = price_for(model, given)
    for name in _METRICS[price.unit]:
        count = (said.metrics or {}).get(name)
        if isinstance(count, int | float):
            return from_micros(to_micros(price.usd * Decimal(str(count))))
    return None


def billed(said: Prediction, request: GenerationRequest, cost: Money | None) -> bool:
    """Whether a prediction that made nothing cost something.

    A canceled one does once it has started, an aborted one never does
    (replicate.com/changelog/2025-10-16-prediction-deadlines). Of those that fail, a community
    model's is billed by the time it ran (replicate.com/docs/topics/billing) and an official
    one's by what it made (replicate.com/changelog/2025-01-29-official-models).
    """
    match said.status:
        case "aborted":
            return False
        case "canceled":
            return said.started_at is not None
    if ":" in request.model:
        return bool((said.metrics or {}).get("predict_time"))
    return bool(cost)


def decoded(url: str) -> bytes | None:
    """The bytes of a base64 data URI; None for anything else."""
    head, mark, text = url.partition(";base64,")
    if not mark or not head.startswith("data:"):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _number(text: str) -> JsonValue:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def _may_show(told: JsonValue, digest: str) -> bool:
    """Whether an input may be the frame; an address without a digest in it tells nothing."""
    if not isinstance(told, str):
        return True
    data = decoded(told)
    if data is not None:
        return hashlib.sha256(data).hexdigest() == digest
    digests = _DIGEST.findall(told)
    return not digests or digest in digests
