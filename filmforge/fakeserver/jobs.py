"""Jobs and charges, in one SQLite file; how far a job has come follows from the clock alone."""

import hashlib
import json
import math
import sqlite3
import time
import uuid
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from filmforge.fakeserver.catalogue import Input, Offer
from filmforge.fakeserver.controls import FakeSettings, Fault
from filmforge.money import to_micros


class Order(BaseModel):
    """The body of a submission; `inputs` are URLs by role."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: dict[str, JsonValue]
    seed: int | None = None
    inputs: dict[str, str] = {}
    webhook_url: str | None = None
    client_key: str = Field(min_length=1, max_length=200)

    def digest(self, model: str, wanted: Input) -> str:
        """Names what is made: equal orders make equal files, whatever signs their input URLs."""
        told = {
            "model": model,
            "input": wanted.model_dump(mode="json"),
            "seed": self.seed,
            "inputs": {role: urlsplit(url).path for role, url in self.inputs.items()},
        }
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """One accepted job; times in POSIX seconds, infinite when they never come.

    `billed_at` is None when it is never charged; `callbacks` counts the webhooks still owed.
    """

    id: str
    model: str
    client_key: str
    digest: str
    wanted: str
    inputs: str
    webhook_url: str | None
    callbacks: int
    accepted_at: float
    starts_at: float
    ends_at: float
    cancelled_at: float | None
    cost_micros: int
    billed_at: float | None
    failure: str | None

    def status(self, now: float) -> str:
        """The word the protocol has for how far it has come."""
        if self.cancelled_at is not None:
            return "CANCELLED"
        if now < self.starts_at:
            return "IN_QUEUE"
        if now < self.ends_at:
            return "IN_PROGRESS"
        return "FAILED" if self.failure else "COMPLETED"

    def progress(self, now: float) -> float:
        """The share of its running time that has passed, from 0 to 1."""
        lasts = self.ends_at - self.starts_at
        return 1.0 if lasts <= 0 else min(1.0, max(0.0, (now - self.starts_at) / lasts))

    def charged(self, now: float) -> bool:
        """Whether its cost has been taken."""
        return self.billed_at is not None and self.billed_at <= now

    @property
    def words(self) -> str:
        """What a fault is matched against: prompt or text, and the client key."""
        wanted: dict[str, Any] = json.loads(self.wanted)
        return f"{wanted.get('prompt', wanted.get('text'))}\n{self.client_key}"


_COLUMNS = ", ".join(field.name for field in fields(Job))
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS jobs (seq INTEGER PRIMARY KEY AUTOINCREMENT, {_COLUMNS});
CREATE UNIQUE INDEX IF NOT EXISTS jobs_id ON jobs (id);
CREATE INDEX IF NOT EXISTS jobs_client_key ON jobs (client_key);
CREATE INDEX IF NOT EXISTS jobs_ends_at ON jobs (ends_at);
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

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(_SCHEMA)

    def accept(
        self,
        offer: Offer,
        order: Order,
        wanted: Input,
        settings: FakeSettings,
        fate: Fault | None = None,
        callbacks: int = 1,
    ) -> Job:
        """Write a new job and its charge; the same order twice is two jobs and two charges."""
        now = time.time()
        starts = max(now + settings.queue_s, self._next_slot(settings.max_running, now))
        lasts = settings.latency_s.get(offer.model, offer.latency_s) * settings.latency_scale
        ends = math.inf if fate and fate.fault == "never_completes" else starts + lasts
        failure = fate if fate and fate.fault == "job_fails" else None
        billed_at = now if settings.bill_on == "acceptance" else ends
        job = Job(
            id=uuid.uuid4().hex,
            model=offer.model,
            client_key=order.client_key,
            digest=order.digest(offer.model, wanted),
            wanted=wanted.model_dump_json(),
            inputs=json.dumps(order.inputs),
            webhook_url=order.webhook_url,
            callbacks=callbacks if order.webhook_url else 0,
            accepted_at=now,
            starts_at=starts,
            ends_at=ends,
            cancelled_at=None,
            cost_micros=to_micros(offer.cost(wanted)),
            billed_at=None if failure and not failure.billed else billed_at,
            failure=failure.model_dump_json() if failure else None,
        )
        marks = ", ".join("?" * len(fields(Job)))
        insert = f"INSERT INTO jobs ({_COLUMNS}) VALUES ({marks})"  # noqa: S608 - own names only
        self._database.execute(insert, astuple(job))
        return job

    def find(self, job_id: str) -> Job | None:
        """The job of that id."""
        return next(iter(self._select("WHERE id = ?", (job_id,))), None)

    def cancel(self, job: Job) -> Job:
        """Stop a job that has not ended; one that had not started is not charged."""
        now = time.time()
        if job.cancelled_at is not None or now >= job.ends_at:
            return job
        keeps = job.charged(now) and now >= job.starts_at
        job = replace(job, cancelled_at=now, billed_at=job.billed_at if keeps else None)
        self._database.execute(
            "UPDATE jobs SET cancelled_at = ?, billed_at = ?, callbacks = 0 WHERE id = ?",
            (job.cancelled_at, job.billed_at, job.id),
        )
        return job

    def listing(
        self, since: float, until: float, client_key: str | None, before: int, limit: int
    ) -> list[tuple[int, Job]]:
        """Jobs accepted in a span of time, newest first, each with its place in the listing."""
        rows = self._database.execute(
            f"SELECT seq, {_COLUMNS} FROM jobs WHERE accepted_at >= ? AND accepted_at <= ?"  # noqa: S608 - own names only
            " AND (?3 IS NULL OR client_key = ?3) AND seq < ?4 ORDER BY seq DESC LIMIT ?5",
            (since, until, client_key, before, limit),
        )
        return [(row[0], Job(*row[1:])) for row in rows]

    def all(self) -> list[Job]:
        """Every job, oldest first."""
        return self._select("ORDER BY seq", ())

    def owing_callbacks(self) -> list[Job]:
        """The jobs whose webhooks are still owed."""
        return self._select("WHERE callbacks > 0 AND ends_at < ?", (math.inf,))

    def callback_settled(self, job_id: str) -> None:
        """A webhook was delivered, or given up."""
        self._database.execute(
            "UPDATE jobs SET callbacks = max(0, callbacks - 1) WHERE id = ?", (job_id,)
        )

    def reset(self) -> None:
        """Forget every job and every charge."""
        self._database.execute("DELETE FROM jobs")

    def _next_slot(self, max_running: int | None, now: float) -> float:
        """When the next job can start: as the first of `max_running` machines falls free.

        A cancelled job makes room for later orders; those that wait already keep their times.
        """
        if max_running is None:
            return now
        row = self._database.execute(
            "SELECT ends_at FROM jobs WHERE ends_at > ? AND ends_at < ? AND cancelled_at IS NULL"
            " ORDER BY ends_at DESC LIMIT 1 OFFSET ?",
            (now, math.inf, max_running - 1),
        ).fetchone()
        return float(row[0]) if row else now

    def _select(self, condition: str, values: Iterable[Any]) -> list[Job]:
        query = f"SELECT {_COLUMNS} FROM jobs {condition}"  # noqa: S608 - own names only
        return [Job(*row) for row in self._database.execute(query, tuple(values))]
