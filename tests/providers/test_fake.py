"""How the fake provider's client names what goes wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    AnswerLost,
    BadMedia,
    ContentRefused,
    FilmError,
    NotConfigured,
    NotSent,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.providers.base import CLOCK_MARGIN, Job, JobReport, JobStatus, Terms
from filmforge.providers.fake import FakeProvider
from filmforge.providers.fake_catalogue import MODELS
from tests.fake_process import FakeServer, fake_server, free_port


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with fake_server(tmp_path_factory.mktemp("fake") / "fake.sqlite") as server:
        yield server


@pytest.fixture
def server(running: FakeServer) -> FakeServer:
    running.reset()
    running.settings(latency_scale=0.01)
    return running


@pytest.fixture
async def provider(server: FakeServer) -> AsyncIterator[FakeProvider]:
    client = FakeProvider(server.url, server.secret, Terms(submit_timeout_s=4))
    yield client
    await client.close()


NONE: frozenset[str] = frozenset()
NO_ANSWER = Path("this-provider-answers-with-a-job")


def an_image(prompt: str = "A lamp", seed: int = 1) -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.IMAGE,
        provider="fake",
        model="image-1",
        parameters={"prompt": prompt, "width": 64, "height": 64},
        seed=seed,
    )


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while True:
            if answer := await ask():
                return answer
            await asyncio.sleep(0.02)


async def ended(provider: FakeProvider, job: Job) -> JobReport:
    async with asyncio.timeout(60):
        while True:
            report = await provider.poll(job, an_image())
            if report.status is not JobStatus.RUNNING:
                return report
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("fault", "error", "jobs"),
    [
        ("accept_then_drop", AnswerLost, 1),
        ("accept_then_500", AnswerLost, 1),
        ("accept_then_504", AnswerLost, 1),
        ("malformed_json", AnswerLost, 1),
        ("refuse_content", ContentRefused, 0),
        ("refuse_400", Refused, 0),
        ("rate_limit", RateLimited, 0),
        ("unavailable_503_not_accepted", NotSent, 0),
    ],
)
async def test_each_bad_answer_to_a_submission_has_its_error(
    server: FakeServer, provider: FakeProvider, fault: str, error: type[FilmError], jobs: int
) -> None:
    server.set_faults({"fault": fault})
    with pytest.raises(error) as raised:
        await provider.submit(an_image(), {}, None, NO_ANSWER)
    assert type(raised.value) is error
    charges = server.charges()
    assert (charges["count"], len(charges["jobs"])) == (jobs, jobs)


async def test_a_submission_without_an_answer_in_time_is_a_lost_answer(server: FakeServer) -> None:
    provider = FakeProvider(server.url, terms=Terms(submit_timeout_s=0.3))
    server.set_faults({"fault": "hang"})
    with pytest.raises(AnswerLost):
        await provider.submit(an_image(), {}, None, NO_ANSWER)
    await provider.close()
    assert server.charges()["count"] == 1


async def test_a_lost_answer_is_found_and_charged_once(
    server: FakeServer, provider: FakeProvider
) -> None:
    server.set_faults({"fault": "accept_then_drop"})
    since = datetime.now(UTC)
    with pytest.raises(AnswerLost):
        await provider.submit(an_image(), {}, None, NO_ANSWER)
    found = await provider.find(an_image(), since, NONE)
    assert found is not None
    assert (await ended(provider, found)).cost == Decimal("0.003")
    assert server.charges()["by_key"] == {an_image().key: 1}


async def test_a_server_that_is_not_there_was_sent_nothing() -> None:
    provider = FakeProvider(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotSent):
        await provider.submit(an_image(), {}, None, NO_ANSWER)
    with pytest.raises(ProviderUnavailable):
        await provider.poll(Job(id="x"), an_image())
    await provider.close()


async def test_a_submission_that_waits_too_long_for_a_connection_was_not_sent(
    server: FakeServer,
) -> None:
    provider = FakeProvider(server.url, terms=Terms(submit_timeout_s=2, max_connections=1))
    server.set_faults({"fault": "hang"})
    first = asyncio.create_task(provider.submit(an_image(), {}, None, NO_ANSWER))
    await until(lambda: asyncio.to_thread(lambda: server.charges()["jobs"]))
    with pytest.raises(NotSent):
        await provider.submit(an_image(seed=2), {}, None, NO_ANSWER)
    with pytest.raises(AnswerLost):
        await first
    await provider.close()
    assert len(server.charges()["jobs"]) == 1


async def test_a_rate_limit_says_when_to_come_back(
    server: FakeServer, provider: FakeProvider
) -> None:
    server.set_faults({"fault": "rate_limit", "retry_after": 2.5})
    with pytest.raises(RateLimited) as raised:
        await provider.submit(an_image(), {}, None, NO_ANSWER)
    assert raised.value.retry_after_s == 2.5


@pytest.mark.parametrize("fault", [{"fault": "unknown_status"},
                                   {"fault": "malformed_json", "at": "status"}])  # fmt: skip
async def test_a_status_that_cannot_be_read_is_asked_for_again(
    server: FakeServer, provider: FakeProvider, fault: dict[str, str]
) -> None:
    job = await provider.submit(an_image(), {}, None, NO_ANSWER)
    server.set_faults(fault)
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, an_image())
    assert (await ended(provider, job)).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(("billed", "transient"), [(True, False), (False, True)])
async def test_a_failed_job_tells_its_cost_and_whether_to_try_again(
    server: FakeServer, provider: FakeProvider, billed: bool, transient: bool
) -> None:
    server.set_faults({"fault": "job_fails", "billed": billed, "transient": transient})
    report = await ended(provider, await provider.submit(an_image(), {}, None, NO_ANSWER))
    assert report.status is JobStatus.FAILED
    assert (report.billed, report.transient) == (billed, transient)
    assert report.cost == (Decimal("0.003") if billed else 0)
    assert server.charges()["count"] == int(billed)


async def test_a_job_cancelled_before_it_starts_is_not_charged(
    server: FakeServer, provider: FakeProvider
) -> None:
    server.settings(queue_s=60)
    job = await provider.submit(an_image(), {}, None, NO_ANSWER)
    await provider.cancel(job)
    report = await provider.poll(job, an_image())
    assert (report.status, report.billed) == (JobStatus.CANCELLED, False)
    assert server.charges()["total_usd"] == "0.00"


async def test_a_job_cancelled_while_it_runs_is_charged(
    server: FakeServer, provider: FakeProvider
) -> None:
    server.set_faults({"fault": "never_completes"})
    job = await provider.submit(an_image(), {}, None, NO_ANSWER)
    await provider.cancel(job)
    report = await provider.poll(job, an_image())
    assert (report.status, report.billed) == (JobStatus.CANCELLED, True)
    assert server.charges()["total_usd"] == "0.003"


async def output_of(provider: FakeProvider) -> str:
    report = await ended(provider, await provider.submit(an_image(), {}, None, NO_ANSWER))
    assert report.output_url
    return report.output_url


async def test_an_output_cut_short_is_bad_leaves_no_file_and_can_be_fetched_again(
    server: FakeServer, provider: FakeProvider, tmp_path: Path
) -> None:
    url = await output_of(provider)
    server.set_faults({"fault": "truncated_output"})
    with pytest.raises(BadMedia, match="too early"):
        await provider.fetch(url, tmp_path / "out", 10**6)
    assert not (tmp_path / "out").exists()
    await provider.fetch(url, tmp_path / "out", 10**6)
    assert (tmp_path / "out").read_bytes().endswith(b"IEND\xaeB`\x82")


async def test_an_output_of_the_wrong_type_is_fetched_as_it_is(
    server: FakeServer, provider: FakeProvider, tmp_path: Path
) -> None:
    url = await output_of(provider)
    server.set_faults({"fault": "wrong_type_output"})
    await provider.fetch(url, tmp_path / "out", 10**6)
    assert (tmp_path / "out").read_bytes().startswith(b"<!doctype html>")


async def test_an_expired_output_is_gone(
    server: FakeServer, provider: FakeProvider, tmp_path: Path
) -> None:
    url = await output_of(provider)
    server.settings(output_ttl_s=0)
    with pytest.raises(ProviderUnavailable, match="gone"):
        await provider.fetch(url, tmp_path / "out", 10**6)


async def test_an_output_at_another_address_is_not_fetched(
    provider: FakeProvider, tmp_path: Path
) -> None:
    with pytest.raises(ProviderUnavailable, match=r"scheme|private"):
        await provider.fetch("http://127.0.0.1:1/files/a.png", tmp_path / "out", 10**6)


async def test_a_job_shows_in_the_listing_after_the_lag(
    server: FakeServer, provider: FakeProvider
) -> None:
    server.settings(listing_lag_s=0.4)
    since = datetime.now(UTC)
    job = await provider.submit(an_image(), {}, None, NO_ANSWER)
    assert await provider.find(an_image(), since, NONE) is None
    found = await until(lambda: provider.find(an_image(), since, NONE))
    assert found.id == job.id


async def test_the_oldest_job_since_the_submission_is_found_across_pages(
    server: FakeServer, provider: FakeProvider
) -> None:
    earlier = await provider.submit(an_image(), {}, None, NO_ANSWER)
    since = datetime.now(UTC)
    first = await provider.submit(an_image(), {}, None, NO_ANSWER)
    await asyncio.gather(*(provider.submit(an_image(), {}, None, NO_ANSWER) for _ in range(60)))
    found = await provider.find(an_image(), since, NONE)
    assert found is not None
    assert found.id == first.id != earlier.id


async def test_a_job_known_from_an_earlier_submission_is_not_found_again(
    provider: FakeProvider,
) -> None:
    since = datetime.now(UTC)
    known = await provider.submit(an_image(), {}, None, NO_ANSWER)
    assert await provider.find(an_image(), since, frozenset({known.id})) is None
    lost = await provider.submit(an_image(), {}, None, NO_ANSWER)
    found = await provider.find(an_image(), since, frozenset({known.id}))
    assert found is not None
    assert found.id == lost.id


async def test_a_job_a_moment_before_the_submission_is_found_when_clocks_differ(
    provider: FakeProvider,
) -> None:
    job = await provider.submit(an_image(), {}, None, NO_ANSWER)
    ahead = datetime.now(UTC) + timedelta(minutes=59)
    found = await provider.find(an_image(), ahead, NONE)
    assert found is not None
    assert found.id == job.id
    assert await provider.find(an_image(), ahead + CLOCK_MARGIN, NONE) is None


async def test_an_answer_of_endless_length_is_cut_off(provider: FakeProvider) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b" " * 65536)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    listener = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    lured = FakeProvider(f"http://127.0.0.1:{port}")
    with pytest.raises(AnswerLost, match="longer than"):
        await lured.submit(an_image(), {}, None, NO_ANSWER)
    with pytest.raises(ProviderUnavailable, match="longer than"):
        await lured.poll(Job(id="x"), an_image())
    await lured.close()
    listener.close()


def test_an_address_or_secret_that_cannot_be_used_is_named() -> None:
    with pytest.raises(NotConfigured, match="https://"):
        FakeProvider("localhost:80")
    with pytest.raises(NotConfigured, match="FILMFORGE_FAKE_WEBHOOK_SECRET"):
        FakeProvider("http://127.0.0.1:1", "whsec_a")


def test_the_catalogue_agrees_with_the_server(server: FakeServer) -> None:
    offers = httpx.get(f"{server.url}/v1/models", trust_env=False).json()
    told = {
        model.id: (str(model.price.usd), model.price.unit.value, sorted(model.parameters))
        for model in MODELS.values()
    }
    assert told == {k: (v["usd"], v["unit"], v["parameters"]) for k, v in offers.items()}


@pytest.mark.parametrize(
    ("kind", "model", "parameters", "usd"),
    [
        (Kind.IMAGE, "image-1", {"prompt": "x"}, "0.003"),
        (Kind.VIDEO, "video-1", {"prompt": "x", "duration": "2.5"}, "0.025"),
        (Kind.AUDIO, "voice-1", {"text": "x" * 1000}, "0.015"),
    ],
)
async def test_the_quote_is_what_the_server_charges(
    server: FakeServer,
    provider: FakeProvider,
    kind: Kind,
    model: str,
    parameters: dict[str, str],
    usd: str,
) -> None:
    request = GenerationRequest.model_validate(
        {"kind": kind, "provider": "fake", "model": model, "parameters": parameters}
    )
    assert provider.quote(request) == Decimal(usd)
    await provider.submit(request, {}, None, NO_ANSWER)
    assert Decimal(server.charges()["total_usd"]) == Decimal(usd)


async def test_a_request_the_server_does_not_know_is_refused(provider: FakeProvider) -> None:
    with pytest.raises(Refused, match="image-1"):
        await provider.submit(
            an_image().model_copy(update={"model": "nonesuch"}), {}, None, NO_ANSWER
        )


def test_polls_slow_down_with_the_age_of_the_job() -> None:
    provider = FakeProvider("http://127.0.0.1:1")
    ages = (0, 2, 4, 20, 40, 1_000)
    assert [provider.poll_interval_s(age) for age in ages] == [0.05, 0.05, 0.1, 0.5, 1, 1]


async def test_64_jobs_at_once_are_all_made_and_charged_once(
    server: FakeServer, tmp_path: Path
) -> None:
    provider = FakeProvider(server.url, server.secret, Terms(submit_timeout_s=30))

    async def make(seed: int) -> bytes:
        request = an_image(seed=seed)
        report = await ended(provider, await provider.submit(request, {}, None, NO_ANSWER))
        path = tmp_path / str(seed)
        await provider.fetch(str(report.output_url), path, 10**6)
        return path.read_bytes()

    started = time.monotonic()
    files = await asyncio.gather(*(make(seed) for seed in range(64)))
    assert time.monotonic() - started < 30
    assert len(set(files)) == 64
    assert set(server.charges()["by_key"].values()) == {1}
    await provider.close()
