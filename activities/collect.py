"""Collect: a job is followed to its end, and what was paid for is fetched, stored and settled."""

import asyncio
from datetime import UTC, datetime

from activities.answers import Answers
from activities.commission import Commission
from activities.download import Downloads
from activities.marks import Marks
from filmforge.errors import BadMedia
from filmforge.ledger import Ledger
from filmforge.ledger.posting import Posting
from filmforge.money import ZERO
from filmforge.providers.base import Job, JobReport, JobStatus
from filmforge.store import AssetStore

MAX_SUBMITS = 3
LOOK_AGAIN_S = 0.5


class Collect:
    """Brings an accepted request to its end."""

    def __init__(
        self,
        ledger: Ledger,
        store: AssetStore,
        downloads: Downloads,
        answers: Answers,
        marks: Marks,
    ) -> None:
        self._journal = ledger.journal
        self._store = store
        self._downloads = downloads
        self._answers = answers
        self._marks = marks

    async def follow(self, commission: Commission, posting: Posting) -> JobReport:
        """Poll the job until the provider has said its last word about it."""
        provider, key = commission.provider, commission.key
        job = Job.model_validate(posting.job)
        if job.asset is not None:
            return JobReport(status=JobStatus.SUCCEEDED, cost=job.cost)
        while True:
            polled_at = datetime.now(UTC)
            report = await provider.poll(job, commission.request)
            self._marks.reach("polled", key)
            if report.status != JobStatus.RUNNING:
                return report
            age_s = (polled_at - posting.updated_at).total_seconds()
            await self._nap(key, provider.poll_interval_s(max(0.0, age_s)), polled_at)

    async def end(self, commission: Commission, posting: Posting, report: JobReport) -> Posting:
        """Write down the provider's last word; keep what it made."""
        key, job = commission.key, posting.job
        taken = posting.estimate if report.cost is None else report.cost
        cost = taken if report.billed else ZERO
        match report.status:
            case JobStatus.SUCCEEDED:
                return await self._keep(commission, posting, report)
            case JobStatus.CANCELLED:
                await asyncio.to_thread(self._journal.cancel, key, report.message, cost, job)
            case _ if report.transient and not report.billed and posting.submits < MAX_SUBMITS:
                await asyncio.to_thread(self._journal.resubmit, key, report.message, job)
            case _:
                await asyncio.to_thread(
                    self._journal.fail, key, report.code, report.message, cost, job
                )
        return await asyncio.to_thread(self._journal.read, key)

    async def _keep(self, commission: Commission, posting: Posting, report: JobReport) -> Posting:
        """Fetch, verify, store and settle what the provider was paid for."""
        key, job, taken = commission.key, Job.model_validate(posting.job), report.cost
        self._marks.reach("ended", key)
        try:
            async with self._downloads.fetched(commission, job, report) as got:
                self._marks.reach("downloaded", key)
                stored = await self._store.put(got.path, got.media_type)
        except BadMedia as error:
            cost = posting.estimate if taken is None else taken
            return await asyncio.to_thread(
                self._journal.fail, key, error.code, str(error), cost, posting.job
            )
        self._marks.reach("uploaded", key)
        self._marks.reach("settling", key)
        settled = await asyncio.to_thread(
            self._journal.succeed, key, got.asset(stored), commission.tags, taken
        )
        self._marks.reach("settled", key)
        await asyncio.to_thread(self._answers.forget, key)
        return settled

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
