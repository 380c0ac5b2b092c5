"""The `replicate` provider makes, pays once, and names every way it can go wrong."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import replicate

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    ContentRefused,
    KeyRefused,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.media.probe import verify
from filmforge.providers.base import Job, JobStatus, Material
from filmforge.providers.catalogue import load_models
from filmforge.providers.replicate import MAX_DATA_URI_BYTES, ReplicateProvider
from filmforge.providers.replicate_predictions import Prediction, billed, moderated, taken
from tests.fake_process import free_port
from tests.fakes.process import FakeVendor, fake_vendor
from tests.fakes.replicate import SDXL, TOKEN
from tests.providers.replicate_bench import (
    MODELS,
    NOWHERE,
    PROMPT,
    USUAL,
    finish,
    payload,
    posts,
    provider_of,
    request_of,
    send,
)

MAX_BYTES = 20_000_000
CALLBACK = "http://127.0.0.1:9/v1/callbacks/replicate/KEY"
COMMUNITY = f"stability-ai/sdxl:{SDXL}"
USER_FILE = f"""
[[model]]
provider = "replicate"
id = "{COMMUNITY}"
kind = "image"
parameters = ["prompt", "width", "height"]
side_multiple = 8
price = {{ usd = "0.01", unit = "item", source = "mine", read_on = 2026-11-21 }}
"""


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


def user_models(tmp_path: Path) -> Any:
    file = tmp_path / "models.toml"
    file.write_text(USER_FILE)
    return load_models("replicate", file)


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_request_becomes_sound_media_at_its_quoted_price(
    provider: ReplicateProvider, vendor: FakeVendor, kind: Kind, tmp_path: Path
) -> None:
    request, path = request_of(kind), tmp_path / "out"
    report = await finish(provider, await send(provider, request), request)
    assert report.status is JobStatus.SUCCEEDED
    assert report.output_url is not None
    await provider.fetch(report.output_url, path, MAX_BYTES)
    assert verify(path, kind).kind is kind
    assert report.cost == provider.quote(request)
    charges = vendor.charges()
    assert (charges["count"], Decimal(charges["total_usd"])) == (1, report.cost)


@pytest.mark.parametrize(
    ("name", "kind", "model_id"),
    [
        ("order_image", Kind.IMAGE, ""),
        ("order_clip", Kind.VIDEO, ""),
        ("order_speech", Kind.AUDIO, ""),
        ("order_version", Kind.IMAGE, COMMUNITY),
    ],
)
async def test_an_order_goes_out_as_recorded(
    vendor: FakeVendor, tmp_path: Path, name: str, kind: Kind, model_id: str
) -> None:
    models = user_models(tmp_path)
    provider = provider_of(vendor, models=models)
    frame = Material(url="https://frames.example/frame.png", media_type="image/png", public=True)
    request = request_of(kind, model_id, models=models)
    await provider.submit(request, {"frame": frame}, CALLBACK, NOWHERE)
    await provider.close()
    (job,) = vendor.charges()["jobs"]
    assert job["body"] == payload(name)


async def test_the_vendors_own_client_sends_the_same_order_and_reads_the_same_answers(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    request = request_of()
    await provider.submit(request, {}, CALLBACK, NOWHERE)
    theirs = replicate.Client(api_token=TOKEN, base_url=vendor.url)
    made = await theirs.models.predictions.async_create(
        request.model,
        payload("order_image")["input"],
        webhook=CALLBACK,
        webhook_events_filter=["completed"],
    )
    listed = await theirs.predictions.async_list()
    assert made.id == listed.results[0].id
    await theirs._async_client.aclose()
    ours, others = vendor.charges()["jobs"]
    assert ours["body"] == others["body"]


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        ("starting", {"latency_s": 60}, None),
        ("succeeded", {}, None),
        ("failed", {}, {"fault": "job_fails", "message": "Prediction interrupted"}),
        ("aborted", {"aborts": "lamp"}, None),
    ],
)
async def test_the_fake_answers_in_the_recorded_shape(
    provider: ReplicateProvider, vendor: FakeVendor, name: str, settings: Any, fault: Any
) -> None:
    vendor.settings(**settings)
    vendor.set_faults(*([fault] if fault else []))
    job = await send(provider, request_of())
    if name != "starting":
        await finish(provider, job, request_of())
    theirs = replicate.Client(api_token=TOKEN, base_url=vendor.url)
    answer = await theirs._async_client.get(f"/v1/predictions/{job.id}")
    await theirs._async_client.aclose()
    told, recorded = answer.json(), payload(name)
    assert told["status"] == recorded["status"]
    assert set(told) == set(recorded)
    assert set(told["metrics"]) == set(recorded["metrics"])
    assert set(told["urls"]) == set(recorded["urls"])


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("succeeded", (Decimal("0.003"), False, False)),
        ("failed", (None, False, True)),
        ("failed_content", (None, False, False)),
        ("canceled", (None, True, False)),
        ("aborted", (None, False, False)),
    ],
)
def test_a_recorded_prediction_tells_its_cost_and_whether_to_try_again(
    name: str, outcome: tuple[Decimal | None, bool, bool]
) -> None:
    said, request = Prediction.model_validate(payload(name)), request_of()
    cost = taken(said, MODELS[request.model], request.parameters)
    ended = said.status != "succeeded" and billed(said, request, cost)
    assert (cost, ended, said.interrupted) == outcome
    assert moderated(said.message) is (name == "failed_content")


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


@pytest.mark.parametrize("fault", ACCEPTED, ids=lambda f: f"{f['fault']}-{f.get('status')}")
async def test_an_accepted_order_whose_answer_is_lost_is_sent_and_charged_once(
    vendor: FakeVendor, fault: dict[str, Any]
) -> None:
    provider = provider_of(vendor, submit_timeout_s=0.6)
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
    provider = provider_of(vendor, submit_timeout_s=0.6)
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


@pytest.mark.parametrize("size", [MAX_DATA_URI_BYTES, MAX_DATA_URI_BYTES + 1])
async def test_a_frame_nobody_else_can_read_is_sent_along_or_uploaded(
    provider: ReplicateProvider, vendor: FakeVendor, size: int
) -> None:
    frame = Material(
        url="http://127.0.0.1:9/frame", media_type="image/png", public=False, data=b"x" * size
    )
    await provider.submit(request_of(Kind.VIDEO), {"frame": frame}, None, NOWHERE)
    (job,) = vendor.charges()["jobs"]
    uploads = [one for one in vendor.log()["requests"] if one["path"] == "/v1/files"]
    given = job["body"]["input"]["start_image"]
    if size > MAX_DATA_URI_BYTES:
        assert (len(uploads), given.startswith(f"{vendor.url}/v1/files/")) == (1, True)
    else:
        assert (uploads, given) == ([], frame.reference)


async def test_a_frame_that_cannot_be_uploaded_leaves_nothing_sent(vendor: FakeVendor) -> None:
    frame = Material(url="", media_type="image/png", public=False, data=b"x" * 300_000)
    for changes, error in (
        ({"base_url": f"http://127.0.0.1:{free_port()}"}, NotSent),
        ({"token": "r8_another"}, KeyRefused),
    ):
        provider = provider_of(vendor, **changes)
        with pytest.raises(error):
            await provider.submit(request_of(Kind.VIDEO), {"frame": frame}, None, NOWHERE)
        await provider.close()
    assert posts(vendor) == 0


QUOTES = [
    ("black-forest-labs/flux-schnell", {}, "0.003"),
    ("black-forest-labs/flux-dev", {}, "0.025"),
    ("black-forest-labs/flux-1.1-pro", {}, "0.04"),
    ("kwaivgi/kling-v2.1", {"duration": "4.2"}, "0.25"),
    ("kwaivgi/kling-v2.1", {"duration": "7"}, "0.50"),
    ("kwaivgi/kling-v2.6", {"duration": "5"}, "0.35"),
    ("kwaivgi/kling-v3-video", {"duration": "3.5"}, "0.672"),
    ("google/veo-3-fast", {"duration": "4"}, "0.40"),
    ("google/veo-3.1-fast", {"duration": "5"}, "0.60"),
    ("google/veo-3.1", {"duration": "8"}, "1.60"),
    ("minimax/speech-2.6-turbo", {"text": "x" * 1000}, "0.06"),
]


def test_every_model_of_the_catalogue_is_quoted() -> None:
    assert {model_id for model_id, _, _ in QUOTES} == set(MODELS)


@pytest.mark.parametrize(("model_id", "changes", "usd"), QUOTES)
async def test_a_quote_follows_the_published_price(
    provider: ReplicateProvider, model_id: str, changes: dict[str, Any], usd: str
) -> None:
    request = request_of(MODELS[model_id].kind, model_id, **changes)
    assert provider.quote(request) == Decimal(usd)


def pro(request: GenerationRequest) -> GenerationRequest:
    return request.model_copy(update={"parameters": {**request.parameters, "mode": "pro"}})


async def test_the_dearer_mode_is_quoted_and_costs_its_own_price(
    provider: ReplicateProvider, vendor: FakeVendor
) -> None:
    request = pro(request_of(Kind.VIDEO))
    report = await finish(provider, await send(provider, request), request)
    assert provider.quote(request) == report.cost == Decimal("0.45")
    assert Decimal(vendor.charges()["total_usd"]) == Decimal("0.45")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": "nobody/nothing"}, "model"),
        ({"kind": Kind.IMAGE}, "model"),
        ({"inputs": ()}, "image"),
        ({"parameters": {"prompt": PROMPT, "mode": "standard"}}, "duration"),
        ({"parameters": {"duration": "5", "mode": "standard"}}, "prompt"),
    ],
)
async def test_a_request_that_cannot_be_served_names_the_field(
    provider: ReplicateProvider, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadInput) as refusal:
        provider.quote(request_of(Kind.VIDEO).model_copy(update=change))
    assert refusal.value.field == field


async def test_a_community_model_of_the_users_file_is_made_and_billed_by_its_time(
    vendor: FakeVendor, tmp_path: Path
) -> None:
    models = user_models(tmp_path)
    provider = provider_of(vendor, models=models)
    request = request_of(Kind.IMAGE, COMMUNITY, models=models)
    report = await finish(provider, await send(provider, request), request)
    assert (report.status, report.cost) == (JobStatus.SUCCEEDED, None)
    vendor.set_faults({"fault": "job_fails", "billed": True})
    failed = await finish(provider, await send(provider, request), request)
    assert (failed.status, failed.billed) == (JobStatus.FAILED, True)
    await provider.close()


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


async def test_terms_are_the_vendors_unless_the_installation_names_its_own(
    vendor: FakeVendor,
) -> None:
    usual = provider_of(vendor, submit_timeout_s=None, listing_lag_s=None)
    chosen = provider_of(vendor, submits_per_s=2, max_in_flight=3)
    assert (usual.submit_timeout_s, usual.listing_lag_s) == (30, 15)
    assert (usual.submits_per_s, usual.max_in_flight) == (10, None)
    assert (chosen.submits_per_s, chosen.max_in_flight) == (2, 3)
    assert chosen.account == usual.account != provider_of(vendor, token="r8_x").account
