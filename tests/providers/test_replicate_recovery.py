"""The `replicate` provider finds lost predictions, lists them, and knows a genuine callback."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from replicate.webhook import Webhooks, WebhookSigningSecret

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    AnswerLost,
    BadInput,
    CreateAmbiguous,
    NotConfigured,
    ProviderUnavailable,
)
from filmforge.providers.base import CLOCK_MARGIN, Job, JobStatus
from filmforge.providers.catalogue import Recovery
from filmforge.providers.replicate import ReplicateProvider
from filmforge.providers.replicate_predictions import Prediction, is_same, may_be
from tests.fake_process import free_port
from tests.fakes.callbacks import standard_signature
from tests.fakes.process import FakeVendor, fake_vendor
from tests.fakes.replicate import OTHER_TOKEN, SDXL, SECRET
from tests.providers.replicate_bench import (
    FRAME,
    MODELS,
    NOWHERE,
    PROMPT,
    USUAL,
    Inbox,
    finish,
    payload,
    provider_of,
    request_of,
    send,
)

NOBODY: frozenset[str] = frozenset()
OTHER_SECRET = "whsec_YW5vdGhlciBhY2NvdW50J3Mgc2VjcmV0IQ=="


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


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    made = Inbox()
    yield made
    made.close()


def now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("fault", ["accept_then_drop", "accept_then_malformed"])
async def test_a_job_whose_answer_was_lost_is_found(
    provider: ReplicateProvider, vendor: FakeVendor, kind: Kind, fault: str
) -> None:
    request, since = request_of(kind), now()
    vendor.set_faults({"fault": fault})
    with pytest.raises(AnswerLost):
        await send(provider, request)
    assert provider.recovery(request) is Recovery.LISTING
    found = await provider.find(request, since, NOBODY)
    (job,) = vendor.charges()["jobs"]
    assert found is not None
    assert found.id == job["id"]
    assert (await finish(provider, found, request)).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    "other",
    [
        request_of(seed=8),
        request_of(prompt="A lamp in a full attic"),
        request_of(width=720),
        request_of(model_id="black-forest-labs/flux-dev"),
    ],
    ids=["seed", "prompt", "shape", "model"],
)
async def test_another_request_is_provably_absent(
    provider: ReplicateProvider, other: GenerationRequest
) -> None:
    since = now()
    await send(provider, request_of())
    assert await provider.find(other, since, NOBODY) is None


async def test_a_list_that_lags_shows_the_job_in_the_end(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    since = now()
    vendor.settings(listing_lag_s=60)
    job = await send(provider, request_of())
    assert await provider.find(request_of(), since, NOBODY) is None
    vendor.settings(listing_lag_s=0)
    assert await provider.find(request_of(), since, NOBODY) == job


async def test_foreign_and_known_jobs_are_never_taken(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    stranger, since = provider_of(vendor, token=OTHER_TOKEN), now()
    await send(stranger, request_of())
    await stranger.close()
    mine = await send(provider, request_of())
    assert await provider.find(request_of(), since, NOBODY) == mine
    assert await provider.find(request_of(), since, frozenset({mine.id})) is None


async def test_the_oldest_after_the_submit_is_taken_before_any_earlier_one(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    vendor.settings(page_size=1)
    earlier = await send(provider, request_of())
    since = now()
    first, second = await send(provider, request_of()), await send(provider, request_of())
    await send(provider, request_of(seed=99))
    find = provider.find
    assert await find(request_of(), since, NOBODY) == first
    assert await find(request_of(), since, frozenset({first.id})) == second
    assert await find(request_of(), since, frozenset({first.id, second.id})) == earlier
    too_late = now() + CLOCK_MARGIN + timedelta(seconds=5)
    assert await find(request_of(), too_late, NOBODY) is None


async def test_a_list_without_inputs_is_completed_by_asking_for_each_job_of_the_model(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    vendor.settings(lists_inputs=False)
    since = now()
    await send(provider, request_of(model_id="black-forest-labs/flux-dev"))
    await send(provider, request_of(seed=8))
    job = await send(provider, request_of())
    asked = len(vendor.log()["requests"])
    assert await provider.find(request_of(), since, NOBODY) == job
    paths = [one["path"] for one in vendor.log()["requests"][asked:]]
    assert (paths[0], len(paths)) == ("/v1/predictions", 3)


async def test_a_deleted_input_leaves_a_doubt_for_its_model_alone(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    since = now()
    job = await send(provider, request_of(seed=8))
    await finish(provider, job, request_of(seed=8))
    vendor.settings(data_ttl_s=0)
    with pytest.raises(CreateAmbiguous, match=job.id):
        await provider.find(request_of(), since, NOBODY)
    assert await provider.find(request_of(), since, frozenset({job.id})) is None
    other = request_of(model_id="black-forest-labs/flux-dev")
    assert await provider.find(other, since, NOBODY) is None


async def test_the_key_in_a_told_callback_decides(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    vendor.settings(tells_webhooks=True, data_ttl_s=0)
    request, since = request_of(), now()
    base = "http://127.0.0.1:9/v1/callbacks/replicate"
    other = await provider.submit(request, {}, f"{base}/{'a' * 64}", NOWHERE)
    await finish(provider, other, request)
    assert await provider.find(request, since, NOBODY) is None
    job = await provider.submit(request, {}, f"{base}/{request.key}", NOWHERE)
    await finish(provider, job, request)
    assert await provider.find(request, since, NOBODY) == job


@pytest.mark.parametrize(
    ("reference", "same"),
    [
        (f"https://frames.example/{FRAME[:2]}/{FRAME}?X-Amz-Expires=1", True),
        (f"https://frames.example/{'6' * 64}?X-Amz-Expires=1", False),
        ("https://replicate.delivery/pbxt/M0mdz2nXiUmh/frame.png", True),
        ("data:image/png;base64,b3RoZXI=", False),
        (None, True),
    ],
)
def test_a_clip_of_another_frame_is_another_request(reference: str | None, same: bool) -> None:
    request = request_of(Kind.VIDEO)
    told = {**payload("succeeded_clip"), "input": {**payload("order_clip")["input"]}}
    told["input"]["start_image"] = reference
    assert is_same(Prediction.model_validate(told), MODELS[request.model], request) is same


def test_defaults_that_the_list_adds_and_whole_numbers_as_floats_change_nothing() -> None:
    request = request_of(Kind.VIDEO)
    told = payload("succeeded_clip")
    told["input"] = {**payload("order_clip")["input"], "duration": 5.0, "end_image": None}
    told["input"]["start_image"] = None
    assert is_same(Prediction.model_validate(told), MODELS[request.model], request)


def test_a_prediction_of_another_version_is_not_ours() -> None:
    told = {**payload("succeeded"), "model": "stability-ai/sdxl", "version": SDXL}
    request = request_of().model_copy(update={"model": f"stability-ai/sdxl:{SDXL}"})
    assert may_be(Prediction.model_validate(told), request)
    assert not may_be(Prediction.model_validate({**told, "version": "5c7d5dc6"}), request)


def test_a_prediction_made_by_hand_on_the_website_is_not_ours() -> None:
    told = {**payload("succeeded"), "source": "web"}
    assert may_be(Prediction.model_validate(payload("succeeded")), request_of())
    assert not may_be(Prediction.model_validate(told), request_of())


async def test_a_list_that_cannot_be_read_is_asked_again(vendor: FakeVendor) -> None:
    provider = provider_of(vendor, base_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ProviderUnavailable):
        await provider.find(request_of(), now(), NOBODY)
    await provider.close()


async def test_jobs_are_listed_newest_first_with_what_they_say(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    vendor.settings(page_size=2, tells_webhooks=True)
    await send(provider, request_of(seed=1))
    since = now()
    picture = request_of()
    callback = f"http://127.0.0.1:9/v1/callbacks/replicate/{picture.key}"
    first = await provider.submit(picture, {}, callback, NOWHERE)
    await finish(provider, first, picture)
    vendor.set_faults({"fault": "job_fails"})
    await finish(provider, await send(provider, request_of(Kind.VIDEO)), request_of(Kind.VIDEO))
    vendor.set_faults({"fault": "never_completes"})
    await send(provider, request_of(Kind.AUDIO))
    found = [job async for job in provider.listed(since)]
    assert [job.status for job in found] == [
        JobStatus.RUNNING,
        JobStatus.FAILED,
        JobStatus.SUCCEEDED,
    ]
    assert [job.model for job in found] == [USUAL[k] for k in (Kind.AUDIO, Kind.VIDEO, Kind.IMAGE)]
    assert [job.request_key for job in found] == [None, None, picture.key]
    assert found[-1].words == PROMPT
    assert found[-1].job == first
    assert [job.cost for job in found] == [None, None, Decimal("0.003")]
    assert since <= found[-1].created_at <= found[0].created_at
    vendor.settings(data_ttl_s=0)
    assert {job.cost async for job in provider.listed(since)} == {None}


async def called(provider: ReplicateProvider, inbox: Inbox, request: GenerationRequest) -> Job:
    callback = f"{inbox.url}/v1/callbacks/replicate/{request.key}"
    return await provider.submit(request, {}, callback, NOWHERE)


async def test_a_genuine_callback_names_its_job_and_the_secret_is_asked_for_once(
    provider: ReplicateProvider, vendor: FakeVendor, inbox: Inbox
) -> None:
    vendor.settings(tells_webhooks=True)
    vendor.set_faults({"fault": "webhook_twice"})
    job = await called(provider, inbox, request_of())
    calls = await inbox.wait(2)
    notices = [await provider.parse_webhook(headers, body) for headers, body in calls]
    assert [(notice.job, notice.request_key) for notice in notices] == [(job, request_of().key)] * 2
    assert len({notice.webhook_id for notice in notices}) == 1
    asked = [one["path"] for one in vendor.log()["requests"]]
    assert asked.count("/v1/webhooks/default/secret") == 1


async def test_the_vendors_own_client_believes_the_same_callback(
    provider: ReplicateProvider, inbox: Inbox
) -> None:
    await called(provider, inbox, request_of())
    ((headers, body),) = await inbox.wait()
    secret = WebhookSigningSecret(key=SECRET)
    Webhooks.validate(headers=headers, body=body.decode(), secret=secret, tolerance=300)


@pytest.mark.parametrize("fault", ["webhook_forged", "webhook_stale"])
async def test_a_forged_or_stale_callback_is_refused(
    provider: ReplicateProvider, vendor: FakeVendor, inbox: Inbox, fault: str
) -> None:
    vendor.set_faults({"fault": fault})
    await called(provider, inbox, request_of())
    ((headers, body),) = await inbox.wait()
    with pytest.raises(BadInput):
        await provider.parse_webhook(headers, body)


def signed(secret: str, body: bytes) -> dict[str, str]:
    at = int(time.time())
    return {
        "WEBHOOK-ID": "msg_1",
        "WEBHOOK-TIMESTAMP": str(at),
        "WEBHOOK-SIGNATURE": standard_signature(secret, "msg_1", at, body),
    }


async def test_a_given_secret_is_used_alone(vendor: FakeVendor) -> None:
    provider, body = provider_of(vendor, webhook_secret=OTHER_SECRET), json.dumps({"id": "p1"})
    notice = await provider.parse_webhook(signed(OTHER_SECRET, body.encode()), body.encode())
    assert (notice.webhook_id, notice.job.id, notice.request_key) == ("msg_1", "p1", None)
    for secret, sent in ((SECRET, body), (OTHER_SECRET, "{}"), (OTHER_SECRET, "not json")):
        with pytest.raises(BadInput):
            await provider.parse_webhook(signed(secret, sent.encode()), sent.encode())
    with pytest.raises(BadInput):
        await provider.parse_webhook({}, body.encode())
    await provider.close()
    assert vendor.log()["requests"] == []
    with pytest.raises(NotConfigured, match="REPLICATE_WEBHOOK_SECRET"):
        provider_of(vendor, webhook_secret="%%%")


async def test_a_secret_that_was_changed_is_asked_for_again(
    provider: ReplicateProvider, vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"id": "p1"}'
    await provider.parse_webhook(signed(SECRET, body), body)
    vendor.settings(secret=OTHER_SECRET)
    with pytest.raises(BadInput):
        await provider.parse_webhook(signed(OTHER_SECRET, body), body)
    monkeypatch.setattr("filmforge.providers.replicate.SECRET_LASTS_S", 0.0)
    notice = await provider.parse_webhook(signed(OTHER_SECRET, body), body)
    assert notice.job.id == "p1"
    with pytest.raises(BadInput):
        await provider.parse_webhook(signed(SECRET, body), body)


async def test_a_callback_is_not_judged_while_the_secret_cannot_be_had(
    vendor: FakeVendor,
) -> None:
    provider, body = provider_of(vendor, base_url=f"http://127.0.0.1:{free_port()}"), b"{}"
    with pytest.raises(ProviderUnavailable):
        await provider.parse_webhook(signed(SECRET, body), body)
    await provider.close()


async def test_a_plain_callback_address_is_not_given_to_the_real_vendor(
    vendor: FakeVendor,
) -> None:
    provider = provider_of(vendor, private=False)
    await provider.submit(request_of(), {}, "http://film.example/callback", NOWHERE)
    await provider.submit(request_of(), {}, "https://film.example/callback", NOWHERE)
    await provider.close()
    bodies = [job["body"] for job in vendor.charges()["jobs"]]
    assert [body.get("webhook") for body in bodies] == [None, "https://film.example/callback"]
