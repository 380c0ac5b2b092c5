"""The `replicate` provider sends what Replicate takes, makes it, and quotes what it costs."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    BadInput,
    KeyRefused,
    NotSent,
)
from filmforge.media.probe import verify
from filmforge.providers.base import JobStatus, Material
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


def answer_of(vendor: FakeVendor, method: str, path: str, **options: Any) -> Any:
    """What the fake says to somebody with its token."""
    headers = {"authorization": f"Bearer {options.pop('token', TOKEN)}"}
    return httpx.request(
        method, vendor.url + path, headers=headers, trust_env=False, **options
    ).json()


@pytest.mark.parametrize(
    ("name", "settings", "fault"),
    [
        ("starting", {"latency_s": 60}, None),
        ("processing", {"latency_s": 0.04}, {"fault": "never_completes"}),
        ("succeeded", {}, None),
        ("failed", {}, {"fault": "job_fails", "message": "Prediction interrupted"}),
        ("aborted", {"aborts": "lamp"}, None),
        ("removed", {"data_ttl_s": 0}, None),
    ],
)
async def test_the_fake_tells_a_prediction_in_the_recorded_shape(
    provider: ReplicateProvider, vendor: FakeVendor, name: str, settings: Any, fault: Any
) -> None:
    vendor.settings(**settings)
    vendor.set_faults(*([fault] if fault else []))
    job, recorded = await send(provider, request_of()), payload(name)
    async with asyncio.timeout(60):
        while True:
            told = answer_of(vendor, "GET", f"/v1/predictions/{job.id}")
            if told["status"] == recorded["status"]:
                break
            await asyncio.sleep(0.01)
    assert set(told) == set(recorded)
    assert set(told["urls"]) == set(recorded["urls"])
    assert (told["input"], told["data_removed"]) == (recorded["input"], recorded["data_removed"])
    assert set(told["metrics"]) - set(recorded["metrics"]) <= {"image_output_count"}


@pytest.mark.parametrize(
    ("name", "method", "path", "options"),
    [
        ("list", "GET", "/v1/predictions", {}),
        ("secret", "GET", "/v1/webhooks/default/secret", {}),
        ("file", "POST", "/v1/files", {"files": {"content": ("f.png", b"x", "image/png")}}),
        ("problem_401", "GET", "/v1/predictions", {"token": "r8_nobodys"}),
        ("problem_402", "POST", "/v1/models/{}/predictions", {"json": {"input": {"prompt": "a"}}}),
        ("problem_422", "POST", "/v1/models/{}/predictions", {"json": {"input": {}}}),
        ("problem_429", "POST", "/v1/models/{}/predictions", {"json": {"input": {"prompt": "b"}}}),
    ],
)
async def test_the_fake_answers_in_the_recorded_shape(
    provider: ReplicateProvider, vendor: FakeVendor, name: str, method: str, path: str, options: Any
) -> None:
    vendor.set_faults(
        {"fault": "refuse", "status": 402, "match": "a", "times": None},
        {"fault": "rate_limit", "match": "b", "times": None},
    )
    vendor.settings(page_size=1)
    await send(provider, request_of(prompt="L"))
    await send(provider, request_of(prompt="L"))
    told, recorded = (
        answer_of(vendor, method, path.format(request_of().model), **options),
        payload(name),
    )
    assert set(told) == set(recorded)
    assert told.get("title") == recorded.get("title")
    if name == "list":
        assert set(recorded["results"][0]) <= set(told["results"][0])
        assert told["next"].partition("?cursor=")[0] == recorded["next"].partition("?cursor=")[0]
        assert Prediction.model_validate(recorded["results"][0]).readable
    if name == "problem_422":
        assert told == recorded


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


async def test_terms_are_the_vendors_unless_the_installation_names_its_own(
    vendor: FakeVendor,
) -> None:
    usual = provider_of(vendor, submit_timeout_s=None, listing_lag_s=None)
    chosen = provider_of(vendor, submits_per_s=2, max_in_flight=3)
    # A large frame goes up before the POST, within ten seconds.
    assert (usual.submit_timeout_s, usual.listing_lag_s) == (30 + 10, 15)
    assert (usual.submits_per_s, usual.max_in_flight) == (10, None)
    assert (chosen.submits_per_s, chosen.max_in_flight) == (2, 3)
    assert chosen.account == usual.account != provider_of(vendor, token="r8_x").account
