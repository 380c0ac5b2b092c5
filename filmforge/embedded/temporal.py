"""The embedded Temporal server: the official development server on SQLite, made to last."""

from dataclasses import dataclass

import httpx

from filmforge.embedded.ports import LOOPBACK
from filmforge.embedded.process import Child, binary
from filmforge.embedded.state import StateDir

PORTS = ("temporal", "temporal_http", "temporal_ui", "temporal_metrics")

# WAL lets readers and the one writer work side by side. With synchronous=normal a process may be
# killed at any time without loss; a power cut may lose the last moments of orchestration, which
# are worked out again. It never loses paid work: that is in the journal, which is synced.
_PRAGMAS = ("journal_mode=wal", "synchronous=normal")

_DYNAMIC_CONFIG = {
    # A board of frames decided at once is one update a frame, all on one workflow. With the
    # default of 10 in flight, 100 at once took 18 s and 13 failed; with this, 1 s and none.
    "history.maxInFlightUpdates": "1000",
    # In the life of one run; the default is 2,000, a film may have 5,000 shots.
    "history.maxTotalUpdates": "10000",
    # Tasks of one priority are dealt out fairly between projects: with 300 steps of one waiting,
    # the ten of another came after 240 of them without this, and by turns with it. A queue is one
    # partition, for fairness holds within each: of four, one was served long after the others.
    "matching.useNewMatcher": "true",
    "matching.enableFairness": "true",
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
}


@dataclass(frozen=True)
class TemporalServer:
    """The server and where it listens."""

    child: Child
    address: str
    ui: str


def temporal_server(state: StateDir, ports: dict[str, int], namespace: str) -> TemporalServer:
    """Prepare the server, not started yet; its namespace is made at its first start."""
    http = f"http://{LOOPBACK}:{ports['temporal_http']}/api/v1/namespaces/{namespace}"

    async def ready() -> bool:
        # It answers for a namespace once storage, history and matching all work.
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
                return (await client.get(http)).is_success
        except httpx.HTTPError:
            return False

    return TemporalServer(
        child=Child(
            "temporal",
            [binary("temporal"), *_arguments(state, ports, namespace)],
            state.server_environment() | {"TEMPORAL_VERSION_CHECK_DISABLED": "1"},
            state.log_file("temporal"),
            ready,
            directory=state.root,
        ),
        address=f"{LOOPBACK}:{ports['temporal']}",
        ui=f"http://{LOOPBACK}:{ports['temporal_ui']}",
    )


def _arguments(state: StateDir, ports: dict[str, int], namespace: str) -> list[str]:
    arguments = ["server", "start-dev", "--log-level", "error", "--ui-disable-news-fetch"]
    arguments += ["--db-filename", str(state.root / "temporal.db")]
    arguments += ["--ip", LOOPBACK, "--ui-ip", LOOPBACK, "--namespace", namespace]
    arguments += ["--port", str(ports["temporal"]), "--http-port", str(ports["temporal_http"])]
    arguments += ["--ui-port", str(ports["temporal_ui"])]
    arguments += ["--metrics-port", str(ports["temporal_metrics"])]
    for pragma in _PRAGMAS:
        arguments += ["--sqlite-pragma", pragma]
    for key, value in _DYNAMIC_CONFIG.items():
        arguments += ["--dynamic-config-value", f"{key}={value}"]
    return arguments
