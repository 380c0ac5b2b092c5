"""Orders to fal: in each family's words, sent once, and every answer named."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge.domain import GenerationRequest
from filmforge.errors import (
    AnswerLost,
    ContentRefused,
    FilmError,
    KeyRefused,
    NotSent,
    OutOfCredit,
    RateLimited,
    Refused,
)
from filmforge.media.probe import verify
from filmforge.providers.base import JobStatus, Terms
from filmforge.providers.fal import MAX_FRAME_BYTES, FalProvider
from tests.fake_process import free_port
from tests.fakes.fal import DOT, KEY
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.fal_bench import (
    DOT_FRAME,
    FLUX,
    HAILUO,
    KLING,
    KLING_V3,
    KOKORO,
    LTX,
    MODELS,
    PROMPT,
    VEO,
    a_provider,
    a_request,
    ended,
    payload,
    posts,
    submitted,
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


async def failing(fake: FakeVendor, request: GenerationRequest) -> FilmError:
    """What a submit raises, which sends exactly one POST and never tells the key."""
    provider = a_provider(fake)
    with pytest.raises(FilmError) as caught:
        await submitted(provider, request)
    await provider.close()
    assert len(posts(fake)) == 1
    assert KEY not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("model", [FLUX, KLING, KOKORO])
async def test_a_request_becomes_media_of_its_kind_and_one_charge(
    fake: FakeVendor, provider: FalProvider, model: str, tmp_path: Path
) -> None:
    request = a_request(model)
    job = await submitted(provider, request)
    report = await ended(provider, job, request)
    assert report.status is JobStatus.SUCCEEDED
    assert report.output_url is not None
    await provider.fetch(report.output_url, tmp_path / "out", 20_000_000)
    facts = await asyncio.to_thread(verify, tmp_path / "out", request.kind)
    if model == FLUX:
        assert (facts.width, facts.height) == (320, 192)
    assert posts(fake) == [f"/{model}"]
    told = fake.charges()
    assert told["count"] == 1
    assert Decimal(told["total_usd"]) == provider.quote(request)
    assert job.urls["status"].endswith(f"/requests/{job.id}/status")


@pytest.mark.parametrize(
    ("recorded", "model", "changes"),
    [
        ("request_flux", FLUX, {}),
        ("request_kling", KLING, {}),
        ("request_kling_v3", KLING_V3, {}),
        ("request_hailuo", HAILUO, {}),
        ("request_ltx", LTX, {}),
        ("request_veo", VEO, {}),
        ("request_kokoro", KOKORO, {}),
    ],
)
async def test_each_family_is_ordered_in_its_own_words(
    fake: FakeVendor, provider: FalProvider, recorded: str, model: str, changes: Any
) -> None:
    await submitted(provider, a_request(model, **changes))
    assert fake.charges()["jobs"][0]["body"] == payload(recorded)


async def test_the_queue_is_told_to_run_it_once_and_whom_to_call_back(
    fake: FakeVendor, provider: FalProvider
) -> None:
    url = "https://films.example/v1/callbacks/fal/abc?x=1&y=2"
    await submitted(provider, a_request(), callback_url=url)
    async with httpx.AsyncClient(base_url=fake.url, trust_env=False) as client:
        (order,) = (await client.get("/control/orders")).json()
    once = {
        "x-fal-no-retry": "1",
        "x-app-fal-disable-fallback": "1",
        "x-fal-request-timeout": "3600",
    }
    assert order == {"headers": once, "webhook_url": url}


async def test_a_frame_the_internet_cannot_read_goes_along_as_a_data_uri(
    fake: FakeVendor, provider: FalProvider
) -> None:
    await submitted(provider, a_request(KLING), DOT_FRAME)
    sent = fake.charges()["jobs"][0]["body"]["image_url"]
    assert base64.b64decode(sent.removeprefix("data:image/png;base64,")) == DOT


async def test_a_frame_that_is_too_large_to_go_along_is_refused_before_anything_is_sent(
    fake: FakeVendor, provider: FalProvider
) -> None:
    large = DOT_FRAME.model_copy(update={"data": bytes(MAX_FRAME_BYTES + 1)})
    with pytest.raises(Refused, match="10000000 bytes"):
        await submitted(provider, a_request(KLING), large)
    assert posts(fake) == []


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "accept_then_drop"},
        {"fault": "accept_then_hang"},
        {"fault": "accept_then_malformed"},
        {"fault": "accept_then_status", "status": 500},
        {"fault": "accept_then_status", "status": 502},
        {"fault": "accept_then_status", "status": 504},
    ],
)
async def test_an_answer_that_is_lost_after_acceptance_is_named_so_and_one_job(
    fake: FakeVendor, fault: dict[str, Any]
) -> None:
    fake.settings(latency_s=0)
    fake.set_faults(fault)
    assert type(await failing(fake, a_request())) is AnswerLost
    assert fake.charges()["by_words"] == {PROMPT: 1}


@pytest.mark.parametrize("fault", ["drop", "hang", "unavailable"])
async def test_an_order_that_may_have_arrived_is_never_called_unsent(
    fake: FakeVendor, fault: str
) -> None:
    fake.set_faults({"fault": fault})
    assert type(await failing(fake, a_request())) is AnswerLost
    assert fake.charges()["jobs"] == []


@pytest.mark.parametrize(("told", "waits"), [(3, 3.0), (None, None)])
async def test_a_rate_limit_tells_how_long_to_wait(
    fake: FakeVendor, told: int | None, waits: float | None
) -> None:
    fake.set_faults({"fault": "rate_limit", "retry_after": told})
    error = await failing(fake, a_request())
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == waits


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_order_is_told_in_fals_words(fake: FakeVendor, status: int) -> None:
    fake.set_faults({"fault": "refuse", "status": status})
    error = await failing(fake, a_request())
    assert type(error) is Refused
    assert str(error) == "fal: the order was refused"


async def test_refused_content_is_told_apart_and_where_it_stands(fake: FakeVendor) -> None:
    fake.set_faults({"fault": "refuse_content"})
    error = await failing(fake, a_request())
    assert type(error) is ContentRefused
    assert str(error) == "fal: prompt: the content was refused"


async def test_a_key_that_is_not_taken_is_named_but_not_told(fake: FakeVendor) -> None:
    provider = a_provider(fake, "wrong-id:wrong-secret")
    with pytest.raises(KeyRefused) as caught:
        await submitted(provider, a_request())
    await provider.close()
    assert "No user found for Key ID and Secret" in str(caught.value)
    assert "wrong" not in str(caught.value) + repr(provider) + provider.account
    assert provider.account not in (a_provider(fake).account, "")


async def test_an_account_without_credit_is_told_from_a_key_without_rights(
    fake: FakeVendor,
) -> None:
    fake.settings(locked=True)
    error = await failing(fake, a_request())
    assert type(error) is OutOfCredit
    assert "Exhausted balance" in str(error)


async def test_an_address_nobody_answers_at_means_that_nothing_was_sent(fake: FakeVendor) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    provider = FalProvider(
        KEY, MODELS, Terms(), queue_url=nowhere, api_url=nowhere, jwks_url=nowhere
    )
    with pytest.raises(NotSent):
        await submitted(provider, a_request())
    await provider.close()
