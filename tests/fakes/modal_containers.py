"""The containers of the fake Modal: calls worked off by the real serving code, in threads."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from filmforge.domain import Receipt, Work, work_object
from filmforge.errors import BadInput
from gpu_functions.desk import Desk
from gpu_functions.maker import Made, Room, Stopped
from gpu_functions.serving import serve
from tests.fakes.media import Media
from tests.fakes.state import FakeJob

AT_ONCE = 32
STEP_S = 0.01
STOP_S = 10.0
FILES = {"image": "image/png", "video": "video/mp4", "audio": "audio/wav"}


@dataclass(frozen=True)
class Outcome:
    """What a call came to: a receipt, or how many seconds it worked before it ended otherwise."""

    receipt: Receipt | None = None
    seconds: float = 0.0
    stopped: bool = False
    exception: str = ""


@dataclass(frozen=True)
class Haste:
    """How long a call waits for its container, loads and works, in seconds."""

    cold_s: float
    load_s: float
    work_s: float


class Containers:
    """Calls at work; a call that is started again goes on under its own id."""

    def __init__(self, folder: Path, bucket: str) -> None:
        self._folder = folder
        self._bucket = bucket
        self._s3: Any = boto3.client("s3")
        self._desk = Desk(self._s3, bucket)
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._at_work: dict[str, Future[Outcome]] = {}
        self._stopped: set[str] = set()

    def start(self, job: FakeJob, gpu: str, haste: Haste) -> Future[Outcome]:
        """Begin a call."""
        future = self._pool.submit(self._work_off, job, gpu, haste)
        self._at_work[job.id] = future
        return future

    def stop(self, call_id: str) -> None:
        """Have a call end at its next step."""
        self._stopped.add(call_id)

    def close(self) -> None:
        """End every call and wait for that."""
        self._stopped.update(self._at_work)
        wait(self._at_work.values(), STOP_S)
        self._at_work.clear()

    def forget(self, keys: set[str]) -> None:
        """Take what works left out of the bucket."""
        for key in keys:
            prefix = work_object(key, "")
            found = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
            for item in found.get("Contents", ()):
                self._s3.delete_object(Bucket=self._bucket, Key=item["Key"])

    def _work_off(self, job: FakeJob, gpu: str, haste: Haste) -> Outcome:
        began = 0.0
        try:
            self._linger(job, haste.cold_s, lambda _: None)
            began = time.monotonic()
            receipt = serve(
                Work.model_validate(job.body),
                lambda _, room: self._make(job, room, haste.work_s),
                self._desk,
                job.id,
                tell=lambda _: self._check(job),
                gpu=gpu,
                load_s=haste.load_s,
            )
        except Stopped:
            worked_s = time.monotonic() - began + haste.load_s if began else 0.0
            return Outcome(seconds=worked_s, stopped=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, Modal tells it
            return Outcome(seconds=time.monotonic() - began + haste.load_s, exception=str(error))
        return Outcome(receipt)

    def _make(self, job: FakeJob, room: Room, work_s: float) -> Made:
        self._linger(job, work_s, room.tell)
        if job.failure is not None:
            if job.failure.code == "bad_input":
                raise BadInput("prompt", job.failure.message, "Ask for something else.")
            raise RuntimeError(job.failure.message)
        path, media_type = room.folder / "output", FILES[job.kind]
        path.write_bytes(asyncio.run(Media(self._folder).make(job, media_type, 0)))
        return Made(path, media_type)

    def _linger(self, job: FakeJob, seconds: float, tell: Callable[[float], None]) -> None:
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            self._check(job)
            tell(passed / seconds)
            time.sleep(STEP_S)
        self._check(job)

    def _check(self, job: FakeJob) -> None:
        if job.id in self._stopped:
            raise Stopped("the call was cancelled")


def words_of(order: dict[str, Any]) -> str:
    """The words of an order."""
    wish = order["parameters"]
    return str(wish.get("prompt") or wish.get("text") or "")
