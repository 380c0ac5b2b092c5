"""The openai provider against a fake of OpenAI's API, over real HTTP."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from filmforge.domain import Kind
from filmforge.errors import (
    AnswerLost,
    BadMedia,
    ContentRefused,
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
from filmforge.providers.base import Job, JobStatus, Material, Terms
from filmforge.providers.openai import MAX_PICTURE_BYTES, OpenAIProvider
from tests.fake_process import free_port
from tests.fakes.openai import KEY, MODERATED
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.openai_case import (
    MEGABYTES,
    MODELS,
    PROMPT,
    Ear,
    a_provider,
    draw,
    ended,
    left_in,
    payload,
    picture_request,
    speech_request,
    until,
)


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


@pytest.mark.parametrize(
    ("kind", "fault", "error", "charges"),
    [
        (kind, *end)
        for kind in (Kind.IMAGE, Kind.AUDIO)
        for end in ENDS
        # Half a tune is a tune: only looking at it tells.
        if (kind, end[0]["fault"]) != (Kind.AUDIO, "accept_then_malformed")
    ],
)
async def test_a_submission_is_sent_once_and_every_end_has_its_name(
    server: FakeVendor,
    tmp_path: Path,
    kind: Kind,
    fault: dict[str, Any],
    error: type[FilmError],
    charges: int,
) -> None:
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


async def test_speech_of_no_length_is_a_lost_answer(tmp_path: Path) -> None:
    async with Ear() as ear:
        provider = OpenAIProvider(KEY, MODELS, Terms(), base_url=ear.url)
        with pytest.raises(AnswerLost, match="nothing"):
            await provider.submit(speech_request(), {}, None, tmp_path / "answer")
        await provider.close()
    assert left_in(tmp_path) == []
    assert len(ear.heard) == 1


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
