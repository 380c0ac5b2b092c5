"""What becomes of a call on Modal: it works, is held, fails, is stopped, is forgotten."""

import asyncio
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest

from filmforge.domain import work_object
from filmforge.embedded import Servers
from filmforge.errors import ProviderUnavailable
from filmforge.providers.base import Job, JobStatus
from filmforge.providers.modal import ModalProvider
from filmforge.works import Works
from tests.fake_process import free_port
from tests.fakes.process import FakeVendor
from tests.providers.modal_case import (
    MODELS,
    SDXL,
    a_provider,
    charged,
    claimed,
    ended,
    picture,
    submit,
    works,
)

PRICE = MODELS[SDXL].price.usd


async def test_a_second_call_for_a_key_is_held_by_the_first_and_charges_nothing(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    """The id of the first was lost: the second follows it, and tells its own loading too."""
    fake.settings(latency_s=1.0, load_s=2.0)
    request = picture()
    lost = await submit(provider, request)
    assert await claimed(request) == lost.id
    job = await submit(provider, request)
    assert job.id != lost.id
    report, first = await ended(provider, job, request), await ended(provider, lost, request)
    (paid,) = charged(fake)
    assert paid["id"] == lost.id
    assert report.status is first.status is JobStatus.SUCCEEDED
    assert first.cost == Decimal(paid["cost_usd"])
    assert report.cost == first.cost + 2 * PRICE
    receipt = await works().receipt(request.key)
    assert receipt is not None
    assert receipt.call_id == lost.id
    assert receipt.digest is not None
    assert report.output_url is not None
    assert receipt.digest in report.output_url


async def test_a_call_for_what_is_made_already_makes_nothing(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    request = picture()
    first = await ended(provider, await submit(provider, request), request)
    job = await submit(provider, request)
    again = await ended(provider, job, request)
    assert again.model_copy(update={"output_url": None}) == first.model_copy(
        update={"output_url": None}
    )
    assert len(charged(fake)) == 1
    assert len(fake.charges()["jobs"]) == 2


async def test_a_call_that_is_cancelled_stops_and_gives_its_claim_back(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    fake.settings(latency_s=60)
    request, since = picture(), datetime.now(UTC)
    job = await submit(provider, request)
    await claimed(request)
    assert (await provider.poll(job, request)).status is JobStatus.RUNNING
    await provider.cancel(job)
    report = await ended(provider, job, request)
    assert report.status is JobStatus.CANCELLED
    assert report.billed
    (paid,) = charged(fake)
    assert report.cost is not None
    assert Decimal(paid["cost_usd"]) <= report.cost < provider.quote(request)
    assert await works().receipt(request.key) is None
    assert await works().claim(request.key) is None
    assert await provider.find(request, since, frozenset()) is None


async def test_cancelling_a_held_call_stops_the_one_that_works(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    fake.settings(latency_s=60)
    request = picture()
    lost = await submit(provider, request)
    await claimed(request)
    job = await submit(provider, request)
    await _until_ended(fake, job)
    assert (await provider.poll(job, request)).status is JobStatus.RUNNING
    await provider.cancel(job)
    assert (await ended(provider, lost, request)).status is JobStatus.CANCELLED
    assert (await ended(provider, job, request)).status is JobStatus.CANCELLED


async def test_cancelling_what_has_ended_or_was_never_there_changes_nothing(
    provider: ModalProvider,
) -> None:
    request = picture()
    job = await submit(provider, request)
    await ended(provider, job, request)
    await provider.cancel(job)
    await provider.cancel(Job(id="fc-nobody-knows"))
    assert (await provider.poll(job, request)).status is JobStatus.SUCCEEDED


async def test_a_call_goes_on_after_its_machine_was_taken_away(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    """Modal starts it again under its own id, and its claim is its own still."""
    fake.settings(latency_s=1.0)
    request = picture()
    job = await submit(provider, request)
    await claimed(request)
    fake.kill()
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, request)
    fake.start()
    report = await ended(provider, job, request)
    assert report.status is JobStatus.SUCCEEDED
    assert [paid["id"] for paid in charged(fake)] == [job.id]
    receipt = await works().receipt(request.key)
    assert receipt is not None
    assert receipt.call_id == job.id


async def test_what_is_made_is_there_although_modal_has_forgotten_the_call(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    request = picture()
    job = await submit(provider, request)
    first = await ended(provider, job, request)
    fake.settings(forgets=True)
    for forgotten in (job, Job(id="fc-nobody-knows")):
        report = await provider.poll(forgotten, request)
        assert (report.status, report.cost) == (JobStatus.SUCCEEDED, first.cost)


async def test_a_call_that_nobody_knows_and_left_no_receipt_counts_with_its_whole_quote(
    provider: ModalProvider,
) -> None:
    report = await provider.poll(Job(id="fc-nobody-knows"), picture())
    assert (report.status, report.billed, report.cost) == (JobStatus.FAILED, True, None)
    assert report.message == "modal: Modal has no such call"


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        ("error", False),
        ("timeout", False),
        ("init_failure", False),
        ("out_of_memory", False),
        ("internal_failure", True),
    ],
)
async def test_a_call_that_failed_counts_with_the_seconds_from_its_spawn_to_its_end(
    provider: ModalProvider, fake: FakeVendor, code: str, transient: bool
) -> None:
    fake.settings(latency_s=0.3)
    fake.set_faults({"fault": "job_fails", "code": code, "message": "CUDA is out of sorts"})
    request, began = picture(), time.monotonic()
    job = await submit(provider, request)
    report = await ended(provider, job, request)
    lasted_s = Decimal(time.monotonic() - began)
    assert (report.status, report.code) == (JobStatus.FAILED, "provider_failed")
    assert report.message == "modal: CUDA is out of sorts"
    assert (report.billed, report.transient) == (True, transient)
    assert report.cost is not None
    assert Decimal(fake.charges()["total_usd"]) <= report.cost <= lasted_s * PRICE + PRICE
    assert await works().claim(request.key) is None


async def test_bad_input_is_told_in_the_words_of_the_function(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    fake.set_faults({"fault": "job_fails", "code": "bad_input", "message": "says too little"})
    request = picture()
    report = await ended(provider, await submit(provider, request), request)
    assert (report.status, report.code) == (JobStatus.FAILED, "provider_failed")
    assert report.message == "modal: prompt: says too little. Ask for something else."
    assert (report.billed, report.transient) == (True, False)
    assert report.cost == Decimal(fake.charges()["total_usd"])


async def test_a_result_that_cannot_be_read_is_found_in_the_bucket(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    request = picture()
    job = await submit(provider, request)
    await ended(provider, job, request)
    fake.set_faults({"fault": "poll_malformed", "times": 2})
    assert (await provider.poll(job, request)).status is JobStatus.SUCCEEDED
    with pytest.raises(ProviderUnavailable, match="no receipt"):
        await provider.poll(job, picture())  # of another work the bucket knows nothing


@pytest.mark.parametrize("fault", ["poll_status", "unknown_status"])
async def test_a_poll_without_an_answer_is_no_verdict(
    provider: ModalProvider, fake: FakeVendor, fault: str
) -> None:
    request = picture()
    job = await submit(provider, request)
    await ended(provider, job, request)
    fake.set_faults({"fault": fault})
    with pytest.raises(ProviderUnavailable, match=job.id):
        await provider.poll(job, request)
    assert (await provider.poll(job, request)).status is JobStatus.SUCCEEDED


async def test_a_bucket_that_is_away_is_no_verdict(fake: FakeVendor) -> None:
    provider = a_provider(fake)
    provider._works = Works("films", f"http://127.0.0.1:{free_port()}")
    request = picture()
    with pytest.raises(ProviderUnavailable):
        await provider.find(request, datetime.now(UTC), frozenset())
    with pytest.raises(ProviderUnavailable):
        await provider.poll(Job(id="fc-nobody-knows"), request)
    await provider.close()


@pytest.mark.parametrize("name", ["receipt", "claim"])
async def test_what_the_bucket_holds_but_nobody_can_read_is_no_verdict(
    provider: ModalProvider, servers: Servers, name: str
) -> None:
    request = picture()
    s3: Any = boto3.client("s3")
    s3.put_object(Bucket=servers.s3_bucket, Key=work_object(request.key, name), Body=b"{")
    with pytest.raises(ProviderUnavailable, match=f"{name} cannot be read"):
        await provider.find(request, datetime.now(UTC), frozenset())


def test_polls_slow_down_with_the_age_of_a_call(provider: ModalProvider) -> None:
    assert [provider.poll_interval_s(age_s) for age_s in (0, 40, 1000)] == [0.5, 2.0, 5.0]


async def _until_ended(fake: FakeVendor, job: Job) -> None:
    deadline = time.monotonic() + 10
    while {j["id"]: j["status"] for j in fake.charges()["jobs"]}[job.id] != "succeeded":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
