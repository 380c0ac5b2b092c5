"""Scratch: files that a request needs for a while, and what is left of them after a kill."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

UPLOADS: Literal["uploads"] = "uploads"
EXPORTS: Literal["exports"] = "exports"


@contextmanager
def scratch(work_dir: Path) -> Iterator[None]:
    """Hold the scratch folders while a gateway runs; what a killed one left is removed first.

    Gateways of one machine may share them: only one that is alone there removes anything. Blocking.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    with (work_dir / "gateway.lock").open("w") as lock:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in (UPLOADS, EXPORTS):
                shutil.rmtree(work_dir / name, ignore_errors=True)
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield


def folder_of(work_dir: Path, name: Literal["uploads", "exports"]) -> Path:
    """The folder that all requests of a kind make theirs in."""
    folder = work_dir / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
