import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from filmforge.embedded import Servers, UpInfo, read_up, serve
from filmforge.embedded.ports import is_free
from filmforge.embedded.state import MARK
from filmforge.settings import Settings

ROOT = Path(__file__).parents[2]
UP_PROGRAM = (sys.executable, "-m", "tests.embedded.up_program")


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("TEMPORAL_", "AWS_", "FILMFORGE_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """One pair of servers for every test that only looks, or that brings them back up."""
    nothing_given = Settings(temporal_address="", s3_endpoint="", s3_bucket="")
    with serve(tmp_path_factory.mktemp("servers") / "state", nothing_given) as servers:
        yield servers


@pytest.fixture
def port() -> int:
    return next(p for p in range(22_000 + os.getpid() % 5_000, 32_000) if is_free(p))


class Up:
    """A supervisor in a process of its own."""

    def __init__(self, state: Path, port: int, **commands: tuple[str, ...]) -> None:
        self.state, self.port = state, port
        self.process = subprocess.Popen(
            [*UP_PROGRAM, str(state), str(port), json.dumps(commands)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> UpInfo:
        until(lambda: self.process.poll() is not None or read_up(self.state))
        info = read_up(self.state)
        assert info, self.process.communicate()[1]
        return info

    def said(self) -> str:
        return self.process.communicate(timeout=40)[1]

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def up(tmp_path: Path, port: int) -> Iterator[Callable[..., Up]]:
    """Starts supervisors; whatever is left of them is killed at the end of the test."""
    started: list[Up] = []

    def start(
        state: Path = tmp_path / "state", port: int = port, **commands: tuple[str, ...]
    ) -> Up:
        started.append(Up(state, port, **commands))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()
        for left in marked(each.state):
            left.kill()


def until(condition: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.02)


def marked(state: Path) -> list[psutil.Process]:
    """The live processes of an installation, found without the code under test."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(state):
                found.append(process)
    return found
