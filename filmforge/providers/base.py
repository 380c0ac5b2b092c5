"""What every provider is asked, and what it answers."""

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from pydantic import Field

from filmforge.domain import GenerationRequest
from filmforge.fields import Frozen
from filmforge.money import Money
from filmforge.providers.catalogue import Model, Recovery

# Two clocks are believed to differ by at most this: a job that the provider says it accepted
# that much before we sent it may be ours, as when a machine's clock was set back by an hour.
CLOCK_MARGIN = timedelta(hours=2)


class Material(Frozen):
    """An asset that a request is made from, at hand before anything is sent.

    `url` can be read for an hour; `public` tells whether the whole internet can. `data` is the
    file itself, given where the provider asked for it or could not read the URL.
    """

    url: str
    media_type: str
    public: bool
    data: bytes | None = None

    @property
    def reference(self) -> str:
        """What a provider can read: the URL, or the file itself as a data URI."""
        if self.public or self.data is None:
            return self.url
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode()}"


class Job(Frozen):
    """A job the provider accepted: its id, every URL it answered with, and what it told it took.

    `asset` is the digest of the stored answer where the answer was the asset itself.
    """

    id: str
    urls: dict[str, str] = {}
    cost: Money | None = None
    asset: str | None = None


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


class Terms(Frozen):
    """How an installation deals with a provider; None is what the provider's own file says.

    `private` tells that outputs may come from private addresses.
    """

    submit_timeout_s: float | None = None
    listing_lag_s: float | None = None
    callback_wait_s: float | None = None
    max_in_flight: int | None = None
    submits_per_s: float | None = None
    max_connections: int = 64
    private: bool = False


class Listed(Frozen):
    """A job as the provider's own list tells it; `words` are the prompt or text, if it is told."""

    job: Job
    status: JobStatus
    created_at: datetime
    model: str = ""
    words: str = ""
    request_key: str | None = None
    cost: Money | None = None


class Notice(Frozen):
    """A genuine callback: its own id, the job it speaks of, and the request if it says so."""

    webhook_id: str
    job: Job
    request_key: str | None = None


class Provider(Protocol):
    """A maker of assets.

    `account` is a short fingerprint of the key in use, never the key. `submit_timeout_s` bounds
    the one POST as a whole; `listing_lag_s` after it `find` is sure to see every job that was
    accepted, and `callback_wait_s` after it a callback for a lost answer is given up.
    `wants_files` tells that inputs must be given as files, not as URLs; a `local` provider reads
    the store's URLs whether they are public or not. At most `max_in_flight`
    jobs and `submits_per_s` submits a second are asked of one account, by all workers together.
    """

    name: str
    account: str
    submit_timeout_s: float
    listing_lag_s: float
    callback_wait_s: float
    wants_files: bool
    local: bool
    max_in_flight: int | None
    submits_per_s: float | None

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        ...

    def recovery(self, request: GenerationRequest) -> Recovery:
        """How this request's job can be found when the answer to its submit was lost."""
        ...

    def quote(self, request: GenerationRequest) -> Decimal:
        """The highest price the request can cost, in US dollars. Raises BadInput."""
        ...

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Send the request exactly once; `inputs` are what it is made from, by role.

        A provider whose answer is the asset itself writes it to `answer`: whole and synced, or
        not at all. Raises NotSent or RateLimited when the request provably was not accepted,
        Refused or ContentRefused when it never will be, AnswerLost for everything else.
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

        Clocks may differ: where there is none after `since`, the last one within CLOCK_MARGIN
        before it is taken. `known` are ids of jobs that belong to a request already: they are not
        the one looked for. Raises CreateAmbiguous when the provider cannot tell.
        """
        ...

    def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """The account's jobs since then, newest first. Raises CreateAmbiguous without a list."""
        ...

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output to a local file. Raises ProviderUnavailable or BadMedia."""
        ...

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """What a genuine callback says. Raises BadInput for a forged or stale one.

        Raises ProviderUnavailable when its signature cannot be checked just now.
        """
        ...

    async def close(self) -> None:
        """Release connections and child processes."""
        ...
