"""Generate: the one paid step. Killed anywhere and run again, it goes on from the journal."""

import asyncio
import contextlib
import random

import structlog
from temporalio import activity

from activities.boundary import film_errors
from activities.collect import Collect
from activities.commission import Commission, Commissions
from activities.marks import Marks
from activities.presence import Trouble, asked_to_stop, heartbeats, uninterrupted
from activities.send import Send
from activities.slots import Slots
from filmforge.contracts import Generated, GenerateOrder
from filmforge.errors import (
    ContentRefused,
    CreateAmbiguous,
    FilmError,
    JobFailed,
    MustWait,
    NotFound,
    NotSent,
    ProviderError,
    ProviderUnavailable,
)
from filmforge.ledger import Ledger
from filmforge.ledger.posting import IN_FLIGHT, Posting, State
from filmforge.providers.base import Job, JobReport

log = structlog.get_logger()

CANCEL_WAIT_S = 8.0
# A request that waits for room at its provider asks again this often at least.
ASK_AGAIN_S = 2.0
# What another model would be refused as well, and what may have been billed.
NEVER_FALL_BACK = (ContentRefused.code, CreateAmbiguous.code)


class ProviderDown(ProviderError):
    """A provider stayed unreachable for longer than the installation's patience."""

    code = "provider_unavailable"


class Generate:
    """The paid step, over the journal: reserve, send, collect."""

    def __init__(
        self,
        ledger: Ledger,
        commissions: Commissions,
        send: Send,
        collect: Collect,
        marks: Marks,
        *,
        slots: int,
        patience_s: float,
    ) -> None:
        self._ledger = ledger
        self._journal = ledger.journal
        self._commissions = commissions
        self._send = send
        self._collect = collect
        self._marks = marks
        self._slots = Slots(slots)
        self._patience_s = patience_s

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
                try:
                    posting = await self._pursue_patiently(commission, trouble)
                except ProviderError as error:
                    commission = await self._fall_back(order, commission, error)
                    trouble.forgive()
                    posting = await self._pursue_patiently(commission, trouble)
            of_shot = (order.film_id, order.shot_id, posting, commission.note)
            take = await asyncio.to_thread(self._ledger.takes.link, *of_shot, order.before_last)
            self._marks.reach("linked", commission.key)
        return Generated(digest=take.digest, request_key=take.request_key, reused=take.reused)

    async def _fall_back(
        self, order: GenerateOrder, commission: Commission, error: ProviderError
    ) -> Commission:
        """The same wish to the model the film names for this case, if the first took no money.

        Raises the error itself when the film names none, when it was the content that was
        refused, when trying again may help, or when the first request may have been billed.
        """
        ref = await asyncio.to_thread(self._commissions.fallback, order)
        if ref is None or error.retryable or error.code in NEVER_FALL_BACK:
            raise error
        if not await asyncio.to_thread(self._took_nothing, commission.key):
            raise error
        film_id, shot_id = order.film_id, order.shot_id
        if not await asyncio.to_thread(
            self._ledger.shots.fall_back, film_id, shot_id, order.kind, ref, str(error)
        ):
            raise error  # it fell back before, and this is the fallback's own failure
        log.warning("falling back", to=ref, why=str(error))
        return await self._commissions.write(order)

    def _took_nothing(self, key: str) -> bool:
        try:
            posting = self._journal.read(key)
        except NotFound:
            return True
        return posting.state not in IN_FLIGHT and not self._journal.charged([key]).get(key)

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
            self._marks.reach("wanted", commission.key)
            try:
                async with self._slots.one(commission.project):
                    posting, report = await self._produce(commission)
            except MustWait as wait:
                # Without a slot, so that films of other providers go on meanwhile.
                await asyncio.sleep(min(wait.seconds, ASK_AGAIN_S) * random.uniform(0.8, 1.2))  # noqa: S311 - spreads the askers, guards nothing
                continue
            if report is not None:
                posting = await self._collect.end(commission, posting, report)
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
                case State.CANCELLED if posting.job is None:
                    posting = await self._reserve(commission)  # released before it was sent
                case State.FAILED | State.CANCELLED if posting.payer == claim:
                    raise _failure(posting)
                case State.FAILED | State.CANCELLED:
                    posting = await self._reserve(commission)
                case State.UNKNOWN:
                    raise CreateAmbiguous("the provider cannot tell whether it took the request")
                case State.RESERVED:
                    posting = await self._send.submit(commission)
                case State.SUBMITTING:
                    posting = await self._send.reconcile(commission, posting)
                case State.ACCEPTED:
                    return posting, await self._collect.follow(commission, posting)

    async def settle(self, commission: Commission, posting: Posting) -> None:
        """See a request to its end for its payer, whose film does not run; never submits it."""
        while posting.state in (State.SUBMITTING, State.ACCEPTED):
            if posting.state == State.SUBMITTING:
                posting = await self._send.reconcile(commission, posting)
            else:
                report = await self._collect.follow(commission, posting)
                posting = await self._collect.end(commission, posting, report)
        await self._release(commission)

    async def _reserve(self, commission: Commission) -> Posting:
        return await asyncio.to_thread(
            self._journal.reserve,
            commission.request,
            commission.quote,
            commission.claim,
            commission.provider.account,
        )

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
                report = await self._collect.follow(commission, posting)
                await self._collect.end(commission, posting, report)

    async def _release(self, commission: Commission) -> None:
        await asyncio.to_thread(self._journal.release, commission.key, commission.claim)


def _failure(posting: Posting) -> FilmError:
    error = JobFailed(posting.failure_message or "the provider failed")
    error.code = posting.failure_code or error.code  # type: ignore[misc] # this failure's own code
    return error
