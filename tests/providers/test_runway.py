"""Orders to the runway provider, against a fake Runway of its own."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge import errors
from filmforge.domain import GenerationRequest
from filmforge.errors import (
    AnswerLost,
    BadInput,
    CreateAmbiguous,
    FilmError,
    KeyRefused,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.media.probe import verify
from filmforge.providers.base import Job, JobStatus, Material, Terms
from filmforge.providers.catalogue import Recovery
from filmforge.providers.runway import MAX_DATA_URI_CHARS, RunwayProvider
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.recordings import recorded
from tests.providers.runway_case import (
    KEY,
    MODELS,
    PICTURE,
    TERMS,
    VEO,
    clip,
    ended,
    frame,
    payload,
    picture,
    posts,
    submit,
)


@pytest.mark.parametrize(
    ("request_", "recorded", "price"),
    [
        (clip(), "clip", "0.25"),
        (clip(VEO, "3"), "veo", "0.40"),
        (picture(), "picture", "0.05"),
    ],
)
async def test_a_task_is_ordered_once_in_its_own_words_and_fetched(
    provider: RunwayProvider,
    fake: FakeVendor,
    tmp_path: Path,
    request_: GenerationRequest,
    recorded: str,
    price: str,
) -> None:
    job = await submit(provider, request_)
    report = await ended(provider, job, request_)
    assert (report.status, report.cost) == (JobStatus.SUCCEEDED, Decimal(price))
    assert report.output_url is not None
    assert not report.output_url.startswith(fake.url)  # another address, which gets no key
    await provider.fetch(report.output_url, tmp_path / "output", 10_000_000)
    facts = verify(tmp_path / "output", request_.kind)
    assert (facts.width, facts.height) == (1280, 720)
    told = fake.charges()
    sent, expected = told["jobs"][0]["body"], payload(f"{recorded}_request")
    if "promptImage" in expected:
        expected["promptImage"] = frame().reference
    assert sent == expected
    assert provider.quote(request_) == Decimal(told["total_usd"]) == Decimal(price)
    assert posts(fake) == told["count"] == 1


async def test_a_large_frame_is_uploaded_first_and_named_in_the_order(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    large = frame(1200, noisy=True)
    assert len(large.data or b"") * 4 / 3 > MAX_DATA_URI_CHARS
    await submit(provider, with_=large)
    (job,) = fake.charges()["jobs"]
    assert job["body"]["promptImage"].startswith("runway://")
    seen = [(each["method"], each["path"].split("/")[1]) for each in fake.log()["requests"]]
    assert seen == [("POST", "v1"), ("POST", "uploads"), ("POST", "v1")]


async def test_a_frame_that_cannot_be_uploaded_was_not_sent(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.set_faults({"fault": "gone_output", "status": 503, "match": "upload"})
    with pytest.raises(NotSent, match="HTTP 503"):
        await submit(provider, with_=frame(1200, noisy=True))
    assert posts(fake) == fake.charges()["count"] == 0


async def test_a_public_frame_without_its_file_is_given_as_its_address(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    public = Material(url="https://example.com/f.png", media_type="image/png", public=True)
    await submit(provider, with_=public)
    assert fake.charges()["jobs"][0]["body"]["promptImage"] == "https://example.com/f.png"


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
    ],
)
async def test_an_order_whose_answer_is_lost_is_sent_once_and_is_for_a_person(
    fake: FakeVendor, fault: dict[str, Any]
) -> None:
    terms = TERMS.model_copy(update={"submit_timeout_s": 0.8})
    provider = RunwayProvider(KEY, MODELS, terms, base_url=fake.url)
    fake.set_faults(fault)
    with pytest.raises(AnswerLost):
        await submit(provider)
    accepted = int(fault["fault"].startswith("accept"))
    assert (posts(fake), fake.charges()["count"]) == (1, accepted)
    assert provider.recovery(clip()) is Recovery.NONE
    with pytest.raises(CreateAmbiguous):
        await provider.find(clip(), datetime.now(UTC), frozenset())
    with pytest.raises(CreateAmbiguous):
        _ = [item async for item in provider.listed(datetime.now(UTC))]
    await provider.close()


async def test_a_closed_port_is_not_sent(tmp_path: Path) -> None:
    with fake_vendor("tests.fakes.runway", tmp_path / "db") as gone:
        url = gone.url
    provider = RunwayProvider(KEY, MODELS, TERMS, base_url=url)
    for picture_ in (frame(), frame(1200, noisy=True)):
        with pytest.raises(NotSent):
            await submit(provider, with_=picture_)
    await provider.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"fault": "rate_limit", "retry_after": 3}, RateLimited),
        ({"fault": "rate_limit", "retry_after": None}, RateLimited),
        ({"fault": "unavailable"}, NotSent),
        ({"fault": "refuse"}, Refused),
        ({"fault": "refuse_content"}, Refused),
    ],
)
async def test_a_refusal_has_its_name_and_costs_nothing(
    provider: RunwayProvider, fake: FakeVendor, fault: dict[str, Any], error: type[FilmError]
) -> None:
    fake.set_faults(fault)
    with pytest.raises(error) as caught:
        await submit(provider)
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", None) == fault.get("retry_after")
    assert (posts(fake), fake.charges()["count"]) == (1, 0)


async def test_an_account_without_credit_is_told_by_its_name(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.settings(poor=True)
    with pytest.raises(OutOfCredit, match="runway: You do not have enough credits"):
        await submit(provider)
    assert (posts(fake), fake.charges()["count"]) == (1, 0)


async def test_a_wrong_key_is_refused_and_never_shown(fake: FakeVendor) -> None:
    wrong = "sk_not-the-key"
    provider = RunwayProvider(wrong, MODELS, TERMS, base_url=fake.url)
    for given in (frame(), frame(1200, noisy=True)):
        with pytest.raises(KeyRefused, match=r"The API key \*\*\* is not valid") as caught:
            await submit(provider, with_=given)
    assert wrong not in f"{caught.value!r} {provider!r} {provider.account}"
    with pytest.raises(ProviderUnavailable, match="401"):
        await provider.poll(Job(id="any"), clip())
    await provider.close()


@pytest.mark.parametrize("said", [(500, "{}"), (503, "<html>"), (200, "{}"), (408, "{}")])
async def test_an_upload_without_an_address_was_not_sent(
    provider: RunwayProvider, said: tuple[int, str]
) -> None:
    asked: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(said[0], text=said[1])

    await recorded(provider, reply)
    with pytest.raises(NotSent, match="cannot be uploaded"):
        await submit(provider, with_=frame(1200, noisy=True))
    assert asked == ["/v1/uploads"]


@pytest.mark.parametrize(
    "told", payload("errors"), ids=lambda told: f"{told['error']}-{told['status']}"
)
async def test_a_recorded_error_gets_its_name(
    provider: RunwayProvider, told: dict[str, Any]
) -> None:
    body = told["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    await recorded(provider, lambda _: httpx.Response(told["status"], text=text))
    with pytest.raises(getattr(errors, told["error"]), match=told["says"]) as caught:
        await submit(provider)
    assert type(caught.value).__name__ == told["error"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (clip().model_copy(update={"model": "gen9"}), "model"),
        (clip().model_copy(update={"inputs": ()}), "image"),
        (clip().model_copy(update={"parameters": {"duration": "5"}}), "prompt"),
        (clip().model_copy(update={"parameters": {"prompt": "a"}}), "duration"),
        (clip().model_copy(update={"parameters": {"prompt": "a", "duration": "11"}}), "duration"),
    ],
)
async def test_a_request_that_cannot_be_served_names_its_field(
    provider: RunwayProvider, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        provider.quote(request_)
    assert caught.value.field == field


async def test_a_clip_without_its_frame_is_not_sent(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    with pytest.raises(BadInput, match="image"):
        await provider.submit(clip(), {}, None, Path("no answer is written"))
    assert fake.log()["requests"] == []


async def test_every_model_is_quoted_at_its_list_price(provider: RunwayProvider) -> None:
    quotes = {model: provider.quote(clip(model, "6")) for model in MODELS if model != PICTURE}
    assert quotes == {
        "gen4_turbo": Decimal("0.30"),
        "gen4.5": Decimal("0.72"),
        "veo3.1": Decimal("1.20"),
        "veo3.1_fast": Decimal("0.60"),
    }
    assert provider.quote(picture()) == Decimal("0.05")
    assert provider.quote(picture(1920, 1080)) == Decimal("0.08")
    assert provider.quote(picture(1080, 1920)) == Decimal("0.08")


async def test_an_installation_may_choose_other_terms_and_callbacks_are_refused() -> None:
    own = RunwayProvider(KEY, MODELS, Terms(), base_url="https://api.dev.runwayml.com")
    assert (own.submit_timeout_s, own.listing_lag_s, own.max_in_flight) == (120, 0, None)
    terms = Terms(submit_timeout_s=5, max_in_flight=20, submits_per_s=3)
    other = RunwayProvider(KEY, MODELS, terms, base_url="https://api.dev.runwayml.com")
    assert (other.submit_timeout_s, other.max_in_flight, other.submits_per_s) == (5, 20, 3)
    assert own.account == other.account != KEY
    with pytest.raises(BadInput, match="no callbacks"):
        await own.parse_webhook({}, b"{}")
    for each in (own, other):
        await each.close()
