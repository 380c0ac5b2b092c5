"""A remote API and the command line beside it."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filmforge.cli.app import run
from tests.cli.remote import KEY, Remote, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def remote() -> Iterator[Remote]:
    with serving(Remote()) as made:
        yield made


@pytest.fixture
def state(tmp_path: Path, remote: Remote) -> Path:
    root = tmp_path / "state"
    root.mkdir()
    (root / "up.json").write_text(json.dumps({"api": remote.url, "api_key": KEY}))
    return root


@pytest.fixture
def cli(state: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against the remote API; returns its exit status, stdout and stderr."""

    def call(*arguments: Any) -> tuple[int, str, str]:
        status = run([*map(str, arguments), "--state", str(state)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """No servers of other tests: the commands find or start their own."""
    for name in os.environ:
        if name.startswith(("TEMPORAL_", "AWS_", "FILMFORGE_")):
            monkeypatch.delenv(name)
