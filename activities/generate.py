"""Generate: the one paid step. Killed anywhere and run again, it goes on from the journal."""

import asyncio
import contextlib
from datetime import UTC, datetime

import structlog
from pydantic import JsonValue
from temporalio import activity

from activities.boundary import film_errors
from activities.commission import Commission, Commissions
from activities.download import Downloads
from activities.presence import Trouble, asked_to_stop, heartbeats, uninterrupted
from filmforge.contracts import Generated, GenerateOrder
from filmforge.errors import (
    AnswerLost,
    BadMedia,
    CreateAmbiguous,
    FilmError,
    FilmStopped,
    JobFailed,
    NotFound,
    NotSent,
    ProviderUnavailable,
    Refused,
)
from filmforge.ledger import Ledger
from filmforge.ledger.posting import Posting, State
from filmforge.money import ZERO
from filmforge.providers.base import Job, JobReport, JobStatus
from filmforge.providers.registry import Registry
from filmforge.store import AssetStore

log = structlog.get_logger()

MAX_SUBMITS = 3
CANCEL_WAIT_S = 8.0
LOOK_AGAIN_S = 0.5


class ProviderDown(FilmError):
    """A provider stayed unreachable for longer than the installation's patience."""

    code = "provider_unavailable"


class Marks:
    """Named points of the paid path; a subclass may watch them go by."""

    def reach(self, point: str, key: str) -> None:
        """The work on a request has come to this point."""
        log.debug("reached", point=point, request_key=key)


class Generate:
    """The paid step, over the journal, the providers and the store."""

    def __init__(
        self,
        ledger: Ledger,
        store: AssetStore,
        registry: Registry,
        commissions: Commissions,
        downloads: Downloads,
        *,
        slots: int,
        patience_s: float,
        marks: Marks | None = None,
    ) -> None:
        self._ledger = ledger
        self._journal = ledger.journal
        self._store = store
        self._registry = registry
        self._commissions = commissions
        self._downloads = downloads
        self._slots = asyncio.Semaphore(slots)
        self._patience_s = patience_s
        self._marks = marks or Marks()

    @activity.defn(name="generate")
    @film_errors
    async def generate(self, order: GenerateOrder) -> Generated:
        """Make or find one asset of a shot. A shot's own upload needs no provider."""
        uploaded = await self._commissions.upload(order)
        if uploaded is not None:
            return uploaded
        trouble = Trouble.of_earlier_attempts()
        async with heartbeats(trouble):
            commission = await self._commissions.write(order)
            with structlog.contextvars.bound_contextvars(
                film=order.film_id, shot=order.shot_id, request_key=commission.key
            ):
                posting = await self._pursue_patiently(commission, trouble)
            take = await asyncio.to_thread(
                self._ledger.takes.link, order.film_id, order.shot_id, posting, commission.note
            )
            self._marks.reach("linked", commission.key)
        return Generated(digest=take.digest, request_key=take.request_key, reused=take.reused)

    async def _pursue_patiently(self, commission: Commission, trouble: Trouble) -> Posting:
        try:
            return await self.pursue(commission)
        except asyncio.CancelledError:
            if asked_to_stop():
                await uninterrupted(self._stop(commission))
            raise
        except (NotSent, ProviderUnavailable) as error:
            if trouble.lasts_s() < self._patience_s:
                raise
            await self._release(commission)
            raise ProviderDown(f"{error}; given up after {self._patience_s:.0f} s") from error
        except FilmError as error:
            if not error.retryable:
                await self._release(commission)
            raise

    async def pursue(self, commission: Commission) -> Posting:
        """Bring a request to its end from wherever its journal row stands.

        Raises BudgetExceeded, FilmStopped, CreateAmbiguous or JobFailed when a person must act.
        """
        if await asyncio.to_thread(self._journal.made, [commission.key]):
            return await self._reserve(commission)  # what was made before waits for no slot
        while True:
            async with self._slots:
                posting, report = await self._produce(commission)
            if report is not None:
                posting = await self._end(commission, posting, report)
            if posting.state == State.SUCCEEDED:
                return posting

    async def _produce(self, commission: Commission) -> tuple[Posting, JobReport | None]:
        """Come to the provider's last word on the request; None if its asset is there already."""
        key, claim = commission.key, commission.claim
        posting = await self._reserve(commission)
        self._marks.reach("reserved", key)
        while True:
            match posting.state:
                case State.SUCCEEDED:
                    return posting, None
                case State.FAILED | State.CANCELLED if posting.payer == claim:
                    raise _failure(posting)
                case State.FAILED | State.CANCELLED:
                    posting = await self._reserve(commission)
                case State.UNKNOWN:
                    raise CreateAmbiguous("the provider cannot tell whether it took the request")
                case State.RESERVED:
                    posting = await uninterrupted(self._submit(commission))
                case State.SUBMITTING:
                    posting = await self._reconcile(commission, posting)
                case State.ACCEPTED:
                    return posting, await self._follow(commission, posting)

    async def settle(self, commission: Commission, posting: Posting) -> None:
        """See a request to its end for its payer, whose film does not run; never submits it."""
        while posting.state in (State.SUBMITTING, State.ACCEPTED):
            if posting.state == State.SUBMITTING:
                posting = await self._reconcile(commission, posting)
            else:
                report = await self._follow(commission, posting)
                posting = await self._end(commission, posting, report)
        await self._release(commission)

    async def _reserve(self, commission: Commission) -> Posting:
        return await asyncio.to_thread(
            self._journal.reserve, commission.request, commission.quote, commission.claim
        )

    async def _submit(self, commission: Commission) -> Posting:
        key, provider = commission.key, commission.provider
        nonce = await asyncio.to_thread(self._journal.begin_submitting, key)
        if nonce is None:
            return await self._let_another_submit(commission)
        self._marks.reach("submitting", key)
        try:
            job = await provider.submit(
                commission.request, self._commissions.inputs(commission), commission.callback_url
            )
        except NotSent as error:
            await asyncio.to_thread(self._journal.not_accepted, key, nonce, str(error))
            raise
        except Refused as error:
            return await asyncio.to_thread(self._journal.fail, key, error.code, str(error), ZERO)
        except AnswerLost as error:
            log.warning("answer lost", error=str(error))
            return await asyncio.to_thread(self._journal.read, key)
        self._marks.reach("posted", key)
        body = job.model_dump(mode="json")
        posting = await asyncio.to_thread(self._journal.accept, key, body, "submit")
        self._marks.reach("accepted", key)
        return posting

    async def _let_another_submit(self, commission: Commission) -> Posting:
        posting = await asyncio.to_thread(self._journal.read, commission.key)
        if posting.state == State.RESERVED:
            if posting.payer.film_id == commission.claim.film_id:
                raise FilmStopped(f"the film {posting.payer.film_id} was cancelled")
            await asyncio.sleep(LOOK_AGAIN_S)  # its film was stopped and will release it
            posting = await asyncio.to_thread(self._journal.read, commission.key)
        return posting

    async def _reconcile(self, commission: Commission, posting: Posting) -> Posting:
        provider, key = commission.provider, commission.key
        assert posting.submitted_at is not None
        settle_s = provider.submit_timeout_s + provider.listing_lag_s
        age_s = (datetime.now(UTC) - posting.submitted_at).total_seconds()
        if age_s < settle_s:
            await asyncio.sleep(min(settle_s - age_s, LOOK_AGAIN_S))
            return await asyncio.to_thread(self._journal.read, key)
        known = await asyncio.to_thread(self._journal.jobs, key)
        try:
            job = await provider.find(commission.request, posting.submitted_at, known)
        except CreateAmbiguous as error:
            await asyncio.to_thread(self._journal.doubt, key, str(error))
            return await asyncio.to_thread(self._journal.read, key)
        if job is None:
            why = "the provider provably has no such job"
            await asyncio.to_thread(self._journal.not_accepted, key, posting.nonce, why)
            return await asyncio.to_thread(self._journal.read, key)
        body = job.model_dump(mode="json")
        return await asyncio.to_thread(self._journal.accept, key, body, "reconcile")

    async def _follow(self, commission: Commission, posting: Posting) -> JobReport:
        """Poll the job until the provider has said its last word about it."""
        provider, key = commission.provider, commission.key
        job = Job.model_validate(posting.job)
        while True:
            polled_at = datetime.now(UTC)
            report = await provider.poll(job, commission.request)
            self._marks.reach("polled", key)
            if report.status != JobStatus.RUNNING:
                return report
            age_s = (polled_at - posting.updated_at).total_seconds()
            await self._nap(key, provider.poll_interval_s(age_s), polled_at)

    async def _nap(self, key: str, seconds: float, polled_at: datetime) -> None:
        """Sleep until the next poll is due; a callback that comes meanwhile ends the sleep."""
        while seconds > 0:
            step = min(seconds, LOOK_AGAIN_S)
            await asyncio.sleep(step)
            seconds -= step
            if seconds > 0:
                woken_at = (await asyncio.to_thread(self._journal.read, key)).woken_at
                if woken_at is not None and woken_at > polled_at:
                    return

    async def _end(self, commission: Commission, posting: Posting, report: JobReport) -> Posting:
        key, job = commission.key, posting.job
        taken = posting.estimate if report.cost is None else report.cost
        cost = taken if report.billed else ZERO
        match report.status:
            case JobStatus.SUCCEEDED:
                return await self._collect(commission, report, job)
            case JobStatus.CANCELLED:
                await asyncio.to_thread(self._journal.cancel, key, report.message, cost, job)
            case _ if report.transient and not report.billed and posting.submits < MAX_SUBMITS:
                await asyncio.to_thread(self._journal.resubmit, key, report.message, job)
            case _:
                await asyncio.to_thread(
                    self._journal.fail, key, report.code, report.message, cost, job
                )
        return await asyncio.to_thread(self._journal.read, key)

    async def _collect(
        self, commission: Commission, report: JobReport, job: dict[str, JsonValue] | None
    ) -> Posting:
        """Fetch, verify, store and settle what the provider was paid for."""
        key, taken = commission.key, report.cost
        self._marks.reach("ended", key)
        try:
            async with self._downloads.fetched(commission.provider, report, commission.kind) as got:
                self._marks.reach("downloaded", key)
                stored = await self._store.put(got.path, got.media_type)
        except BadMedia as error:
            cost = commission.quote if taken is None else taken
            return await asyncio.to_thread(
                self._journal.fail, key, error.code, str(error), cost, job
            )
        self._marks.reach("uploaded", key)
        posting = await asyncio.to_thread(
            self._journal.succeed, key, got.asset(stored), commission.tags, taken
        )
        self._marks.reach("settled", key)
        return posting

    async def _stop(self, commission: Commission) -> None:
        """The film was cancelled: give back what was not sent, keep what the provider made."""
        key, film_id = commission.key, commission.claim.film_id
        try:
            posting = await asyncio.to_thread(self._journal.read, key)
        except NotFound:
            return  # cancelled before anything was reserved
        if posting.payer.film_id != film_id:
            return
        await self._release(commission)
        shared = await asyncio.to_thread(self._journal.wanted_elsewhere, key, film_id)
        if posting.state != State.ACCEPTED or shared:
            return  # a lost answer is the sweeper's; a shared job goes on for the other film
        with contextlib.suppress(TimeoutError, ProviderUnavailable):
            # What is not known in time stays reserved, and the sweeper settles it.
            async with asyncio.timeout(CANCEL_WAIT_S):
                await commission.provider.cancel(Job.model_validate(posting.job))
                report = await self._follow(commission, posting)
                await self._end(commission, posting, report)

    async def _release(self, commission: Commission) -> None:
        await asyncio.to_thread(self._journal.release, commission.key, commission.claim)


def _failure(posting: Posting) -> FilmError:
    error = JobFailed(posting.failure_message or "the provider failed")
    error.code = posting.failure_code or error.code  # type: ignore[misc] # this failure's own code
    return error
