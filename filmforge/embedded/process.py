"""One child process: started, watched until it is ready, stopped with all it started."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from filmforge.errors import NotFound, ServiceUnavailable

Probe = Callable[[], Awaitable[bool]]

MAX_LOG_BYTES = 10_000_000
_TICK_S = 0.05
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def binary(name: str) -> str:
    """The program of that name that was installed beside this Python.

    Raises NotFound when it is missing.
    """
    found = Path(sys.executable).parent / name
    if not found.is_file():
        raise NotFound(f"{found} is missing: install the project's requirements (make setup)")
    return str(found)


class Child:
    """A process in a session of its own; `ready` says whether it answers.

    On Linux it dies with the thread that started it, which must therefore be one that lasts:
    the main thread, as a rule. `environment` is all it gets. Not tied to an event loop.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        log: Path,
        ready: Probe,
        directory: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(part) for part in command]
        self._environment = dict(environment)
        self._ready = ready
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._swept = True

    @property
    def pid(self) -> int:
        """The process id of the latest start."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def spawn(self) -> None:
        """Start it without waiting; its output goes to the end of its log."""
        if self.log.exists() and self.log.stat().st_size > MAX_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  the command is ours, no shell
                self._command,
                env=self._environment,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on, in order
                umask=0o077,
                preexec_fn=_die_with(os.getpid()),  # noqa: PLW1509  one C call, no Python locks
            )
        self._swept = False

    async def start(self, timeout_s: float = 60) -> None:
        """Start it and wait until it is ready.

        Raises ServiceUnavailable with the last lines of its log when it dies or takes too long;
        nothing of it is left running then.
        """
        self.spawn()
        try:
            await self._until_ready(timeout_s)
        except BaseException:
            await self.kill()
            raise

    async def _until_ready(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while self.alive and time.monotonic() < deadline:
            if await self._ready():
                return
            await asyncio.sleep(_TICK_S)
        what = f"was not ready after {timeout_s:g} s" if self.alive else "ended while starting"
        raise ServiceUnavailable(f"{self.name} {what}; last lines of {self.log}:\n{tail(self.log)}")

    async def exited(self) -> int:
        """Wait until it ends, kill what it left behind, and return its exit status."""
        while self.alive:  # noqa: ASYNC110  an event would tie the child to one loop
            await asyncio.sleep(_TICK_S)
        if not self._swept:  # once: later the number may be someone else's
            self._kill_group()
            self._swept = True
        assert self._process is not None
        return int(self._process.returncode)

    async def stop(self, patience_s: float = 10) -> None:
        """End it politely (SIGTERM), by force when it takes longer than `patience_s`."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.exited(), patience_s)
        await self.kill()

    async def kill(self) -> None:
        """End it and all it started at once (SIGKILL), and wait until it is gone."""
        if self.alive:
            self._kill_group()
        if self._process is not None:
            await self.exited()

    def _kill_group(self) -> None:
        with suppress(
            ProcessLookupError, PermissionError
        ):  # macOS: EPERM when only zombies are left
            os.killpg(self.pid, signal.SIGKILL)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8_000))
        return b"\n".join(file.read().splitlines()[-lines:]).decode(errors="replace")


def _die_with(parent: int) -> Callable[[], None] | None:
    """Ask Linux to kill the child when its parent is gone, even by SIGKILL.

    Without it a killed supervisor would leave servers holding ports and databases. SIGKILL, since
    nothing may depend on a tidy end: every server here survives it, and the journal must.
    """
    if _LIBC is None:
        return None
    prctl = _LIBC.prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask
