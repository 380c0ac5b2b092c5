"""A worker that kills itself at named points: `python -m tests.crash.worker`.

TRAP_POINTS names them, with commas between; TRAP_FILE is a file that gets a line for each as the
worker dies there, so that it lives on to the next. Without points it is an ordinary worker.
"""

import asyncio
import os
import signal
from pathlib import Path

import structlog

from activities.generate import Marks
from filmforge.settings import Settings
from workers.main import run_worker


class Trap(Marks):
    """Kills the process the first time that a point is reached, one point after the other."""

    def __init__(self, points: list[str], file: Path) -> None:
        self._file = file
        passed = len(file.read_text().splitlines()) if file.exists() else 0
        self._point = next(iter(points[passed:]), None)

    def reach(self, point: str, key: str) -> None:
        """Die here, leaving word of it."""
        if point == self._point:
            with self._file.open("a") as file:
                file.write(f"{point} {key}\n")
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    trap = Trap(os.environ["TRAP_POINTS"].split(","), Path(os.environ["TRAP_FILE"]))
    asyncio.run(run_worker(Settings(), trap))
