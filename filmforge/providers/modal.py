"""The `modal` provider: our own GPU functions, deployed in a Modal account of one's own."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from modal_proto.api_pb2 import GenericResult
from pydantic import SecretStr, ValidationError

from filmforge.domain import GenerationRequest, Receipt, Work, WorkInput
from filmforge.errors import BadInput, CreateAmbiguous, ProviderUnavailable, StoreUnavailable
from filmforge.providers.base import Job, JobReport, JobStatus, Listed, Material, Notice, Terms
from filmforge.providers.catalogue import Model, Recovery, price_of, seconds_cost, unknown_model
from filmforge.providers.modal_calls import Calls, Ended
from filmforge.providers.wire import Wire, fingerprint
from filmforge.works import Works

SUBMIT_TIMEOUT_S = 30.0
# Most containers have found their GPU, loaded and claimed their work within that.
LISTING_LAG_S = 120.0
# "10 GPU concurrency" of the Starter plan (modal.com/pricing): more would wait, unclaimed.
MAX_IN_FLIGHT = 10
# How often a work was held by a call that was itself held, before it is called odd.
MAX_HOPS = 8

FAILURES = {
    GenericResult.GENERIC_STATUS_FAILURE,
    GenericResult.GENERIC_STATUS_TIMEOUT,
    GenericResult.GENERIC_STATUS_INIT_FAILURE,
    GenericResult.GENERIC_STATUS_IDLE_TIMEOUT,
    GenericResult.GENERIC_STATUS_KERNEL_OOM_KILL,
}
# The machine was taken away, which has nothing to do with the work.
INTERRUPTIONS = {
    GenericResult.GENERIC_STATUS_INTERNAL_FAILURE,
    GenericResult.GENERIC_STATUS_MEMORY_MANAGER_EVICTION,
    GenericResult.GENERIC_STATUS_MEMORY_THRASHING_EVICTION,
}
KNOWN = {
    None,
    GenericResult.GENERIC_STATUS_SUCCESS,
    GenericResult.GENERIC_STATUS_TERMINATED,
    *FAILURES,
    *INTERRUPTIONS,
}


@dataclass(frozen=True)
class _End:
    """Where a call's trail ends: how, None while it works, and the seconds of held calls."""

    call_id: str
    ended: Ended | None
    receipt: Receipt | None
    held_s: float


class ModalProvider:
    """Spawns one call a request, and believes the bucket before it believes Modal.

    A function claims its request key in the bucket before it works and leaves a receipt when it
    has: that is how a call is found whose answer was lost, and why a second call for the same key
    ends at once, at the cost of a cold start. A call that has claimed nothing after
    `listing_lag_s` counts as never sent; should it begin later after all, it finds the other's
    claim. One that fails before anybody has its id gives its claim back: nobody learns what its
    seconds cost.
    """

    name = "modal"
    callback_wait_s = 0.0
    wants_files = False
    local = False

    def __init__(
        self,
        token: tuple[str, SecretStr],
        models: Mapping[str, Model],
        terms: Terms,
        works: Works,
        *,
        server_url: str,
        environment: str,
    ) -> None:
        self.account = fingerprint(token[0])
        self._send_s = (
            SUBMIT_TIMEOUT_S if terms.submit_timeout_s is None else terms.submit_timeout_s
        )
        # As long again for what is free: to look the function up and to upload its input.
        self.submit_timeout_s = 2 * self._send_s
        self.listing_lag_s = LISTING_LAG_S if terms.listing_lag_s is None else terms.listing_lag_s
        self.max_in_flight: int | None = terms.max_in_flight or MAX_IN_FLIGHT
        self.submits_per_s = terms.submits_per_s
        self._models = models
        self._works = works
        self._wire = Wire(
            self.name,
            works.endpoint or "https://s3.amazonaws.com",
            {},
            key=token[1].get_secret_value(),
            submit_timeout_s=self._send_s,
            allow_private=terms.private,
            max_connections=terms.max_connections,
        )
        self._calls = Calls(server_url, token, environment, self._wire.told)

    def models(self) -> Mapping[str, Model]:
        """The models by id; each is the function of that name."""
        return self._models

    def recovery(self, request: GenerationRequest) -> Recovery:
        """The bucket tells of every call that began."""
        return Recovery.LISTING

    def quote(self, request: GenerationRequest) -> Decimal:
        """The price of all seconds that a call may last. Raises BadInput."""
        return price_of(self._model(request), request)

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Spawn a call exactly once; the request key makes a second one harmless.

        Raises NotSent or RateLimited when it provably was not accepted, Refused when it never
        will be (also when the function is not deployed), AnswerLost for everything else.
        """
        model = self._model(request)
        order = Work(
            key=request.key,
            function=model.id,
            parameters=request.parameters,
            seed=request.seed,
            inputs=tuple(_inputs(request, inputs)),
        ).model_dump(mode="json")
        app = f"filmforge-{model.id.replace('_', '-')}"
        return Job(id=await self._calls.spawn(app, order, self._send_s, self._send_s))

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """Ask for the truth about a call, or the one that holds its work. Free of charge.

        Raises ProviderUnavailable. A call without a receipt counts with the seconds from its spawn
        to its end, or with the whole quote where Modal doesn't tell them: what may have been taken
        is never shown as saved.
        """
        end = await self._end_of(job.id)
        if end.ended is None:
            return JobReport(status=JobStatus.RUNNING)
        receipt = end.receipt
        if receipt is None or receipt.digest is None:
            with _store_away():
                receipt = await self._works.receipt(request.key) or receipt
        if receipt is None:
            return self._without_receipt(request, end.ended, end.held_s)
        cost = self._cost(request, receipt.seconds + receipt.load_s + end.held_s)
        if receipt.digest is None:
            return JobReport(
                status=JobStatus.FAILED,
                cost=cost,
                code="content_refused" if receipt.code == "content_refused" else "provider_failed",
                message=self._wire.told(receipt.message or "it made nothing"),
            )
        url = self._works.url(request.key, receipt.digest)
        return JobReport(status=JobStatus.SUCCEEDED, output_url=url, cost=cost)

    def poll_interval_s(self, age_s: float) -> float:
        """Seconds to the next poll: 0.5 at first, then a twentieth of the age, at last 5."""
        return max(0.5, min(age_s / 20, 5.0))

    async def cancel(self, job: Job) -> None:
        """Ask the call that is at the work to stop. Raises ProviderUnavailable."""
        end = await self._end_of(job.id)
        if end.ended is None:
            await self._calls.cancel(end.call_id)

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The call that made this request, or is at it, as the bucket tells; none `known`.

        Raises ProviderUnavailable.
        """
        with _store_away():
            receipt = await self._works.receipt(request.key)
            found = receipt.call_id if receipt else await self._works.claim(request.key)
        return None if found is None or found in known else Job(id=found)

    def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """The bucket tells of a request whose key is known, and lists none by time."""
        raise CreateAmbiguous(self._wire.told("no list tells which requests it took"))

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Stream an output from the bucket to a local file.

        Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes` or ends too early; after a failure there is no file.
        """
        await self._wire.download(url, path, max_bytes)

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Refuse every callback: functions send none. Raises BadInput."""
        raise BadInput("provider", "modal sends no callbacks", "Nothing needs to be called.")

    async def close(self) -> None:
        """Release the connections."""
        await self._calls.close()
        await self._wire.close()

    def _model(self, request: GenerationRequest) -> Model:
        model = self._models.get(request.model)
        if model is None:
            raise unknown_model(self.name, request, self._models)
        return model

    async def _end_of(self, call_id: str) -> _End:
        """Follow a call to the one that works, or has worked, on what it was asked for."""
        held_s = 0.0
        for _ in range(MAX_HOPS):
            ended = await self._calls.look(call_id)
            receipt = self._read(call_id, ended) if ended else None
            if receipt is None or receipt.held_by is None:
                return _End(call_id, ended, receipt, held_s)
            held_s += receipt.seconds + receipt.load_s
            call_id = receipt.held_by
        raise ProviderUnavailable(self._wire.told(f"{call_id}: each call says another is at it"))

    def _read(self, call_id: str, ended: Ended) -> Receipt | None:
        """What a call returned; None for a failure, or what nobody can read."""
        if ended.status not in KNOWN:
            told = self._wire.told(f"{call_id} has the unknown status {ended.status}")
            raise ProviderUnavailable(told)
        try:
            return Receipt.model_validate(ended.result)
        except ValidationError:
            return None

    def _without_receipt(
        self, request: GenerationRequest, ended: Ended, held_s: float
    ) -> JobReport:
        """What became of a call that left nothing behind."""
        message = self._wire.told(ended.message or "it returned no receipt")
        if ended.status == GenericResult.GENERIC_STATUS_SUCCESS:
            raise ProviderUnavailable(message)
        cost = None
        if ended.lasted_s is not None:
            lasted = self._cost(request, ended.lasted_s + held_s)
            cost = None if lasted is None else min(lasted, self.quote(request))
        if ended.status == GenericResult.GENERIC_STATUS_TERMINATED:
            return JobReport(status=JobStatus.CANCELLED, cost=cost, message=message)
        again = ended.status in INTERRUPTIONS
        return JobReport(status=JobStatus.FAILED, cost=cost, transient=again, message=message)

    def _cost(self, request: GenerationRequest, seconds: float) -> Decimal | None:
        """What seconds of a GPU cost; None for a model that is in the catalogue no more."""
        model = self._models.get(request.model)
        return None if model is None else seconds_cost(model, request.parameters, seconds)


def _inputs(request: GenerationRequest, inputs: Mapping[str, Material]) -> Iterator[WorkInput]:
    for part in request.inputs:
        material = inputs.get(part.role)
        if material is None:
            raise BadInput(part.role, "is missing", "Make or upload it first.")
        yield WorkInput(role=part.role, digest=part.digest, url=material.reference)


@contextlib.contextmanager
def _store_away() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise ProviderUnavailable(str(error)) from error
