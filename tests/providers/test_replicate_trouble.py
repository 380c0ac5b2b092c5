"""The `replicate` provider names every way that a request, a job or an output can go wrong."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from filmforge.domain import Kind
from filmforge.errors import (
    AnswerLost,
    BadMedia,
    ContentRefused,
    KeyRefused,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.providers.base import Job, JobStatus
from filmforge.providers.replicate import ReplicateProvider
from tests.fake_process import free_port
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.replicate_bench import (
    MODELS,
    USUAL,
    finish,
    posts,
    provider_of,
    request_of,
    send,
)

MAX_BYTES = 20_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.replicate", tmp_path_factory.mktemp("replicate") / "db") as fake:
        yield fake


@pytest.fixture
def vendor(server: FakeVendor) -> FakeVendor:
    server.reset()
    return server


@pytest.fixture
async def provider(vendor: FakeVendor) -> AsyncIterator[ReplicateProvider]:
    made = provider_of(vendor)
    yield made
    await made.close()


ACCEPTED = [
    {"fault": "accept_then_drop"},
    {"fault": "accept_then_status", "status": 500},
    {"fault": "accept_then_status", "status": 502},
    {"fault": "accept_then_status", "status": 504},
    {"fault": "accept_then_hang"},
    {"fault": "accept_then_malformed"},
]
TURNED_AWAY = [
    ({"fault": "rate_limit", "retry_after": 3}, RateLimited),
    ({"fault": "refuse_content"}, ContentRefused),
    ({"fault": "refuse"}, Refused),
    ({"fault": "refuse", "status": 402}, OutOfCredit),
    ({"fault": "refuse", "status": 403}, KeyRefused),
    ({"fault": "refuse", "status": 404}, Refused),
    ({"fault": "unavailable"}, AnswerLost),
    ({"fault": "hang"}, AnswerLost),
    ({"fault": "drop"}, AnswerLost),
]


def patience_s(fault: dict[str, Any]) -> float:
    """Short where the fake is silent, and long enough on a machine that has much to do."""
    return 3 if "hang" in fault["fault"] else 20


@pytest.mark.parametrize("fault", ACCEPTED, ids=lambda f: f"{f['fault']}-{f.get('status')}")
async def test_an_accepted_order_whose_answer_is_lost_is_sent_and_charged_once(
    vendor: FakeVendor, fault: dict[str, Any]
) -> None:
    provider = provider_of(vendor, submit_timeout_s=patience_s(fault))
    vendor.set_faults(fault)
    with pytest.raises(AnswerLost):
        await send(provider, request_of())
    await provider.close()
    assert (posts(vendor), vendor.charges()["count"]) == (1, 1)


@pytest.mark.parametrize(
    ("fault", "error"), TURNED_AWAY, ids=[f"{f['fault']}-{e.__name__}" for f, e in TURNED_AWAY]
)
async def test_an_order_that_is_turned_away_is_sent_once_and_free(
    vendor: FakeVendor, fault: dict[str, Any], error: type[Exception]
) -> None:
    provider = provider_of(vendor, submit_timeout_s=patience_s(fault))
    vendor.set_faults(fault)
    with pytest.raises(error) as refusal:
        await send(provider, request_of())
    await provider.close()
    assert refusal.type is error
    assert (posts(vendor), vendor.charges()["count"]) == (1, 0)


@pytest.mark.parametrize(("header", "wait_s"), [(3, 3.0), (None, 7.0)])
async def test_the_wait_of_a_rate_limit_is_told_by_header_or_body(
    provider: ReplicateProvider, vendor: FakeVendor, header: int | None, wait_s: float
) -> None:
    vendor.set_faults({"fault": "rate_limit", "retry_after": header})
    with pytest.raises(RateLimited) as limit:
        await send(provider, request_of())
    assert limit.value.retry_after_s == wait_s


async def test_nobody_listening_is_not_sent(vendor: FakeVendor) -> None:
    provider = provider_of(vendor, base_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotSent):
        await send(provider, request_of())
    await provider.close()


async def test_a_refused_key_stays_hidden(vendor: FakeVendor) -> None:
    provider = provider_of(vendor, token="r8_this_is_not_the_key_of_anybody")
    with pytest.raises(KeyRefused) as refusal:
        await send(provider, request_of())
    with pytest.raises(ProviderUnavailable) as unavailable:
        await provider.poll(Job(id="x"), request_of())
    await provider.close()
    assert "valid authentication token" in str(refusal.value)
    told = f"{refusal.value}{unavailable.value}{provider!r}{vars(provider)}{provider.account}"
    assert "not_the_key" not in told


async def test_an_invalid_order_is_refused_in_the_vendors_words(vendor: FakeVendor) -> None:
    wrong = MODELS[USUAL[Kind.IMAGE]].model_copy(update={"fixed": {"output_format": "gif"}})
    models = {wrong.id: wrong}
    provider = provider_of(vendor, models=models)
    with pytest.raises(Refused, match=r"input\.output_format: output_format is not valid"):
        await send(provider, request_of(models=models))
    await provider.close()


@pytest.mark.parametrize(
    ("fault", "billed", "transient", "code", "cost"),
    [
        ({"message": "CUDA out of memory"}, False, False, "provider_failed", None),
        ({"message": "late", "billed": True}, True, False, "provider_failed", Decimal("0.003")),
        ({"message": "flagged as sensitive. (E005)"}, False, False, "content_refused", None),
        ({"message": "NSFW content detected."}, False, False, "content_refused", None),
        ({"message": "Prediction interrupted; please retry (code: PA)"}, False, True,
         "provider_failed", None),
    ],
)  # fmt: skip
async def test_a_failed_job_tells_why_and_what_it_took(
    provider: ReplicateProvider,
    vendor: FakeVendor,
    fault: dict[str, Any],
    billed: bool,
    transient: bool,
    code: str,
    cost: Decimal | None,
) -> None:
    vendor.set_faults({"fault": "job_fails", **fault})
    request = request_of()
    report = await finish(provider, await send(provider, request), request)
    assert report.status is JobStatus.FAILED
    assert (report.billed, report.transient, report.code) == (billed, transient, code)
    assert report.cost == cost
    assert fault["message"] in report.message
    assert vendor.charges()["count"] == int(billed)


@pytest.mark.parametrize("started", [False, True])
async def test_a_cancelled_job_is_paid_for_once_it_has_started(
    provider: ReplicateProvider, vendor: FakeVendor, started: bool
) -> None:
    vendor.set_faults({"fault": "never_completes"})
    vendor.settings(latency_s=0.04 if started else 60)
    request = request_of()
    job = await send(provider, request)
    while True:
        if vendor.charges()["jobs"][0]["status"] == ("running" if started else "queued"):
            break
        await asyncio.sleep(0.01)
    await provider.cancel(job)
    report = await provider.poll(job, request)
    assert (report.status, report.billed) == (JobStatus.CANCELLED, started)
    assert vendor.charges()["count"] == int(started)


async def test_cancelling_a_finished_job_changes_nothing(provider: ReplicateProvider) -> None:
    request = request_of()
    job = await send(provider, request)
    report = await finish(provider, job, request)
    await provider.cancel(job)
    assert await provider.poll(job, request) == report


async def test_an_aborted_job_is_cancelled_and_free(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    vendor.settings(aborts="lamp")
    report = await provider.poll(await send(provider, request_of()), request_of())
    assert (report.status, report.billed) == (JobStatus.CANCELLED, False)
    assert vendor.charges()["count"] == 0


@pytest.mark.parametrize("fault", ["unknown_status", "poll_status", "poll_malformed"])
async def test_an_answer_that_says_nothing_sure_is_asked_again(
    provider: ReplicateProvider, vendor: FakeVendor, fault: str
) -> None:
    request = request_of()
    job = await send(provider, request)
    vendor.set_faults({"fault": fault})
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, request)
    assert (await finish(provider, job, request)).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("fault", "bound", "error"),
    [
        ("gone_output", MAX_BYTES, ProviderUnavailable),
        ("truncated_output", MAX_BYTES, BadMedia),
        (None, 10, BadMedia),
    ],
)
async def test_an_output_that_cannot_be_had_whole_leaves_no_file(
    provider: ReplicateProvider,
    vendor: FakeVendor,
    tmp_path: Path,
    fault: str | None,
    bound: int,
    error: type[Exception],
) -> None:
    request = request_of()
    report = await finish(provider, await send(provider, request), request)
    vendor.set_faults(*([{"fault": fault}] if fault else []))
    with pytest.raises(error):
        await provider.fetch(str(report.output_url), tmp_path / "out", bound)
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "out.part").exists()


async def test_an_output_deleted_after_an_hour_is_a_paid_failure(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    vendor.settings(data_ttl_s=0)
    request = request_of()
    report = await finish(provider, await send(provider, request), request)
    assert (report.status, report.billed) == (JobStatus.FAILED, True)
    assert report.cost == provider.quote(request)
    assert "deleted" in report.message


async def test_an_output_in_a_data_uri_is_written_within_the_bound(
    provider: ReplicateProvider, tmp_path: Path
) -> None:
    url = f"data:image/png;base64,{base64.b64encode(b'picture').decode()}"
    await provider.fetch(url, tmp_path / "out", 7)
    assert (tmp_path / "out").read_bytes() == b"picture"
    for bad, bound in ((url, 6), ("data:image/png;base64,?", 100), ("data:text/plain,x", 100)):
        with pytest.raises(BadMedia):
            await provider.fetch(bad, tmp_path / "bad", bound)
    assert not (tmp_path / "bad").exists()


async def test_a_job_outlives_the_vendors_process(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    request = request_of()
    job = await send(provider, request)
    vendor.kill()
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, request)
    vendor.start()
    assert (await finish(provider, job, request)).status is JobStatus.SUCCEEDED
