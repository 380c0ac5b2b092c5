"""What OpenAI answers, as far as the `openai` provider reads it."""

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from filmforge.providers.wire import written

# Codes of errors, reasons of incomplete responses and types of parts that name the content.
CONTENT = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        "image_content_policy_violation",
        "invalid_prompt",
        "bio_policy",
        "misalignment_policy_violation",
        "content_filter",
        "refusal",
    }
)
PASSING = frozenset({"server_error", "rate_limit_exceeded"})
# None of them passes by waiting, though most come with status 429:
# developers.openai.com/api/docs/guides/error-codes.
NO_CREDIT = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)


class Trouble(BaseModel):
    """An error, of a call or of a response."""

    code: str | None = None
    type: str | None = None
    message: str | None = None

    @property
    def names_content(self) -> bool:
        """Whether the content of the request is what was refused."""
        return self.code in CONTENT

    @property
    def names_credit(self) -> bool:
        """Whether the account has nothing left to spend."""
        return bool({self.code, self.type} & NO_CREDIT)

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed if it is sent again."""
        return self.code in PASSING


class _Problem(BaseModel):
    error: Trouble


class Part(BaseModel):
    """A part of a message."""

    type: str
    refusal: str | None = None


class Item(BaseModel):
    """One thing a response holds: a call of the picture model, a message …"""

    type: str
    result: str | None = None
    error: Trouble | None = None
    content: list[Part] | None = None


class Incomplete(BaseModel):
    """Why a response ended early."""

    reason: str | None = None


class Tokens(BaseModel):
    """Tokens used."""

    input_tokens: int
    output_tokens: int


class Cache(BaseModel):
    """What of the input went through the cache of the model, in tokens."""

    cache_write_tokens: int = 0


class Usage(Tokens):
    """Tokens the model that calls the tools used."""

    input_tokens_details: Cache = Cache()


class Inputs(BaseModel):
    """Tokens read, by what they were."""

    text_tokens: int
    image_tokens: int


class Drawing(Tokens):
    """Tokens the picture model used."""

    input_tokens_details: Inputs


class ToolUsage(BaseModel):
    """Tokens the tools used, apart from the model that called them."""

    image_gen: Drawing


class Reply(BaseModel):
    """A response: https://developers.openai.com/api/reference/resources/responses."""

    id: str = Field(min_length=1)
    status: str
    metadata: dict[str, str] | None = None
    error: Trouble | None = None
    incomplete_details: Incomplete | None = None
    output: list[Item] = []
    usage: Usage | None = None
    tool_usage: ToolUsage | None = None

    @property
    def calls(self) -> list[Item]:
        """What the picture model was asked for."""
        return [item for item in self.output if item.type == "image_generation_call"]

    @property
    def picture(self) -> str | None:
        """The picture, as base64."""
        return next((call.result for call in self.calls if call.result), None)

    @property
    def trouble(self) -> Trouble:
        """Why there is no picture."""
        told = [self.error, *(call.error for call in self.calls), *self._refusals()]
        if self.incomplete_details and self.incomplete_details.reason:
            reason = self.incomplete_details.reason
            told.append(Trouble(code=reason, message=f"ended early: {reason}"))
        return next((trouble for trouble in told if trouble), Trouble())

    def _refusals(self) -> Iterable[Trouble]:
        parts = (part for item in self.output for part in item.content or ())
        return (Trouble(code=p.type, message=p.refusal) for p in parts if p.type == "refusal")


class Subject(BaseModel):
    """What an event is about."""

    id: str = Field(min_length=1)


class Event(BaseModel):
    """The body of a callback."""

    type: str
    data: Subject


def trouble_in(body: bytes) -> Trouble:
    """The error in the body of an unsuccessful answer; an empty one where it can't be read."""
    try:
        return _Problem.model_validate_json(body).error
    except ValidationError:
        return Trouble()


def unpack(whole: Path, path: Path, max_bytes: int) -> str | None:
    """Write the picture of a response to a file; what is returned is why that cannot be done."""
    try:
        encoded = Reply.model_validate_json(whole.read_bytes()).picture
        picture = base64.b64decode(encoded or "", validate=True)
    except (ValidationError, binascii.Error) as error:
        return f"the output cannot be read: {brief(error)}"
    if not picture or len(picture) > max_bytes:
        return f"the output has {len(picture)} bytes; 1 to {max_bytes} are allowed"
    with written(path) as file:
        file.write(picture)
    return None


def brief(error: Exception) -> str:
    """What went wrong, without the answer that it went wrong with."""
    if isinstance(error, ValidationError):
        return f"unreadable: {error.errors()[0]['msg']}"
    return repr(error.__cause__ or error)
