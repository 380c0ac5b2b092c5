"""What fal's models cost and how they are named, and the shapes that were recorded."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import fal_client
import httpx
import pytest

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    BadInput,
    NotConfigured,
)
from filmforge.providers.base import JobStatus
from filmforge.providers.catalogue import fit, load_models
from filmforge.providers.fal import FalProvider, urls_of
from filmforge.providers.fal_forms import Accepted, Page, Status, output_url, problem_of
from tests.fakes.fal import KEY
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.fal_bench import (
    FLUX,
    HAILUO,
    HAILUO_FAST,
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
    ("model", "changes", "usd"),
    [
        (FLUX, {"width": 1280, "height": 720}, "0.003"),
        ("fal-ai/flux/dev", {"width": 1920, "height": 1080}, "0.075"),
        ("fal-ai/flux-pro/v1.1", {"width": 1920, "height": 1080}, "0.08"),
        (KLING, {"duration": "5"}, "0.35"),
        (KLING, {"duration": "6"}, "0.70"),
        ("fal-ai/kling-video/v2.5-turbo/standard/image-to-video", {}, "0.21"),
        (KLING_V3, {"duration": "4"}, "0.448"),
        (HAILUO, {"duration": "6"}, "0.27"),
        ("fal-ai/minimax/hailuo-2.3/standard/image-to-video", {}, "0.28"),
        (HAILUO_FAST, {"duration": "6"}, "0.19"),
        (LTX, {"duration": "6"}, "0.36"),
        ("fal-ai/ltx-2/image-to-video/fast", {"duration": "6"}, "0.24"),
        (VEO, {"duration": "8"}, "1.60"),
        ("fal-ai/veo3.1/fast/image-to-video", {"duration": "8"}, "0.80"),
        (KOKORO, {"text": "x" * 1000}, "0.02"),
    ],
)
async def test_a_quote_is_what_fal_charges(
    fake: FakeVendor, provider: FalProvider, model: str, changes: dict[str, Any], usd: str
) -> None:
    fake.settings(latency_s=0)
    request = a_request(model, **changes)
    assert provider.quote(request) == Decimal(usd)
    await submitted(provider, request)
    assert Decimal(fake.charges()["total_usd"]) == Decimal(usd)


def test_every_model_is_quoted_with_its_source(provider: FalProvider) -> None:
    for model in provider.models().values():
        assert provider.quote(a_request(model.id)) > 0
        assert all(price.source.startswith("https://") for price in (model.price, *model.prices))


def test_hailuo_clips_of_ten_seconds_have_their_own_price(provider: FalProvider) -> None:
    assert provider.quote(a_request(HAILUO_FAST, duration="7")) == Decimal("0.32")


def test_a_model_that_is_not_in_the_catalogue_is_named(provider: FalProvider) -> None:
    request = a_request().model_copy(update={"model": "fal-ai/nobody"})
    with pytest.raises(BadInput, match="nobody") as caught:
        provider.quote(request)
    assert caught.value.field == "model"


def test_a_clip_without_a_frame_is_refused_and_a_picture_needs_none(provider: FalProvider) -> None:
    with pytest.raises(BadInput) as caught:
        provider.quote(a_request(KLING).model_copy(update={"inputs": ()}))
    assert caught.value.field == "image"
    lacking = a_request(KLING, prompt="")
    with pytest.raises(BadInput) as caught:
        provider.quote(lacking)
    assert caught.value.field == "prompt"


async def test_a_model_of_the_users_own_file_is_ordered_with_its_own_names(
    fake: FakeVendor, tmp_path: Path
) -> None:
    file = tmp_path / "models.toml"
    file.write_text(
        """
        [[model]]
        provider = "fal"
        id = "acme/painter/v9"
        kind = "image"
        parameters = ["prompt", "width", "height"]
        names = { width = "canvas.w:number", height = "canvas.h", seed = "chance" }
        fixed = { canvas = { depth = 8 } }
        [model.price]
        usd = "0.01"
        unit = "item"
        source = "https://acme.example/prices"
        read_on = 2026-11-21
        """
    )
    models = load_models("fal", file)
    provider = a_provider(fake, models=models)
    wish = {"prompt": PROMPT, "width": 320, "height": 192}
    request = GenerationRequest(
        kind=Kind.IMAGE,
        provider="fal",
        model="acme/painter/v9",
        parameters=fit(models["acme/painter/v9"], wish),
        seed=3,
    )
    key = request.key
    assert provider.quote(request) == Decimal("0.01")
    job = await submitted(provider, request)
    assert (await ended(provider, job, request)).status is JobStatus.SUCCEEDED
    assert fake.charges()["jobs"][0]["body"] == {
        "prompt": PROMPT,
        "canvas": {"depth": 8, "w": 320.0, "h": 192},
        "chance": 3,
    }
    assert request.key == key
    await provider.close()


def test_a_wire_name_in_a_form_there_is_not_is_named(fake: FakeVendor) -> None:
    odd = MODELS[KLING].model_copy(update={"names": {"duration": "duration:weeks"}})
    with pytest.raises(NotConfigured, match="weeks"):
        a_provider(fake, models={KLING: odd})


async def test_a_length_that_cannot_be_a_whole_number_is_refused_before_anything_is_kept(
    fake: FakeVendor,
) -> None:
    odd = MODELS[LTX].model_copy(update={"durations_s": (Decimal("4.5"),)})
    provider = a_provider(fake, models={LTX: odd})
    request = a_request(LTX)
    half = request.model_copy(update={"parameters": {**request.parameters, "duration": "4.5"}})
    with pytest.raises(BadInput, match=r"4\.5"):
        provider.quote(half)
    await provider.close()


@pytest.mark.parametrize("model", [*MODELS, "workflows/acme/film/scene", "comfy/acme/graph"])
def test_a_request_answers_where_fals_own_client_asks(model: str) -> None:
    handle = fal_client.SyncClient(key=KEY).get_handle(model, "request-1")
    theirs = {
        "status": handle.status_url,
        "response": handle.response_url,
        "cancel": handle.cancel_url,
    }
    assert {name: urlsplit(url).path for name, url in theirs.items()} == urls_of(model, "request-1")


def test_recorded_answers_are_read(provider: FalProvider) -> None:
    accepted = Accepted.model_validate(payload("accepted"))
    assert set(accepted.urls()) == {"status", "response", "cancel"}
    for name in ("status_in_queue", "status_in_progress", "status_completed", "status_failed"):
        assert Status.model_validate(payload(name)).status in payload(name)["status"]
    page = Page.model_validate(payload("listing"))
    assert page.items[0].status is JobStatus.SUCCEEDED
    for kind in Kind:
        assert str(output_url(kind, payload(f"result_{kind.value}"))).startswith("https://v3b.fal")
    assert problem_of(payload("error_model")).message == "prompt: field required"
    assert problem_of(payload("error_content")).types == {"content_policy_violation"}
    assert problem_of(payload("error_request")).types == {"runner_disconnected"}
    assert problem_of(payload("error_locked")).message.startswith("User is locked")


async def test_the_fake_answers_in_the_recorded_shapes(
    fake: FakeVendor, provider: FalProvider
) -> None:
    headers = {"authorization": f"Key {KEY}"}
    async with httpx.AsyncClient(base_url=fake.url, headers=headers, trust_env=False) as fal:
        fake.settings(latency_s=1)
        accepted = (await fal.post(f"/{FLUX}", json=payload("request_flux"))).json()
        assert accepted.keys() == payload("accepted").keys()
        told = {}

        async def seen(word: str) -> bool:
            told[word] = (await fal.get(accepted["status_url"])).json()
            return bool(told[word]["status"] == word)

        for word in ("IN_QUEUE", "IN_PROGRESS", "COMPLETED"):
            await until(lambda word=word: seen(word))
            assert told[word].keys() == payload(f"status_{word.lower()}").keys()
        result = (await fal.get(accepted["response_url"])).json()
        assert result.keys() == payload("result_image").keys()
        query = {"endpoint_id": FLUX, "expand": "payloads"}
        listed = (await fal.get("/v1/models/requests/by-endpoint", params=query)).json()
        assert listed.keys() == payload("listing").keys()
        assert listed["items"][0].keys() == payload("listing")["items"][0].keys()
        ended = (await fal.put(accepted["cancel_url"])).json()
        assert ended == payload("cancel_ended")
        nobody = await fal.get(accepted["status_url"], headers={"authorization": "Key nobody"})
        assert nobody.status_code == 401
        assert nobody.json().keys() == payload("error_unauthorized").keys()
