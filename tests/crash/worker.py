"""A worker that kills itself at named points, and a gateway; both forks of a warm process."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path

import structlog

from activities.marks import Marks
from filmforge.settings import Settings
from tests.crash.hardship import endure
from workers.main import run_worker


class Trap(Marks):
    """Kills the process the first time that a point is reached, one point after the other.

    The file gets a line for each as the worker dies there, so that the next lives on to the next.
    """

    def __init__(self, points: Sequence[str], file: Path) -> None:
        self._file = file
        passed = len(file.read_text().splitlines()) if file.exists() else 0
        self._point = next(iter(points[passed:]), None)

    def reach(self, point: str, key: str) -> None:
        """Die here, leaving word of it."""
        if point == self._point:
            with self._file.open("a") as file:
                file.write(f"{point} {key}\n")
            os.kill(os.getpid(), signal.SIGKILL)


class Snare(Marks):
    """Kills the process at the point that a file names; as it springs the file is gone."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def reach(self, point: str, key: str) -> None:
        """Die here, if the snare is set here."""
        with contextlib.suppress(FileNotFoundError):
            if self._file.read_text() == point:
                self._file.unlink()
                os.kill(os.getpid(), signal.SIGKILL)


def work(environment: Mapping[str, str], log: Path, marks: Marks) -> None:
    """Be a worker, in a forked process, until somebody kills it or the marks do."""
    _settle_in(environment, log)
    endure(environment)
    _die_with_the_parent()
    asyncio.run(run_worker(Settings(), marks))


def receive(environment: Mapping[str, str], log: Path, port: int) -> None:
    """Be a gateway, in a forked process, until somebody kills it."""
    from filmforge.gateway.main import serve  # a worker alone starts in two thirds of the time

    _settle_in(environment, log)
    _die_with_the_parent()
    asyncio.run(serve(Settings(), "127.0.0.1", port))


def _settle_in(environment: Mapping[str, str], log: Path) -> None:
    os.setsid()  # what it starts can be ended with it
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.environ.clear()
    os.environ.update(environment)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))


def _die_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
