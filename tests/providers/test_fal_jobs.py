"""What becomes of fal's jobs: polls, failures, cancellations and outputs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from filmforge.errors import (
    BadMedia,
    ProviderUnavailable,
)
from filmforge.providers.base import Job, JobStatus
from filmforge.providers.fal import FalProvider
from tests.fakes.fal import DOT
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.fal_bench import (
    FLUX,
    MODELS,
    a_provider,
    a_request,
    ended,
    submitted,
    until,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.fal", tmp_path_factory.mktemp("fal") / "fal.sqlite") as fake:
        yield fake


@pytest.fixture
def fake(running: FakeVendor) -> FakeVendor:
    running.reset()
    return running


@pytest.fixture
async def provider(fake: FakeVendor) -> AsyncIterator[FalProvider]:
    client = a_provider(fake)
    yield client
    await client.close()


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "unknown_status"},
        {"fault": "poll_status", "status": 500},
        {"fault": "poll_status", "status": 429},
        {"fault": "poll_malformed"},
    ],
)
async def test_a_poll_that_tells_nothing_guesses_nothing(
    fake: FakeVendor, provider: FalProvider, fault: dict[str, Any]
) -> None:
    request = a_request()
    job = await submitted(provider, request)
    fake.set_faults(fault)
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, request)
    assert (await ended(provider, job, request)).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"transient": True}, {"billed": False, "transient": True}),
        ({}, {"billed": False, "transient": False}),
        ({"billed": True}, {"billed": True, "transient": False}),
        (
            {"billed": True, "code": "content_policy_violation"},
            {"billed": True, "transient": False, "code": "content_refused"},
        ),
    ],
)
async def test_a_failed_job_tells_whether_it_is_billed_and_worth_another_try(
    fake: FakeVendor, provider: FalProvider, fault: dict[str, Any], expected: dict[str, Any]
) -> None:
    fake.set_faults({"fault": "job_fails", "message": "no paint", **fault})
    request = a_request()
    report = await ended(provider, await submitted(provider, request), request)
    assert report.status is JobStatus.FAILED
    assert "no paint" in report.message
    told = {"code": "provider_failed", **expected}
    assert report.model_dump(include=set(told)) == told
    assert fake.charges()["count"] == int(report.billed)


async def test_a_blacked_out_picture_is_refused_content_that_was_paid_for(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(blacks_out=True)
    request = a_request()
    report = await ended(provider, await submitted(provider, request), request)
    assert (report.status, report.code, report.billed) == (
        JobStatus.FAILED,
        "content_refused",
        True,
    )


async def test_a_gateways_error_in_place_of_a_result_ends_no_job(
    fake: FakeVendor, provider: FalProvider
) -> None:
    request = a_request()
    job = await submitted(provider, request)
    await ended(provider, job, request)
    fake.settings(result_status=502)
    assert (await provider.poll(job, request)).status is JobStatus.SUCCEEDED
    fake.settings(lists=False)
    with pytest.raises(ProviderUnavailable, match="list of requests"):
        await provider.poll(job, request)


async def test_a_result_the_queue_forgot_is_read_from_the_list(
    fake: FakeVendor, provider: FalProvider, tmp_path: Path
) -> None:
    request = a_request()
    job = await submitted(provider, request)
    fake.settings(queue_keeps_s=0)
    report = await ended(provider, job, request)
    assert report.output_url is not None
    await provider.fetch(report.output_url, tmp_path / "out", 20_000_000)
    fake.settings(payloads=False)
    lost = await provider.poll(job, request)
    assert (lost.status, lost.billed) == (JobStatus.FAILED, True)
    with pytest.raises(ProviderUnavailable, match="does not know"):
        await provider.poll(Job(id="nobodys"), request)


async def test_a_failure_the_queue_forgot_is_read_from_the_list(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.set_faults({"fault": "job_fails", "transient": True, "message": "no paint"})
    request = a_request()
    job = await submitted(provider, request)
    fake.settings(queue_keeps_s=0)
    report = await ended(provider, job, request)
    assert (report.status, report.billed, report.transient) == (JobStatus.FAILED, False, True)


async def test_a_job_outlives_the_end_of_the_server(
    fake: FakeVendor, provider: FalProvider
) -> None:
    request = a_request()
    job = await submitted(provider, request)
    fake.kill()
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, request)
    await asyncio.to_thread(fake.start)
    assert (await ended(provider, job, request)).status is JobStatus.SUCCEEDED
    assert fake.charges()["count"] == 1


async def test_a_job_known_only_by_its_id_can_be_polled(
    fake: FakeVendor, provider: FalProvider
) -> None:
    request = a_request()
    job = await submitted(provider, request)
    assert (await ended(provider, Job(id=job.id), request)).status is JobStatus.SUCCEEDED
    await provider.cancel(Job(id=job.id))


@pytest.mark.parametrize("forgotten", [True, False])
async def test_a_job_cancelled_in_the_queue_costs_nothing(
    fake: FakeVendor, provider: FalProvider, forgotten: bool
) -> None:
    fake.settings(latency_s=60, forgets_cancelled=forgotten)
    request = a_request()
    job = await submitted(provider, request)
    await provider.cancel(job)
    report = await provider.poll(job, request)
    assert (report.status, report.billed) == (JobStatus.CANCELLED, False)
    assert fake.charges()["count"] == 0


async def test_a_job_cancelled_while_it_runs_is_taken_for_billed(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(latency_s=2)
    request = a_request()
    job = await submitted(provider, request)
    await until(lambda: fake.charges()["jobs"][0]["status"] == "running")
    await provider.cancel(job)
    report = await ended(provider, job, request)
    assert (report.status, report.billed) == (JobStatus.CANCELLED, True)
    assert fake.charges()["count"] == 1


async def test_cancelling_what_has_ended_changes_nothing(
    fake: FakeVendor, provider: FalProvider
) -> None:
    request = a_request()
    job = await submitted(provider, request)
    await ended(provider, job, request)
    await provider.cancel(job)
    assert (await provider.poll(job, request)).status is JobStatus.SUCCEEDED


async def test_an_output_that_is_gone_cut_or_too_long_leaves_no_file(
    fake: FakeVendor, provider: FalProvider, tmp_path: Path
) -> None:
    request = a_request()
    report = await ended(provider, await submitted(provider, request), request)
    assert report.output_url is not None
    fake.set_faults({"fault": "truncated_output"}, {"fault": "gone_output", "status": 410})
    path = tmp_path / "out"
    with pytest.raises(BadMedia):
        await provider.fetch(report.output_url, path, 20_000_000)
    with pytest.raises(ProviderUnavailable, match="gone"):
        await provider.fetch(report.output_url, path, 20_000_000)
    with pytest.raises(BadMedia, match="longer"):
        await provider.fetch(report.output_url, path, 100)
    fake.settings(output_ttl_s=0)
    with pytest.raises(ProviderUnavailable, match="gone"):
        await provider.fetch(report.output_url, path, 20_000_000)
    assert not path.exists()


async def test_an_output_on_a_private_address_is_not_fetched_on_the_open_internet(
    fake: FakeVendor, tmp_path: Path
) -> None:
    provider, request = a_provider(fake, private=False), a_request()
    report = await ended(provider, await submitted(provider, request), request)
    assert report.output_url is not None
    with pytest.raises(ProviderUnavailable, match=r"private|scheme"):
        await provider.fetch(report.output_url, tmp_path / "out", 20_000_000)
    await provider.close()


async def test_an_output_inside_the_result_is_written_like_any_other(
    fake: FakeVendor, tmp_path: Path
) -> None:
    model = MODELS[FLUX]
    inline = model.model_copy(update={"fixed": {**model.fixed, "sync_mode": True}})
    provider = a_provider(fake, models={FLUX: inline})
    request = a_request()
    report = await ended(provider, await submitted(provider, request), request)
    assert report.output_url is not None
    await provider.fetch(report.output_url, tmp_path / "out", 20_000_000)
    assert (tmp_path / "out").read_bytes() == DOT
    for url, limit in ((report.output_url, 10), ("data:image/png;base64,~~", 100)):
        with pytest.raises(BadMedia):
            await provider.fetch(url, tmp_path / "other", limit)
    assert not (tmp_path / "other").exists()
    await provider.close()
