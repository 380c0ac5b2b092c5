"""Sending: one paid POST at most, whoever else is at the same request at the same time."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr
from sqlalchemy import event
from standardwebhooks.webhooks import Webhook

from activities.marks import Marks
from activities.slots import Slots
from filmforge.domain import Execution, Kind
from filmforge.embedded import Servers
from filmforge.errors import (
    CreateAmbiguous,
    FilmStopped,
    JobFailed,
    MustWait,
    RateLimited,
)
from filmforge.gateway import callbacks
from filmforge.gateway.problems import install_problems
from filmforge.gateway.state import Gateway
from filmforge.ledger.posting import State
from tests.activities.bench import FRAME_USD, At, Bench
from tests.fake_process import WEBHOOK_SECRET, FakeServer, fake_server
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


@pytest.fixture
async def opened(servers: Servers, fake: FakeServer, tmp_path: Path) -> AsyncIterator[Opened]:
    """Opens workers on machines of their own over one ledger."""
    benches: list[Bench] = []

    def bench(machine: str = "here", marks: Marks | None = None, **settings: Any) -> Bench:
        terms = {"fake_submit_timeout_s": 4.0, "fake_listing_lag_s": 0.0, **settings}
        benches.append(Bench(world_settings(fake, tmp_path, **terms), tmp_path / machine, marks))
        return benches[-1]

    yield bench
    for each in benches:
        await each.close()


@pytest.fixture
def bench(opened: Opened) -> Bench:
    """One worker."""
    return opened()


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeVendor]:
    state = tmp_path_factory.mktemp("elevenlabs") / "db"
    with fake_vendor("tests.fakes.elevenlabs", state) as running:
        yield running


def told(fake: FakeServer) -> list[dict[str, Any]]:
    """The jobs that the provider has accepted."""
    jobs: list[dict[str, Any]] = fake.charges()["jobs"]
    return jobs


async def put_in_doubt(bench: Bench, fake: FakeServer, film_id: str) -> tuple[str, str]:
    """Lose the answer to a submit and let nobody find the job; returns the key and its id."""
    commission = await bench.commission(film_id)
    fake.set_faults({"fault": "accept_then_drop"})
    bench.reserve(commission)
    await bench.send.submit(commission)
    fake.set_faults()
    bench.ledger.journal.doubt(commission.key, "nobody can tell")
    return commission.key, told(fake)[0]["request_id"]


async def call_back(bench: Bench, key: str, job_id: str, webhook_id: str = "msg_1") -> int:
    """A genuine callback of the provider; returns the status of the answer."""
    app = FastAPI()
    install_problems(app)
    app.include_router(callbacks.router)
    registry, engine = bench.registry, None
    app.state.gateway = Gateway(bench.settings, bench.ledger, bench.store, engine, registry)  # type: ignore[arg-type] # callbacks need no engine
    body = json.dumps({"request_id": job_id, "status": "COMPLETED"}).encode()
    moment = datetime.now(UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(WEBHOOK_SECRET).sign(webhook_id, moment, body.decode()),
    }
    async with AsyncClient(transport=ASGITransport(app), base_url="http://gateway.test") as client:
        answer = await client.post(f"/v1/callbacks/fake/{key}", content=body, headers=headers)
    return answer.status_code


async def test_a_refused_second_submit_leaves_the_job_alone_that_a_callback_told_of_meanwhile(
    opened: Opened, fake: FakeServer
) -> None:
    """Sent again after a doubt; the first job makes itself heard as the second is refused."""
    film_id = opened().film()
    key, job_id = await put_in_doubt(opened(), fake, film_id)

    def hear(key: str) -> None:
        job = {"id": job_id, "urls": {}}
        bench.ledger.journal.accept(key, job, "callback")

    bench = opened(marks=At("submitting", hear))
    bench.ledger.journal.resolve(key, "send_again", "Mara")
    fake.set_faults({"fault": "refuse_400"})
    posting = await bench.generate.pursue(await bench.commission(film_id))
    assert posting.state == State.SUCCEEDED
    assert bench.money(film_id) == (FRAME_USD, 0)


async def test_a_job_that_a_callback_tells_of_before_it_is_sent_again_is_not_sent_again(
    opened: Opened, fake: FakeServer
) -> None:
    bench = opened(fake_webhook_secret=SecretStr(WEBHOOK_SECRET))
    film_id = bench.film()
    key, job_id = await put_in_doubt(bench, fake, film_id)
    bench.ledger.journal.resolve(key, "send_again", "Mara")
    assert await call_back(bench, key, job_id) == 204
    posting = await bench.generate.pursue(await bench.commission(film_id))
    assert (posting.state, posting.job and posting.job["id"]) == (State.SUCCEEDED, job_id)
    assert len(told(fake)) == 1


async def test_a_shot_whose_twin_is_turned_away_at_that_moment_does_not_stop_their_film(
    opened: Opened, fake: FakeServer
) -> None:
    """The request was taken when it asked to send it, and is free when it looks again."""
    bench, twin = opened(), opened("there")
    film_id = bench.film()
    commission = await bench.commission(film_id)
    bench.reserve(commission)
    nonce = twin.ledger.journal.begin_submitting(commission.key)

    def turn_away(*_: object) -> None:
        twin.ledger.journal.not_accepted(commission.key, nonce, "turned away")

    event.listen(bench.ledger.db.engine, "checkin", turn_away, once=True)
    await bench.send.submit(commission)
    assert (await bench.generate.pursue(commission)).state == State.SUCCEEDED
    assert len(told(fake)) == 1


async def test_a_clock_that_is_an_hour_ahead_does_not_send_again_what_is_being_sent(
    opened: Opened, fake: FakeServer
) -> None:
    """Clocks are believed to differ by two hours; the other worker is before its one POST."""
    stopped, go_on = threading.Event(), threading.Event()

    def hold(_key: str) -> None:
        stopped.set()
        assert go_on.wait(20)

    slow, quick = opened("there", At("submitting", hold)), opened()
    film_id = quick.film()
    commission = await quick.commission(film_id)

    def elsewhere() -> State:
        async def work() -> State:
            try:
                return (await slow.generate.pursue(await slow.commission(film_id))).state
            finally:
                await slow.registry.close()

        return asyncio.run(work())

    theirs = asyncio.create_task(asyncio.to_thread(elsewhere))
    assert await asyncio.to_thread(stopped.wait, 20)
    quick.age(commission.key, hours=1)
    ours = asyncio.create_task(quick.generate.pursue(commission))
    await asyncio.wait([ours], timeout=0.5)
    go_on.set()
    assert await theirs == (await ours).state == State.SUCCEEDED
    assert len(told(fake)) == 1
    assert quick.money(film_id) == (FRAME_USD, 0)


async def test_what_was_sent_with_another_key_is_not_absent_because_this_one_does_not_list_it(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    commission = await bench.commission(film_id)
    bench.reserve(commission, account="the-former-key")
    bench.ledger.journal.begin_submitting(commission.key)
    bench.age(commission.key, hours=3)
    with pytest.raises(CreateAmbiguous):
        await bench.generate.pursue(commission)
    assert told(fake) == []
    assert bench.money(film_id) == (0, FRAME_USD)


async def test_a_line_that_another_shot_speaks_as_well_is_not_taken_for_one_that_was_lost(
    opened: Opened, speakers: FakeVendor
) -> None:
    """Two shots with the same words and voice differ in their seed, which no history tells."""
    bench = opened(
        elevenlabs_api_key=SecretStr("sk_0f5e1d2c3b4a"),
        elevenlabs_base_url=speakers.url,
        submit_timeout_s=4.0,
        listing_lag_s=0.0,
    )
    said = {"duration": 2, "dialogue": "Who is there?", "characters": ["Mara"]}
    shots = [{**said, "shot_id": f"s{n}", "enhanced_prompt": f"door {n}"} for n in range(2)]
    film_id = bench.film(shots=shots, providers={"audio": "elevenlabs:eleven_multilingual_v2"})
    first = await bench.commission(film_id, "s0", Kind.AUDIO)
    second = await bench.commission(film_id, "s1", Kind.AUDIO)
    assert first.key != second.key
    bench.reserve(first)
    assert (await bench.send.submit(first)).state == State.ACCEPTED
    bench.reserve(second)
    bench.ledger.journal.begin_submitting(second.key)
    posting = await bench.send.reconcile(second, bench.age(second.key, hours=3))
    assert posting.state == State.RESERVED
    assert len(speakers.charges()["jobs"]) == 1


async def test_a_job_that_is_heard_of_after_it_was_written_off_is_not_charged_again(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    key, job_id = await put_in_doubt(bench, fake, film_id)
    bench.ledger.journal.resolve(key, "write_off", "Mara")
    bench.ledger.journal.accept(key, {"id": job_id, "urls": {}}, "submit")
    assert bench.money(film_id) == (FRAME_USD, 0)


async def test_what_cannot_be_kept_is_not_sent(
    bench: Bench, fake: FakeServer, tmp_path: Path
) -> None:
    """The folder for answers cannot be made: that is no doubt about what the provider took."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "answers").write_text("in the way")
    film_id = bench.film()
    commission = await bench.commission(film_id)
    with pytest.raises(Exception, match="answers"):
        await bench.generate.pursue(commission)
    assert bench.ledger.journal.read(commission.key).state == State.RESERVED
    assert told(fake) == []


async def test_a_lost_answer_is_looked_for_and_its_job_is_followed_without_a_second_post(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    commission = await bench.commission(film_id)
    fake.set_faults({"fault": "accept_then_drop"})
    bench.reserve(commission)
    assert (await bench.send.submit(commission)).state == State.SUBMITTING
    bench.age(commission.key, hours=3)
    assert (await bench.generate.pursue(commission)).state == State.SUCCEEDED
    assert len(told(fake)) == 1
    assert bench.money(film_id) == (FRAME_USD, 0)


async def test_what_the_provider_provably_does_not_have_is_sent_again(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    commission = await bench.commission(film_id)
    bench.reserve(commission)
    first = bench.ledger.journal.begin_submitting(commission.key)
    posting = await bench.send.reconcile(commission, bench.age(commission.key, hours=3))
    assert (posting.state, posting.nonce) == (State.RESERVED, None)
    posting = await bench.generate.pursue(commission)
    assert posting.submits == 2
    assert posting.nonce not in (None, first)
    assert len(told(fake)) == 1


async def test_nothing_is_judged_before_silence_means_something(
    bench: Bench, fake: FakeServer
) -> None:
    commission = await bench.commission(bench.film())
    bench.reserve(commission)
    bench.ledger.journal.begin_submitting(commission.key)
    posting = await bench.send.reconcile(commission, bench.ledger.journal.read(commission.key))
    assert posting.state == State.SUBMITTING


async def test_a_refusal_costs_nothing_and_names_what_was_refused(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    fake.set_faults({"fault": "refuse_content"})
    with pytest.raises(JobFailed) as caught:
        await bench.generate.pursue(await bench.commission(film_id))
    assert caught.value.code == "content_refused"
    assert bench.money(film_id) == (0, 0)


async def test_a_provider_that_asks_for_a_pause_gets_it_from_every_worker(
    opened: Opened, fake: FakeServer
) -> None:
    one, other = opened("there"), opened()
    film_id = one.film(2)
    fake.set_faults({"fault": "rate_limit", "retry_after": 60})
    with pytest.raises(RateLimited):
        await one.generate.pursue(await one.commission(film_id, "s000"))
    commission = await other.commission(film_id, "s001")
    other.reserve(commission)
    with pytest.raises(MustWait) as waits:
        await other.send.submit(commission)
    assert 50 < waits.value.seconds <= 60
    assert told(fake) == []


async def test_a_film_that_is_cancelled_while_it_waits_for_room_sends_nothing(
    bench: Bench, fake: FakeServer
) -> None:
    film_id = bench.film()
    bench.ledger.journal.hold_off("fake", "play-money", 2)
    waiting = asyncio.create_task(bench.generate.pursue(await bench.commission(film_id)))
    await asyncio.wait([waiting], timeout=0.3)
    bench.ledger.films.set(film_id, Execution.CANCELLING)
    with pytest.raises(FilmStopped):
        await waiting
    assert told(fake) == []


async def test_a_place_that_falls_free_as_its_next_owner_leaves_goes_to_the_one_after() -> None:
    slots, done = Slots(1), asyncio.Event()

    async def hold(owner: str) -> None:
        async with slots.one(owner):
            await done.wait()

    first = asyncio.create_task(hold("a"))
    await asyncio.sleep(0)
    leaver = asyncio.create_task(hold("b"))
    await asyncio.sleep(0)
    done.set()  # wakes the owner first
    leaver.cancel()
    await asyncio.gather(first, leaver, return_exceptions=True)
    assert first.exception() is None
    async with asyncio.timeout(1), slots.one("c"):
        pass
