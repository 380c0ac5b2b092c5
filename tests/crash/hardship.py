"""What a worker may have to endure: a provider without a list, a clock set back, a full disk.

Read from its environment as it starts: CRASH_RECOVERY, CRASH_CLOCK_S, CRASH_DISK_FULL.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from filmforge.domain import GenerationRequest
from filmforge.errors import CreateAmbiguous
from filmforge.providers.base import Job, Provider
from filmforge.providers.catalogue import Recovery
from filmforge.providers.registry import Registry

ROOT = Path(__file__).parents[2]
OURS = ("filmforge", "activities", "workers", "workflows")
# From <sched.h> and <sys/mount.h> of Linux.
NEW_NAMESPACE, NEW_USERS = 0x00020000, 0x10000000
RECURSIVE, PRIVATE = 1 << 14, 1 << 18
PAGE_BYTES = os.sysconf("SC_PAGESIZE")


def endure(environment: Mapping[str, str]) -> None:
    """Suffer what the environment says."""
    if recovery := environment.get("CRASH_RECOVERY"):
        _take_the_lists_away(Recovery(recovery))
    if shift_s := environment.get("CRASH_CLOCK_S"):
        _shift_the_clock(float(shift_s))
    if environment.get("CRASH_DISK_FULL"):
        fill_the_disk(Path(environment["FILMFORGE_WORK_DIR"]))


def _take_the_lists_away(recovery: Recovery) -> None:
    """A provider that has a list of jobs says that it has none, and can be asked for none."""
    with_lists = Registry._get

    def without(self: Registry, name: str, field: str) -> Provider:
        provider: Any = with_lists(self, name, field)
        if provider.find is not _cannot_tell:
            able = provider.recovery
            provider.find = _cannot_tell
            provider.recovery = lambda request: (
                recovery if able(request) is Recovery.LISTING else able(request)
            )
        return provider  # type: ignore[no-any-return] # it is the provider that came

    Registry._get = without  # type: ignore[method-assign]


async def _cannot_tell(
    _request: GenerationRequest, _since: datetime, _known: frozenset[str]
) -> Job | None:
    raise CreateAmbiguous("this provider has no list of jobs")


def _shift_the_clock(seconds: float) -> None:
    """What our own code takes for the present is shifted, and whatever calls time.time.

    Timers, Temporal's clock and the dates in the store's signatures stay as they are: a store
    refuses what is an hour old, so that such a film would wait until the clock is right again.
    """
    now = time.time

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override] # a plain datetime will do
            return datetime.now(tz) + timedelta(seconds=seconds)

    time.time = lambda: now() + seconds
    for name, module in list(sys.modules.items()):  # all are imported before the fork
        if name.partition(".")[0] in OURS and getattr(module, "datetime", None) is datetime:
            module.datetime = Shifted  # type: ignore[attr-defined] # it has one


def fill_the_disk(folder: Path) -> None:
    """Put a full disk over a folder, for this process alone.

    Raises PermissionError where that is not allowed; call it before there are threads.
    """
    libc, users = ctypes.CDLL(None, use_errno=True), os.geteuid() != 0
    user, group = os.geteuid(), os.getegid()
    _must(libc.unshare(NEW_NAMESPACE | (NEW_USERS if users else 0)))
    if users:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _must(libc.mount(None, b"/", None, RECURSIVE | PRIVATE, None))
    options = f"size={PAGE_BYTES},mode=0700".encode()
    _must(libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, options))
    (folder / "ballast").write_bytes(bytes(PAGE_BYTES))


def may_fill_disks() -> bool:
    """Whether this machine lets a process mount a disk of its own."""
    with tempfile.TemporaryDirectory() as folder:
        program = f"from tests.crash.hardship import *; fill_the_disk(Path({folder!r}))"
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    return done.returncode == 0


def _must(status: int) -> None:
    if status:
        number = ctypes.get_errno()
        raise PermissionError(number, os.strerror(number))
