"""`filmforge up`: everything on one machine, started in order, kept running, stopped in order."""

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import structlog

from filmforge.embedded.environment import child_environment
from filmforge.embedded.ports import LOOPBACK, is_free, remembered_ports
from filmforge.embedded.process import Child, Probe, tail
from filmforge.embedded.servers import Servers, running_servers
from filmforge.embedded.state import StateDir, UpInfo, locked, open_state
from filmforge.errors import BadInput, ServiceUnavailable
from filmforge.settings import Settings

DEFAULT_PORT = 8700

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_STEADY_S = 30.0

Commands = Mapping[str, Sequence[str]]

_log = structlog.get_logger()


async def run_up(
    state_dir: Path,
    port: int = DEFAULT_PORT,
    *,
    settings: Settings,
    fake: bool = False,
    commands: Commands | None = None,
    on_ready: Callable[[UpInfo], None] | None = None,
) -> None:
    """Run until SIGINT, SIGTERM, SIGHUP or cancellation; nothing is left running afterwards.

    `fake` adds the fake provider. `commands` replaces what is run as `migrate`, `worker`,
    `gateway` or `fake`. Raises Conflict when the directory is in use, BadInput when the port is,
    ServiceUnavailable when something does not start.
    """
    state = open_state(state_dir)
    with _stop_signal() as stop:
        work = asyncio.create_task(_run(state, port, settings, fake, commands or {}, on_ready))
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work


@contextmanager
def _stop_signal() -> Iterator[asyncio.Event]:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup means go on
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _run(
    state: StateDir,
    port: int,
    settings: Settings,
    fake: bool,
    commands: Commands,
    on_ready: Callable[[UpInfo], None] | None,
) -> None:
    with locked(state):
        if not is_free(port):
            raise BadInput("--port", f"{port} is taken on {LOOPBACK}", "Choose another with --port")
        async with running_servers(state, settings) as servers:
            company = _Company(state, port, settings, servers, fake, commands)
            try:
                info = await company.start()
                if on_ready:
                    on_ready(info)
                await company.keep()
            finally:
                state.up_file.unlink(missing_ok=True)
                await company.stop()


class _Company:
    """The processes of ours, beside the servers they work with."""

    def __init__(
        self,
        state: StateDir,
        port: int,
        settings: Settings,
        servers: Servers,
        fake: bool,
        commands: Commands,
    ) -> None:
        self._state = state
        self._servers = servers
        self._api = f"http://{LOOPBACK}:{port}"
        fake_port = remembered_ports(state.ports_file, ["fake"])["fake"] if fake else 0
        self._fake_url = f"http://{LOOPBACK}:{fake_port}" if fake else None
        self._api_key = next(iter(settings.keys()), servers.credentials.api_key)
        self._commands = _default_commands(state, port, fake_port) | dict(commands)
        self._environment = child_environment(state, settings, servers, self._api, self._fake_url)
        self._children = [
            self._child("worker", self._worker_polls),
            self._child("gateway", _answers(f"{self._api}/readyz")),
        ]
        if fake:
            self._children.append(self._child("fake", _listens(fake_port)))

    def _child(self, name: str, ready: Probe) -> Child:
        log = self._state.log_file(name)
        return Child(name, self._commands[name], self._environment, log, ready)

    async def start(self) -> UpInfo:
        """Bring the ledger up to date, start everyone, publish once all are ready."""
        await self._migrate()
        self._state.worker_ready_file.unlink(missing_ok=True)
        await asyncio.gather(*(child.start() for child in self._children))
        return self._publish()

    async def _migrate(self) -> None:
        migration = self._child("migrate", _never)
        migration.spawn()
        try:
            status = await migration.exited()
        finally:
            await migration.kill()
        if status:
            raise ServiceUnavailable(
                f"the ledger could not be brought up to date (exit status {status}); "
                f"last lines of {migration.log}:\n{tail(migration.log)}"
            )

    async def keep(self) -> None:
        """Start again whatever ends, for ever."""
        await asyncio.gather(*map(self._keep, (*self._servers.children, *self._children)))

    async def _keep(self, child: Child) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            since = time.monotonic()
            status = await child.exited()
            if time.monotonic() - since >= _STEADY_S:
                pause_s = _FIRST_PAUSE_S
            _log.warning("child_ended", child=child.name, status=status, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if child.name == "worker":
                self._state.worker_ready_file.unlink(missing_ok=True)
            child.spawn()
            self._publish()

    async def stop(self) -> None:
        """End our own processes; the servers they may still need are not among them."""
        await asyncio.gather(*(child.stop() for child in self._children))

    def _publish(self) -> UpInfo:
        info = UpInfo(
            api=self._api,
            api_key=self._api_key,
            temporal=self._servers.temporal_address,
            temporal_ui=self._servers.temporal_ui,
            s3=self._servers.s3_endpoint,
            pids={child.name: child.pid for child in (*self._children, *self._servers.children)},
            fake=self._fake_url,
        )
        self._state.publish(info)
        return info

    async def _worker_polls(self) -> bool:
        return self._state.worker_ready_file.exists()


def _default_commands(state: StateDir, port: int, fake_port: int) -> dict[str, Sequence[str]]:
    # -P: a directory called workers where the user happens to stand is not ours.
    python = (sys.executable, "-P", "-m")
    fake = ("--port", str(fake_port), "--state", str(state.root / "fake.db"))
    return {
        "migrate": (*python, "filmforge.ledger.migrate"),
        "worker": (*python, "workers.main"),
        "gateway": (*python, "filmforge.gateway.main", "--port", str(port)),
        "fake": (*python, "filmforge.fakeserver", *fake),
    }


def _answers(url: str) -> Probe:
    async def probe() -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
                return (await client.get(url)).is_success
        except httpx.HTTPError:
            return False

    return probe


def _listens(port: int) -> Probe:
    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            return False
        writer.close()
        return True

    return probe


async def _never() -> bool:
    return False
