"""The `local` provider: the GPU functions on one's own GPU, served by `filmforge worker --gpu`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from filmforge.contracts import WorkState
from filmforge.domain import GenerationRequest, Receipt, Work, WorkInput
from filmforge.errors import (
    AnswerLost,
    BadInput,
    CreateAmbiguous,
    ProviderUnavailable,
    ServiceUnavailable,
)
from filmforge.providers.base import Job, JobReport, JobStatus, Listed, Material, Notice, Terms
from filmforge.providers.catalogue import Model, Recovery, price_of, seconds_cost, unknown_model
from filmforge.providers.wire import Wire
from filmforge.works import Works

SUBMIT_TIMEOUT_S = 30.0
BUCKET = "http://bucket.invalid"  # downloads name their own address
POLL_FIRST_S = 0.5
POLL_LAST_S = 5.0


class WorkQueue(Protocol):
    """Where works wait for a GPU worker: Temporal, as the engine knows it."""

    async def start_work(self, work: Work) -> str:
        """Have a work made, and the id of the run; one under way is joined."""
        ...

    async def work_run(self, key: str) -> str | None:
        """The last run of a work, if there was one."""
        ...

    async def work_state(self, key: str, run_id: str) -> WorkState:
        """Where one run of a work stands."""
        ...

    async def cancel_work(self, key: str, run_id: str) -> None:
        """Ask a run of a work to end."""
        ...


class LocalProvider:
    """Works on a queue of their own; a work is known by its request key, so none is made twice.

    A job's id is the request key and the run, "KEY/RUN".
    """

    name = "local"
    account = "local"
    listing_lag_s = 0.0
    callback_wait_s = 0.0
    wants_files = False
    local = True

    def __init__(
        self, models: Mapping[str, Model], terms: Terms, queue: WorkQueue, works: Works
    ) -> None:
        self.submit_timeout_s = (
            SUBMIT_TIMEOUT_S if terms.submit_timeout_s is None else terms.submit_timeout_s
        )
        self.max_in_flight = terms.max_in_flight
        self.submits_per_s = terms.submits_per_s
        self._models = dict(models)
        self._queue = queue
        self._works = works
        # Outputs are in our own bucket, wherever that is.
        self._wire = Wire(
            self.name,
            BUCKET,
            {},
            submit_timeout_s=self.submit_timeout_s,
            allow_private=True,
            max_connections=terms.max_connections,
        )

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return self._models

    def recovery(self, request: GenerationRequest) -> Recovery:
        """Temporal tells of every run of a work by its request key."""
        return Recovery.LISTING

    def quote(self, request: GenerationRequest) -> Decimal:
        """What the seconds that it may take cost; nothing unless a price was given. BadInput."""
        model = self._models.get(request.model)
        if model is None:
            raise unknown_model(self.name, request, self._models)
        return price_of(model, request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Put the work into the queue. Raises AnswerLost when nobody knows whether it is there."""
        parts = tuple(WorkInput(role=i.role, digest=i.digest, url="") for i in request.inputs)
        work = Work(
            key=request.key,
            function=request.model,
            parameters=request.parameters,
            seed=request.seed,
            inputs=parts,
        )
        try:
            async with asyncio.timeout(self.submit_timeout_s):
                run_id = await self._queue.start_work(work)
        except (ServiceUnavailable, TimeoutError) as error:
            raise AnswerLost(f"local: the work may be queued: {error}") from error
        return Job(id=f"{request.key}/{run_id}")

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask where the work stands. Raises ProviderUnavailable."""
        key, _, run_id = job.id.partition("/")
        try:
            state = await self._queue.work_state(key, run_id)
        except ServiceUnavailable as error:
            raise ProviderUnavailable(f"local: {error}") from error
        if state.status == "running":
            return JobReport(status=JobStatus.RUNNING)
        # The receipt in the bucket is the truth, whatever became of the run that made it.
        receipt = await self._works.receipt(key) or state.receipt
        if receipt is not None:
            return self._report(receipt, request)
        if state.status == "cancelled":
            return JobReport(status=JobStatus.CANCELLED, billed=False)
        message = state.message or "Temporal does not know the work any more"
        return JobReport(status=JobStatus.FAILED, billed=False, message=f"local: {message}")

    def poll_interval_s(self, age_s: float) -> float:
        """Half a second at first, five in the end."""
        return min(POLL_LAST_S, max(POLL_FIRST_S, age_s / 10))

    async def cancel(self, job: Job) -> None:
        """Ask the work to end at its next step. Raises ProviderUnavailable."""
        key, _, run_id = job.id.partition("/")
        try:
            await self._queue.cancel_work(key, run_id)
        except ServiceUnavailable as error:
            raise ProviderUnavailable(f"local: {error}") from error

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The last run of the work; None where Temporal has none. Raises ProviderUnavailable."""
        try:
            run_id = await self._queue.work_run(request.key)
        except ServiceUnavailable as error:
            raise ProviderUnavailable(f"local: {error}") from error
        job_id = f"{request.key}/{run_id}"
        return None if run_id is None or job_id in known else Job(id=job_id)

    def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """Nothing is billed, so nothing is listed. Raises CreateAmbiguous."""
        raise CreateAmbiguous("local: keeps no list of works: look at Temporal's own pages")

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output to a local file. Raises ProviderUnavailable or BadMedia."""
        await self._wire.download(url, path, max_bytes)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Refuse every callback: nobody calls. Raises BadInput."""
        raise BadInput("provider", "local sends no callbacks", "Nothing needs to be called.")

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    def _report(self, receipt: Receipt, request: GenerationRequest) -> JobReport:
        seconds = receipt.seconds + receipt.load_s
        cost = seconds_cost(self._models[request.model], request.parameters, seconds)
        if receipt.digest is None:
            return JobReport(
                status=JobStatus.FAILED, cost=cost, message=f"local: {receipt.message}"
            )
        url = self._works.url(receipt.key, receipt.digest)
        return JobReport(status=JobStatus.SUCCEEDED, output_url=url, cost=cost)
