"""What every provider is asked, and what it answers."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import Field

from filmforge.domain import Frozen, GenerationRequest, Kind
from filmforge.money import Money


class Unit(StrEnum):
    """What a price is for."""

    ITEM = "item"
    SECOND = "second"
    CHARACTER = "character"


class Price(Frozen):
    """What one unit costs, where the figure stands and on which day it was read."""

    usd: Money
    unit: Unit
    source: str
    read_on: date


class Model(Frozen):
    """One model of a provider.

    `parameters` are the names it takes; others never enter the request key.
    `max_duration_s` bounds a clip in seconds, `max_chars` the spoken text.
    """

    id: str
    kind: Kind
    parameters: frozenset[str]
    price: Price
    takes_seed: bool = True
    max_duration_s: float | None = None
    max_chars: int | None = None


class Recovery(StrEnum):
    """How a job whose answer was lost can be found again."""

    LISTING = "listing"
    WEBHOOK = "webhook"
    NONE = "none"


class Job(Frozen):
    """A job the provider accepted: its id and every URL it answered with."""

    id: str
    urls: dict[str, str] = {}


class JobStatus(StrEnum):
    """What a poll says of a job."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobReport(Frozen):
    """The truth about a job, as polled.

    `cost` is what the provider took, if it says so; `billed` tells for failed and cancelled
    jobs whether it took the quoted price; `transient` tells whether the same request may
    succeed if sent again.
    """

    status: JobStatus
    output_url: str | None = None
    cost: Money | None = None
    billed: bool = True
    transient: bool = False
    code: str = "provider_failed"
    message: str = ""
    progress: float | None = Field(default=None, ge=0, le=1)


class Provider(Protocol):
    """A maker of assets.

    `submit_timeout_s` bounds the one POST as a whole; after it and `listing_lag_s` more,
    `find` is sure to see every job that was accepted.
    """

    name: str
    recovery: Recovery
    submit_timeout_s: float
    listing_lag_s: float

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        ...

    def quote(self, request: GenerationRequest) -> Money:
        """The highest price the request can cost, in US dollars. Raises BadInput."""
        ...

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, str],
        callback_url: str | None,
    ) -> Job:
        """Send the request exactly once; `inputs` are URLs by role, readable for an hour.

        Raises NotSent or RateLimited when it provably was not accepted, Refused or
        ContentRefused when it never will be, AnswerLost for everything else.
        """
        ...

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a job. Raises ProviderUnavailable; free of charge."""
        ...

    def poll_interval_s(self, age_s: float) -> float:
        """Seconds to wait before the next poll of a job of this age."""
        ...

    async def cancel(self, job: Job) -> None:
        """Ask the provider to stop a job; a poll tells what became of it."""
        ...

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """Look for a job of this request accepted at or after `since`; None is provably absent.

        `known` are ids of earlier jobs of the same request: they are not the one looked for.
        Raises CreateAmbiguous when the provider cannot tell.
        """
        ...

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output to a local file. Raises ProviderUnavailable or BadMedia."""
        ...

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> str:
        """The job id a genuine callback speaks of. Raises BadInput for a forged or stale one."""
        ...

    async def close(self) -> None:
        """Release connections and child processes."""
        ...
