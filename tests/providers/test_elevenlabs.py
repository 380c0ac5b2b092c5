"""Orders to the elevenlabs provider, against a fake ElevenLabs of its own."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge import errors
from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import (
    BadInput,
    ContentRefused,
    FilmError,
    KeyRefused,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from filmforge.media.probe import verify
from filmforge.providers.base import Job, JobStatus, Terms
from filmforge.providers.elevenlabs import ElevenLabsProvider
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.elevenlabs_case import (
    FLASH,
    KEY,
    LINE,
    MODELS,
    SPEECH,
    TERMS,
    effect,
    line,
    long_ago,
    music,
    payload,
    posts,
)
from tests.providers.recordings import beside, recorded


@pytest.mark.parametrize(
    ("request_", "path", "recorded", "price"),
    [
        (line(), f"/v1/text-to-speech/{MODELS[SPEECH].voices['narrator']}", "speech", "0.00144"),
        (effect(), "/v1/sound-generation", "effect", "0.005"),
        (music(), "/v1/music", "music", "0.00875"),
    ],
)
async def test_a_sound_is_ordered_once_in_its_own_words_and_answered_whole(
    provider: ElevenLabsProvider,
    fake: FakeVendor,
    answer: Path,
    request_: GenerationRequest,
    path: str,
    recorded: str,
    price: str,
) -> None:
    job = await provider.submit(request_, {}, None, answer)
    facts = verify(answer, Kind.AUDIO)
    assert (facts.media_type, facts.audio_codec) == ("audio/mpeg", "mp3float")
    told = fake.charges()
    assert told["jobs"][0]["body"]["order"] == payload(f"{recorded}_request")
    assert told["jobs"][0]["id"] == job.id
    assert (told["count"], Decimal(told["total_usd"])) == (1, Decimal(price))
    assert provider.quote(request_) == Decimal(price)
    (seen,) = fake.log()["requests"]
    assert (seen["path"], seen["query"]) == (path, "output_format=mp3_44100_128")
    assert beside(answer) == ["answer"]


@pytest.mark.parametrize(
    ("request_", "cost"),
    [(line(), "0.00144"), (line(model=FLASH), "0.00072"), (line(model="eleven_v3"), None)],
)
async def test_an_answered_line_is_done_and_costs_what_its_answer_told(
    provider: ElevenLabsProvider, answer: Path, request_: GenerationRequest, cost: str | None
) -> None:
    job = await provider.submit(request_, {}, None, answer)
    report = await provider.poll(job, request_)
    assert (report.status, report.output_url) == (JobStatus.SUCCEEDED, None)
    assert report.cost == job.cost == (cost and Decimal(cost))


async def test_a_closed_port_is_not_sent(tmp_path: Path, answer: Path) -> None:
    with fake_vendor("tests.fakes.elevenlabs", tmp_path / "db") as gone:
        url = gone.url
    provider = ElevenLabsProvider(KEY, MODELS, TERMS, base_url=url)
    with pytest.raises(NotSent):
        await provider.submit(line(), {}, None, answer)
    await provider.close()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"fault": "rate_limit", "retry_after": 3}, RateLimited),
        ({"fault": "rate_limit", "retry_after": None}, RateLimited),
        ({"fault": "refuse_content"}, ContentRefused),
        ({"fault": "refuse"}, Refused),
    ],
)
async def test_a_refusal_has_its_name_and_costs_nothing(
    provider: ElevenLabsProvider,
    fake: FakeVendor,
    answer: Path,
    fault: dict[str, Any],
    error: type[FilmError],
) -> None:
    fake.set_faults(fault)
    with pytest.raises(error) as caught:
        await provider.submit(line(), {}, None, answer)
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", None) == fault.get("retry_after")
    assert (posts(fake), fake.charges()["count"], beside(answer)) == (1, 0, [])


@pytest.mark.parametrize("status", [401, 402])
async def test_an_account_without_credit_is_told_by_its_name(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path, status: int
) -> None:
    fake.settings(poor=status)
    with pytest.raises(OutOfCredit, match="elevenlabs: "):
        await provider.submit(line(), {}, None, answer)
    assert (posts(fake), fake.charges()["count"]) == (1, 0)


async def test_a_wrong_key_is_refused_and_never_shown(fake: FakeVendor, answer: Path) -> None:
    wrong = "xi_not-the-key"
    provider = ElevenLabsProvider(wrong, MODELS, TERMS, base_url=fake.url)
    with pytest.raises(KeyRefused, match=r"Invalid API key: \*\*\*") as caught:
        await provider.submit(line(), {}, None, answer)
    shown = f"{caught.value!r} {provider!r} {provider.account}"
    assert wrong not in shown
    with pytest.raises(ProviderUnavailable, match="401"):
        await provider.find(line(), long_ago(), frozenset())
    await provider.close()


@pytest.mark.parametrize(
    "told", payload("errors"), ids=lambda told: f"{told['error']}-{told['status']}"
)
async def test_a_recorded_error_gets_its_name(
    provider: ElevenLabsProvider, answer: Path, told: dict[str, Any]
) -> None:
    body = told["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    await recorded(provider, lambda _: httpx.Response(told["status"], text=text))
    with pytest.raises(getattr(errors, told["error"]), match=told["says"]) as caught:
        await provider.submit(line(), {}, None, answer)
    assert type(caught.value).__name__ == told["error"]
    assert beside(answer) == []


async def test_there_is_nothing_to_cancel_and_no_callback(
    provider: ElevenLabsProvider, fake: FakeVendor
) -> None:
    await provider.cancel(Job(id="any"))
    assert fake.log()["requests"] == []
    with pytest.raises(BadInput, match="no callbacks"):
        await provider.parse_webhook({}, b"{}")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (line().model_copy(update={"model": "eleven_v9"}), "model"),
        (line().model_copy(update={"parameters": {"text": LINE}}), "voice"),
        (line().model_copy(update={"parameters": {"voice": "x"}}), "text"),
        (line().model_copy(update={"parameters": {"text": "a" * 10_001, "voice": "x"}}), "text"),
        (effect().model_copy(update={"parameters": {"prompt": "a bell"}}), "duration"),
    ],
)
async def test_a_request_that_cannot_be_served_names_its_field(
    provider: ElevenLabsProvider, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(BadInput) as caught:
        provider.quote(request_)
    assert caught.value.field == field


async def test_every_model_has_a_price_and_every_voice_its_id(
    provider: ElevenLabsProvider,
) -> None:
    quotes = {
        model: provider.quote(line("x" * 1000, model=model))
        for model in (SPEECH, FLASH, "eleven_v3")
    }
    assert quotes == {
        SPEECH: Decimal("0.08"),
        FLASH: Decimal("0.04"),
        "eleven_v3": Decimal("0.08"),
    }
    voices = [voice for model in provider.models().values() for voice in model.voices.values()]
    assert all(len(voice) == 20 and voice.isalnum() for voice in voices)
    assert line(voice="Lily").parameters["voice"] == MODELS[SPEECH].voices["lily"]
    assert line(voice="Aunt Ada").parameters["voice"] in MODELS[SPEECH].voices.values()


async def test_an_installation_may_choose_other_terms() -> None:
    own = ElevenLabsProvider(KEY, MODELS, Terms(), base_url="https://api.elevenlabs.io")
    assert (own.submit_timeout_s, own.listing_lag_s, own.max_in_flight) == (240, 60, 2)
    terms = Terms(submit_timeout_s=5, listing_lag_s=0, max_in_flight=15, submits_per_s=3)
    other = ElevenLabsProvider(KEY, MODELS, terms, base_url="https://api.elevenlabs.io")
    assert (other.submit_timeout_s, other.listing_lag_s) == (5, 0)
    assert (other.max_in_flight, other.submits_per_s) == (15, 3)
    assert own.account == other.account != KEY
    for each in (own, other):
        await each.close()
