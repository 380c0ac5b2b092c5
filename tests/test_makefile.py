"""The Makefile and .ci/run: what they need, and what they say when it is missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("sh", "echo", "mkdir", "touch", "sed", "id", "env")


def make(folder: Path, *arguments: str, path: str) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("make")
    assert program is not None
    command = [program, "-C", str(folder), "-f", str(ROOT / "Makefile"), *arguments]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env={"PATH": path}, timeout=60
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A machine with a shell and little else."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    return tools


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_without_python_it_says_which_one_is_needed(tmp_path: Path, bare: Path) -> None:
    ran = make(tmp_path, ".venv/bin/python", path=str(bare))
    assert ran.returncode != 0
    assert "Python 3.11 or newer is needed" in ran.stderr


def test_an_old_python_is_not_taken(tmp_path: Path, bare: Path) -> None:
    program(bare / "python3", "exit 1")
    ran = make(tmp_path, ".venv/bin/python", path=str(bare))
    assert ran.returncode != 0
    assert "Python 3.11 or newer is needed" in ran.stderr


def test_a_python_without_ensurepip_is_told_with_the_package_to_install(
    tmp_path: Path, bare: Path
) -> None:
    program(bare / "python3", 'case "$2" in *ensurepip*) exit 1;; esac')
    ran = make(tmp_path, ".venv/bin/python", path=str(bare))
    assert ran.returncode != 0
    assert "apt-get install python3-venv" in ran.stderr


def test_without_a_browser_and_a_way_to_install_one_it_says_what_is_needed(
    tmp_path: Path, bare: Path
) -> None:
    ran = make(tmp_path, "browser", path=str(bare))
    assert ran.returncode != 0
    assert "need Chromium" in ran.stderr
    program(bare / "chromium-browser", "exit 0")
    assert make(tmp_path, "browser", path=str(bare)).returncode == 0


def test_help_names_every_target_a_person_may_want(tmp_path: Path) -> None:
    said = make(tmp_path, "help", path=os.environ["PATH"]).stdout
    for target in ("setup", "demo", "test", "lint", "bench", "clean", "pins"):
        assert f"make {target} " in said


def test_the_checks_of_a_change_are_make_test() -> None:
    run = ROOT / ".ci" / "run"
    assert os.access(run, os.X_OK)
    assert run.read_text().rstrip().endswith("make test\nexec make test-gpu-functions")
