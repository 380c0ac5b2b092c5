"""The `preview` provider: real pictures, motion and speech, made on this machine for nothing."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import threading
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import structlog
from pydantic import ValidationError

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import BadInput, BadMedia, FilmError, ProviderUnavailable
from filmforge.money import ZERO
from filmforge.providers.base import Job, JobReport, JobStatus, Listed, Material, Notice
from filmforge.providers.catalogue import Model, Recovery
from filmforge.providers.preview_catalogue import MODELS, ORDERS, Order, VoiceOrder

log = structlog.get_logger()

FetchAsset = Callable[[str, Path], Awaitable[None]]
SUFFIX = {Kind.IMAGE: "png", Kind.VIDEO: "mp4", Kind.AUDIO: "wav"}
OUTPUT = re.compile(r"preview:([0-9a-f]{64})\.(png|mp4|wav)")
KEY = re.compile(r"[0-9a-f]{64}")
MAX_BREAKS = 5
STALE_S = 3_600.0
NICE = 5


class PreviewProvider:
    """Renders in child processes; a job is its request, so nothing is lost with the process.

    `fetch_asset` writes the asset of a digest to a local path; `processes` render at once.
    """

    name = "preview"
    account = "here"
    submit_timeout_s = 5.0
    listing_lag_s = 0.0
    callback_wait_s = 0.0
    wants_files = False
    local = True
    max_in_flight: int | None = None
    submits_per_s: float | None = None

    def __init__(self, work_dir: Path, fetch_asset: FetchAsset, processes: int) -> None:
        self._dir = work_dir / "preview"
        self._fetch_asset = fetch_asset
        self._processes = max(1, processes)
        self._pool: _Pool | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._breaks: dict[str, int] = {}

    def models(self) -> Mapping[str, Model]:
        """The models by id."""
        return MODELS

    def recovery(self, request: GenerationRequest) -> Recovery:
        """A job is its request: it is always found."""
        return Recovery.LISTING

    def quote(self, request: GenerationRequest) -> Decimal:
        """Nothing. Raises BadInput naming the field when the request cannot be made."""
        _order(request)
        return ZERO

    async def submit(
        self,
        request: GenerationRequest,
        inputs: Mapping[str, Material],
        callback_url: str | None,
        answer: Path,
    ) -> Job:
        """Start rendering; a failed rendering of the same request is forgotten."""
        _order(request)
        task = self._tasks.get(request.key)
        if task is not None and task.done():
            self._forget(request.key)
        self._start(request)
        return Job(id=request.key)

    async def poll(self, job: Job, request: GenerationRequest) -> JobReport:
        """How far the rendering is, started again where no process remembers it."""
        key = request.key
        if job.id != key:
            raise BadInput("job", "is not the job of this request", "Poll it with its own request.")
        if self._output(request).exists():
            return JobReport(
                status=JobStatus.SUCCEEDED,
                billed=False,
                cost=ZERO,
                progress=1.0,
                output_url=f"preview:{key}.{SUFFIX[request.kind]}",
            )
        task = self._tasks.get(key)
        if task is None:
            self._start(request)
        elif task.done():
            return self._ended(task, request)
        return JobReport(status=JobStatus.RUNNING, billed=False)

    def _ended(self, task: asyncio.Task[None], request: GenerationRequest) -> JobReport:
        if task.cancelled():
            return JobReport(status=JobStatus.CANCELLED, billed=False, code="cancelled")
        error = task.exception()
        broken = isinstance(error, BrokenProcessPool)
        self._breaks[request.key] = self._breaks.get(request.key, 0) + broken
        if isinstance(error, ProviderUnavailable):
            self._forget(request.key)
            raise error
        if error is None or (broken and self._breaks[request.key] < MAX_BREAKS):
            self._forget(request.key)
            self._start(request)
            return JobReport(status=JobStatus.RUNNING, billed=False)
        return JobReport(
            status=JobStatus.FAILED,
            billed=False,
            transient=broken or (isinstance(error, FilmError) and error.retryable),
            code="media_tool_failed" if broken else getattr(error, "code", "internal_error"),
            message=str(error) if isinstance(error, FilmError) else type(error).__name__,
        )

    def poll_interval_s(self, age_s: float) -> float:
        """Seconds to wait before the next poll of a job of this age."""
        return 0.06 if age_s < 2 else 0.2 if age_s < 20 else 1.0

    async def cancel(self, job: Job) -> None:
        """Drop a job that waits for a process; one that is being rendered comes to its end."""
        task = self._tasks.get(job.id)
        if task is not None and not task.done():
            task.cancel()

    async def find(
        self, request: GenerationRequest, since: datetime, known: frozenset[str]
    ) -> Job | None:
        """The job of a request: always there, because a poll starts it."""
        return Job(id=request.key)

    async def listed(self, since: datetime) -> AsyncIterator[Listed]:
        """Nothing: what is rendered here is on nobody's bill."""
        for _ in ():
            yield _

    async def fetch(self, url: str, path: Path, max_bytes: int) -> None:
        """Copy an output to a local file and let go of it; a later poll would make it again."""
        named = OUTPUT.fullmatch(url)
        if named is None:
            raise BadInput("url", "is no output of the preview provider", "Poll the job again.")
        source = self._dir / f"{named[1]}.{named[2]}"
        try:
            size = source.stat().st_size
            if size > max_bytes:
                raise BadMedia(f"output: {size} bytes is more than the {max_bytes} allowed")
            await asyncio.to_thread(shutil.copyfile, source, path)
        except FileNotFoundError:
            raise ProviderUnavailable(
                "the preview is no longer there: poll the job again"
            ) from None
        source.unlink(missing_ok=True)
        self._forget(named[1])

    async def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Preview sends no callbacks. Raises BadInput."""
        raise BadInput("provider", "preview sends no callbacks", "Remove the callback.")

    async def close(self) -> None:
        """Stop the child processes at once; what they were rendering is rendered again later."""
        for task in self._tasks.values():
            task.cancel()
        if self._pool is not None:
            self._pool.stop()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()
        self._pool = None

    def _output(self, request: GenerationRequest) -> Path:
        return self._dir / f"{request.key}.{SUFFIX[request.kind]}"

    def _forget(self, key: str) -> None:
        self._tasks.pop(key, None)

    def _start(self, request: GenerationRequest) -> None:
        if request.key not in self._tasks:
            self._tasks[request.key] = asyncio.create_task(self._render(request))

    async def _render(self, request: GenerationRequest) -> None:
        order, output = _order(request), self._output(request)
        if output.exists():
            return
        self._dir.mkdir(parents=True, exist_ok=True)
        async with self._frame(request) as frame:
            pool = self._open_pool()
            try:
                await asyncio.get_running_loop().run_in_executor(
                    pool.executor, render, order, output, frame, request.seed or 0
                )
            except BrokenProcessPool:
                log.warning("preview_pool_broke", request_key=request.key)
                if self._pool is pool:
                    self._pool = None
                pool.stop()
                raise

    @contextlib.asynccontextmanager
    async def _frame(self, request: GenerationRequest) -> AsyncIterator[Path | None]:
        if request.kind is not Kind.VIDEO:
            yield None
            return
        path = self._dir / f"frame-{uuid.uuid4().hex}.part"
        try:
            try:
                await self._fetch_asset(request.inputs[0].digest, path)
            except FilmError as error:
                if error.retryable:
                    raise ProviderUnavailable(f"the frame could not be read: {error}") from error
                raise
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _open_pool(self) -> "_Pool":
        if self._pool is None:
            _sweep(self._dir)
            self._pool = _Pool(self._processes)
        return self._pool


class _Pool:
    """Child processes that end when this process ends or lets go of its end of their pipe."""

    def __init__(self, processes: int) -> None:
        context = get_context("spawn")  # never fork: this process runs threads
        self._theirs, self._ours = context.Pipe(duplex=False)
        self.executor = ProcessPoolExecutor(
            processes, context, initializer=_settle_in, initargs=(self._theirs, os.getpid())
        )

    def stop(self) -> None:
        """End every child now."""
        self._ours.close()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self._theirs.close()


def _settle_in(parent: Connection, parent_pid: int) -> None:
    """Prepare a child: polite, deaf to Ctrl-C, gone when its parent is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICE)

    def watch() -> None:
        with contextlib.suppress(OSError, EOFError):
            while os.getppid() == parent_pid and not parent.poll(1.0):
                pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def render(order: Order, output: Path, frame: Path | None, seed: int) -> None:
    """Make an output under a temporary name, then give it its own: it is whole or not there."""
    part = output.with_name(f"{output.stem}.{uuid.uuid4().hex}.part")
    try:
        order.make(part, frame, seed)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def _sweep(directory: Path) -> None:
    """Remove what killed processes left half made."""
    oldest = time.time() - STALE_S
    for part in directory.glob("*.part"):
        with contextlib.suppress(FileNotFoundError):
            if part.stat().st_mtime < oldest:
                part.unlink()


def _order(request: GenerationRequest) -> Order:
    kind = ORDERS.get(request.model)
    if kind is None or MODELS[request.model].kind is not request.kind:
        raise BadInput(
            "model",
            f"preview makes no {request.kind} with {request.model!r}",
            f"Choose one of: {', '.join(sorted(MODELS))}.",
        )
    if request.kind is Kind.VIDEO and not any(i.role == "frame" for i in request.inputs):
        raise BadInput("frame", "is missing", "A clip is made from a frame.")
    try:
        order = kind.model_validate(request.parameters)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise BadInput(field, first["msg"], "Correct the value.") from None
    if isinstance(order, VoiceOrder) and not any(ch.isalnum() for ch in order.text):
        raise BadInput("text", "holds nothing that can be spoken", "Write words or numbers.")
    return order
