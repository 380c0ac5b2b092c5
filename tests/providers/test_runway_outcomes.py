"""What becomes of a task at Runway: it runs, ends, is taken back, is fetched."""

import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge.domain import Kind
from filmforge.errors import BadMedia, ProviderUnavailable
from filmforge.media.probe import verify
from filmforge.providers.base import Job, JobStatus, Terms
from filmforge.providers.runway import RunwayProvider
from tests.fakes.process import FakeVendor
from tests.providers.recordings import beside, recorded
from tests.providers.runway_case import (
    KEY,
    MODELS,
    clip,
    ended,
    payload,
    posts,
    submit,
)


async def test_the_recorded_answers_are_read(provider: RunwayProvider) -> None:
    tasks = payload("tasks")
    tell: dict[str, Any] = payload("accepted")
    await recorded(provider, lambda _: httpx.Response(200, json=tell))
    job = await submit(provider)
    assert job == Job(id="9a6fc5d5-1f0f-4c43-9a0e-0d6c3c1b7f11")
    reports = {}
    for name, task in tasks.items():
        tell.clear()
        tell.update(task)
        reports[name] = await provider.poll(job, clip())
    running = {name for name, said in reports.items() if said.status is JobStatus.RUNNING}
    assert running == {"pending", "throttled", "running"}
    assert reports["running"].progress == 0.9
    assert reports["succeeded"].output_url == tasks["succeeded"]["output"][0]
    assert reports["succeeded"].cost == Decimal("0.25")
    failed = reports["failed"]
    assert (failed.status, failed.code, failed.billed) == (
        JobStatus.FAILED, "content_refused", True,
    )  # fmt: skip
    assert (failed.cost, failed.transient) == (Decimal("0.25"), False)
    assert failed.message == (
        "runway: The provided prompt was flagged by content moderation. (SAFETY.INPUT.TEXT)"
    )
    cancelled = reports["cancelled"]
    assert (cancelled.status, cancelled.billed) == (JobStatus.CANCELLED, False)


async def test_the_fake_tells_what_the_recorded_tasks_tell(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    tasks = payload("tasks")
    headers = {"authorization": f"Bearer {KEY}", "x-runway-version": "2024-11-06"}
    with httpx.Client(base_url=fake.url, headers=headers, trust_env=False) as client:

        def told(job: Job) -> Any:
            return client.get(f"/v1/tasks/{job.id}").json()

        fake.settings(latency_s=60)
        waiting = await submit(provider)
        assert told(waiting).keys() == tasks["pending"].keys()
        await provider.cancel(waiting)
        assert told(waiting).keys() == tasks["cancelled"].keys()
        fake.settings(latency_s=0)
        assert told(await submit(provider)).keys() == tasks["succeeded"].keys()
        fake.set_faults({"fault": "job_fails"})
        assert told(await submit(provider)).keys() == tasks["failed"].keys()


async def test_a_task_that_waits_runs_and_is_throttled_goes_on(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.settings(latency_s=60, throttled=True)
    job = await submit(provider)
    assert (await provider.poll(job, clip())).status is JobStatus.RUNNING
    fake.settings(latency_s=0.4)
    quick = await submit(provider)
    report = await ended(provider, quick, clip())
    assert report.status is JobStatus.SUCCEEDED
    assert provider.poll_interval_s(0) == provider.poll_interval_s(600) == 5


@pytest.mark.parametrize(
    ("code", "reported", "transient"),
    [
        ("INTERNAL.BAD_OUTPUT.CODE01", "provider_failed", True),
        ("INTERNAL", "provider_failed", True),
        ("INPUT_PREPROCESSING.INTERNAL", "provider_failed", True),
        ("THIRD_PARTY.UNAVAILABLE", "provider_failed", True),
        ("no code", "provider_failed", True),
        ("ASSET.INVALID", "provider_failed", False),
        ("SOMETHING.NEW", "provider_failed", False),
        ("SAFETY.INPUT.TEXT", "content_refused", False),
        ("SAFETY.OUTPUT.VIDEO", "content_refused", False),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", "content_refused", False),
    ],
)
@pytest.mark.parametrize("billed", [True, False])
async def test_a_failed_task_tells_why_and_what_it_took(
    provider: RunwayProvider,
    fake: FakeVendor,
    code: str,
    reported: str,
    transient: bool,
    billed: bool,
) -> None:
    fake.set_faults({"fault": "job_fails", "code": code, "billed": billed, "message": "no light"})
    report = await ended(provider, await submit(provider), clip())
    assert (report.status, report.code, report.transient) == (
        JobStatus.FAILED, reported, transient,
    )  # fmt: skip
    assert report.message == f"runway: no light ({code})"
    assert (report.billed, report.cost) == (billed, Decimal("0.25") if billed else 0)
    assert fake.charges()["count"] == int(billed)


async def test_a_failed_task_that_tells_no_cost_counts_as_paid(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.settings(costs=False)
    fake.set_faults({"fault": "job_fails"})
    report = await ended(provider, await submit(provider), clip())
    assert (report.status, report.billed, report.cost) == (JobStatus.FAILED, True, None)


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "unknown_status"},
        {"fault": "poll_status", "status": 500},
        {"fault": "poll_status", "status": 503},
        {"fault": "poll_malformed"},
    ],
)
async def test_a_poll_never_guesses(
    provider: RunwayProvider, fake: FakeVendor, fault: dict[str, Any]
) -> None:
    job = await submit(provider)
    fake.set_faults(fault)
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, clip())
    assert (await provider.poll(job, clip())).status is JobStatus.SUCCEEDED


async def test_a_404_that_is_not_runways_or_an_output_that_is_missing_is_no_truth(
    provider: RunwayProvider,
) -> None:
    await recorded(provider, lambda _: httpx.Response(404, text="<html>no such site</html>"))
    with pytest.raises(ProviderUnavailable):
        await provider.poll(Job(id="any"), clip())
    task = {**payload("tasks")["succeeded"], "output": []}
    await recorded(provider, lambda _: httpx.Response(200, json=task))
    with pytest.raises(ProviderUnavailable, match="no output"):
        await provider.poll(Job(id="any"), clip())


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_task_that_waits_is_taken_back(
    provider: RunwayProvider, fake: FakeVendor, forgets: bool
) -> None:
    fake.settings(latency_s=60, forgets=forgets)
    job = await submit(provider)
    await provider.cancel(job)
    report = await provider.poll(job, clip())
    assert report.status is JobStatus.CANCELLED
    # Runway gives no word of a refund for a task it has forgotten.
    assert (report.billed, report.cost) == ((True, None) if forgets else (False, 0))
    assert fake.charges()["count"] == 0
    await provider.cancel(job)


async def test_a_task_that_runs_or_has_ended_is_paid_for_and_left_alone(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.settings(latency_s=0.5)
    job = await submit(provider)
    deadline = time.monotonic() + 10
    while (await provider.poll(job, clip())).progress != 0.5:
        assert time.monotonic() < deadline
    await provider.cancel(job)
    assert (await ended(provider, job, clip())).status is JobStatus.SUCCEEDED
    await provider.cancel(job)
    assert (await provider.poll(job, clip())).status is JobStatus.SUCCEEDED
    assert not any(seen["method"] == "DELETE" for seen in fake.log()["requests"])


async def test_a_broken_output_leaves_no_file_and_a_new_poll_tells_a_fresh_address(
    provider: RunwayProvider, fake: FakeVendor, tmp_path: Path
) -> None:
    job = await submit(provider)
    first = (await ended(provider, job, clip())).output_url
    output = tmp_path / "output"
    assert first is not None
    fake.set_faults({"fault": "truncated_output"}, {"fault": "gone_output", "status": 403})
    with pytest.raises(BadMedia):
        await provider.fetch(first, output, 10_000_000)
    with pytest.raises(ProviderUnavailable, match="403"):
        await provider.fetch(first, output, 10_000_000)
    with pytest.raises(BadMedia):
        await provider.fetch(first, output, 1_000)
    assert beside(output) == []
    second = (await provider.poll(job, clip())).output_url
    assert second not in (None, first)
    await provider.fetch(second or "", output, 10_000_000)
    verify(output, Kind.VIDEO)
    assert posts(fake) == fake.charges()["count"] == 1


async def test_an_output_at_a_private_address_is_not_fetched_unless_allowed(
    fake: FakeVendor, tmp_path: Path
) -> None:
    provider = RunwayProvider(KEY, MODELS, Terms(), base_url=fake.url)
    report = await ended(provider, await submit(provider), clip())
    with pytest.raises(ProviderUnavailable):
        await provider.fetch(report.output_url or "", tmp_path / "output", 10_000_000)
    await provider.close()


async def test_a_task_outlives_a_kill_of_the_server(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    job = await submit(provider)
    fake.kill()
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, clip())
    fake.start()
    assert (await provider.poll(job, clip())).status is JobStatus.SUCCEEDED
    assert fake.charges()["count"] == 1
