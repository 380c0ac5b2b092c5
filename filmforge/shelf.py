"""The shelf: files that this machine used lately, under their digests, so that none comes twice.

A file is on it by a hard link, made in one step from a file that is whole; what was taken from it,
or put on it, must never be written to again. Any number of processes may share one.
"""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

# Files are looked through when this share of what the shelf holds has been added.
_LOOK_AFTER = 16
_LEFT = 0.9
_NO_SECOND_NAMES = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP)


class _Entry(NamedTuple):
    used_ns: int
    size: int
    path: Path


class Shelf:
    """At most about `max_bytes` of files in a folder: what was used longest ago goes first."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._added = max_bytes
        self._lock = Lock()

    def holds(self, digest: str) -> bool:
        """Whether a file is there, whole."""
        return self._find(digest) is not None

    def take(self, digest: str, path: Path) -> bool:
        """Put a file at `path` and say True, if it is there."""
        if (found := self._find(digest)) is None:
            return False
        try:
            _link(found, path)
            os.utime(found)
        except FileNotFoundError:  # another process has cleared it away just now
            return False
        return True

    def keep(self, digest: str, path: Path) -> None:
        """Put a file on the shelf; one that is larger than a quarter of it is not kept."""
        size = path.stat().st_size
        if size > self._max_bytes // 4 or self.holds(digest):
            return
        place = self._place(digest, size)
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(path, place)
        self._make_room(size)

    def _place(self, digest: str, size: int) -> Path:
        # The name says how long the file is: one that a crash of the machine cut short is not it.
        return self._folder / digest[:2] / f"{digest}-{size}"

    def _find(self, digest: str) -> Path | None:
        with suppress(FileNotFoundError):
            for path in (self._folder / digest[:2]).glob(f"{digest}-*"):
                if path.stat().st_size == int(path.name.rpartition("-")[2]):
                    return path
                path.unlink(missing_ok=True)
        return None

    def _make_room(self, size: int) -> None:
        with self._lock:
            self._added += size
            if self._added < self._max_bytes // _LOOK_AFTER:
                return
            self._added = 0
            entries = sorted(self._entries())
            held = sum(entry.size for entry in entries)
            if held <= self._max_bytes:
                return
            for entry in entries:
                if held <= self._max_bytes * _LEFT:
                    return
                entry.path.unlink(missing_ok=True)
                held -= entry.size

    def _entries(self) -> Iterator[_Entry]:
        for path in self._folder.glob("*/*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                yield _Entry(facts.st_mtime_ns, facts.st_size, path)


def _link(source: Path, path: Path) -> None:
    """Give a file a second name at once, or a copy where the disk has no second names."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        try:
            partial.hardlink_to(source)
        except OSError as error:
            if error.errno not in _NO_SECOND_NAMES:
                raise
            shutil.copyfile(source, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
