"""Send: the one paid POST, and what is done when nobody knows what became of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from activities.answers import Answers
from activities.commission import Commission, Commissions
from activities.marks import Marks
from activities.presence import uninterrupted
from filmforge.errors import (
    AnswerLost,
    BadMedia,
    CreateAmbiguous,
    FilmStopped,
    NotFound,
    NotSent,
    RateLimited,
    Refused,
    ServiceUnavailable,
    StoreUnavailable,
)
from filmforge.ledger import Ledger
from filmforge.ledger.pace import Pace
from filmforge.ledger.posting import Posting, State
from filmforge.ledger.register import STOPPED_FILMS
from filmforge.media.sniff import sniff
from filmforge.providers.base import CLOCK_MARGIN, Job, Material
from filmforge.providers.catalogue import Recovery
from filmforge.store import AssetStore

log = structlog.get_logger()

LOOK_AGAIN_S = 0.5
# Where a provider turns a request away without saying for how long.
HOLD_OFF_S = 2.0
# What the provider answered is known to this process alone: it is worth waiting for the store
# and the database rather than to leave a doubt.
KEEP_PATIENCE_S = 120.0

P = ParamSpec("P")
R = TypeVar("R")


class Send:
    """Brings a reserved request to a job that is written down, sending it at most once."""

    def __init__(
        self,
        ledger: Ledger,
        store: AssetStore,
        commissions: Commissions,
        answers: Answers,
        marks: Marks,
    ) -> None:
        self._ledger = ledger
        self._journal = ledger.journal
        self._store = store
        self._commissions = commissions
        self._answers = answers
        self._marks = marks
        self._first_seen: dict[str, float] = {}

    async def submit(self, commission: Commission) -> Posting:
        """Write `submitting`, send the request, and write down what came of it.

        Raises MustWait while the provider's caps leave no room, NotSent or RateLimited when it
        provably was not accepted. Once `submitting` is written no cancellation comes between.
        """
        provider = commission.provider
        pace = Pace(max_in_flight=provider.max_in_flight, submits_per_s=provider.submits_per_s)
        await asyncio.to_thread(self._journal.await_turn, commission.key, pace, provider.account)
        # What it is made from is at hand before, and there is room for an answer: neither a store
        # that is away nor a full disk must leave a doubt.
        materials = await self._commissions.materials(commission)
        await asyncio.to_thread(self._answers.prepare)
        return await uninterrupted(self._submit(commission, materials, pace))

    async def _submit(
        self, commission: Commission, materials: dict[str, Material], pace: Pace
    ) -> Posting:
        key, provider, journal = commission.key, commission.provider, self._journal
        nonce = await asyncio.to_thread(journal.begin_submitting, key, pace, provider.account)
        if nonce is None:
            return await self._let_another_submit(commission)
        self._marks.reach("submitting", key)
        answer = self._answers.place(key, nonce)
        try:
            job = await provider.submit(
                commission.request, materials, commission.callback_url, answer
            )
        except NotSent as error:
            await _written(journal.not_accepted, key, nonce, str(error))
            if isinstance(error, RateLimited):
                await self._hold_off(commission, error)
            raise
        except Refused as error:
            return await _written(journal.refuse, key, nonce, error.code, str(error))
        except AnswerLost as error:
            log.warning("answer lost", error=str(error))
            return await asyncio.to_thread(journal.read, key)
        self._marks.reach("posted", key)
        posting = await self._accept(key, job, answer, "submit")
        self._marks.reach("accepted", key)
        return posting

    async def take_up_answers(self) -> None:
        """Write down the answers that a worker of this machine got before it was killed.

        Goes on until the store and the database have taken all of them.
        """
        while True:
            try:
                for key, nonce, path in await asyncio.to_thread(self._answers.waiting):
                    await self._take_up(key, nonce, path)
            except (StoreUnavailable, ServiceUnavailable) as error:
                log.warning("answers are taken up later", why=str(error))
                await asyncio.sleep(HOLD_OFF_S)
            else:
                return

    async def _take_up(self, key: str, nonce: str, path: Path) -> None:
        try:
            posting = await asyncio.to_thread(self._journal.read, key)
        except NotFound:
            return  # it may be of another installation that shares the folder
        if posting.nonce == nonce and posting.state in (State.SUBMITTING, State.UNKNOWN):
            log.info("an answer is taken up", request_key=key)
            await self._accept(key, Job(id=nonce), path, "answer")
        elif posting.state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def reconcile(self, commission: Commission, posting: Posting) -> Posting:
        """Find out what became of a submit whose answer nobody wrote down; never send it again."""
        key = commission.key
        answer = self._answers.of(posting)
        if answer is not None:
            return await self._accept(key, Job(id=answer.name[-32:]), answer, "answer")
        wait_s = self._settle_s(commission) - self._age_s(posting)
        if wait_s > 0 and not await asyncio.to_thread(self._journal.was_in_doubt, key):
            await asyncio.sleep(min(wait_s, LOOK_AGAIN_S))
            return await asyncio.to_thread(self._journal.read, key)
        return await self.look(commission, posting)

    async def look(self, commission: Commission, posting: Posting) -> Posting:
        """Ask the provider for the job of a submit that is long over; what it tells is written."""
        provider, key = commission.provider, commission.key
        assert posting.submitted_at is not None
        since = posting.submitted_at - 2 * CLOCK_MARGIN
        known = await asyncio.to_thread(self._journal.jobs_of, provider.name, since)
        try:
            job = await provider.find(commission.request, posting.submitted_at, known)
        except CreateAmbiguous as error:
            return await self._doubt(posting, str(error))
        if job is None and posting.account not in ("", provider.account):
            why = f"was sent with another key of {provider.name}: its account alone can tell"
            return await self._doubt(posting, why)
        if job is None:
            why = "the provider provably has no such job"
            await asyncio.to_thread(self._journal.not_accepted, key, posting.nonce, why)
            return await asyncio.to_thread(self._journal.read, key)
        return await self._accept(key, job, None, "reconcile")

    async def _doubt(self, posting: Posting, why: str) -> Posting:
        key, nonce = posting.request_key, posting.nonce
        await asyncio.to_thread(self._journal.doubt, key, why, nonce)
        return await asyncio.to_thread(self._journal.read, key)

    async def _accept(self, key: str, job: Job, answer: Path | None, source: str) -> Posting:
        if answer is not None and await asyncio.to_thread(answer.exists):
            try:
                job = job.model_copy(update={"asset": await self._keep(answer)})
            except FileNotFoundError:  # another worker here was quicker, and has settled it
                return await asyncio.to_thread(self._journal.read, key)
        body = job.model_dump(mode="json", exclude_none=True)
        return await _written(self._journal.accept, key, body, source)

    async def _keep(self, answer: Path) -> str:
        """Upload an answer that is the asset; what it is worth is looked at afterwards."""
        try:
            media_type = (await asyncio.to_thread(sniff, answer)).media_type
        except BadMedia:
            media_type = "application/octet-stream"
        return (await _patiently(lambda: self._store.put(answer, media_type))).digest

    async def _let_another_submit(self, commission: Commission) -> Posting:
        posting = await asyncio.to_thread(self._journal.read, commission.key)
        if posting.state == State.RESERVED:
            # Whoever was quicker was turned away; or the paying film was stopped, and will release
            # it.
            film = await asyncio.to_thread(self._ledger.films.read, commission.claim.film_id)
            if film.execution in STOPPED_FILMS:
                raise FilmStopped(f"the film {film.film_id} was cancelled")
            await asyncio.sleep(LOOK_AGAIN_S)
            posting = await asyncio.to_thread(self._journal.read, commission.key)
        return posting

    async def _hold_off(self, commission: Commission, error: RateLimited) -> None:
        """Keep every worker from asking this account before the provider said it may."""
        seconds = HOLD_OFF_S if error.retry_after_s is None else error.retry_after_s
        name, account = commission.provider.name, commission.provider.account
        await asyncio.to_thread(self._journal.hold_off, name, account, seconds)

    def _settle_s(self, commission: Commission) -> float:
        """Seconds after a submit until silence means something."""
        provider = commission.provider
        settle_s = provider.submit_timeout_s
        match provider.recovery(commission.request):
            case Recovery.LISTING:
                settle_s += provider.listing_lag_s
            case Recovery.WEBHOOK if commission.callback_url:
                settle_s += provider.callback_wait_s
            case _:
                pass
        return settle_s

    def _age_s(self, posting: Posting) -> float:
        """Seconds since the submit, as far as one can be sure.

        Watching is; the time of day is believed only beyond what two clocks may differ by: one
        that is ahead would make the silence of a POST under way mean something.
        """
        assert posting.submitted_at is not None
        nonce = posting.nonce or ""
        watched_s = time.monotonic() - self._first_seen.setdefault(nonce, time.monotonic())
        age = datetime.now(UTC) - posting.submitted_at
        return max(watched_s, (age - CLOCK_MARGIN).total_seconds())


async def _written(write: Callable[P, R], *words: P.args, **more: P.kwargs) -> R:
    """Write what is known of a submit into the journal, although it is away for a while."""
    return await _patiently(lambda: asyncio.to_thread(write, *words, **more))


async def _patiently(keep: Callable[[], Awaitable[R]]) -> R:
    """Keep an answer although the store or the database is away for a while."""
    deadline = time.monotonic() + KEEP_PATIENCE_S
    while True:
        try:
            return await keep()
        except (StoreUnavailable, ServiceUnavailable) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("an answer cannot be kept yet", why=str(error))
            await asyncio.sleep(LOOK_AGAIN_S)
