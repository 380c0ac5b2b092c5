"""Orders to the modal provider, against a fake Modal whose functions really serve."""

import hashlib
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from filmforge.domain import GenerationRequest
from filmforge.embedded import Servers
from filmforge.errors import (
    AnswerLost,
    BadInput,
    CreateAmbiguous,
    FilmError,
    KeyRefused,
    NotConfigured,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.media.probe import verify
from filmforge.providers.base import Job, JobStatus, Terms
from filmforge.providers.catalogue import Recovery, load_models
from filmforge.providers.modal import ModalProvider
from filmforge.providers.registry import build_registry
from filmforge.settings import Settings
from tests.conformance.subject import fetch_frame
from tests.fake_process import free_port
from tests.fakes.modal import FUNCTIONS, USD_A_SECOND
from tests.fakes.modal_service import TOKEN_ID, TOKEN_SECRET
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.modal_case import (
    MODELS,
    SDXL,
    a_provider,
    charged,
    claimed,
    clip,
    ended,
    frame,
    picture,
    spawns,
    submit,
)


@pytest.mark.parametrize("request_", [picture(), clip()], ids=["picture", "clip"])
async def test_a_work_is_ordered_once_in_our_own_words_and_fetched(
    provider: ModalProvider, fake: FakeVendor, tmp_path: Path, request_: GenerationRequest
) -> None:
    fake.settings(load_s=0.5)
    job = await submit(provider, request_)
    report = await ended(provider, job, request_)
    assert report.status is JobStatus.SUCCEEDED, report.message
    assert report.output_url is not None
    await provider.fetch(report.output_url, tmp_path / "output", 10_000_000)
    facts = verify(tmp_path / "output", request_.kind)
    assert facts.width == request_.parameters["width"]
    (accepted,) = fake.charges()["jobs"]
    sent = accepted["body"]
    assert accepted["id"] == job.id
    assert sent["key"] == request_.key
    assert (sent["function"], sent["parameters"]) == (request_.model, request_.parameters)
    assert [part["role"] for part in sent["inputs"]] == [part.role for part in request_.inputs]
    assert report.cost == Decimal(fake.charges()["total_usd"])
    assert report.cost >= Decimal("0.5") * MODELS[request_.model].price.usd
    assert report.cost <= provider.quote(request_)
    assert spawns(fake) == len(charged(fake)) == 1


async def test_a_large_frame_is_uploaded_before_and_reaches_the_function_whole(
    provider: ModalProvider, fake: FakeVendor, tmp_path: Path
) -> None:
    noise = random.Random(7).randbytes(200 * 200 * 3)
    Image.frombytes("RGB", (200, 200), noise).save(tmp_path / "large.png")
    data = (tmp_path / "large.png").read_bytes()
    request = clip(hashlib.sha256(data).hexdigest())
    job = await submit(provider, request, frame(data))
    report = await ended(provider, job, request)
    assert report.status is JobStatus.SUCCEEDED, report.message
    seen = [each["path"].rpartition("/")[2] for each in fake.log()["requests"]]
    assert seen.index("BlobCreate") < seen.index("FunctionMap")
    assert spawns(fake) == 1


async def test_a_frame_that_is_not_what_its_digest_says_is_paid_for_and_fails(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    request = clip("0" * 64)
    job = await submit(provider, request)
    report = await ended(provider, job, request)
    assert (report.status, report.code, report.transient) == (
        JobStatus.FAILED,
        "provider_failed",
        False,
    )
    assert "frame: the bytes at its address" in report.message
    assert report.billed
    assert report.cost == Decimal(fake.charges()["total_usd"])


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "accept_then_drop"},
        {"fault": "accept_then_status", "status": 500},
        {"fault": "accept_then_status", "status": 502},
        {"fault": "accept_then_status", "status": 504},
        {"fault": "accept_then_malformed"},
        {"fault": "accept_then_hang"},
        {"fault": "drop"},
        {"fault": "hang"},
        {"fault": "unavailable"},
    ],
    ids=lambda fault: f"{fault['fault']}-{fault.get('status', '')}",
)
async def test_a_lost_answer_is_sent_once_and_found_in_the_bucket(
    fake: FakeVendor, fault: dict[str, Any]
) -> None:
    provider = a_provider(fake, Terms(submit_timeout_s=1.5, private=True))
    request, since = picture(), datetime.now(UTC)
    fake.set_faults(fault)
    with pytest.raises(AnswerLost):
        await submit(provider, request)
    accepted = fault["fault"].startswith("accept")
    assert (spawns(fake), len(fake.charges()["jobs"])) == (1, int(accepted))
    assert provider.recovery(request) is Recovery.LISTING
    if accepted:
        call_id = await claimed(request)
        found = await provider.find(request, since, frozenset())
        assert found == Job(id=call_id) == Job(id=fake.charges()["jobs"][0]["id"])
        assert (await ended(provider, found, request)).status is JobStatus.SUCCEEDED
        assert await provider.find(request, since, frozenset()) == found
        assert await provider.find(request, since, frozenset({call_id})) is None
    else:
        assert await provider.find(request, since, frozenset()) is None
    assert len(charged(fake)) == int(accepted)
    await provider.close()


async def test_a_closed_port_is_not_sent(fake: FakeVendor) -> None:
    provider = a_provider(fake, url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotSent, match="cannot be reached"):
        await submit(provider, picture())
    await provider.close()


async def test_a_server_that_goes_away_between_two_orders_is_not_sent(
    servers: Servers, tmp_path: Path
) -> None:
    assert servers.s3_bucket
    with fake_vendor("tests.fakes.modal", tmp_path / "db") as vendor:
        provider = a_provider(vendor)
        await submit(provider, picture())
        vendor.kill()
        with pytest.raises(NotSent):
            await submit(provider, picture())
        vendor.start()
        await submit(provider, picture())
        assert spawns(vendor) == 2
    await provider.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"fault": "rate_limit", "retry_after": 3}, RateLimited),
        ({"fault": "rate_limit", "retry_after": None}, RateLimited),
        ({"fault": "refuse"}, Refused),
    ],
)
async def test_a_refusal_has_its_name_and_costs_nothing(
    provider: ModalProvider, fake: FakeVendor, fault: dict[str, Any], error: type[FilmError]
) -> None:
    fake.set_faults(fault)
    with pytest.raises(error) as caught:
        await submit(provider, picture())
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", None) == fault.get("retry_after")
    assert (spawns(fake), fake.charges()["jobs"]) == (1, [])


async def test_an_account_at_its_spend_limit_is_told_by_its_name(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    fake.settings(poor=True)
    with pytest.raises(OutOfCredit, match="modal: Workspace has reached its billing cycle"):
        await submit(provider, picture())
    assert fake.charges()["jobs"] == []


async def test_a_function_that_is_not_deployed_is_refused_with_the_command_that_deploys_it(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    fake.settings(undeployed=[SDXL])
    with pytest.raises(Refused, match="run filmforge gpu deploy image_sdxl"):
        await submit(provider, picture())
    assert spawns(fake) == 0


async def test_a_wrong_token_is_refused_and_never_shown(fake: FakeVendor) -> None:
    wrong = "as-not-the-secret"
    provider = a_provider(fake, secret=wrong)
    with pytest.raises(KeyRefused, match=r"with the secret \*\*\* is not valid") as caught:
        await submit(provider, picture())
    with pytest.raises(ProviderUnavailable) as unavailable:
        await provider.poll(Job(id="fc-any"), picture())
    shown = f"{caught.value!r} {unavailable.value!r} {provider!r} {vars(provider)}"
    assert wrong not in shown
    assert provider.account not in (TOKEN_ID, wrong)
    await provider.close()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (picture().model_copy(update={"model": "image_sd9"}), "model"),
        (picture().model_copy(update={"parameters": {"width": 64}}), "prompt"),
        (picture().model_copy(update={"parameters": {"prompt": "a", "lens": "85"}}), "lens"),
    ],
)
async def test_a_request_that_cannot_be_served_names_its_field(
    provider: ModalProvider, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        provider.quote(request_)
    assert caught.value.field == field


async def test_a_clip_without_its_frame_is_not_sent(
    provider: ModalProvider, fake: FakeVendor
) -> None:
    with pytest.raises(BadInput, match="frame"):
        await provider.submit(clip(), {}, None, Path("no answer is written"))
    assert fake.log()["requests"] == []


def test_every_model_is_quoted_at_all_the_seconds_it_may_last(provider: ModalProvider) -> None:
    for name, (_, gpu) in FUNCTIONS.items():
        model = MODELS[name]
        assert gpu in model.price.source
        assert model.limit_s is not None
        assert provider.quote(picture(model=name)) == model.limit_s * USD_A_SECOND[gpu]


def test_a_price_by_the_second_without_a_limit_is_refused(tmp_path: Path) -> None:
    price = '{ usd = "0.001", unit = "gpu_second", source = "mine", read_on = 2026-11-21 }'
    entry = f'provider = "modal"\nid = "mine"\nkind = "image"\nparameters = []\nprice = {price}'
    (tmp_path / "models.toml").write_text(f"[[model]]\n{entry}\n")
    with pytest.raises(NotConfigured, match=r"modal:mine: .*limit_s is missing"):
        load_models("modal", tmp_path / "models.toml")


@pytest.mark.parametrize(
    ("lacks", "told"),
    [
        ({"modal_token_id": ""}, "MODAL_TOKEN_ID"),
        ({"modal_token_secret": ""}, "MODAL_TOKEN_SECRET"),
        ({"s3_bucket": ""}, "FILMFORGE_S3_BUCKET"),
        ({"modal_server_url": "modal.example"}, "MODAL_SERVER_URL"),
    ],
)
def test_an_installation_that_lacks_something_is_told_what_to_set(
    lacks: dict[str, str], told: str
) -> None:
    whole = {
        "modal_token_id": TOKEN_ID,
        "modal_token_secret": TOKEN_SECRET,
        "s3_bucket": "films",
        "s3_endpoint": "https://s3.example.com",
    }
    settings = Settings.model_validate({**whole, **lacks})
    with pytest.raises(NotConfigured, match=told):
        build_registry(settings, fetch_frame).get("modal")


async def test_the_account_is_that_of_the_settings_whatever_the_sdk_would_take(
    provider: ModalProvider, fake: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODAL_TOKEN_ID", "ak-of-somebody-else")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-of-somebody-else")
    monkeypatch.setenv("MODAL_SERVER_URL", f"http://127.0.0.1:{free_port()}")
    request = picture()
    report = await ended(provider, await submit(provider, request), request)
    assert report.status is JobStatus.SUCCEEDED


async def test_an_installation_may_choose_other_terms_and_callbacks_are_refused(
    fake: FakeVendor,
) -> None:
    own = a_provider(fake, Terms())
    assert (own.submit_timeout_s, own.listing_lag_s, own.max_in_flight) == (60, 120, 10)
    terms = Terms(submit_timeout_s=5, listing_lag_s=3, max_in_flight=20, submits_per_s=3)
    other = a_provider(fake, terms)
    assert (other.submit_timeout_s, other.listing_lag_s) == (10, 3)
    assert (other.max_in_flight, other.submits_per_s) == (20, 3)
    assert own.account == other.account
    with pytest.raises(BadInput, match="no callbacks"):
        await own.parse_webhook({}, b"{}")
    with pytest.raises(CreateAmbiguous):
        own.listed(datetime.now(UTC))
    for each in (own, other):
        await each.close()
