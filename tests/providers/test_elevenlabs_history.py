"""What the history of ElevenLabs tells: a lost line is found in it, fetched and counted."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import AnswerLost, BadMedia, CreateAmbiguous, FilmError, ProviderUnavailable
from filmforge.media.probe import verify
from filmforge.providers import elevenlabs
from filmforge.providers.base import Job, JobStatus
from filmforge.providers.catalogue import Recovery
from filmforge.providers.elevenlabs import ElevenLabsProvider
from tests.fakes.process import FakeVendor
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


def history_of(fake: FakeVendor) -> Any:
    told = httpx.get(f"{fake.url}/v1/history", headers={"xi-api-key": KEY}, trust_env=False)
    return told.json()


async def lose(provider: ElevenLabsProvider, request: GenerationRequest, answer: Path) -> None:
    with pytest.raises(AnswerLost):
        await provider.submit(request, {}, None, answer)


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "accept_then_drop"},
        {"fault": "accept_then_status", "status": 500},
        {"fault": "accept_then_status", "status": 502},
        {"fault": "accept_then_status", "status": 504},
        {"fault": "accept_then_malformed"},
        {"fault": "truncated_output"},
        {"fault": "wrong_type_output"},
    ],
)
async def test_a_line_that_was_paid_for_and_lost_is_found_and_fetched_for_nothing(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path, fault: dict[str, Any]
) -> None:
    since = datetime.now(UTC)
    fake.set_faults(fault)
    await lose(provider, line(), answer)
    assert beside(answer) == []
    job = await provider.find(line(), since, frozenset())
    assert job is not None
    report = await provider.poll(job, line())
    assert (report.status, report.cost) == (JobStatus.SUCCEEDED, Decimal("0.00144"))
    assert report.output_url is not None
    await provider.fetch(report.output_url, answer, 1_000_000)
    verify(answer, Kind.AUDIO)
    assert (posts(fake), fake.charges()["by_words"]) == (1, {LINE: 1})


async def test_an_answer_that_never_comes_is_lost_after_the_timeout(
    fake: FakeVendor, answer: Path
) -> None:
    fake.set_faults({"fault": "accept_then_hang"})
    terms = TERMS.model_copy(update={"submit_timeout_s": 0.3})
    provider = ElevenLabsProvider(KEY, MODELS, terms, base_url=fake.url)
    since = datetime.now(UTC)
    await lose(provider, line(), answer)
    assert await provider.find(line(), since, frozenset()) is not None
    assert posts(fake) == fake.charges()["count"] == 1
    await provider.close()


@pytest.mark.parametrize("fault", ["drop", "unavailable", "hang"])
async def test_a_line_that_was_not_taken_is_provably_absent(
    fake: FakeVendor, answer: Path, fault: str
) -> None:
    terms = TERMS.model_copy(update={"submit_timeout_s": 0.3})
    provider = ElevenLabsProvider(KEY, MODELS, terms, base_url=fake.url)
    since = datetime.now(UTC)
    fake.set_faults({"fault": fault})
    await lose(provider, line(), answer)
    assert await provider.find(line(), since, frozenset()) is None
    assert (posts(fake), fake.charges()["count"]) == (1, 0)
    await provider.close()


async def test_a_failed_generation_is_lost_and_provably_absent(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path
) -> None:
    fake.set_faults({"fault": "job_fails", "message": "the voice broke"})
    since = datetime.now(UTC)
    with pytest.raises(AnswerLost, match="the voice broke"):
        await provider.submit(line(), {}, None, answer)
    assert await provider.find(line(), since, frozenset()) is None


async def test_a_recorded_history_is_read(provider: ElevenLabsProvider) -> None:
    await recorded(provider, lambda _: httpx.Response(200, json=payload("history")))
    since = datetime.fromtimestamp(1786610923.7, UTC)
    roger = line(voice="roger")
    job = await provider.find(roger, since, frozenset())
    assert job is not None
    assert job.id == "aTrtdgh3aFn9G0hhPH14"
    assert job.urls["output"].endswith("/v1/history/poFpDeSgOlgmYzBws8uN/audio")
    for known in ("aTrtdgh3aFn9G0hhPH14", "poFpDeSgOlgmYzBws8uN"):
        assert await provider.find(roger, since, frozenset({known})) is None
    listed = [item async for item in provider.listed(since - timedelta(days=1))]
    assert [(item.words, item.cost) for item in listed] == [
        (LINE, Decimal("0.00144")),
        ("Hello, world!", Decimal("0.00336")),
    ]


async def test_the_fake_tells_what_the_recorded_history_tells(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path
) -> None:
    await provider.submit(line(), {}, None, answer)
    page, recorded_page = history_of(fake), payload("history")
    assert page.keys() == recorded_page.keys()
    item, recorded_item = page["history"][0], recorded_page["history"][0]
    assert item.keys() == recorded_item.keys()
    assert {k: type(v) for k, v in item.items()} == {k: type(v) for k, v in recorded_item.items()}


async def test_only_the_same_text_voice_and_model_is_found(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path
) -> None:
    foreign = ElevenLabsProvider("sk_somebody-else", MODELS, TERMS, base_url=fake.url)
    await foreign.submit(line(), {}, None, answer)
    for other in (line("Another line."), line(voice="lily"), line(model=FLASH)):
        await provider.submit(other, {}, None, answer)
    assert await provider.find(line(), long_ago(), frozenset()) is None
    job = await provider.submit(line(), {}, None, answer)
    found = await provider.find(line(), long_ago(), frozenset())
    assert found is not None
    assert found.id == job.id
    await foreign.close()


async def test_a_text_is_found_whatever_the_history_did_to_its_spaces(
    provider: ElevenLabsProvider, answer: Path
) -> None:
    await provider.submit(line("Caf\u00e9  noir,\nplease. "), {}, None, answer)
    same = line("Cafe\u0301 noir, please.")
    assert await provider.find(same, long_ago(), frozenset()) is not None


async def test_the_oldest_unknown_line_since_then_is_found_across_pages(
    provider: ElevenLabsProvider, answer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elevenlabs, "PAGE_ITEMS", 2)
    since = datetime.now(UTC)
    jobs = [await provider.submit(line(), {}, None, answer) for _ in range(5)]
    ids = [job.id for job in jobs]

    async def found(since: datetime, *known: str) -> str | None:
        job = await provider.find(line(), since, frozenset(known))
        return job.id if job else None

    assert await found(since) == ids[0]
    assert await found(long_ago()) == ids[0]
    assert await found(long_ago(), *ids[:3]) == ids[3]
    assert await found(long_ago(), *ids) is None
    assert await found(datetime.now(UTC) + timedelta(hours=1)) == ids[4]
    assert await found(datetime.now(UTC) + timedelta(hours=3)) is None
    assert [item.job.id async for item in provider.listed(long_ago())] == ids[::-1]


async def test_a_line_shows_after_the_lag_of_the_list(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path
) -> None:
    fake.settings(listing_lag_s=0.3)
    since = datetime.now(UTC)
    await provider.submit(line(), {}, None, answer)
    assert await provider.find(line(), since, frozenset()) is None
    deadline = time.monotonic() + 10
    while await provider.find(line(), since, frozenset()) is None:
        assert time.monotonic() < deadline


async def test_a_history_that_hides_its_texts_cannot_tell(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path
) -> None:
    await provider.submit(line(), {}, None, answer)
    fake.settings(item_text=False)
    with pytest.raises(CreateAmbiguous):
        await provider.find(line(), long_ago(), frozenset())


async def test_a_history_that_does_not_go_on_is_not_believed(provider: ElevenLabsProvider) -> None:
    page = {**payload("history"), "has_more": True}
    await recorded(provider, lambda _: httpx.Response(200, json=page))
    with pytest.raises(ProviderUnavailable, match="does not go on"):
        await provider.find(line(), long_ago(), frozenset())


async def test_an_account_that_keeps_no_history_may_say_so() -> None:
    models = {SPEECH: MODELS[SPEECH].model_copy(update={"recovery": Recovery.NONE})}
    provider = ElevenLabsProvider(KEY, models, TERMS, base_url="http://127.0.0.1:9")
    assert provider.recovery(line()) is provider.recovery(line(model=FLASH)) is Recovery.NONE
    with pytest.raises(CreateAmbiguous):
        await provider.find(line(), long_ago(), frozenset())
    await provider.close()


@pytest.mark.parametrize("request_", [effect(), music()])
async def test_a_lost_effect_or_tune_is_for_a_person(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path, request_: GenerationRequest
) -> None:
    fake.set_faults({"fault": "accept_then_drop"})
    await lose(provider, request_, answer)
    assert provider.recovery(request_) is Recovery.NONE
    assert provider.recovery(line()) is Recovery.LISTING
    with pytest.raises(CreateAmbiguous):
        await provider.find(request_, long_ago(), frozenset())
    assert posts(fake) == fake.charges()["count"] == 1


async def test_a_finished_line_is_found_after_the_server_was_killed(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path
) -> None:
    job = await provider.submit(line(), {}, None, answer)
    fake.kill()
    with pytest.raises(ProviderUnavailable):
        await provider.find(line(), long_ago(), frozenset())
    fake.start()
    found = await provider.find(line(), long_ago(), frozenset())
    assert found is not None
    assert found.id == job.id
    assert fake.charges()["count"] == 1


@pytest.fixture
async def found(
    provider: ElevenLabsProvider, answer: Path, tmp_path_factory: pytest.TempPathFactory
) -> Job:
    await provider.submit(line(), {}, None, tmp_path_factory.mktemp("lost") / "answer")
    job = await provider.find(line(), long_ago(), frozenset())
    assert job is not None
    return job


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (None, JobStatus.SUCCEEDED),
        ("created", JobStatus.SUCCEEDED),
        ("processing", JobStatus.RUNNING),
        ("deleted", JobStatus.FAILED),
    ],
)
async def test_the_history_tells_the_state_of_a_line(
    provider: ElevenLabsProvider, fake: FakeVendor, found: Job, state: str | None, status: JobStatus
) -> None:
    fake.settings(state=state)
    report = await provider.poll(found, line())
    assert (report.status, report.billed) == (status, True)
    assert (report.output_url is not None) == (status is JobStatus.SUCCEEDED)


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
    provider: ElevenLabsProvider, fake: FakeVendor, found: Job, fault: dict[str, Any]
) -> None:
    fake.set_faults(fault)
    with pytest.raises(ProviderUnavailable):
        await provider.poll(found, line())
    assert (await provider.poll(found, line())).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("fault", "error"),
    [("truncated_output", BadMedia), ("gone_output", ProviderUnavailable)],
)
async def test_a_broken_recording_leaves_no_file_and_can_be_fetched_again(
    provider: ElevenLabsProvider,
    fake: FakeVendor,
    found: Job,
    answer: Path,
    fault: str,
    error: type[FilmError],
) -> None:
    fake.set_faults({"fault": fault})
    with pytest.raises(error):
        await provider.fetch(found.urls["output"], answer, 1_000_000)
    assert beside(answer) == []
    with pytest.raises(BadMedia):
        await provider.fetch(found.urls["output"], answer, 1_000)
    assert beside(answer) == []
    await provider.fetch(found.urls["output"], answer, 1_000_000)
    verify(answer, Kind.AUDIO)


async def test_the_list_tells_lines_and_what_they_cost(
    provider: ElevenLabsProvider, fake: FakeVendor, answer: Path
) -> None:
    since = datetime.now(UTC)
    for request in (line("One."), effect(), line("Two.", model=FLASH)):
        await provider.submit(request, {}, None, answer)
    listed = [item async for item in provider.listed(since)]
    assert [(item.words, item.model, item.cost) for item in listed] == [
        ("Two.", FLASH, Decimal("0.00016")),
        ("One.", SPEECH, Decimal("0.00032")),
    ]
    assert {item.status for item in listed} == {JobStatus.SUCCEEDED}
    fake.settings(state="marinating")
    with pytest.raises(ProviderUnavailable, match="marinating"):
        _ = [item async for item in provider.listed(since)]
