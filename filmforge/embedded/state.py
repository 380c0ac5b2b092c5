"""The state directory: its layout, its lock, what it publishes and what outlived a crash."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog
from pydantic import BaseModel, Field

from filmforge.errors import BadInput, Conflict

# Every process of an installation carries this variable, and so do the processes it starts:
# what outlived a crash is found by it, whatever process ids were given out since.
MARK = "FILMFORGE_CHILD_OF"

_log = structlog.get_logger()


class UpInfo(BaseModel, frozen=True):
    """What a running `filmforge up` tells its clients, as published in up.json."""

    api: str
    api_key: str = Field(repr=False)
    temporal: str
    temporal_ui: str | None
    s3: str
    pids: dict[str, int]
    fake: str | None = None


@dataclass(frozen=True)
class StateDir:
    """Where an installation keeps everything; made by `open_state`."""

    root: Path

    @property
    def up_file(self) -> Path:
        """What a running `up` publishes."""
        return self.root / "up.json"

    @property
    def credentials_file(self) -> Path:
        """The secrets, mode 0600."""
        return self.root / "credentials.json"

    @property
    def ports_file(self) -> Path:
        """The ports of last time."""
        return self.root / "run" / "ports.json"

    @property
    def worker_ready_file(self) -> Path:
        """The worker touches it when it polls for work."""
        return self.root / "run" / "worker.ready"

    def log_file(self, name: str) -> Path:
        """Where the child of that name writes."""
        return self.root / "logs" / f"{name}.log"

    def server_environment(self) -> dict[str, str]:
        """All that a server of ours gets: nothing a user has set can change how it runs."""
        return {"PATH": os.defpath, "HOME": str(self.root), MARK: str(self.root)}

    def publish(self, info: UpInfo) -> None:
        """Write up.json, whole or not at all."""
        left_out = {"fake"} if info.fake is None else set()
        write_private(self.up_file, info.model_dump_json(indent=2, exclude=left_out))


def open_state(root: Path) -> StateDir:
    """Make the directory and its parts where missing, for the owner alone (mode 0700).

    Raises BadInput when it cannot be written.
    """
    state = StateDir(root.expanduser().absolute())
    try:
        state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for part in ("logs", "run", "s3", "work"):
            (state.root / part).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise BadInput(
            "--state", f"{state.root} cannot be used ({error.strerror})", "Choose another directory"
        ) from error
    return state


@contextmanager
def locked(state: StateDir) -> Iterator[None]:
    """Hold the directory alone; whatever a crashed holder left running is stopped first.

    Raises Conflict when another process holds it.
    """
    with (state.root / "run" / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"{state.root} is in use by another `filmforge up`: stop that one first, "
                "or choose another directory with --state"
            ) from None
        state.up_file.unlink(missing_ok=True)
        stop_survivors(state)
        yield


def stop_survivors(state: StateDir) -> int:
    """Kill what an earlier run left behind, and say how many processes that were.

    To be called by the holder of the lock, before it starts anything.
    """
    ourselves = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    left = [
        process
        for process in psutil.process_iter()
        if process.pid not in ourselves and _belongs_to(process, state)
    ]
    for process in left:
        _log.warning("survivor_stopped", pid=process.pid, state=str(state.root))
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=10)
    return len(left)


def _belongs_to(process: psutil.Process, state: StateDir) -> bool:
    with suppress(psutil.Error, OSError):
        return process.environ().get(MARK) == str(state.root)
    return False


def read_up(root: Path) -> UpInfo | None:
    """What the running `up` of this directory published; None where none runs."""
    try:
        published = StateDir(root.expanduser().absolute()).up_file.read_bytes()
    except FileNotFoundError:
        return None
    return UpInfo.model_validate_json(published)


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically and durably; only its owner may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
