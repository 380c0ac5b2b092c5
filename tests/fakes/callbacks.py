"""Callbacks out: one signed POST when a job ends, tried a few times, late or spoilt by a fault."""

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
from standardwebhooks.webhooks import Webhook

from tests.fakes.faults import Controls, Moment
from tests.fakes.state import FakeJob, Jobs, Sightings

RETRY_AFTER_S = (0.2, 1.0, 5.0)
TIMEOUT_S = 5.0
STALE_S = 600.0
LATE_S = 1.0

Sign = Callable[[FakeJob, float], tuple[dict[str, str], bytes]]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS callbacks (
    job_id TEXT PRIMARY KEY, seq INTEGER, fault TEXT, due_at REAL, owed_at REAL,
    remaining INTEGER, settled_at REAL
)
"""


def standard_signature(secret: str, id: str, timestamp: float, body: bytes | str) -> str:  # noqa: A002 - the standard's word
    """The webhook-signature of Standard Webhooks, "v1,…"; `timestamp` in POSIX seconds."""
    text = body if isinstance(body, str) else body.decode()
    return Webhook(secret).sign(id, datetime.fromtimestamp(timestamp, UTC), text)


class Callbacks:
    """Calls back for each job that asked for it; what is owed is kept in the state file."""

    def __init__(
        self,
        database: sqlite3.Connection,
        jobs: Jobs,
        controls: Controls,
        sightings: Sightings,
        sign: Sign,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._controls = controls
        self._sightings = sightings
        self._sign = sign
        self._client: httpx.AsyncClient | None = None
        self._senders: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Condition()
        database.execute(_SCHEMA)

    def owe(self, job: FakeJob) -> None:
        """Call back when the job ends, or at once for one that was cancelled.

        A job that is cancelled after this is not called back for, unless it is owed again.
        """
        if job.webhook_url is None:
            return
        fault = self._controls.strike(Moment.CALLBACK, job.words)
        spoilt = fault.fault if fault else ""
        if spoilt == "webhook_lost":
            self._sightings.write("webhooks", _told(job, lost=True))
            return
        ends = job.ends_at if job.cancelled_at is None else job.cancelled_at
        due = ends + self._controls.settings.webhook_delay_s
        if fault and spoilt == "webhook_late":
            due += LATE_S if fault.seconds is None else fault.seconds
        self._database.execute(
            "INSERT OR REPLACE INTO callbacks VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (job.id, job.seq, spoilt, due, time.time(), 2 if spoilt == "webhook_twice" else 1),
        )
        self._send_later(job.id)

    def resume(self) -> None:
        """Take up what a killed server still owed."""
        rows = self._database.execute("SELECT job_id FROM callbacks WHERE settled_at IS NULL")
        for (job_id,) in rows.fetchall():
            self._send_later(job_id)

    async def close(self) -> None:
        """Stop calling; what is owed is taken up by the next start."""
        self._stop()
        await asyncio.gather(*self._senders, return_exceptions=True)
        if self._client:
            await self._client.aclose()

    def reset(self) -> None:
        """Owe nothing."""
        self._stop()
        self._database.execute("DELETE FROM callbacks")

    def _stop(self) -> None:
        for sender in self._senders:
            sender.cancel()

    def _send_later(self, job_id: str) -> None:
        sender = asyncio.create_task(self._settle(job_id))
        self._senders.add(sender)
        sender.add_done_callback(self._senders.discard)

    async def _settle(self, job_id: str) -> None:
        seq, fault, due_at, owed_at = self._database.execute(
            "SELECT seq, fault, due_at, owed_at FROM callbacks WHERE job_id = ?", (job_id,)
        ).fetchone()
        if due_at == math.inf:
            return
        await asyncio.sleep(max(0.0, due_at - time.time()))
        if fault == "webhook_out_of_order":
            async with self._settled:
                await self._settled.wait_for(lambda: self._later_one_settled(seq))
        while job := self._still_owed(job_id, owed_at):
            await self._deliver(job, fault)
            await self._count_down(job_id, owed_at)

    def _still_owed(self, job_id: str, owed_at: float) -> FakeJob | None:
        owed = self._database.execute(
            "SELECT 1 FROM callbacks WHERE job_id = ? AND owed_at = ? AND remaining > 0",
            (job_id, owed_at),
        ).fetchone()
        job = self._jobs.find(job_id) if owed else None
        if job and job.cancelled_at is not None and owed_at < job.cancelled_at:
            return None
        return job

    def _later_one_settled(self, seq: int) -> bool:
        row = self._database.execute(
            "SELECT 1 FROM callbacks WHERE seq > ? AND settled_at IS NOT NULL", (seq,)
        ).fetchone()
        return row is not None

    async def _count_down(self, job_id: str, owed_at: float) -> None:
        self._database.execute(
            "UPDATE callbacks SET remaining = remaining - 1,"
            " settled_at = CASE WHEN remaining = 1 THEN ? END WHERE job_id = ? AND owed_at = ?",
            (time.time(), job_id, owed_at),
        )
        async with self._settled:
            self._settled.notify_all()

    async def _deliver(self, job: FakeJob, fault: str) -> None:
        for wait_s in (*RETRY_AFTER_S, None):
            if await self._call(job, fault) or wait_s is None:
                return
            await asyncio.sleep(wait_s)

    async def _call(self, job: FakeJob, fault: str) -> bool:
        headers, body = self._sign(job, time.time() - (STALE_S if fault == "webhook_stale" else 0))
        if fault == "webhook_forged":
            body += b" "  # the same JSON, and no longer what was signed
        client = self._client = self._client or httpx.AsyncClient(
            timeout=TIMEOUT_S, trust_env=False
        )
        try:
            answer = await client.post(str(job.webhook_url), content=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._sightings.write("webhooks", _told(job, error=repr(error)))
            return False
        self._sightings.write("webhooks", _told(job, status=answer.status_code))
        return answer.is_success


def _told(
    job: FakeJob, status: int | None = None, error: str | None = None, lost: bool = False
) -> dict[str, object]:
    return {
        "job": job.id,
        "words": job.words,
        "url": job.webhook_url,
        "status": status,
        "error": error,
        "lost": lost,
        "at": time.time(),
    }
