"""The embedded servers, on the real programs."""

import asyncio
import os
import signal
import sqlite3
import stat
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from filmforge.embedded import Servers, start_servers
from filmforge.embedded.process import MAX_LOG_BYTES, Child
from filmforge.errors import BadInput, Conflict, ServiceUnavailable
from filmforge.settings import Settings


def s3_client(servers: Servers) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=servers.environment["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=servers.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=servers.environment["AWS_SECRET_ACCESS_KEY"],
        region_name=servers.environment["AWS_DEFAULT_REGION"],
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def state_of(servers: Servers) -> Path:
    assert servers.s3
    return servers.s3.log.parents[1]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def listeners(process: psutil.Process) -> set[tuple[str, int]]:
    return {
        (connection.laddr.ip, connection.laddr.port)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_servers_listen_on_loopback_only(servers: Servers) -> None:
    for child in servers.children:
        found = listeners(psutil.Process(child.pid))
        assert found
        assert {address for address, _ in found} == {"127.0.0.1"}


def test_state_and_secrets_are_for_their_owner_alone(servers: Servers) -> None:
    state = state_of(servers)
    assert mode(state) == 0o700
    assert mode(state / "credentials.json") == 0o600
    assert mode(state / "temporal.db") == 0o600


def test_secrets_show_in_no_repr_and_no_argument(servers: Servers) -> None:
    secrets = servers.credentials.model_dump().values()
    shown = repr(servers) + repr(servers.credentials)
    shown += "".join(" ".join(psutil.Process(c.pid).cmdline()) for c in servers.children)
    assert not [secret for secret in secrets if secret in shown]


def test_temporal_keeps_a_write_ahead_log(servers: Servers) -> None:
    database = f"file:{state_of(servers) / 'temporal.db'}?mode=ro"
    connection = sqlite3.connect(database, uri=True)
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        connection.close()


def test_the_temporal_ui_answers(servers: Servers) -> None:
    assert servers.temporal_ui
    assert httpx.get(servers.temporal_ui, follow_redirects=True, trust_env=False).is_success


def test_a_create_only_put_is_refused_the_second_time(servers: Servers) -> None:
    client = s3_client(servers)
    client.put_object(Bucket="filmforge", Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket="filmforge", Key="once", Body=b"second", IfNoneMatch="*")
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert client.get_object(Bucket="filmforge", Key="once")["Body"].read() == b"first"


def test_no_door_of_the_s3_server_gives_an_object_without_a_key(servers: Servers) -> None:
    assert servers.s3
    s3_client(servers).put_object(Bucket="filmforge", Key="private", Body=b"paid for")
    for _, port in listeners(psutil.Process(servers.s3.pid)):
        for path in ("filmforge/private", "buckets/filmforge/private", "dir/assign"):
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/{path}", trust_env=False)
            except httpx.HTTPError:
                continue  # a gRPC port
            assert answer.status_code >= 400, (port, path)


def test_everything_acknowledged_survives_a_kill_on_the_same_ports(servers: Servers) -> None:
    assert servers.temporal
    assert servers.s3
    client = s3_client(servers)
    payload = bytes(range(256)) * 40_000
    client.put_object(Bucket="filmforge", Key="survivor", Body=payload)
    namespaces = f"{_http_api(servers)}/api/v1/namespaces"
    made = httpx.post(
        namespaces,
        json={"namespace": "survivor", "workflowExecutionRetentionPeriod": "86400s"},
        trust_env=False,
    )
    assert made.is_success, made.text
    before = [child.pid for child in servers.children]

    for child in servers.children:
        asyncio.run(child.kill())
    for child in servers.children:
        asyncio.run(child.start())

    assert not set(before) & {child.pid for child in servers.children}
    assert client.get_object(Bucket="filmforge", Key="survivor")["Body"].read() == payload
    assert httpx.get(f"{namespaces}/survivor", trust_env=False).is_success


def _http_api(servers: Servers) -> str:
    assert servers.temporal
    arguments = psutil.Process(servers.temporal.pid).cmdline()
    return f"http://127.0.0.1:{arguments[arguments.index('--http-port') + 1]}"


async def test_secrets_ports_and_objects_are_kept_from_run_to_run(tmp_path: Path) -> None:
    async with start_servers(tmp_path / "state", Settings(), temporal=False) as first:
        s3_client(first).put_object(Bucket="filmforge", Key="kept", Body=b"kept")
        assert first.temporal is None
    async with start_servers(tmp_path / "state", Settings(), temporal=False) as second:
        assert second.environment == first.environment
        assert s3_client(second).get_object(Bucket="filmforge", Key="kept")["Body"].read()


async def test_objects_are_found_again_when_the_ports_had_to_change(tmp_path: Path) -> None:
    async with start_servers(tmp_path / "state", Settings(), temporal=False) as first:
        s3_client(first).put_object(Bucket="filmforge", Key="kept", Body=b"kept")
    (tmp_path / "state" / "run" / "ports.json").unlink()
    async with start_servers(tmp_path / "state", Settings(), temporal=False) as second:
        assert second.s3_endpoint != first.s3_endpoint
        assert s3_client(second).get_object(Bucket="filmforge", Key="kept")["Body"].read()


async def test_servers_given_from_outside_are_not_started(tmp_path: Path) -> None:
    given = Settings(temporal_address="temporal.test:7233", s3_bucket="films")
    async with start_servers(tmp_path / "state", given) as servers:
        assert servers.children == []
        assert servers.environment == {}
        assert servers.temporal_address == "temporal.test:7233"
        assert servers.s3_bucket == "films"


async def test_an_s3_address_without_a_bucket_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="FILMFORGE_S3_BUCKET"):
        async with start_servers(tmp_path, Settings(s3_endpoint="http://127.0.0.1:1")):
            pass


async def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    nothing = Settings(temporal_address="temporal.test:7233", s3_bucket="films")
    async with start_servers(tmp_path / "state", nothing):
        with pytest.raises(Conflict, match="in use by another"):
            async with start_servers(tmp_path / "state", nothing):
                pass


async def test_a_child_that_ends_while_starting_shows_its_last_words(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    child = Child("loser", ["/bin/sh", "-c", "echo no room"], {}, tmp_path / "loser.log", never)
    with pytest.raises(ServiceUnavailable, match=r"loser ended while starting(.|\n)*no room"):
        await child.start()


async def test_a_child_that_is_never_ready_is_killed(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    child = Child("sleeper", ["/bin/sleep", "60"], {}, tmp_path / "sleeper.log", never)
    with pytest.raises(ServiceUnavailable, match=r"not ready after 0\.1 s"):
        await child.start(timeout_s=0.1)
    assert not child.alive


async def test_a_child_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "stubborn.log"

    async def stopped_listening() -> bool:
        return "deaf" in log.read_text()

    deaf = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]
    child = Child("stubborn", deaf, {"PATH": os.defpath}, log, stopped_listening)
    await child.start()
    await child.stop(patience_s=0.1)
    assert await child.exited() == -signal.SIGKILL


async def test_a_log_that_grew_too_long_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "talker.log"
    log.write_bytes(b"x" * (MAX_LOG_BYTES + 1))

    async def said_it() -> bool:
        return "new" in log.read_text()

    child = Child("talker", ["/bin/sh", "-c", "echo new; exec sleep 60"], {}, log, said_it)
    await child.start()
    await child.kill()
    assert log.read_text() == "new\n"
    assert (tmp_path / "talker.log.1").stat().st_size == MAX_LOG_BYTES + 1
