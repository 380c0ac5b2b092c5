"""The engine's calls reach Temporal, also as the server ends their connection."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from filmforge.embedded.ports import LOOPBACK
from filmforge.embedded.process import Child, binary
from filmforge.engine import Engine
from filmforge.errors import ServiceUnavailable
from filmforge.settings import Settings
from tests.fake_process import free_port

# A server ends each connection after five minutes, unless it is told otherwise.
SPANS = {
    "frontend.keepAliveMaxConnectionAge": "100ms",
    "frontend.keepAliveMaxConnectionAgeGrace": "50ms",
}
CALLS, AT_A_TIME = 4_000, 4


@pytest.fixture
async def restless(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine on a Temporal server that ends every connection after a moment."""
    port = free_port()
    settings = Settings(temporal_address=f"{LOOPBACK}:{port}", temporal_namespace="default")
    command = [binary("temporal"), "server", "start-dev", "--headless", "--log-level", "error"]
    command += ["--ip", LOOPBACK, "--port", str(port)]
    for name, span in SPANS.items():
        command += ["--dynamic-config-value", f'{name}="{span}"']

    async def ready() -> bool:
        try:
            await (await Engine.connected(settings)).gpu_queue()
        except ServiceUnavailable:
            return False
        return True

    server = Child("temporal", command, {}, tmp_path / "temporal.log", ready)
    await server.start()
    try:
        yield await Engine.connected(settings)
    finally:
        await server.kill()


async def test_no_call_fails_because_the_server_ends_its_connection(restless: Engine) -> None:
    async def call_again_and_again() -> None:
        for _ in range(CALLS // AT_A_TIME):
            await restless.gpu_queue()
            await restless.check()

    await asyncio.gather(*(call_again_and_again() for _ in range(AT_A_TIME)))
