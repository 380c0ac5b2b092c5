"""How a job whose answer was lost is found again in fal's list of requests."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from filmforge.domain import GenerationRequest
from filmforge.errors import (
    AnswerLost,
    CreateAmbiguous,
)
from filmforge.providers.base import JobStatus, Material
from filmforge.providers.catalogue import Recovery
from filmforge.providers.fal import FalProvider
from tests.fakes.fal import OTHER_KEY
from tests.fakes.process import FakeVendor, fake_vendor
from tests.providers.fal_bench import (
    DOT_DIGEST,
    DOT_FRAME,
    FLUX,
    FRAME,
    FRAME_DIGEST,
    FRAME_URL,
    KLING,
    KLING_V3,
    KOKORO,
    NONE,
    PROMPT,
    TEXT,
    a_provider,
    a_request,
    a_while_ago,
    ended,
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


async def lost_in(fake: FakeVendor, request: GenerationRequest, frame: Material = FRAME) -> str:
    """The id of a job whose answer is lost."""
    fake.set_faults({"fault": "accept_then_drop"})
    provider = a_provider(fake)
    with pytest.raises(AnswerLost):
        await submitted(provider, request, frame)
    await provider.close()
    return str(fake.charges()["jobs"][-1]["id"])


async def test_a_lost_job_is_found_and_followed_to_its_end(
    fake: FakeVendor, provider: FalProvider
) -> None:
    since = datetime.now(UTC)
    request = a_request(KLING)
    lost = await lost_in(fake, request)

    async def found() -> bool:
        try:
            return await provider.find(request, since, NONE) is not None
        except CreateAmbiguous:
            return False

    await until(found)
    job = await provider.find(request, since, NONE)
    assert job is not None
    assert job.id == lost
    assert (await ended(provider, job, request)).status is JobStatus.SUCCEEDED
    assert fake.charges()["count"] == 1


async def test_a_list_that_lags_behind_is_not_believed_too_early(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(listing_lag_s=0.5)
    since, request = datetime.now(UTC), a_request()
    lost = await lost_in(fake, request)
    with pytest.raises(CreateAmbiguous, match="look again"):
        await provider.find(request, since, NONE)

    async def found() -> bool:
        try:
            job = await provider.find(request, since, NONE)
        except CreateAmbiguous:
            return False
        assert job is not None
        return job.id == lost

    await until(found)


async def test_without_an_operators_figure_absence_proves_nothing_for_two_hours(
    fake: FakeVendor,
) -> None:
    provider = a_provider(fake, listing_lag_s=None)
    for hours, sure in ((1.9, False), (2.1, True)):
        since = datetime.now(UTC) - timedelta(hours=hours)
        try:
            assert await provider.find(a_request(), since, NONE) is None
            assert sure
        except CreateAmbiguous:
            assert not sure
    await provider.close()


async def test_jobs_of_others_and_of_other_requests_are_not_the_one(
    fake: FakeVendor, provider: FalProvider
) -> None:
    request = a_request(KLING)
    stranger = a_provider(fake, OTHER_KEY)
    jobs = [
        await submitted(stranger, request),
        await submitted(provider, a_request(KLING, prompt="Another lamp")),
        await submitted(provider, a_request(KLING, negative_prompt="noise")),
        await submitted(provider, a_request(KLING, duration="9")),
        await submitted(provider, a_request(KLING_V3)),
        await submitted(provider, request, DOT_FRAME),
        await submitted(provider, request, FRAME.model_copy(update={"url": other_frame()})),
        await submitted(provider, request),
    ]
    mine = jobs[-1].id
    await asyncio.gather(*(ended(provider, j, request) for j in jobs[1:4]))
    await until(lambda: all(j["status"] == "succeeded" for j in fake.charges()["jobs"]))
    since = a_while_ago()
    found = await provider.find(request, since, NONE)
    assert found is not None
    assert found.id == mine
    assert await provider.find(request, since, frozenset({mine})) is None
    assert await provider.find(a_request(seed=8), since, NONE) is None
    await stranger.close()


def other_frame() -> str:
    return FRAME_URL.replace(FRAME_DIGEST, "cd" * 32)


async def test_a_frame_sent_as_a_file_is_known_again_by_its_bytes(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(latency_s=0)
    lost = await lost_in(fake, a_request(KLING, frame=DOT_DIGEST), DOT_FRAME)
    found = await provider.find(a_request(KLING, frame=DOT_DIGEST), a_while_ago(), NONE)
    assert found is not None
    assert found.id == lost
    assert await provider.find(a_request(KLING), a_while_ago(), NONE) is None


async def test_a_job_whose_frame_or_input_is_not_shown_leaves_the_question_open(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(latency_s=0)
    renamed = FRAME.model_copy(update={"url": "https://elsewhere.example/frame.png"})
    await submitted(provider, a_request(KLING), renamed)
    with pytest.raises(CreateAmbiguous, match="may have accepted"):
        await provider.find(a_request(KLING), a_while_ago(), NONE)
    fake.reset()
    fake.settings(latency_s=0, payloads=False)
    await submitted(provider, a_request())
    with pytest.raises(CreateAmbiguous, match="may have accepted"):
        await provider.find(a_request(), a_while_ago(), NONE)


async def test_a_key_that_may_not_see_the_list_leaves_the_question_to_a_person(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(lists=False)
    with pytest.raises(CreateAmbiguous, match="list of requests"):
        await provider.find(a_request(), a_while_ago(), NONE)
    with pytest.raises(CreateAmbiguous, match="list of requests"):
        _ = [each async for each in provider.listed(a_while_ago())]


async def test_the_oldest_job_since_is_taken_from_a_list_of_many_pages(
    fake: FakeVendor, provider: FalProvider
) -> None:
    fake.settings(latency_s=0)
    request = a_request()
    earlier = await submitted(provider, request)
    since = datetime.fromtimestamp(fake.charges()["jobs"][0]["accepted_at"] + 0.001, UTC)
    await asyncio.sleep(0.005)
    wanted = await submitted(provider, request)
    await asyncio.gather(*(submitted(provider, request) for _ in range(24)))
    found = await provider.find(request, since, NONE)
    assert found is not None
    assert found.id == wanted.id
    listed = [each.job.id async for each in provider.listed(since)]
    assert len(listed) == 25
    others = frozenset(listed)
    last = await provider.find(request, since, others)
    assert last is not None
    assert last.id == earlier.id
    assert provider.recovery(request) is Recovery.LISTING


async def test_the_list_tells_words_and_states_newest_first(
    fake: FakeVendor, provider: FalProvider
) -> None:
    since = a_while_ago()
    fake.set_faults({"fault": "job_fails", "match": "broken", "transient": True})
    requests = [a_request(), a_request(prompt="broken"), a_request(KOKORO)]
    for request in requests:
        await ended(provider, await submitted(provider, request), request)
    told = [each async for each in provider.listed(since)]
    assert [(each.model, each.words, each.status) for each in told] == [
        (KOKORO, TEXT, JobStatus.SUCCEEDED),
        (FLUX, "broken", JobStatus.FAILED),
        (FLUX, PROMPT, JobStatus.SUCCEEDED),
    ]
    assert [each async for each in provider.listed(datetime.now(UTC))] == []
