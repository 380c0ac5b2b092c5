"""A FilmForge on this machine: the one that runs already, or one started for the occasion."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filmforge.cli.access import Access
from filmforge.cli.api import Api
from filmforge.errors import ServiceUnavailable

_PORT = 8700
_START_S = 120.0
_STOP_S = 30.0
_TICK_S = 0.1
_LOG_LINES = 20


@dataclass(frozen=True)
class Instance:
    """A running FilmForge as published in up.json; `ours` tells whether we started it."""

    info: dict[str, Any]
    ours: bool

    @property
    def access(self) -> Access:
        """The address and key of its API."""
        return Access(self.info["api"], self.info["api_key"])


@contextmanager
def running(state: Path) -> Iterator[Instance]:
    """The instance of a state directory; one started here is stopped at the end.

    Raises ServiceUnavailable with the last lines of its log when it does not start.
    """
    if info := _answering(state):
        yield Instance(info, ours=False)
        return
    child = _spawn(state)
    try:
        yield Instance(_wait(state, child), ours=True)
    finally:
        _stop(child)


def _answering(state: Path) -> dict[str, Any] | None:
    info = _published(state)
    if info is None:
        return None
    with Api(Access(info["api"], info["api_key"])) as api:
        return info if api.ready() else None


def _published(state: Path) -> dict[str, Any] | None:
    try:
        info = json.loads((state / "up.json").read_bytes())
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) and {"api", "api_key"} <= info.keys() else None


def _spawn(state: Path) -> "subprocess.Popen[bytes]":
    (state / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    state.chmod(0o700)
    command = [sys.executable, "-P", "-m", "filmforge.cli", "up"]
    command += ["--state", str(state.absolute()), "--port", str(_free_port())]
    with _log(state).open("wb") as log:
        return subprocess.Popen(  # noqa: S603  our own program, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on
        )


def _log(state: Path) -> Path:
    return state / "logs" / "up.log"


def _free_port() -> int:
    from filmforge.embedded.ports import LOOPBACK, is_free

    if is_free(_PORT):
        return _PORT
    with socket.socket() as trial:
        trial.bind((LOOPBACK, 0))
        port: int = trial.getsockname()[1]
        return port


def _wait(state: Path, child: "subprocess.Popen[bytes]") -> dict[str, Any]:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if info := _answering(state):
            return info
        if child.poll() is not None:
            raise ServiceUnavailable(f"FilmForge did not start.\n{_last_words(state)}")
        time.sleep(_TICK_S)
    raise ServiceUnavailable(
        f"FilmForge was not ready after {_START_S:.0f} s.\n{_last_words(state)}"
    )


def _last_words(state: Path) -> str:
    lines = _log(state).read_text(errors="replace").splitlines()
    return "\n".join([*lines[-_LOG_LINES:], f"The whole log is {_log(state)}."])


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
