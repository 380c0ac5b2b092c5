"""A posting: one request in the money journal, and where it stands."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import JsonValue
from sqlalchemy import Row

from filmforge.domain import GenerationRequest
from filmforge.fields import Frozen
from filmforge.money import from_micros


class State(StrEnum):
    """Where a request stands."""

    RESERVED = "reserved"
    SUBMITTING = "submitting"
    ACCEPTED = "accepted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


IN_FLIGHT = (State.RESERVED, State.SUBMITTING, State.ACCEPTED, State.UNKNOWN)


class Claim(Frozen):
    """Who asks for a request, and which of that person's wishes it serves.

    `intent` changes with every wish (a retry, a resume), never with a retry of the machine: a
    failed row is armed again for a new intent only.
    """

    film_id: str
    shot_id: str
    intent: str


class Posting(Frozen):
    """A row of the journal as read; `payer` reserved the money and pays.

    `account` is a fingerprint of the provider's key, `scopes` are the budgets the money was
    taken from, and `submits` counts since the request was armed last.
    """

    request_key: str
    state: State
    request: GenerationRequest
    provider: str
    account: str
    payer: Claim
    nonce: str | None
    submits: int
    submitted_at: datetime | None
    job: dict[str, JsonValue] | None
    estimate: Decimal
    scopes: tuple[str, ...]
    digest: str | None
    failure_code: str | None
    failure_message: str | None
    woken_at: datetime | None
    updated_at: datetime


class Made(Frozen):
    """The asset a request came to and what it cost."""

    digest: str
    cost: Decimal


def read_posting(row: Row[Any] | None) -> Posting:
    """The posting in a row of the journal table."""
    assert row is not None
    return Posting(
        request_key=row.request_key,
        state=State(row.state),
        request=GenerationRequest.model_validate(row.request),
        provider=row.provider,
        account=row.account,
        payer=Claim(film_id=row.film_id, shot_id=row.shot_id, intent=row.intent),
        nonce=row.nonce,
        submits=row.submits,
        submitted_at=row.submitted_at,
        job=row.job,
        estimate=from_micros(row.estimate_micros),
        scopes=tuple(row.scopes),
        digest=row.digest,
        failure_code=row.failure_code,
        failure_message=row.failure_message,
        woken_at=row.woken_at,
        updated_at=row.updated_at,
    )
