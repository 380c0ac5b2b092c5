"""Crew: processes of ours, forked from one that has imported everything, killed without warning."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from filmforge.settings import Settings

LOOK_S = 0.03

_warm = multiprocessing.get_context("forkserver")
_warm.set_forkserver_preload(["tests.crash.warm"])


class Crew:
    """Processes of ours, forked from one that has imported everything, killed without warning."""

    def __init__(self, folder: Path, target: Callable[..., None]) -> None:
        self.log = folder / f"{target.__name__}.log"
        self._target = target
        self._process: ForkServerProcess | None = None

    @property
    def pid(self) -> int:
        """The process id of the latest start."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    def start(self, environment: Mapping[str, str], extra: Any) -> None:
        """Start it; its words go to its log."""
        process = _warm.Process(target=self._target, args=(dict(environment), self.log, extra))
        process.start()
        self._process = process

    async def exited(self) -> int:
        """Wait until it ends, kill what it left behind, and return its exit status."""
        while self.alive:  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(LOOK_S)
        pid, process, self._process = self.pid, self._process, None
        with suppress(ProcessLookupError):  # it left nothing
            os.killpg(pid, signal.SIGKILL)
        assert process is not None
        assert process.exitcode is not None
        status = process.exitcode
        process.close()
        return status

    async def kill(self) -> None:
        """SIGKILL, if it still runs, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            await self.exited()


def as_environment(settings: Settings, names: set[str]) -> dict[str, str]:
    """These settings as a process is told them."""
    told = {}
    for name in names:
        alias = Settings.model_fields[name].validation_alias
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        told[alias if isinstance(alias, str) else f"FILMFORGE_{name.upper()}"] = str(plain)
    return told
