"""Collecting: a job is followed to its end, and what was paid for is fetched, kept and settled."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from activities.commission import Commission
from activities.marks import Marks
from filmforge.domain import Kind
from filmforge.embedded import Servers
from filmforge.errors import CreateAmbiguous, JobFailed
from filmforge.ledger.database import now
from filmforge.ledger.posting import State
from filmforge.ledger.tables import charges, journal
from filmforge.providers.base import Job
from tests.activities.bench import FRAME_USD, At, Bench, Killed, die
from tests.crash.store_proxy import store_proxy
from tests.fake_process import FakeServer, fake_server
from tests.fakes.openai import KEY
from tests.fakes.process import FakeVendor, fake_vendor
from tests.world import world_settings

Opened = Callable[..., Bench]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with fake_server(tmp_path_factory.mktemp("fake") / "db") as server:
        yield server


@pytest.fixture
def fake(running: FakeServer) -> FakeServer:
    """A provider that has forgotten everything and answers fast."""
    running.reset()
    running.settings(latency_scale=0.02)
    return running


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    state = tmp_path_factory.mktemp("openai") / "db"
    with fake_vendor("tests.fakes.openai", state) as vendor:
        yield vendor


@pytest.fixture
async def opened(
    servers: Servers, fake: FakeServer, speakers: FakeVendor, tmp_path: Path
) -> AsyncIterator[Opened]:
    """Opens workers on machines of their own over one ledger."""
    speakers.reset()
    benches: list[Bench] = []

    def bench(machine: str = "here", marks: Marks | None = None, **settings: Any) -> Bench:
        given = {
            "openai_api_key": SecretStr(KEY),
            "openai_base_url": f"{speakers.url}/v1",
            "submit_timeout_s": 4.0,
            **settings,
        }
        benches.append(Bench(world_settings(fake, tmp_path, **given), tmp_path / machine, marks))
        return benches[-1]

    yield bench
    for each in benches:
        await each.close()


@pytest.fixture
def bench(opened: Opened) -> Bench:
    """One worker."""
    return opened()


async def submitted(bench: Bench, film_id: str) -> Commission:
    """The commission of a frame whose job was accepted."""
    commission = await bench.commission(film_id)
    bench.reserve(commission)
    assert (await bench.send.submit(commission)).state == State.ACCEPTED
    return commission


async def ended(bench: Bench, film_id: str) -> JobFailed:
    """The failure that a frame came to."""
    with pytest.raises(JobFailed) as caught:
        await bench.generate.pursue(await bench.commission(film_id))
    return caught.value


def a_line(bench: Bench) -> str:
    """A film with one spoken line, whose answer is the sound itself and is listed nowhere."""
    shot = {
        "shot_id": "s000",
        "enhanced_prompt": "a door",
        "duration": 2,
        "dialogue": f"Who is there? {time.time_ns()}",
        "characters": ["Mara"],
    }
    return bench.film(shots=[shot], providers={"audio": "openai:tts-1"})


async def killed_after_the_answer(opened: Opened) -> str:
    """A line was spoken and paid for, and its worker there was killed before it said so."""
    bench = opened("there", At("posted", die))
    film_id = a_line(bench)
    with pytest.raises(Killed):
        await bench.generate.pursue(await bench.commission(film_id, kind=Kind.AUDIO))
    return film_id


@pytest.mark.parametrize("fault", ["truncated_output", "wrong_type_output"])
async def test_an_output_that_arrives_broken_once_is_fetched_again(
    bench: Bench, fake: FakeServer, fault: str
) -> None:
    film_id = bench.film()
    fake.set_faults({"fault": fault})
    posting = await bench.generate.pursue(await bench.commission(film_id))
    assert posting.state == State.SUCCEEDED
    assert bench.money(film_id) == (FRAME_USD, 0)
    assert posting.digest
    assert await bench.store.size(posting.digest) > 0


async def test_an_output_that_stays_broken_is_paid_for_and_told(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    fake.set_faults({"fault": "wrong_type_output", "times": None})
    assert (await ended(bench, film_id)).code == "bad_media"
    assert bench.money(film_id) == (FRAME_USD, 0)
    assert len(fake.charges()["jobs"]) == 1


async def test_an_unbilled_failure_that_may_pass_is_sent_three_times_and_then_final(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    fake.set_faults({"fault": "job_fails", "transient": True, "times": None})
    await ended(bench, film_id)
    assert len(fake.charges()["jobs"]) == 3
    assert bench.money(film_id) == (0, 0)


async def test_a_billed_failure_is_not_sent_again_even_if_it_may_pass(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    fake.set_faults({"fault": "job_fails", "transient": True, "billed": True, "times": None})
    await ended(bench, film_id)
    assert len(fake.charges()["jobs"]) == 1
    assert bench.money(film_id) == (FRAME_USD, 0)


async def test_a_job_that_somebody_cancelled_at_the_provider_ends_its_request(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    fake.settings(queue_s=60)
    commission = await submitted(bench, film_id)
    posting = bench.ledger.journal.read(commission.key)
    await commission.provider.cancel(Job.model_validate(posting.job))
    assert (await ended(bench, film_id)).code == "cancelled"
    assert bench.money(film_id) == (Decimal(fake.charges()["total_usd"]), 0)


async def test_a_callback_ends_the_wait_for_the_next_poll(
    opened: Opened, speakers: FakeVendor
) -> None:
    """A picture that has been drawn for long is asked for every five seconds."""
    polls: list[float] = []
    bench = opened(marks=At("polled", lambda _key: polls.append(time.monotonic())))
    speakers.settings(latency_s=1)
    film_id = bench.film(providers={"image": "openai:gpt-image-2"})
    commission = await submitted(bench, film_id)
    with bench.ledger.db.write() as tx:
        tx.execute(update(journal).values(updated_at=now() - timedelta(minutes=5)))
    posting = bench.ledger.journal.read(commission.key)
    following = asyncio.create_task(bench.collect.follow(commission, posting))
    async with asyncio.timeout(4):
        while speakers.charges()["jobs"][0]["status"] != "succeeded":  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.1)
        await asyncio.to_thread(bench.ledger.journal.wake, commission.key)
        assert (await following).status == "succeeded"
    assert len(polls) == 2


async def test_two_workers_that_follow_one_job_are_charged_once(
    opened: Opened, fake: FakeServer
) -> None:
    one, other = opened(), opened("there")
    film_id = one.film()
    await submitted(one, film_id)
    pursued = [each.generate.pursue(await each.commission(film_id)) for each in (one, other)]
    made = await asyncio.gather(*pursued)
    assert made[0].digest == made[1].digest
    assert one.money(film_id) == (FRAME_USD, 0)
    with one.ledger.db.read() as tx:
        assert len(tx.execute(charges.select()).all()) == 1


async def test_an_answer_on_disk_is_found_by_the_next_worker_of_its_machine(
    opened: Opened, speakers: FakeVendor
) -> None:
    film_id = await killed_after_the_answer(opened)
    bench = opened("there")
    commission = await bench.commission(film_id, kind=Kind.AUDIO)
    posting = await bench.generate.pursue(commission)
    assert posting.state == State.SUCCEEDED
    assert len(speakers.charges()["jobs"]) == 1
    assert bench.money(film_id)[1] == Decimal(0)
    assert bench.answers.of(posting) is None


async def test_an_answer_that_another_worker_took_up_meanwhile_is_left_to_that_one(
    opened: Opened, speakers: FakeVendor, servers: Servers
) -> None:
    film_id = await killed_after_the_answer(opened)
    async with store_proxy(servers.s3_endpoint) as proxy:
        late, quick = opened("there", s3_endpoint=proxy.url), opened("there")
        proxy.fail()
        taking_up = asyncio.create_task(late.send.take_up_answers())
        while not proxy.refused:  # noqa: ASYNC110 - the store's thread counts, and wakes nobody
            await asyncio.sleep(0.01)
        commission = await quick.commission(film_id, kind=Kind.AUDIO)
        posting = await quick.generate.pursue(commission)
        await asyncio.wait_for(taking_up, 60)
    assert (posting.state, late.answers.of(posting)) == (State.SUCCEEDED, None)
    assert len(speakers.charges()["jobs"]) == 1
    assert late.money(film_id) == (commission.quote, 0)


async def test_an_answer_on_another_machine_waits_there_for_somebody_to_look_again(
    opened: Opened, speakers: FakeVendor
) -> None:
    film_id = await killed_after_the_answer(opened)
    away, home = opened("elsewhere"), opened("there")
    commission = await away.commission(film_id, kind=Kind.AUDIO)
    away.age(commission.key, hours=3)
    with pytest.raises(CreateAmbiguous):
        await away.generate.pursue(commission)
    away.ledger.journal.resolve(commission.key, "look_again", "Mara")
    assert (await home.generate.pursue(commission)).state == State.SUCCEEDED
    assert len(speakers.charges()["jobs"]) == 1


async def test_an_answer_that_is_no_sound_is_paid_for_and_told_and_not_sent_again(
    opened: Opened, speakers: FakeVendor
) -> None:
    film_id = await killed_after_the_answer(opened)
    bench = opened("there")
    commission = await bench.commission(film_id, kind=Kind.AUDIO)
    kept = bench.answers.of(bench.ledger.journal.read(commission.key))
    assert kept is not None
    kept.write_bytes(b"not a sound")
    with pytest.raises(JobFailed) as caught:
        await bench.generate.pursue(commission)
    assert caught.value.code == "bad_media"
    assert bench.money(film_id) == (commission.quote, 0)
    assert len(speakers.charges()["jobs"]) == 1


@pytest.mark.parametrize("point", ["ended", "downloaded", "uploaded", "settling", "settled"])
async def test_a_worker_killed_while_it_keeps_what_was_paid_for_leaves_it_to_the_next(
    opened: Opened, fake: FakeServer, point: str
) -> None:
    unlucky, bench = opened("there", At(point, die)), opened()
    film_id = bench.film()
    with pytest.raises(Killed):
        await unlucky.generate.pursue(await unlucky.commission(film_id))
    posting = await bench.generate.pursue(await bench.commission(film_id))
    assert posting.state == State.SUCCEEDED
    assert bench.money(film_id) == (FRAME_USD, 0)
    assert len(fake.charges()["jobs"]) == 1
