"""What the openai provider quotes, and what it says was used."""

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import BadInput
from filmforge.providers.base import Terms
from filmforge.providers.openai import OpenAIProvider
from filmforge.providers.openai_answers import Reply
from filmforge.providers.openai_prices import cost_of_tokens, picture_tokens
from tests.fakes.openai import KEY
from tests.providers.openai_case import MODELS, payload, picture_request, speech_request


@pytest.fixture
async def provider() -> AsyncIterator[OpenAIProvider]:
    made = OpenAIProvider(KEY, MODELS, Terms(), base_url="https://api.openai.com/v1")
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (picture_request().model_copy(update={"model": "gpt-image-1"}), "model"),
        (picture_request().model_copy(update={"kind": Kind.VIDEO}), "model"),
        (picture_request().model_copy(update={"parameters": {"size": "1280x720"}}), "prompt"),
        (picture_request().model_copy(update={"parameters": {"prompt": "-"}}), "size"),
        (picture_request().model_copy(
            update={"parameters": {"prompt": "-", "size": "8x8"}}), "size"),
        (picture_request(pictures=17), "image"),
        (speech_request().model_copy(update={"parameters": {"voice": "onyx"}}), "text"),
        (speech_request().model_copy(update={"parameters": {"text": "-"}}), "voice"),
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_for_is_refused_by_name(
    provider: OpenAIProvider, request_: GenerationRequest, field: str
) -> None:
    with pytest.raises(BadInput) as raised:
        provider.quote(request_)
    assert raised.value.field == field


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [  # as OpenAI's calculator and the published table tell them
        ("gpt-image-2-high", "1024x1024", 7024),
        ("gpt-image-2-high", "1536x1024", 5488),
        ("gpt-image-2.5-flare", "1024x1024", 439),
        ("gpt-image-2.5-sunburst", "1024x1024", 1756),
    ],
)
async def test_a_quote_is_the_published_picture_and_a_little_for_the_words(
    provider: OpenAIProvider, model: str, size: str, tokens: int
) -> None:
    wide, high = size.split("x")
    quoted = provider.quote(picture_request(model=model, width=int(wide), height=int(high)))
    picture = Decimal(tokens) * 30 / 1_000_000
    assert picture < quoted < picture + Decimal("0.01")


@pytest.mark.parametrize(
    ("size", "tokens"),
    [("1024x1024", 7024), ("1024x1536", 5488), ("1792x1024", 5063), ("3584x2048", 12329)],
)
async def test_the_tokens_of_a_picture_are_those_of_openais_calculator(
    size: str, tokens: int
) -> None:
    assert picture_tokens("gpt-image-2", "high", size) == tokens


async def test_the_price_of_a_model_is_that_of_the_tokens_of_a_square() -> None:
    for model in MODELS.values():
        if model.kind is Kind.IMAGE:
            drawer, quality = str(model.fixed.get("model", model.id)), str(model.fixed["quality"])
            tokens = picture_tokens(drawer, quality, "1024x1024")
            assert tokens is not None
            assert model.price.usd == Decimal(tokens) * 30 / 1_000_000


async def test_a_quote_grows_with_the_words_and_the_pictures_it_starts_from(
    provider: OpenAIProvider,
) -> None:
    plain = provider.quote(picture_request())
    assert provider.quote(picture_request("雪" * 1000)) > plain + Decimal("0.03")
    assert provider.quote(picture_request(pictures=1)) > plain + Decimal("0.06")


async def test_speech_costs_by_the_character_or_at_most_by_the_byte(
    provider: OpenAIProvider,
) -> None:
    assert provider.quote(speech_request("a" * 1000)) == Decimal("0.015")
    assert provider.quote(speech_request("雪" * 1000, "tts-1-hd")) == Decimal("0.03")
    snow = provider.quote(speech_request("雪" * 100, "gpt-4o-mini-tts"))
    assert snow == 2 * provider.quote(speech_request("a" * 100, "gpt-4o-mini-tts"))
    # 4,096 characters were billed as 877 tokens of text and about 5,262 of sound.
    measured = (877 * Decimal("0.6") + 5262 * 12) / 1_000_000
    assert measured < provider.quote(speech_request("a" * 4096, "gpt-4o-mini-tts")) < 3 * measured


async def test_a_cost_is_told_only_where_every_token_is(provider: OpenAIProvider) -> None:
    told = payload("completed")
    told["usage"]["input_tokens_details"]["cache_write_tokens"] = 1000
    # 410 in, 1,000 of them written to the cache, 40 out; 30 of text in, a picture of 246 out
    assert cost_of_tokens(picture_request(), Reply.model_validate(told)) == Decimal("0.007710")
    without: list[Callable[[dict[str, Any]], Any]] = [
        lambda reply: reply.pop("tool_usage"),
        lambda reply: reply.update(usage=None),
        lambda reply: reply["tool_usage"]["image_gen"].update(output_tokens=0),
    ]
    for omit in without:
        partly = json.loads(json.dumps(told))
        omit(partly)
        assert cost_of_tokens(picture_request(), Reply.model_validate(partly)) is None
