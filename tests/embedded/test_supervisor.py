"""`filmforge up`: real servers, stand-ins for the worker and the gateway."""

import asyncio
import json
import os
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from filmforge.embedded import read_up, run_up
from filmforge.errors import BadInput, ServiceUnavailable
from filmforge.settings import Settings
from tests.embedded import standin
from tests.embedded.conftest import Up, marked, until

StartUp = Callable[..., Up]

GIVEN = {"temporal_address": "temporal.test:7233", "s3_bucket": "films"}


@pytest.fixture
def without_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal and S3 are given from outside, so that only our own processes start."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", GIVEN["temporal_address"])
    monkeypatch.setenv("FILMFORGE_S3_BUCKET", GIVEN["s3_bucket"])


def grandchild(up: Up) -> int:
    return int((up.state / "run" / "worker.ready").read_text())


def test_up_tells_its_clients_and_its_children_where_everything_is(up: StartUp) -> None:
    running = up()
    info = running.ready()
    file = running.state / "up.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {
        "api", "api_key", "temporal", "temporal_ui", "s3", "pids"
    }  # fmt: skip
    assert set(info.pids) == {"worker", "gateway", "temporal", "s3"}
    told = httpx.get(f"{info.api}/readyz", trust_env=False).json()
    assert told["TEMPORAL_ADDRESS"] == info.temporal
    assert told["AWS_ENDPOINT_URL_S3"] == info.s3
    assert told["FILMFORGE_API_KEYS"] == info.api_key
    assert told["FILMFORGE_PUBLIC_URL"] == info.api
    assert told["FILMFORGE_DATABASE_URL"] == f"sqlite:///{running.state / 'ledger.db'}"
    assert told["FILMFORGE_SIGNING_KEY"].startswith("whsec_")
    assert told["FILMFORGE_WORK_DIR"] == str(running.state / "work")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("without_servers")
def test_a_signal_ends_it_and_leaves_nothing_behind(up: StartUp, number: signal.Signals) -> None:
    running = up()
    running.ready()
    family = running.family()
    running.process.send_signal(number)
    assert running.process.wait(timeout=20) == 0
    until(lambda: not [process for process in family if _lives(process)], timeout_s=2)
    assert not (running.state / "up.json").exists()


def test_an_interrupt_ends_the_servers_too(up: StartUp) -> None:
    running = up()
    running.ready()
    family = running.family()
    assert len(family) == 5
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(timeout=20) == 0
    until(lambda: not [process for process in family if _lives(process)], timeout_s=2)


@pytest.mark.usefixtures("without_servers")
def test_a_killed_worker_is_started_again_and_its_processes_are_ended(up: StartUp) -> None:
    running = up()
    first, helper = running.ready(), psutil.Process(grandchild(running))
    os.kill(first.pids["worker"], signal.SIGKILL)
    until(lambda: _pids(running)["worker"] != first.pids["worker"], timeout_s=2)
    assert _pids(running)["gateway"] == first.pids["gateway"]
    assert psutil.pid_exists(_pids(running)["worker"])
    until(lambda: not _lives(helper))


def test_killed_servers_come_back_on_the_same_addresses(up: StartUp) -> None:
    running = up()
    first = running.ready()
    for name in ("temporal", "s3"):
        os.kill(first.pids[name], signal.SIGKILL)
    until(lambda: not {*_pids(running).values()} & {first.pids["temporal"], first.pids["s3"]})
    again = read_up(running.state)
    assert again
    assert (again.temporal, again.s3) == (first.temporal, first.s3)
    until(lambda: _answers(first.s3) and _answers(first.temporal_ui or ""))


@pytest.mark.usefixtures("without_servers")
def test_a_second_one_on_the_same_directory_is_refused(up: StartUp) -> None:
    running = up()
    info = running.ready()
    second = up(port=running.port + 1)
    assert "in use by another `filmforge up`" in second.said()
    assert second.process.returncode == 1
    assert read_up(running.state) == info


@pytest.mark.usefixtures("without_servers")
def test_after_a_kill_of_the_supervisor_a_new_one_takes_over(up: StartUp) -> None:
    first = up()
    old = first.ready()
    first.process.kill()
    first.process.wait()
    second = up()
    until(lambda: (now := read_up(second.state)) is not None and now.pids != old.pids)
    left = {process.pid for process in marked(second.state)}
    assert left == {process.pid for process in second.family()}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux ties children to parents")
def test_the_servers_do_not_outlive_a_killed_supervisor(up: StartUp) -> None:
    running = up()
    processes = [psutil.Process(pid) for pid in running.ready().pids.values()]
    running.process.kill()
    running.process.wait()
    until(lambda: not [process for process in processes if _lives(process)], timeout_s=5)


async def test_a_taken_port_is_refused_by_the_name_of_its_option(tmp_path: Path) -> None:
    async def nobody(*_: object) -> None: ...

    server = await asyncio.start_server(nobody, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(BadInput, match="--port"):
            await run_up(tmp_path / "state", port, settings=Settings.model_validate(GIVEN))


async def test_a_failed_migration_ends_it_with_the_last_words(tmp_path: Path, port: int) -> None:
    commands = {"migrate": ("/bin/sh", "-c", "echo table locked; exit 3")}
    with pytest.raises(ServiceUnavailable, match=r"exit status 3(.|\n)*table locked"):
        await run_up(
            tmp_path / "state", port, settings=Settings.model_validate(GIVEN), commands=commands
        )


async def test_a_worker_that_cannot_start_ends_it_and_the_gateway(
    tmp_path: Path, port: int
) -> None:
    commands = {
        "migrate": standin.MIGRATION,
        "worker": ("/bin/sh", "-c", "echo no queue; exit 1"),
        "gateway": standin.gateway(port),
    }
    with pytest.raises(ServiceUnavailable, match=r"worker ended while starting(.|\n)*no queue"):
        await run_up(
            tmp_path / "state", port, settings=Settings.model_validate(GIVEN), commands=commands
        )
    until(lambda: not marked(tmp_path / "state"), timeout_s=2)
    assert not (tmp_path / "state" / "up.json").exists()


async def test_the_fake_provider_is_started_when_asked_for(tmp_path: Path, port: int) -> None:
    state, ready = tmp_path / "state", asyncio.Event()
    commands = {
        "migrate": standin.MIGRATION,
        "worker": standin.WORKER,
        "gateway": standin.gateway(port),
        "fake": standin.FAKE,
    }
    up = run_up(
        state,
        port,
        settings=Settings.model_validate(GIVEN),
        fake=True,
        commands=commands,
        on_ready=lambda _: ready.set(),
    )
    task = asyncio.create_task(up)
    await asyncio.wait_for(ready.wait(), 30)
    info = read_up(state)
    assert info
    assert info.fake
    assert "fake" in info.pids
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(info.fake)).is_success
        told = (await client.get(f"{info.api}/readyz")).json()
    assert told["FILMFORGE_FAKE_URL"] == info.fake
    assert told["FILMFORGE_FAKE_WEBHOOK_SECRET"].startswith("whsec_")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    until(lambda: not [process for process in marked(state) if _lives(process)], timeout_s=2)


def _pids(up: Up) -> dict[str, int]:
    info = read_up(up.state)
    assert info
    return info.pids


def _answers(url: str) -> bool:
    try:
        return bool(httpx.get(url, trust_env=False).status_code)
    except httpx.HTTPError:
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
