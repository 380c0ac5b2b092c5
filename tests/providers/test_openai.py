"""The openai provider against a fake of OpenAI's API, over real HTTP."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai.types.responses import Response

from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    ContentRefused,
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
from filmforge.providers.base import Job, JobReport, JobStatus, Material, Terms
from filmforge.providers.catalogue import Recovery, fit, load_models
from filmforge.providers.openai import MAX_PICTURE_BYTES, OpenAIProvider
from filmforge.providers.openai_answers import Reply
from filmforge.providers.openai_prices import cost_of, picture_tokens
from tests.fake_process import free_port
from tests.fakes.callbacks import standard_signature
from tests.fakes.openai import KEY, MODERATED, WEBHOOK_SECRET
from tests.fakes.process import FakeVendor, fake_vendor

MODELS = load_models("openai")
PAYLOADS = Path(__file__).parent / "payloads" / "openai"
PROMPT = "A boy climbs the stairs to the attic"
LINE = "Who is there?"
MEGABYTES = 20_000_000


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.openai", tmp_path_factory.mktemp("openai") / "state") as running:
        yield running


@pytest.fixture
def server(process: FakeVendor) -> FakeVendor:
    process.reset()
    return process


@pytest.fixture
async def provider(server: FakeVendor) -> AsyncIterator[OpenAIProvider]:
    made = a_provider(server)
    yield made
    await made.close()


def a_provider(
    server: FakeVendor, key: str = KEY, secret: str = WEBHOOK_SECRET, **terms: Any
) -> OpenAIProvider:
    terms = {"submit_timeout_s": 5, "private": True, **terms}
    url = f"{server.url}/v1"
    return OpenAIProvider(key, MODELS, Terms(**terms), base_url=url, webhook_secret=secret)


def picture_request(
    prompt: str = PROMPT, model: str = "gpt-image-2.5-flare", pictures: int = 0, **more: Any
) -> GenerationRequest:
    wish = {"prompt": prompt, "width": 1280, "height": 720, **more}
    digests = [f"{number:064x}" for number in range(pictures)]
    return GenerationRequest(
        kind=Kind.IMAGE,
        provider="openai",
        model=model,
        parameters=fit(MODELS[model], wish),
        inputs=tuple(Ingredient(role="frame", digest=digest) for digest in digests),
    )


def speech_request(text: str = LINE, model: str = "tts-1") -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.AUDIO,
        provider="openai",
        model=model,
        parameters=fit(MODELS[model], {"text": text, "voice": "narrator", "mood": "calm"}),
    )


def payload(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return read


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def until(ask: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(10):
        while True:
            if answer := await ask():
                return answer
            await asyncio.sleep(0.02)


async def draw(provider: OpenAIProvider, answer: Path, **asked: Any) -> Job:
    return await provider.submit(picture_request(**asked), {}, None, answer)


async def ended(provider: OpenAIProvider, job: Job, **asked: Any) -> JobReport:
    async def report() -> JobReport | None:
        told = await provider.poll(job, picture_request(**asked))
        return None if told.status is JobStatus.RUNNING else told

    done: JobReport = await until(report)
    return done


async def test_a_picture_is_asked_for_polled_and_fetched_and_its_cost_is_what_was_charged(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    server.settings(latency_s=0.3)
    job = await draw(provider, tmp_path / "answer")
    assert (await provider.poll(job, picture_request())).status is JobStatus.RUNNING
    report = await ended(provider, job)
    assert report.status is JobStatus.SUCCEEDED
    assert report.output_url is not None
    picture = tmp_path / "picture"
    await provider.fetch(report.output_url, picture, MEGABYTES)
    facts = verify(picture, Kind.IMAGE)
    assert (facts.width, facts.height, facts.media_type) == (1280, 720, "image/png")
    charges = server.charges()
    assert charges["by_words"] == {PROMPT: 1}
    assert report.cost == Decimal(charges["total_usd"])
    assert report.cost <= provider.quote(picture_request())
    assert left_in(tmp_path) == ["picture"]


async def test_speech_is_the_answer_itself(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    answer = tmp_path / "answer"
    job = await provider.submit(speech_request(), {}, None, answer)
    assert verify(answer, Kind.AUDIO).media_type == "audio/mpeg"
    assert left_in(tmp_path) == ["answer"]
    report = await provider.poll(job, speech_request())
    assert (report.status, report.output_url) == (JobStatus.SUCCEEDED, None)
    await provider.cancel(job)
    assert job.id.startswith("req_")
    assert Decimal(server.charges()["total_usd"]) == provider.quote(speech_request())
    assert server.charges()["count"] == len(server.log()["requests"]) == 1


@pytest.mark.parametrize("pictures", [0, 2])
async def test_the_order_of_a_picture_is_the_recorded_one(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path, pictures: int
) -> None:
    request = picture_request(pictures=pictures, negative_prompt="fog")
    given = {
        f"frame{number}": Material(
            url="https://assets.example/frame", media_type="image/png", public=True, data=b"\x89PNG"
        )
        for number in range(pictures)
    }
    await provider.submit(request, given, "https://film.example/callback", tmp_path / "answer")
    wanted = payload("order_of_picture" if not pictures else "order_of_picture_from_pictures")
    wanted["metadata"] = {"request_key": request.key}
    assert server.charges()["jobs"][0]["body"] == wanted


async def test_the_order_of_speech_is_the_recorded_one(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    await provider.submit(speech_request(), {}, None, tmp_path / "answer")
    assert server.charges()["jobs"][0]["body"] == payload("order_of_speech")


LOST = ("accept_then_drop", "accept_then_status", "accept_then_hang", "accept_then_malformed")
ENDS: list[tuple[dict[str, Any], type[FilmError], int]] = [
    *(({"fault": fault}, AnswerLost, 1) for fault in LOST),
    ({"fault": "accept_then_status", "status": 502}, AnswerLost, 1),
    ({"fault": "accept_then_status", "status": 504}, AnswerLost, 1),
    ({"fault": "hang"}, AnswerLost, 0),
    ({"fault": "drop"}, AnswerLost, 0),
    ({"fault": "unavailable"}, AnswerLost, 0),
    ({"fault": "rate_limit", "retry_after": 7}, RateLimited, 0),
    ({"fault": "refuse"}, Refused, 0),
    ({"fault": "refuse", "status": 404}, Refused, 0),
    ({"fault": "refuse", "status": 403}, KeyRefused, 0),
    ({"fault": "refuse", "status": 408}, AnswerLost, 0),
    ({"fault": "refuse", "status": 429}, OutOfCredit, 0),
    ({"fault": "refuse_content"}, ContentRefused, 0),
]


@pytest.mark.parametrize(("fault", "error", "charges"), ENDS)
@pytest.mark.parametrize("kind", [Kind.IMAGE, Kind.AUDIO])
async def test_a_submission_is_sent_once_and_every_end_has_its_name(
    server: FakeVendor,
    tmp_path: Path,
    kind: Kind,
    fault: dict[str, Any],
    error: type[FilmError],
    charges: int,
) -> None:
    if kind is Kind.AUDIO and fault["fault"] == "accept_then_malformed":
        pytest.skip("half a tune is a tune: only looking at it can tell")
    provider = a_provider(server, submit_timeout_s=0.5)
    server.set_faults({**fault, "times": None})
    request = picture_request() if kind is Kind.IMAGE else speech_request()
    with pytest.raises(error) as raised:
        await provider.submit(request, {}, None, tmp_path / "answer")
    await provider.close()
    assert type(raised.value) is error
    posts = [seen for seen in server.log()["requests"] if seen["method"] == "POST"]
    assert len(posts) == 1
    await until(lambda: counted(server, charges))
    assert left_in(tmp_path) == []


async def counted(server: FakeVendor, charges: int) -> bool:
    return bool(server.charges()["count"] == charges)


async def test_a_refusal_says_when_to_come_back_and_repeats_the_words_about_the_content(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    server.set_faults({"fault": "rate_limit", "retry_after": 7}, {"fault": "refuse_content"})
    with pytest.raises(RateLimited) as limited:
        await draw(provider, tmp_path / "answer")
    assert limited.value.retry_after_s == 7
    with pytest.raises(ContentRefused, match="safety system") as refused:
        await draw(provider, tmp_path / "answer")
    assert str(refused.value) == f"openai: {MODERATED}"


async def test_a_key_that_is_refused_is_not_repeated_even_in_part(
    server: FakeVendor, tmp_path: Path
) -> None:
    key = "sk-proj-of-somebody-else"  # the answer quotes its beginning and its end
    provider = a_provider(server, key)
    with pytest.raises(KeyRefused) as raised:
        await draw(provider, tmp_path / "answer")
    with pytest.raises(ProviderUnavailable) as unseen:
        await provider.poll(Job(id="resp_1", urls={"response": "-"}), picture_request())
    await provider.close()
    told = f"{raised.value} {unseen.value} {provider!r} {provider.account}"
    assert "sk-proj" not in told
    assert "else" not in told


async def test_a_server_that_is_not_there_was_sent_nothing(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    provider = OpenAIProvider(KEY, MODELS, Terms(), base_url=url)
    for request in (picture_request(), speech_request()):
        with pytest.raises(NotSent):
            await provider.submit(request, {}, None, tmp_path / "answer")
    with pytest.raises(ProviderUnavailable):
        await provider.poll(Job(id="resp_1", urls={"response": url}), picture_request())
    await provider.close()


async def test_speech_that_ends_too_early_or_is_no_sound_is_a_lost_answer(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    for fault in ("truncated_output", "wrong_type_output"):
        server.set_faults({"fault": fault})
        with pytest.raises(AnswerLost):
            await provider.submit(speech_request(), {}, None, tmp_path / "answer")
    assert left_in(tmp_path) == []


FAILURES: list[tuple[dict[str, Any], str, bool, bool]] = [
    ({"code": "server_error"}, "provider_failed", False, True),
    ({"code": "rate_limit_exceeded"}, "provider_failed", False, True),
    ({"code": "image_content_policy_violation"}, "content_refused", False, False),
    ({"code": "invalid_image"}, "provider_failed", False, False),
    ({"code": "moderation_blocked", "billed": True}, "content_refused", True, False),
    ({"code": "refusal", "billed": True}, "content_refused", True, False),
    ({"code": "content_filter", "billed": True}, "content_refused", True, False),
    ({"code": "max_output_tokens", "billed": True}, "provider_failed", True, False),
]


@pytest.mark.parametrize(("fault", "code", "billed", "transient"), FAILURES)
async def test_a_failure_tells_its_reason_what_was_billed_and_whether_it_passes(
    server: FakeVendor,
    provider: OpenAIProvider,
    tmp_path: Path,
    fault: dict[str, Any],
    code: str,
    billed: bool,
    transient: bool,
) -> None:
    server.set_faults({"fault": "job_fails", "message": "so it goes", **fault})
    report = await ended(provider, await draw(provider, tmp_path / "answer"))
    told = (report.status, report.code, report.billed, report.transient)
    assert told == (JobStatus.FAILED, code, billed, transient)
    assert (
        "so it goes"
        if fault["code"] not in ("content_filter", "max_output_tokens")
        else (fault["code"])
    ) in report.message
    assert (report.cost is not None) is billed
    if report.cost is not None:
        assert 0 < report.cost < provider.quote(picture_request())


@pytest.mark.parametrize("fault", ["unknown_status", "poll_status", "poll_malformed"])
async def test_a_poll_that_cannot_be_understood_decides_nothing(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path, fault: str
) -> None:
    job = await draw(provider, tmp_path / "answer")
    assert (await ended(provider, job)).status is JobStatus.SUCCEEDED
    server.set_faults({"fault": fault})
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, picture_request())
    assert (await provider.poll(job, picture_request())).status is JobStatus.SUCCEEDED


async def test_a_cancelled_picture_is_told_as_cancelled_and_an_ended_one_stays_as_it_is(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    server.settings(latency_s=60)
    job = await draw(provider, tmp_path / "answer")
    await provider.cancel(job)
    await provider.cancel(job)
    assert (await provider.poll(job, picture_request())).status is JobStatus.CANCELLED
    server.settings(latency_s=0)
    whole = await draw(provider, tmp_path / "answer")
    assert (await ended(provider, whole)).status is JobStatus.SUCCEEDED
    await provider.cancel(whole)
    assert (await provider.poll(whole, picture_request())).status is JobStatus.SUCCEEDED
    with pytest.raises(ProviderUnavailable):
        await provider.cancel(Job(id="resp_unknown", urls={"response": "-"}))


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("truncated_output", BadMedia),
        ("gone_output", ProviderUnavailable),
    ],
)
async def test_a_picture_that_cannot_be_had_leaves_no_file_and_is_had_later(
    server: FakeVendor,
    provider: OpenAIProvider,
    tmp_path: Path,
    fault: str,
    error: type[FilmError],
) -> None:
    report = await ended(provider, await draw(provider, tmp_path / "answer"))
    assert report.output_url is not None
    server.set_faults({"fault": fault})
    with pytest.raises(error):
        await provider.fetch(report.output_url, tmp_path / "picture", MEGABYTES)
    with pytest.raises(BadMedia):
        await provider.fetch(report.output_url, tmp_path / "picture", 100)
    assert left_in(tmp_path) == []
    server.set_faults({"fault": "slow_drip", "seconds": 0.01})
    await provider.fetch(report.output_url, tmp_path / "picture", MEGABYTES)
    verify(tmp_path / "picture", Kind.IMAGE)


async def test_what_is_no_picture_is_found_out_by_looking_at_it(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    report = await ended(provider, await draw(provider, tmp_path / "answer"))
    assert report.output_url is not None
    server.set_faults({"fault": "wrong_type_output"})
    await provider.fetch(report.output_url, tmp_path / "picture", MEGABYTES)
    with pytest.raises(BadMedia):
        verify(tmp_path / "picture", Kind.IMAGE)


async def test_a_response_that_is_no_longer_kept_cannot_be_had(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    job = await draw(provider, tmp_path / "answer")
    report = await ended(provider, job)
    server.settings(output_ttl_s=0)
    assert report.output_url is not None
    with pytest.raises(ProviderUnavailable):
        await provider.fetch(report.output_url, tmp_path / "picture", MEGABYTES)
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, picture_request())


async def test_a_lost_picture_can_only_be_told_by_a_callback_and_lost_speech_by_nothing(
    server: FakeVendor, provider: OpenAIProvider
) -> None:
    silent = a_provider(server, secret="")
    assert provider.recovery(picture_request()) is Recovery.WEBHOOK
    assert silent.recovery(picture_request()) is Recovery.NONE
    assert provider.recovery(speech_request()) is Recovery.NONE
    with pytest.raises(CreateAmbiguous):
        await provider.find(picture_request(), datetime.now(UTC), frozenset())
    with pytest.raises(CreateAmbiguous):
        provider.listed(datetime.now(UTC))
    with pytest.raises(BadInput, match="OPENAI_WEBHOOK_SECRET"):
        await silent.parse_webhook({}, b"{}")
    await silent.close()


class Ear:
    """A server that keeps the callbacks it gets."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []

    async def __aenter__(self) -> "Ear":
        self._server = await asyncio.start_server(self._hear, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1/callbacks/x"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.heard.append((headers, body))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def heard(server: FakeVendor, *faults: dict[str, Any], count: int = 1) -> Any:
    async with Ear() as ear:
        server.settings(webhook_url=ear.url)
        server.set_faults(*faults)
        provider = a_provider(server)
        await draw(provider, Path("-"))
        await provider.close()

        async def all_heard() -> bool:
            return len(ear.heard) >= count

        await until(all_heard)
        return ear.heard


async def test_a_callback_leads_to_the_job_whose_answer_was_lost(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    async with Ear() as ear:
        server.settings(webhook_url=ear.url)
        server.set_faults({"fault": "accept_then_drop"})
        with pytest.raises(AnswerLost):
            await draw(provider, tmp_path / "answer")

        async def any_heard() -> bool:
            return bool(ear.heard)

        await until(any_heard)
        headers, body = ear.heard[0]
    notice = await provider.parse_webhook(headers, body)
    assert notice.request_key == picture_request().key
    assert (await ended(provider, notice.job)).status is JobStatus.SUCCEEDED
    assert server.charges()["by_words"] == {PROMPT: 1}


async def test_a_repeated_callback_has_the_same_id_and_headers_may_be_written_in_any_case(
    server: FakeVendor, provider: OpenAIProvider
) -> None:
    first, again = await heard(server, {"fault": "webhook_twice"}, count=2)
    shouted = {name.upper(): value for name, value in again[0].items()}
    notices = [
        await provider.parse_webhook(*first),
        await provider.parse_webhook(shouted, again[1]),
    ]
    assert notices[0] == notices[1]


@pytest.mark.parametrize("fault", ["webhook_forged", "webhook_stale"])
async def test_a_forged_or_stale_callback_is_refused(
    server: FakeVendor, provider: OpenAIProvider, fault: str
) -> None:
    ((headers, body),) = await heard(server, {"fault": fault})
    with pytest.raises(BadInput, match="genuine"):
        await provider.parse_webhook(headers, body)


async def test_a_callback_of_another_secret_or_about_another_thing_is_refused(
    server: FakeVendor, provider: OpenAIProvider
) -> None:
    ((headers, body),) = await heard(server)
    other = a_provider(server, secret="whsec_" + base64.b64encode(b"another").decode())
    with pytest.raises(BadInput, match="genuine"):
        await other.parse_webhook(headers, body)
    await other.close()
    for news, problem in ((b'{"type": "batch.completed", "data": {"id": "b"}}', "no news"),
                          (b"[]", "genuine")):  # fmt: skip
        with pytest.raises(BadInput, match=problem):
            await provider.parse_webhook(signed(news), news)
    lost = b'{"type": "response.completed", "data": {"id": "resp_nobody"}}'
    with pytest.raises(ProviderUnavailable):
        await provider.parse_webhook(signed(lost), lost)


def signed(body: bytes) -> dict[str, str]:
    now = time.time()
    return {
        "webhook-id": "wh_1",
        "webhook-timestamp": str(int(now)),
        "webhook-signature": standard_signature(WEBHOOK_SECRET, "wh_1", int(now), body),
    }


async def test_a_secret_or_an_address_that_cannot_be_used_is_named(server: FakeVendor) -> None:
    with pytest.raises(NotConfigured, match="OPENAI_WEBHOOK_SECRET"):
        a_provider(server, secret="not base64!")
    with pytest.raises(NotConfigured):
        OpenAIProvider(KEY, MODELS, Terms(), base_url="api.openai.com")


async def test_a_picture_to_start_from_may_not_be_larger_than_openai_takes(
    server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    huge = Material(
        url="-", media_type="image/png", public=False, data=bytes(MAX_PICTURE_BYTES + 1)
    )
    with pytest.raises(Refused, match="50 MB"):
        await provider.submit(picture_request(), {"frame": huge}, None, tmp_path / "answer")
    assert server.log()["requests"] == []


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
    # 4,096 characters were billed as 877 tokens of text and about 5,262 of sound.
    measured = (877 * Decimal("0.6") + 5262 * 12) / 1_000_000
    assert measured < provider.quote(speech_request("a" * 4096, "gpt-4o-mini-tts")) < 3 * measured


async def test_a_cost_is_told_only_where_every_token_is(provider: OpenAIProvider) -> None:
    told = payload("completed")
    told["usage"]["input_tokens_details"]["cache_write_tokens"] = 1000
    # 410 in, 1,000 of them written to the cache, 40 out; 30 of text in, a picture of 246 out
    assert cost_of(picture_request(), Reply.model_validate(told)) == Decimal("0.007710")
    without: list[Callable[[dict[str, Any]], Any]] = [
        lambda reply: reply.pop("tool_usage"),
        lambda reply: reply.update(usage=None),
        lambda reply: reply["tool_usage"]["image_gen"].update(output_tokens=0),
    ]
    for omit in without:
        partly = json.loads(json.dumps(told))
        omit(partly)
        assert cost_of(picture_request(), Reply.model_validate(partly)) is None


async def test_the_terms_of_an_installation_go_over_the_usual_ones(server: FakeVendor) -> None:
    usual = OpenAIProvider(KEY, MODELS, Terms(), base_url=server.url)
    assert (usual.submit_timeout_s, usual.listing_lag_s, usual.callback_wait_s) == (120, 0, 900)
    assert (usual.max_in_flight, usual.submits_per_s) == (None, None)
    chosen = a_provider(
        server, listing_lag_s=1, callback_wait_s=2, max_in_flight=3, submits_per_s=4
    )
    assert (chosen.submit_timeout_s, chosen.listing_lag_s, chosen.callback_wait_s) == (5, 1, 2)
    assert (chosen.max_in_flight, chosen.submits_per_s) == (3, 4)
    assert usual.account == chosen.account != a_provider(server, "sk-other").account
    assert [usual.poll_interval_s(age) for age in (0, 30, 600)] == [1, 3, 5]


async def test_jobs_outlive_a_killed_server(
    process: FakeVendor, server: FakeVendor, provider: OpenAIProvider, tmp_path: Path
) -> None:
    job = await draw(provider, tmp_path / "answer")
    process.kill()
    process.start()
    assert (await ended(provider, job)).status is JobStatus.SUCCEEDED


STATUSES = ("accepted", "in_progress", "completed", "failed", "moderated", "cancelled")


@pytest.mark.parametrize("name", [*STATUSES, "incomplete"])
async def test_a_recorded_response_is_one_by_the_types_of_openais_own_client(name: str) -> None:
    Response.model_validate(payload(name), strict=False)
    Reply.model_validate(payload(name))


async def test_the_fake_answers_as_recorded(server: FakeVendor, tmp_path: Path) -> None:
    provider = a_provider(server)
    server.settings(latency_s=0.2)
    job = await draw(provider, tmp_path / "answer")
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=f"{server.url}/v1", headers=headers) as client:
        running = (await client.get(f"/responses/{job.id}")).json()
        await ended(provider, job)
        done = (await client.get(f"/responses/{job.id}")).json()
        refused = (await client.get("/responses/resp_x")).json()
    await provider.close()
    assert shape(running) == shape(payload("in_progress"))
    assert shape(done) == shape(payload("completed"))
    assert shape(refused) == shape(payload("error_not_found"))


def shape(value: Any) -> Any:
    """The names in a JSON value, without what they stand for."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else None


async def test_openais_own_client_reads_the_fake_and_takes_its_callbacks(
    server: FakeVendor,
) -> None:
    ((headers, body),) = await heard(server)
    async with openai.AsyncOpenAI(
        api_key=KEY,
        base_url=f"{server.url}/v1",
        webhook_secret=WEBHOOK_SECRET,
        max_retries=0,
        _strict_response_validation=True,
    ) as client:
        event = client.webhooks.unwrap(body, headers)
        assert event.type == "response.completed"
        response = await client.responses.retrieve(event.data.id)
        assert response.status == "completed"
        with pytest.raises(openai.NotFoundError, match="not found"):
            await client.responses.retrieve("resp_x")
