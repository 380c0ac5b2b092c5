"""The fallback model: taken when the first one took no money and would not, told, and only once."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from filmforge.domain import Kind, Providers
from filmforge.embedded import Servers
from filmforge.ledger.posting import State
from tests.activities.bench import FRAME_USD, Bench, order
from tests.fake_process import FakeServer, fake_server
from tests.fakes.fal import KEY
from tests.fakes.process import FakeVendor, fake_vendor
from tests.world import world_settings

FIRST, SECOND = "fal:fal-ai/flux/schnell", "fake:image-1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    with fake_vendor("tests.fakes.fal", tmp_path_factory.mktemp("fal") / "db") as vendor:
        yield vendor


@pytest.fixture
def fal(running: FakeVendor) -> FakeVendor:
    """The first provider, which has forgotten everything."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with fake_server(tmp_path_factory.mktemp("fake") / "db") as server:
        yield server


@pytest.fixture
def fake(play: FakeServer) -> FakeServer:
    """The second provider, which has forgotten everything."""
    play.reset()
    play.settings(latency_scale=0.02)
    return play


@pytest.fixture
async def bench(
    servers: Servers, fake: FakeServer, fal: FakeVendor, tmp_path: Path
) -> AsyncIterator[Bench]:
    settings = world_settings(
        fake,
        tmp_path,
        fal_key=SecretStr(KEY),
        fal_queue_url=fal.url,
        fal_api_url=fal.url,
        fal_jwks_url=f"{fal.url}/.well-known/jwks.json",
        submit_timeout_s=4.0,
        listing_lag_s=0.2,
        patience_s=30,
    )
    opened = Bench(settings, tmp_path / "here")
    yield opened
    await opened.close()


def a_film(bench: Bench, **changes: Any) -> str:
    """A film of one frame with a fallback for it."""
    return bench.film(**{
        "providers": Providers(image=FIRST).model_dump(exclude_none=True),
        "fallbacks": {"image": SECOND},
        **changes,
    })  # fmt: skip


async def failure(bench: Bench, film_id: str) -> str:
    """The reason that a shot would wait with."""
    with pytest.raises(ApplicationError) as caught:
        await bench.make(film_id)
    return str(caught.value.type)


def accepted(bench: Bench, fake: FakeServer, fal: FakeVendor) -> tuple[int, int]:
    """How many jobs the first and the second provider have accepted."""
    return len(fal.charges()["jobs"]), len(fake.charges()["jobs"])


@pytest.mark.parametrize("status", [400, 402, 403])
async def test_what_is_refused_for_no_money_or_for_no_rights_is_made_by_the_fallback(
    bench: Bench, fake: FakeServer, fal: FakeVendor, status: int
) -> None:
    film_id = a_film(bench)
    fal.set_faults({"fault": "refuse", "status": status, "times": None})
    made = await bench.make(film_id)
    posting = bench.ledger.journal.read(made.request_key)
    assert (posting.provider, posting.state) == ("fake", State.SUCCEEDED)
    assert bench.money(film_id) == (FRAME_USD, 0)
    assert accepted(bench, fake, fal) == (0, 1)


async def test_a_fallback_stands_in_the_audit_and_among_the_events(
    bench: Bench, fal: FakeVendor
) -> None:
    film_id = a_film(bench)
    fal.set_faults({"fault": "refuse", "status": 402})
    await bench.make(film_id)
    entry = bench.ledger.gates.trail(film_id)[-1]
    assert (entry.who, entry.action) == ("filmforge", "fallback")
    assert (entry.detail["from"], entry.detail["to"]) == (FIRST, SECOND)
    assert "fal" in str(entry.detail["why"])
    told = [e for e in bench.ledger.events.since(film_id) if e.type == "shot.fell_back"]
    assert [event.data["to"] for event in told] == [SECOND]
    assert bench.ledger.shots.read(film_id, "s000").direction.fell_back == (Kind.IMAGE,)


async def test_a_job_that_fails_unbilled_is_made_by_the_fallback(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    film_id = a_film(bench)
    fal.set_faults({"fault": "job_fails", "billed": False})
    await bench.make(film_id)
    assert accepted(bench, fake, fal) == (1, 1)
    assert bench.money(film_id) == (FRAME_USD, 0)


async def test_a_provider_that_stays_down_is_given_up_and_its_money_is_free_for_the_fallback(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    film_id = a_film(bench, budget_usd="0.003")
    fal.kill()
    try:
        assert await failure(bench, film_id) == "provider_unavailable"  # tried again by Temporal
        made = await later(bench, film_id)
    finally:
        fal.start()
    assert bench.ledger.journal.read(made.request_key).provider == "fake"
    assert bench.money(film_id) == (Decimal("0.003"), 0)


def failing_for(seconds: float) -> ActivityEnvironment:
    """The next try of an activity that has been failing for a while."""
    environment, now = ActivityEnvironment(), time.time()
    details = [now - seconds, now]
    environment.info = dataclasses.replace(environment.info, heartbeat_details=details)
    return environment


async def later(bench: Bench, film_id: str) -> Any:
    """Make the frame when its provider has been away for longer than anybody's patience."""
    return await failing_for(60).run(bench.generate.generate, order(film_id))


async def test_refused_content_is_not_shown_to_another_model(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    film_id = a_film(bench)
    fal.set_faults({"fault": "refuse_content"})
    assert await failure(bench, film_id) == "content_refused"
    assert accepted(bench, fake, fal) == (0, 0)
    assert bench.ledger.shots.read(film_id, "s000").direction.fell_back == ()


async def test_a_job_that_failed_and_was_billed_is_not_paid_a_second_time_elsewhere(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    film_id = a_film(bench)
    fal.set_faults({"fault": "wrong_type_output", "times": None})
    assert await failure(bench, film_id) == "bad_media"
    assert accepted(bench, fake, fal) == (1, 0)
    assert bench.money(film_id)[0] > 0


async def test_a_request_in_doubt_waits_for_a_person_and_not_for_the_fallback(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    film_id = a_film(bench)
    commission = await bench.commission(film_id)
    bench.reserve(commission)
    bench.ledger.journal.begin_submitting(commission.key)
    bench.ledger.journal.doubt(commission.key, "nobody can tell")
    assert await failure(bench, film_id) == "create_ambiguous"
    assert accepted(bench, fake, fal) == (0, 0)
    assert bench.money(film_id) == (0, commission.quote)


async def test_a_provider_that_goes_down_with_an_accepted_job_is_waited_for(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    """It may have taken its money already."""
    film_id = a_film(bench)
    commission = await bench.commission(film_id)
    fal.settings(latency_s=30)
    bench.reserve(commission)
    assert (await bench.send.submit(commission)).state == State.ACCEPTED
    fal.kill()
    try:
        with pytest.raises(ApplicationError, match="given up") as caught:
            await later(bench, film_id)
    finally:
        fal.start()
    assert caught.value.type == "provider_unavailable"
    assert bench.ledger.journal.read(commission.key).state == State.ACCEPTED
    assert len(fake.charges()["jobs"]) == 0


async def test_without_a_fallback_a_refusal_is_final(bench: Bench, fal: FakeVendor) -> None:
    film_id = a_film(bench, fallbacks={})
    fal.set_faults({"fault": "refuse", "status": 402})
    assert await failure(bench, film_id) == "provider_out_of_credit"
    assert bench.money(film_id) == (0, 0)


async def test_what_fails_at_the_fallback_too_is_final_however_often_it_is_tried(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    film_id = a_film(bench)
    fal.set_faults({"fault": "refuse", "times": None})
    fake.set_faults({"fault": "refuse_400", "times": None})
    for _ in range(2):
        assert await failure(bench, film_id) == "provider_refused"
    trail = [entry.action for entry in bench.ledger.gates.trail(film_id)]
    assert trail == ["fallback"]
    assert bench.money(film_id) == (0, 0)


async def test_a_worker_killed_after_falling_back_goes_on_with_the_fallback(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    film_id = a_film(bench)
    why = "it was refused"
    bench.ledger.shots.fall_back(film_id, "s000", Kind.IMAGE, SECOND, why)
    made = await bench.make(film_id)
    assert bench.ledger.journal.read(made.request_key).provider == "fake"
    assert accepted(bench, fake, fal) == (0, 1)


async def test_a_film_that_joined_a_refused_request_falls_back_for_itself(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    shot = {"shot_id": "s000", "enhanced_prompt": "a shared lamp", "duration": 1}
    first, second = a_film(bench, shots=[shot]), a_film(bench, shots=[shot])
    fal.set_faults({"fault": "refuse", "status": 402, "times": None})
    made = await asyncio.gather(bench.make(first), bench.make(second))
    assert made[0].digest == made[1].digest
    assert accepted(bench, fake, fal) == (0, 1)
    assert sorted([bench.money(first)[0], bench.money(second)[0]]) == [0, FRAME_USD]
    assert bench.money(first)[1] == bench.money(second)[1] == 0


async def test_the_fallback_is_given_its_own_patience_also_after_its_worker_was_killed(
    bench: Bench, fake: FakeServer, fal: FakeVendor
) -> None:
    """What the first provider used up is not counted against the second one's first hiccup."""
    film_id = a_film(bench)
    fake.set_faults({"fault": "never_completes"})
    environment, beats = failing_for(60), []
    environment.on_heartbeat = lambda *details: beats.append(details)
    fal.kill()
    try:
        killed = asyncio.create_task(environment.run(bench.generate.generate, order(film_id)))
        async with asyncio.timeout(60):
            while not fake.charges()["jobs"]:  # noqa: ASYNC110 - it is another process's
                await asyncio.sleep(0.05)
            seen = len(beats)
            while len(beats) == seen:  # noqa: ASYNC110 - the SDK tells nobody of a heartbeat
                await asyncio.sleep(0.05)
        killed.cancel()
        await asyncio.wait([killed])
    finally:
        fal.start()
    again = ActivityEnvironment()
    again.info = dataclasses.replace(again.info, heartbeat_details=list(beats[-1]))
    fake.kill()
    try:
        with pytest.raises(ApplicationError) as caught:
            await again.run(bench.generate.generate, order(film_id))
    finally:
        fake.start()
    assert not caught.value.non_retryable
