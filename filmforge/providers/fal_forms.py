"""What fal answers: accepted, status, result, problem and the list of requests.

The fields are those of fal_client 1.0 and of fal.ai/docs: inference-api/queue, model-apis/errors,
model-apis/request-errors, platform-apis/v1/models/requests/by-endpoint.
"""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from filmforge.domain import Kind
from filmforge.providers.base import JobStatus

CONTENT = "content_policy_violation"
CLIENT_CANCELLED = "client_cancelled"
CANCELLED_STATUS = 499
OUTPUTS = {
    Kind.IMAGE: ("images", "image"),
    Kind.VIDEO: ("video", "videos"),
    Kind.AUDIO: ("audio", "audio_file", "audio_url"),
}
_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class Accepted(BaseModel):
    """The answer to an order."""

    request_id: str = Field(min_length=1)
    response_url: str
    status_url: str
    cancel_url: str

    def urls(self) -> dict[str, str]:
        """The addresses by what they are for."""
        return {
            "status": self.status_url,
            "response": self.response_url,
            "cancel": self.cancel_url,
        }


class Status(BaseModel):
    """How far a request is; COMPLETED is said of failed ones too."""

    status: Literal["IN_QUEUE", "IN_PROGRESS", "COMPLETED"]
    error: str | None = None
    error_type: str | None = None


class Cancelled(BaseModel):
    """The answer to a cancellation: OK of one that was still in the queue."""

    status: str


class Callback(BaseModel):
    """What a callback tells; the result in it is read from the queue."""

    request_id: str = Field(min_length=1)


class Detail(BaseModel):
    """One thing a model found wrong."""

    loc: list[str | int] = []
    msg: str = ""
    type: str = ""


class Problem(BaseModel):
    """Why something failed: a model's details, or a sentence of the platform and its type."""

    detail: str | list[Detail] | Detail = ""
    error_type: str | None = None

    @property
    def types(self) -> set[str]:
        """The types of what went wrong; a gateway's answer has none."""
        return {kind for kind in (self.error_type, *(d.type for d in self._details())) if kind}

    @property
    def message(self) -> str:
        """fal's own words."""
        return "; ".join(f"{d.loc[-1]}: {d.msg}" if d.loc else d.msg for d in self._details())

    def _details(self) -> list[Detail]:
        if isinstance(self.detail, str):
            return [Detail(msg=self.detail)]
        return self.detail if isinstance(self.detail, list) else [self.detail]


class Item(BaseModel):
    """A request in the list; the last four are missing while it runs or when they are not kept."""

    request_id: str = Field(min_length=1)
    endpoint_id: str
    sent_at: AwareDatetime
    status_code: int | None = None
    json_input: JsonValue = None
    json_output: JsonValue = None

    @property
    def status(self) -> JobStatus:
        """How it stands."""
        match self.status_code:
            case None:
                return JobStatus.RUNNING
            case 200:
                return JobStatus.SUCCEEDED
            case 499:
                return JobStatus.CANCELLED
        return JobStatus.FAILED


class Page(BaseModel):
    """A page of the list."""

    items: list[Item]
    next_cursor: str | None = None
    has_more: bool = False


def read_json(body: bytes) -> JsonValue:
    """The JSON of an answer; None for one that is none."""
    try:
        return _JSON.validate_json(body)
    except ValidationError:
        return None


def problem_of(body: JsonValue, said: Status | None = None) -> Problem:
    """The problem an answer tells, in the words of the status where it tells none."""
    try:
        problem = Problem.model_validate(body)
    except ValidationError:
        problem = Problem()
    if said is not None:
        problem.detail = problem.detail or said.error or ""
        problem.error_type = problem.error_type or said.error_type
    return problem


def blacked_out(result: dict[str, JsonValue]) -> bool:
    """Whether the safety checker of an image model marked the picture."""
    flags = result.get("has_nsfw_concepts")
    return isinstance(flags, list) and any(flags)


def output_url(kind: Kind, result: dict[str, JsonValue]) -> str | None:
    """Where the output of this kind is, an address or a data URI."""
    for name in OUTPUTS[kind]:
        value = result.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, dict):
            value = value.get("url")
        if isinstance(value, str) and value:
            return value
    return None
