"""Jobs, charges and what was seen, in one SQLite file; a job's progress follows from the clock."""

import json
import math
import sqlite3
import time
import uuid
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from filmforge.money import to_micros
from tests.fakes.faults import Controls, Fault

Kind = Literal["image", "video", "audio"]
Billing = Literal["acceptance", "completion"]
Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
QUEUED_SHARE = 0.25


@dataclass(frozen=True)
class Failure:
    """Why a job fails."""

    message: str
    billed: bool
    code: str
    transient: bool


@dataclass(frozen=True)
class FakeJob:
    """One accepted job; times in POSIX seconds, infinite when they never come.

    `seq` orders jobs by acceptance, `body` is the order as sent, `billed_at` is None when it is
    never charged, `result` is free JSON of the vendor's.
    """

    seq: int
    id: str
    model: str
    words: str
    body: Any
    account: str
    kind: Kind
    width: int
    height: int
    seconds: float
    webhook_url: str | None
    accepted_at: float
    starts_at: float
    ends_at: float
    cancelled_at: float | None
    cost_micros: int
    billed_at: float | None
    failure: Failure | None
    result: Any

    def status(self, now: float | None = None) -> Status:
        """How far it has come, now unless another moment is named."""
        now = time.time() if now is None else now
        if self.cancelled_at is not None:
            return "cancelled"
        if now < self.starts_at:
            return "queued"
        if now < self.ends_at:
            return "running"
        return "failed" if self.failure else "succeeded"

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self.status() not in ("queued", "running")

    def charged(self, now: float | None = None) -> bool:
        """Whether its cost has been taken, now unless another moment is named."""
        return self.billed_at is not None and self.billed_at <= (now or time.time())


_COLUMNS = (
    "id, model, words, body, account, kind, width, height, seconds, webhook_url, accepted_at,"
    " starts_at, ends_at, cancelled_at, cost_micros, billed_at, failure, result"
)
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS jobs (seq INTEGER PRIMARY KEY AUTOINCREMENT, {_COLUMNS});
CREATE UNIQUE INDEX IF NOT EXISTS jobs_id ON jobs (id);
"""


def open_state(path: Path) -> sqlite3.Connection:
    """Open the state file; what was committed survives a killed process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    return database


class Jobs:
    """Every job that was ever accepted."""

    def __init__(
        self, database: sqlite3.Connection, controls: Controls, bill_on: Billing = "completion"
    ) -> None:
        self._database = database
        self._controls = controls
        self._bill_on = bill_on
        database.executescript(_SCHEMA)

    def accept(
        self,
        model: str,
        words: str,
        body: Any,
        cost_usd: Decimal,
        webhook_url: str | None = None,
        account: str = "",
        kind: Kind = "image",
        size: tuple[int, int] = (1280, 720),
        seconds: float = 1.0,
        fate: Fault | None = None,
        id: str | None = None,  # noqa: A002 - what every provider calls it
        latency_s: float | None = None,
    ) -> FakeJob:
        """Write a new job and its charge; the same order twice is two jobs and two charges."""
        now = time.time()
        lasts = self._controls.settings.latency_s if latency_s is None else latency_s
        ends = math.inf if fate and fate.fault == "never_completes" else now + lasts
        failure = _failure(fate)
        billed_at = now if self._bill_on == "acceptance" else ends
        job = FakeJob(
            0, id or str(uuid.uuid4()), model, words, body, account, kind, *size, seconds,
            webhook_url, now, now + lasts * QUEUED_SHARE, ends, None, to_micros(cost_usd),
            None if failure and not failure.billed else billed_at, failure, None,
        )  # fmt: skip
        return replace(job, seq=self._insert(job))

    def find(self, job_id: str) -> FakeJob | None:
        """The job of that id."""
        return next(iter(self._select("WHERE id = ?", job_id)), None)

    def cancel(self, job: FakeJob, refund: bool = False) -> FakeJob:
        """Stop a job that has not ended; it keeps what it was charged, unless it is refunded."""
        now = time.time()
        if job.cancelled_at is not None or now >= job.ends_at:
            return job
        billed_at = job.billed_at if job.charged(now) and not refund else None
        self._database.execute(
            "UPDATE jobs SET cancelled_at = ?, billed_at = ? WHERE id = ?", (now, billed_at, job.id)
        )
        return replace(job, cancelled_at=now, billed_at=billed_at)

    def end(
        self, job: FakeJob, result: Any, cost_usd: Decimal, *, charged: bool, stopped: bool = False
    ) -> None:
        """End a job now whose end nobody could foresee, with what came of it and its cost."""
        now = time.time()
        self._database.execute(
            "UPDATE jobs SET starts_at = min(starts_at, ?1), ends_at = ?1, result = ?2,"
            " cost_micros = ?3, billed_at = ?4, cancelled_at = ?5 WHERE id = ?6",
            (
                now, json.dumps(result), to_micros(cost_usd), now if charged else None,
                now if stopped else None, job.id,
            ),
        )  # fmt: skip

    def note(self, job: FakeJob, result: Any) -> FakeJob:
        """Remember free JSON with a job, in place of what was noted before."""
        self._database.execute(
            "UPDATE jobs SET result = ? WHERE id = ?", (json.dumps(result), job.id)
        )
        return replace(job, result=result)

    def listing(
        self,
        since: float = 0.0,
        until: float = math.inf,
        before: int = 2**62,
        limit: int = -1,
        account: str | None = None,
    ) -> list[FakeJob]:
        """Jobs accepted in a span of time, newest first; a new one shows after the listing lag.

        `before` is a cursor: the `seq` of the last job already seen.
        """
        shown = min(until, time.time() - self._controls.settings.listing_lag_s)
        return self._select(
            "WHERE accepted_at BETWEEN ?1 AND ?2 AND seq < ?3 AND (?4 IS NULL OR account = ?4)"
            " ORDER BY seq DESC LIMIT ?5",
            since, shown, before, account, limit,
        )  # fmt: skip

    def all(self) -> list[FakeJob]:
        """Every job, oldest first."""
        return self._select("ORDER BY seq")

    def reset(self) -> None:
        """Forget every job and every charge."""
        self._database.execute("DELETE FROM jobs")

    def _insert(self, job: FakeJob) -> int:
        failure = json.dumps(vars(job.failure)) if job.failure else None
        row = {**vars(job), "body": json.dumps(job.body), "failure": failure, "result": "null"}
        marks = ", ".join(f":{name.strip()}" for name in _COLUMNS.split(","))
        written = self._database.execute(f"INSERT INTO jobs ({_COLUMNS}) VALUES ({marks})", row)
        assert written.lastrowid
        return written.lastrowid

    def _select(self, condition: str, *values: Any) -> list[FakeJob]:
        rows = self._database.execute(f"SELECT seq, {_COLUMNS} FROM jobs {condition}", values)
        return [_read(row) for row in rows]


def _failure(fate: Fault | None) -> Failure | None:
    if fate is None or fate.fault != "job_fails":
        return None
    return Failure(fate.message, fate.billed, fate.code, fate.transient)


def _read(row: tuple[Any, ...]) -> FakeJob:
    job = FakeJob(*row)
    return replace(
        job,
        body=json.loads(job.body),
        failure=Failure(**json.loads(str(job.failure))) if job.failure else None,
        result=json.loads(job.result),
    )


class Sightings:
    """The requests that came in and the callbacks that went out, in order."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.execute(
            "CREATE TABLE IF NOT EXISTS sightings (seq INTEGER PRIMARY KEY, what TEXT, json TEXT)"
        )

    def write(self, what: Literal["requests", "webhooks"], told: dict[str, Any]) -> int:
        """Write one down; returns its place."""
        row = self._database.execute(
            "INSERT INTO sightings (what, json) VALUES (?, ?)", (what, json.dumps(told))
        )
        assert row.lastrowid
        return row.lastrowid

    def answered(self, seq: int, status: int) -> None:
        """Add the status that a request was answered with."""
        self._database.execute(
            "UPDATE sightings SET json = json_set(json, '$.status', ?) WHERE seq = ?", (status, seq)
        )

    def told(self) -> dict[str, list[Any]]:
        """What was seen: requests, and webhooks."""
        seen: dict[str, list[Any]] = {"requests": [], "webhooks": []}
        for what, text in self._database.execute("SELECT what, json FROM sightings ORDER BY seq"):
            seen[what].append(json.loads(text))
        return seen

    def reset(self) -> None:
        """Forget what was seen."""
        self._database.execute("DELETE FROM sightings")
