"""The runway provider against a fake Runway of its own."""

import functools
import io
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from filmforge import errors
from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
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
from filmforge.providers.base import Job, JobReport, JobStatus, Material, Terms
from filmforge.providers.catalogue import Recovery, fit, load_models
from filmforge.providers.runway import MAX_DATA_URI_CHARS, RunwayProvider
from tests.fakes.process import FakeVendor, fake_vendor

KEY = "key_0f5e1d2c3b4a"
WORDS = "the keeper turns to the window"
MODELS = load_models("runway")
TERMS = Terms(submit_timeout_s=4, private=True)
PAYLOADS = Path(__file__).with_name("payloads") / "runway"
FRAME = Ingredient(role="frame", digest="0" * 64)
TURBO, VEO, PICTURE = "gen4_turbo", "veo3.1_fast", "gen4_image"


def payload(name: str) -> Any:
    return json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))


def clip(model: str = TURBO, duration: str = "4.2", **wish: Any) -> GenerationRequest:
    look = {"prompt": WORDS, "negative_prompt": "text", "width": 1280, "height": 720, "fps": "24"}
    return GenerationRequest(
        kind=Kind.VIDEO,
        provider="runway",
        model=model,
        parameters=fit(MODELS[model], {**look, "duration": duration, **wish}),
        seed=7,
        inputs=(FRAME,),
    )


def picture(width: int = 1280, height: int = 720) -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.IMAGE,
        provider="runway",
        model=PICTURE,
        parameters=fit(MODELS[PICTURE], {"prompt": WORDS, "width": width, "height": height}),
        seed=7,
    )


@functools.cache
def frame(side: int = 16, noisy: bool = False) -> Material:
    image = Image.new("RGB", (side, side), "teal")
    if noisy:
        image = Image.frombytes("RGB", (side, side), random.Random(7).randbytes(side * side * 3))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=0)
    url = "http://127.0.0.1:9/frame"
    return Material(url=url, media_type="image/png", public=False, data=file.getvalue())


def posts(fake: FakeVendor) -> int:
    """How many paid orders came in."""
    paid = ("/v1/image_to_video", "/v1/text_to_image")
    return sum(seen["path"] in paid for seen in fake.log()["requests"])


def beside(path: Path) -> list[str]:
    """The files that are there after a download."""
    return [found.name for found in path.parent.iterdir()]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.runway", tmp_path_factory.mktemp("runway") / "db") as fake:
        yield fake


@pytest.fixture
def fake(running: FakeVendor) -> FakeVendor:
    running.reset()
    running.settings(latency_s=0)
    return running


@pytest.fixture
async def provider(fake: FakeVendor) -> AsyncIterator[RunwayProvider]:
    made = RunwayProvider(KEY, MODELS, TERMS, base_url=fake.url)
    yield made
    await made.close()


async def submit(
    provider: RunwayProvider,
    request: GenerationRequest | None = None,
    with_: Material | None = None,
) -> Job:
    return await provider.submit(
        request or clip(), {"frame": with_ or frame()}, None, Path("no answer is written")
    )


async def ended(provider: RunwayProvider, job: Job, request: GenerationRequest) -> JobReport:
    deadline = time.monotonic() + 10
    while (report := await provider.poll(job, request)).status is JobStatus.RUNNING:
        assert time.monotonic() < deadline
    return report


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


async def recorded(
    provider: RunwayProvider, reply: Callable[[httpx.Request], httpx.Response]
) -> None:
    """Let recorded answers speak in place of the fake."""
    await provider._wire.close()
    provider._wire.client = httpx.AsyncClient(transport=httpx.MockTransport(reply))


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


async def test_the_recorded_answers_are_read(provider: RunwayProvider) -> None:
    tasks = payload("tasks")
    tell: dict[str, Any] = payload("accepted")
    await recorded(provider, lambda _: httpx.Response(200, json=tell))
    job = await submit(provider)
    assert job == Job(id="9a6fc5d5-1f0f-4c43-9a0e-0d6c3c1b7f11")
    reports = {}
    for name, task in tasks.items():
        tell.clear()
        tell.update(task)
        reports[name] = await provider.poll(job, clip())
    running = {name for name, said in reports.items() if said.status is JobStatus.RUNNING}
    assert running == {"pending", "throttled", "running"}
    assert reports["running"].progress == 0.9
    assert reports["succeeded"].output_url == tasks["succeeded"]["output"][0]
    assert reports["succeeded"].cost == Decimal("0.25")
    failed = reports["failed"]
    assert (failed.status, failed.code, failed.billed) == (
        JobStatus.FAILED, "content_refused", True,
    )  # fmt: skip
    assert (failed.cost, failed.transient) == (Decimal("0.25"), False)
    assert failed.message == (
        "runway: The provided prompt was flagged by content moderation. (SAFETY.INPUT.TEXT)"
    )
    cancelled = reports["cancelled"]
    assert (cancelled.status, cancelled.billed) == (JobStatus.CANCELLED, False)


async def test_the_fake_tells_what_the_recorded_tasks_tell(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    tasks = payload("tasks")
    headers = {"authorization": f"Bearer {KEY}", "x-runway-version": "2024-11-06"}
    with httpx.Client(base_url=fake.url, headers=headers, trust_env=False) as client:

        def told(job: Job) -> Any:
            return client.get(f"/v1/tasks/{job.id}").json()

        fake.settings(latency_s=60)
        waiting = await submit(provider)
        assert told(waiting).keys() == tasks["pending"].keys()
        await provider.cancel(waiting)
        assert told(waiting).keys() == tasks["cancelled"].keys()
        fake.settings(latency_s=0)
        assert told(await submit(provider)).keys() == tasks["succeeded"].keys()
        fake.set_faults({"fault": "job_fails"})
        assert told(await submit(provider)).keys() == tasks["failed"].keys()


async def test_a_task_that_waits_runs_and_is_throttled_goes_on(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.settings(latency_s=60, throttled=True)
    job = await submit(provider)
    assert (await provider.poll(job, clip())).status is JobStatus.RUNNING
    fake.settings(latency_s=0.4)
    quick = await submit(provider)
    report = await ended(provider, quick, clip())
    assert report.status is JobStatus.SUCCEEDED
    assert provider.poll_interval_s(0) == provider.poll_interval_s(600) == 5


@pytest.mark.parametrize(
    ("code", "reported", "transient"),
    [
        ("INTERNAL.BAD_OUTPUT.CODE01", "provider_failed", True),
        ("INTERNAL", "provider_failed", True),
        ("INPUT_PREPROCESSING.INTERNAL", "provider_failed", True),
        ("THIRD_PARTY.UNAVAILABLE", "provider_failed", True),
        ("no code", "provider_failed", True),
        ("ASSET.INVALID", "provider_failed", False),
        ("SOMETHING.NEW", "provider_failed", False),
        ("SAFETY.INPUT.TEXT", "content_refused", False),
        ("SAFETY.OUTPUT.VIDEO", "content_refused", False),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", "content_refused", False),
    ],
)
@pytest.mark.parametrize("billed", [True, False])
async def test_a_failed_task_tells_why_and_what_it_took(
    provider: RunwayProvider,
    fake: FakeVendor,
    code: str,
    reported: str,
    transient: bool,
    billed: bool,
) -> None:
    fake.set_faults({"fault": "job_fails", "code": code, "billed": billed, "message": "no light"})
    report = await ended(provider, await submit(provider), clip())
    assert (report.status, report.code, report.transient) == (
        JobStatus.FAILED, reported, transient,
    )  # fmt: skip
    assert report.message == f"runway: no light ({code})"
    assert (report.billed, report.cost) == (billed, Decimal("0.25") if billed else 0)
    assert fake.charges()["count"] == int(billed)


async def test_a_failed_task_that_tells_no_cost_counts_as_paid(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.settings(costs=False)
    fake.set_faults({"fault": "job_fails"})
    report = await ended(provider, await submit(provider), clip())
    assert (report.status, report.billed, report.cost) == (JobStatus.FAILED, True, None)


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "unknown_status"},
        {"fault": "poll_status", "status": 500},
        {"fault": "poll_status", "status": 503},
        {"fault": "poll_malformed"},
    ],
)
async def test_a_poll_never_guesses(
    provider: RunwayProvider, fake: FakeVendor, fault: dict[str, Any]
) -> None:
    job = await submit(provider)
    fake.set_faults(fault)
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, clip())
    assert (await provider.poll(job, clip())).status is JobStatus.SUCCEEDED


async def test_a_404_that_is_not_runways_or_an_output_that_is_missing_is_no_truth(
    provider: RunwayProvider,
) -> None:
    await recorded(provider, lambda _: httpx.Response(404, text="<html>no such site</html>"))
    with pytest.raises(ProviderUnavailable):
        await provider.poll(Job(id="any"), clip())
    task = {**payload("tasks")["succeeded"], "output": []}
    await recorded(provider, lambda _: httpx.Response(200, json=task))
    with pytest.raises(ProviderUnavailable, match="no output"):
        await provider.poll(Job(id="any"), clip())


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_task_that_waits_is_taken_back(
    provider: RunwayProvider, fake: FakeVendor, forgets: bool
) -> None:
    fake.settings(latency_s=60, forgets=forgets)
    job = await submit(provider)
    await provider.cancel(job)
    report = await provider.poll(job, clip())
    assert report.status is JobStatus.CANCELLED
    # Runway gives no word of a refund for a task it has forgotten.
    assert (report.billed, report.cost) == ((True, None) if forgets else (False, 0))
    assert fake.charges()["count"] == 0
    await provider.cancel(job)


async def test_a_task_that_runs_or_has_ended_is_paid_for_and_left_alone(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    fake.settings(latency_s=0.5)
    job = await submit(provider)
    deadline = time.monotonic() + 10
    while (await provider.poll(job, clip())).progress != 0.5:
        assert time.monotonic() < deadline
    await provider.cancel(job)
    assert (await ended(provider, job, clip())).status is JobStatus.SUCCEEDED
    await provider.cancel(job)
    assert (await provider.poll(job, clip())).status is JobStatus.SUCCEEDED
    assert not any(seen["method"] == "DELETE" for seen in fake.log()["requests"])


async def test_a_broken_output_leaves_no_file_and_a_new_poll_tells_a_fresh_address(
    provider: RunwayProvider, fake: FakeVendor, tmp_path: Path
) -> None:
    job = await submit(provider)
    first = (await ended(provider, job, clip())).output_url
    output = tmp_path / "output"
    assert first is not None
    fake.set_faults({"fault": "truncated_output"}, {"fault": "gone_output", "status": 403})
    with pytest.raises(BadMedia):
        await provider.fetch(first, output, 10_000_000)
    with pytest.raises(ProviderUnavailable, match="403"):
        await provider.fetch(first, output, 10_000_000)
    with pytest.raises(BadMedia):
        await provider.fetch(first, output, 1_000)
    assert beside(output) == []
    second = (await provider.poll(job, clip())).output_url
    assert second not in (None, first)
    await provider.fetch(second or "", output, 10_000_000)
    verify(output, Kind.VIDEO)
    assert posts(fake) == fake.charges()["count"] == 1


async def test_an_output_at_a_private_address_is_not_fetched_unless_allowed(
    fake: FakeVendor, tmp_path: Path
) -> None:
    provider = RunwayProvider(KEY, MODELS, Terms(), base_url=fake.url)
    report = await ended(provider, await submit(provider), clip())
    with pytest.raises(ProviderUnavailable):
        await provider.fetch(report.output_url or "", tmp_path / "output", 10_000_000)
    await provider.close()


async def test_a_task_outlives_a_kill_of_the_server(
    provider: RunwayProvider, fake: FakeVendor
) -> None:
    job = await submit(provider)
    fake.kill()
    with pytest.raises(ProviderUnavailable):
        await provider.poll(job, clip())
    fake.start()
    assert (await provider.poll(job, clip())).status is JobStatus.SUCCEEDED
    assert fake.charges()["count"] == 1


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
