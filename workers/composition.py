"""The composition root: settings become stores, providers, activities and workers."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.answers import Answers
from activities.books import Books
from activities.check import Check
from activities.collect import Collect
from activities.commission import Commissions
from activities.delivering import Delivering
from activities.download import Downloads
from activities.finish import Finish
from activities.generate import Generate
from activities.marks import Marks
from activities.release import Release
from activities.rhythm import Rhythms
from activities.send import Send
from activities.sweep import Sweep
from filmforge.contracts import CPU_QUEUE, ORCHESTRATION_QUEUE
from filmforge.engine import Engine
from filmforge.ledger import Ledger, open_ledger
from filmforge.provenance.signer import identity_of, settings_name_a_signer
from filmforge.providers.registry import Registry, build_registry
from filmforge.settings import Settings
from filmforge.shelf import Shelf
from filmforge.store import AssetStore
from workflows.film import FilmWorkflow
from workflows.gpu_work import GpuWorkWorkflow
from workflows.rhythm import RhythmWorkflow
from workflows.shot import ShotWorkflow
from workflows.sweep import SweepWorkflow

WORKFLOWS = (FilmWorkflow, ShotWorkflow, SweepWorkflow, RhythmWorkflow, GpuWorkWorkflow)

# Activities wait for their provider in `generate` itself, behind its own semaphore: the SDK's
# slots must not run out, or the short ledger steps would starve behind long paid waits.
ACTIVITY_SLOTS = 4_000
CACHED_WORKFLOWS = 500

# 0.5 s instead of 10: a film whose worker was killed is picked up by another one at once.
STICKY_TIMEOUT = timedelta(seconds=0.5)
# Heartbeats travel this often at most; policies.HEARTBEAT_TIMEOUT is twice as long.
HEARTBEAT_THROTTLE = timedelta(seconds=1.5)
GRACE = timedelta(seconds=8)


@dataclass(frozen=True)
class Parts:
    """What the activities work with."""

    settings: Settings
    ledger: Ledger
    store: AssetStore
    registry: Registry
    engine: Engine


@asynccontextmanager
async def assembled(settings: Settings, client: Client) -> AsyncIterator[Parts]:
    """The parts of one worker, closed at the end."""
    ledger = open_ledger(settings.database_url.get_secret_value())
    shelf = Shelf(settings.work_dir / "shelf", settings.cut_cache_bytes)
    store = AssetStore(settings.s3_bucket, settings.s3_endpoint, shelf)
    engine = Engine(client)
    registry = build_registry(settings, store.fetch, engine)
    try:
        yield Parts(settings, ledger, store, registry, engine)
    finally:
        await registry.close()
        await asyncio.to_thread(ledger.close)


def build_workers(client: Client, parts: Parts, marks: Marks | None = None) -> list[Worker]:
    """One worker for orchestration and paid waits, one for CPU work."""
    orchestration = Worker(
        client,
        task_queue=ORCHESTRATION_QUEUE,
        workflows=WORKFLOWS,
        workflow_runner=sandbox(),
        activities=orchestration_activities(parts, marks),
        **worker_options(),
    )
    finish = Finish(parts.ledger, parts.store, parts.settings.work_dir / "finish", marks)
    check = Check(parts.ledger, parts.store, parts.settings.work_dir / "finish")
    desk = parts.settings.work_dir / "release"
    identity = partial(identity_of, parts.settings)
    if settings_name_a_signer(parts.settings):
        identity()  # a certificate that is not fit to sign is told now, not after a film was made
    release = Release(parts.ledger, parts.store, desk, identity, marks)
    delivering = Delivering(parts.ledger, parts.store, desk, identity)
    rhythms = Rhythms(parts.ledger, parts.store, parts.settings.work_dir / "finish")
    cpu = Worker(
        client,
        task_queue=CPU_QUEUE,
        activities=[
            finish.conform,
            finish.assemble,
            check.check_film,
            release.release,
            delivering.deliver,
            rhythms.find_rhythm,
        ],
        max_concurrent_activities=parts.settings.cpu_slots or os.cpu_count() or 1,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACE,
    )
    return [orchestration, cpu]


def orchestration_activities(
    parts: Parts, marks: Marks | None = None
) -> list[Callable[..., Awaitable[Any]]]:
    """Everything but CPU work: the paid step, the books and the sweep."""
    settings, ledger = parts.settings, parts.ledger
    marks = marks or Marks()
    downloads = Downloads(parts.store, settings.work_dir / "downloads", settings.max_asset_bytes)
    commissions, send = commissions_of(parts), sender(parts, marks)
    generate = Generate(
        ledger,
        commissions,
        send,
        Collect(ledger, parts.store, downloads, answers_of(parts), marks),
        marks,
        slots=settings.generate_slots,
        patience_s=settings.patience_s,
    )
    books = Books(ledger, window=settings.window, reminder_s=settings.reminder_s)
    sweep = Sweep(ledger, parts.engine, commissions, send, generate)
    return [
        generate.generate,
        books.open_film,
        books.plan_shots,
        books.report_film,
        books.report_shot,
        books.open_gate,
        books.remind,
        books.record,
        books.remake,
        sweep.sweep,
    ]


def commissions_of(parts: Parts) -> Commissions:
    """Who writes commissions, with the address that providers call back."""
    return Commissions(
        parts.ledger,
        parts.store,
        parts.registry,
        parts.settings.public_url,
        allow_private=parts.settings.allow_private_urls,
    )


def answers_of(parts: Parts) -> Answers:
    """Where this machine keeps answers that are the asset."""
    return Answers(parts.settings.work_dir / "answers")


def sender(parts: Parts, marks: Marks | None = None) -> Send:
    """Who sends, and takes up what a killed worker of this machine has received."""
    return Send(
        parts.ledger, parts.store, commissions_of(parts), answers_of(parts), marks or Marks()
    )


class WorkerOptions(TypedDict):
    """The options of the orchestration worker."""

    max_concurrent_activities: int
    max_cached_workflows: int
    sticky_queue_schedule_to_start_timeout: timedelta
    max_heartbeat_throttle_interval: timedelta
    graceful_shutdown_timeout: timedelta


def worker_options() -> WorkerOptions:
    """How the orchestration worker is tuned; benchmarks measure the same."""
    return WorkerOptions(
        max_concurrent_activities=ACTIVITY_SLOTS,
        max_cached_workflows=CACHED_WORKFLOWS,
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACE,
    )


def sandbox() -> SandboxedWorkflowRunner:
    """Workflows run in the sandbox; our frozen models pass through it, imported only once."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "filmforge", "workflows", "pydantic", "pydantic_core", "annotated_types"
    )
    return SandboxedWorkflowRunner(restrictions=restrictions)


def clean_work_dir(work_dir: Path) -> None:
    """Remove half-made files of a worker that was killed; whole answers and the shelf stay."""
    for name in ("downloads", "finish", "release"):
        shutil.rmtree(work_dir / name, ignore_errors=True)
        (work_dir / name).mkdir(parents=True)
