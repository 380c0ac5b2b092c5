"""Loopback ports: free ones, remembered so that an address outlives a restart."""

import json
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

from filmforge.errors import ServiceUnavailable

LOOPBACK = "127.0.0.1"

# Both ranges lie below the kernel's ephemeral ports (32768 and up on Linux), so that an outgoing
# connection cannot take a server's port while the server is being restarted.
_FIRST, _LAST = 11_000, 21_999
# SeaweedFS serves gRPC this far above each HTTP port, and part of it knows no other way.
GRPC_OFFSET = 10_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def remembered_ports(memory: Path, names: Sequence[str]) -> dict[str, int]:
    """A port for each name, with its gRPC twin free too: last time's unless another has it now.

    `memory` is the JSON file that keeps them. Raises ServiceUnavailable when none are free.
    """
    known: dict[str, int] = json.loads(memory.read_text()) if memory.exists() else {}
    chosen: dict[str, int] = {}
    for name in names:
        chosen[name] = _choose(known.get(name), set(chosen.values()))
    memory.write_text(json.dumps(known | chosen))
    return chosen


def _choose(wish: int | None, taken: set[int]) -> int:
    occupied = taken | {port + GRPC_OFFSET for port in taken}
    for port in ([wish] if wish else []) + [_draw() for _ in range(1_000)]:
        pair = (port, port + GRPC_OFFSET)
        if not occupied.intersection(pair) and all(map(is_free, pair)):
            return port
    raise ServiceUnavailable("no free loopback port was found: stop something that listens")


def _draw() -> int:
    return _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
