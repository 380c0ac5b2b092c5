"""Operations: health, figures, the description, and the process as it starts and stops."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge.embedded import Servers, serve
from filmforge.gateway.scratch import scratch
from filmforge.settings import Settings
from tests.fake_process import free_port
from tests.gateway.api import KEY, SIGNING_KEY, Api, film


def test_health_is_told_to_anybody(api: Api) -> None:
    assert api.stranger.get("/healthz").json()["status"] == "ok"
    ready = until_ready(api)
    assert ready.json()["checks"] == {"database": "ok", "store": "ok", "temporal": "ok"}


def until_ready(api: Api) -> httpx.Response:
    """The first answer that says so; a busy machine may keep Temporal silent for seconds."""
    deadline = time.monotonic() + 30
    while (ready := api.stranger.get("/readyz")).status_code != 200:
        assert time.monotonic() < deadline, ready.text
    return ready


def test_figures_count_requests_films_and_money(api: Api) -> None:
    film_id = api.submitted()
    api.http.get(f"/v1/films/{film_id}")
    text = api.stranger.get("/metrics").text
    assert re.search(
        r'filmforge_http_requests_total\{method="GET",route="/v1/films/\{film_id\}",status="200"\}',
        text,
    )
    assert re.search(r'filmforge_films\{execution="queued"\} [1-9]', text)
    for figure in ("limit", "reserved", "spent", "saved"):
        assert f'filmforge_budget_micros{{figure="{figure}"}}' in text
    assert film_id not in text


def test_the_description_knows_every_body_and_every_reference_in_it_exists(api: Api) -> None:
    described = api.stranger.get("/openapi.json").json()
    body = described["paths"]["/v1/films"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["$ref"] == "#/components/schemas/Film"
    film_schema = described["components"]["schemas"]["Film"]
    assert "enhanced_prompt" in json.dumps(described["components"]["schemas"]["Shot"])
    assert film_schema["additionalProperties"] is False
    for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)):
        assert name in described["components"]["schemas"]
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


@contextmanager
def gateway(servers: Servers, ledger: Path, **more: str) -> Iterator[tuple[Any, str, Path]]:
    """The gateway as a process; yields it, its address and its log."""
    port, log = free_port(), ledger.with_suffix(".log")
    environment = {
        **os.environ,
        **servers.environment,
        "FILMFORGE_DATABASE_URL": f"sqlite:///{ledger}",
        "FILMFORGE_WORK_DIR": str(ledger.parent / "work"),
        "FILMFORGE_API_KEYS": KEY,
        "FILMFORGE_SIGNING_KEY": SIGNING_KEY,
        "FILMFORGE_FAKE_URL": "http://127.0.0.1:9",
        **more,
    }
    command = [sys.executable, "-m", "filmforge.gateway.main", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while not answers(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield process, url, log
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, timeout=2).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def ledger(empty_ledger: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "ledger.db"
    copy.write_bytes(empty_ledger.read_bytes())
    return copy


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_seconds_with_streams_open(
    servers: Servers, ledger: Path, number: signal.Signals
) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    with gateway(servers, ledger) as (process, url, log):
        options: dict[str, Any] = {"base_url": url, "headers": headers, "trust_env": False}
        with httpx.Client(**options) as http:
            film_id = http.post("/v1/films", json=film(film_id=f"stop-{number}")).json()["film_id"]
            with http.stream("GET", f"/v1/films/{film_id}/events") as stream:
                lines = stream.iter_lines()
                assert next(lines).startswith("retry")
                process.send_signal(number)
                began = time.monotonic()
                list(lines)
                process.wait(10)
        assert time.monotonic() - began < 5
        assert process.returncode == 0
    logged = [json.loads(line) for line in log.read_text().splitlines()]
    requests = [entry for entry in logged if entry["event"] == "request"]
    assert {"method", "route", "status", "ms", "timestamp", "level"} <= requests[0].keys()
    assert KEY not in log.read_text()
    assert SIGNING_KEY not in log.read_text()


def test_what_a_killed_gateway_left_is_removed_by_the_next_that_is_alone(
    servers: Servers, ledger: Path
) -> None:
    work = ledger.parent / "work"
    with gateway(servers, ledger):
        left = [work / name / "tmp" / "half-made" for name in ("uploads", "exports")]
        for path in left:
            path.parent.mkdir(parents=True)
            path.touch()
        with scratch(work):
            assert all(path.exists() for path in left), "they may be the other one's"
    with gateway(servers, ledger):
        assert not any(path.exists() for path in left)


def test_without_a_signing_key_the_process_says_what_to_do(servers: Servers, ledger: Path) -> None:
    broken = gateway(servers, ledger, FILMFORGE_SIGNING_KEY="")
    with pytest.raises(AssertionError, match="FILMFORGE_SIGNING_KEY"), broken:
        pass


def test_while_temporal_is_away_films_are_kept_and_the_gateway_says_so(
    servers: Servers, ledger: Path, tmp_path: Path
) -> None:
    settings = Settings(temporal_address="")
    headers = {"Authorization": f"Bearer {KEY}"}
    with serve(tmp_path / "temporal", settings, s3=False) as own:
        address = {"TEMPORAL_ADDRESS": own.temporal_address}
        with gateway(servers, ledger, **address) as (_, url, _log):
            assert own.temporal is not None
            asyncio.run(own.temporal.kill())
            options: dict[str, Any] = {"base_url": url, "headers": headers, "timeout": 40}
            with httpx.Client(**options, trust_env=False) as http:
                not_ready = http.get("/readyz")
                assert not_ready.status_code == 503
                assert [e["field"] for e in not_ready.json()["errors"]] == ["temporal"]
                document = film()
                answer = http.post("/v1/films", json=document)
                assert answer.status_code == 503
                assert "starts by itself" in answer.json()["detail"]
                assert answer.json()["film_id"] == document["film_id"]
                assert answer.headers["retry-after"]
                told = http.get(f"/v1/films/{document['film_id']}").json()
                assert told["execution"] == "queued"
