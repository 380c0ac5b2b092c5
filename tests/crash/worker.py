"""A worker that kills itself, once, at a named point: `python -m tests.crash.worker`.

TRAP_POINT names the point, TRAP_FILE a file that is written as the worker dies: while it is
there, the worker lives. Without a point it is an ordinary worker.
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
    """Kills the process the first time that a point is reached."""

    def __init__(self, point: str, file: Path) -> None:
        self._point = point
        self._file = file

    def reach(self, point: str, key: str) -> None:
        """Die here, leaving word of it."""
        if point == self._point and not self._file.exists():
            self._file.write_text(key)
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    trap = Trap(os.environ.get("TRAP_POINT", ""), Path(os.environ.get("TRAP_FILE", "")))
    asyncio.run(run_worker(Settings(), trap))
