"""Crew: processes of ours, forked from one that has imported everything, killed without warning."""

import asyncio
import multiprocessing
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from tests.crash.makers import STANDS

_warm = multiprocessing.get_context("forkserver")
_warm.set_forkserver_preload(
    [
        "tests.crash.worker",
        "filmforge.gateway.main",
        *(f"filmforge.providers.{provider}" for provider in STANDS),
    ]
)


class Crew:
    """Processes of ours, forked from one that has imported everything, killed without warning."""

    def __init__(self, folder: Path, target: Callable[..., None]) -> None:
        self._folder = folder
        self._target = target
        self._process: ForkServerProcess | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    def start(self, environment: Mapping[str, str], extra: Any) -> None:
        """Start it; its words go to a log in the folder."""
        log = self._folder / f"{self._target.__name__}.log"
        process = _warm.Process(
            target=self._target, args=(dict(environment), log, extra), daemon=True
        )
        process.start()
        self._process = process

    async def kill(self) -> None:
        """SIGKILL, if it still runs, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.join)
            self._process.close()
            self._process = None
