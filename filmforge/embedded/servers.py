"""Temporal and S3 together: whichever was not given from outside is started here."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filmforge.embedded import s3 as _s3
from filmforge.embedded import temporal as _temporal
from filmforge.embedded.credentials import Credentials, keep_credentials
from filmforge.embedded.ports import remembered_ports
from filmforge.embedded.process import Child
from filmforge.embedded.state import StateDir, locked, open_state
from filmforge.errors import BadInput
from filmforge.settings import Settings

# Both are safe to kill (see their modules); an idle connection can hold SeaweedFS back for 30 s.
_STOP_PATIENCE_S = 3


@dataclass(frozen=True)
class Servers:
    """Where Temporal and S3 are, ours or given; `environment` tells a process of ours.

    `temporal` and `s3` are the children, None when not started here: `await child.kill()` and
    `await child.start()` bring one down and back on the same ports.
    """

    credentials: Credentials = field(repr=False)
    temporal: Child | None
    s3: Child | None
    temporal_address: str
    temporal_ui: str | None
    s3_endpoint: str
    s3_bucket: str
    environment: dict[str, str] = field(repr=False)

    @property
    def children(self) -> list[Child]:
        """What was started here."""
        return [child for child in (self.temporal, self.s3) if child is not None]


@asynccontextmanager
async def start_servers(
    state_dir: Path, settings: Settings, *, temporal: bool = True, s3: bool = True
) -> AsyncIterator[Servers]:
    """Temporal and S3 for as long as the context lasts, each only if wanted and not given.

    Enter it in a thread that lasts, as a rule the main one: on Linux the servers die with it.
    Raises Conflict when the directory is in use, ServiceUnavailable when a server will not start.
    """
    state = open_state(state_dir)
    with locked(state):
        async with running_servers(state, settings, temporal=temporal, s3=s3) as servers:
            yield servers


@contextmanager
def serve(
    state_dir: Path, settings: Settings, *, temporal: bool = True, s3: bool = True
) -> Iterator[Servers]:
    """The same as `start_servers` for callers without an event loop, such as a pytest fixture."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        context = start_servers(state_dir, settings, temporal=temporal, s3=s3)
        servers = runner.run(context.__aenter__())
        try:
            yield servers
        finally:
            runner.run(context.__aexit__(None, None, None))


@asynccontextmanager
async def running_servers(
    state: StateDir, settings: Settings, *, temporal: bool = True, s3: bool = True
) -> AsyncIterator[Servers]:
    """The same as `start_servers` for the holder of the directory's lock."""
    servers = _prepare(state, settings, temporal=temporal, s3=s3)
    try:
        await asyncio.gather(*(child.start() for child in servers.children))
        yield servers
    finally:
        await asyncio.gather(*(child.stop(_STOP_PATIENCE_S) for child in servers.children))


def _prepare(state: StateDir, settings: Settings, *, temporal: bool, s3: bool) -> Servers:
    credentials = keep_credentials(state.credentials_file)
    ports = remembered_ports(state.ports_file, [*_temporal.PORTS, *_s3.PORTS])
    environment: dict[str, str] = {}
    ours_temporal = ours_s3 = None
    if temporal and not settings.temporal_address:
        ours_temporal = _temporal.temporal_server(state, ports, settings.temporal_namespace)
        environment["TEMPORAL_ADDRESS"] = ours_temporal.address
    if s3 and not _s3_is_given(settings):
        ours_s3 = _s3.s3_server(state, ports, credentials)
        environment |= _s3.s3_environment(credentials, ours_s3.endpoint)
    return Servers(
        credentials=credentials,
        temporal=ours_temporal.child if ours_temporal else None,
        s3=ours_s3.child if ours_s3 else None,
        temporal_address=ours_temporal.address if ours_temporal else settings.temporal_address,
        temporal_ui=ours_temporal.ui if ours_temporal else None,
        s3_endpoint=ours_s3.endpoint if ours_s3 else settings.s3_endpoint,
        s3_bucket=_s3.BUCKET if ours_s3 else settings.s3_bucket,
        environment=environment,
    )


def _s3_is_given(settings: Settings) -> bool:
    if settings.s3_endpoint and not settings.s3_bucket:
        raise BadInput(
            "FILMFORGE_S3_BUCKET",
            "is not set although AWS_ENDPOINT_URL_S3 is",
            "Name the bucket, or unset the address to use the embedded server",
        )
    return bool(settings.s3_bucket)
