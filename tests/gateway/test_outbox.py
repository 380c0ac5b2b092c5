"""The outbox: every owed event reaches its receiver, signed, however often it takes."""

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from filmforge.domain import Asset, Execution, GenerationRequest
from filmforge.errors import ServiceUnavailable
from filmforge.gateway import outbox
from filmforge.gateway.outbox import BACKOFF_S, backoff_s, run_outbox
from filmforge.gateway.tokens import read_review
from filmforge.ledger.database import now
from filmforge.ledger.events import record_event
from filmforge.ledger.tables import deliveries, events
from tests.gateway.receivers import Receiver
from tests.gateway.studio import SIGNING_KEY, Studio, beside, open_studio, until

RECIPE = GenerationRequest(kind="video", provider="filmforge", model="cut-1", parameters={})


class Hook(Receiver):
    """A receiver of webhooks that checks every signature; `answers` are given in turn."""

    def __init__(self, secret: str = SIGNING_KEY) -> None:
        self.secret = secret
        self.got: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.answers: list[int] = []
        super().__init__("/hook", self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                event = Webhook(receiver.secret).verify(body, dict(self.headers))
                receiver.ids.append(self.headers["webhook-id"])
                receiver.got.append(event)
                status = receiver.answers.pop(0) if receiver.answers else 204
                receiver.hold.wait(30)
                self.send_response(status)
                if status == 302:
                    self.send_header("location", receiver.url)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def receiver() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    monkeypatch.setattr(outbox, "POLL_S", 0.02)
    made = open_studio(tmp_path, monkeypatch)
    yield made
    made.ledger.close()


def running(studio: Studio) -> AbstractAsyncContextManager[None]:
    return beside(run_outbox, studio)


def owed(studio: Studio) -> list[Any]:
    with studio.ledger.db.read() as tx:
        return list(tx.execute(select(deliveries).order_by(deliveries.c.event_id)))


def delivered(studio: Studio) -> bool:
    return all(row.delivered_at for row in owed(studio))


def tell(studio: Studio, film_id: str, type_: str = "budget.reached", **data: Any) -> None:
    with studio.ledger.db.write() as tx:
        record_event(tx, film_id, type_, None, **data)


async def test_a_waiting_frame_is_told_with_a_link_that_works(studio: Studio, receiver: Hook):
    studio.film(callback_url=receiver.url)
    gate = studio.gate()
    async with running(studio):
        await until(lambda: bool(owed(studio)) and delivered(studio))
    (event,) = receiver.got
    assert event["type"] == "frame.waiting"
    assert event["timestamp"].endswith("+00:00")
    data = event["data"]
    assert (data["film_id"], data["shot_id"], data["digest"]) == ("attic", "shot_001", gate.digest)
    token = data["review_url"].rpartition("/")[2]
    assert read_review(studio.settings, token).gate_id == gate.gate_id


async def test_a_frame_decided_before_it_could_be_told_comes_without_a_link(
    studio: Studio, receiver: Hook
):
    studio.film(callback_url=receiver.url)
    gate = studio.gate()
    studio.ledger.gates.decide("attic", "shot_001", gate.digest, "approved", "Ada", "", "x")
    async with running(studio):
        await until(lambda: delivered(studio))
    assert receiver.got[0]["data"]["review_url"] is None


async def test_a_finished_film_is_told_with_its_files_and_its_costs(studio: Studio, receiver: Hook):
    studio.film(callback_url=receiver.url)
    studio.frame("attic", "a" * 64)
    made = Asset(digest="c" * 64, media_type="video/mp4", size=9, width=1280, height=720)
    studio.ledger.assets.keep(made, RECIPE)
    studio.ledger.films.deliver("attic", "film", made.digest, made.media_type)
    studio.ledger.films.set("attic", Execution.SUCCEEDED)
    async with running(studio):
        await until(lambda: delivered(studio))
    (event,) = receiver.got
    assert event["type"] == "film.done"
    (output,) = event["data"]["outputs"]
    assert output["kind"] == "film"
    assert "c" * 64 in output["url"]
    assert event["data"]["budget"] == {
        "limit_usd": "5.00",
        "reserved_usd": "0.00",
        "spent_usd": "0.003",
        "saved_usd": "0.00",
    }


async def test_the_other_events_are_told_too(studio: Studio, receiver: Hook):
    studio.film(callback_url=receiver.url)
    gate = studio.gate()
    studio.ledger.gates.remind("attic", "shot_001", gate.digest)
    studio.ledger.shots.set(
        "attic",
        "shot_002",
        execution=Execution.FAILED,
        reason="content_refused",
        event="shot.needs_attention",
    )
    tell(studio, "attic", "budget.reached")
    studio.ledger.films.set("attic", Execution.CANCELLED)
    async with running(studio):
        await until(lambda: delivered(studio))
    by_type = {event["type"]: event["data"] for event in receiver.got}
    assert set(by_type) == {
        "frame.waiting",
        "frame.reminder",
        "shot.needs_attention",
        "budget.reached",
        "film.cancelled",
    }
    assert by_type["frame.reminder"]["review_url"]
    assert by_type["shot.needs_attention"]["reason"] == "content_refused"
    assert by_type["budget.reached"]["budget"]["limit_usd"] == "5.00"


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_any_answer_but_2xx_is_tried_again_under_the_same_id(
    studio: Studio, receiver: Hook, status: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "BACKOFF_S", (0.05,) * 7)
    receiver.answers = [status, status]
    studio.film(callback_url=receiver.url)
    tell(studio, "attic")
    async with running(studio):
        await until(lambda: delivered(studio))
    assert len(receiver.ids) == 3
    assert len(set(receiver.ids)) == 1
    assert receiver.ids[0] == f"evt_{owed(studio)[0].event_id}"
    assert owed(studio)[0].attempts == 3


async def test_what_was_not_taken_says_why_and_waits(studio: Studio, receiver: Hook):
    receiver.answers = [500]
    studio.film(callback_url=receiver.url)
    tell(studio, "attic")
    async with running(studio):
        await until(lambda: owed(studio)[0].last_error is not None)
    (row,) = owed(studio)
    assert row.last_error == "answered HTTP 500"
    assert timedelta(seconds=2) < row.next_at - now() < timedelta(seconds=6.1)


async def test_an_address_that_turned_private_is_not_called(
    studio: Studio, receiver: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    strict = open_studio(tmp_path / "strict", monkeypatch, allow_private_urls=False)
    strict.film(callback_url=receiver.url.replace("http:", "https:"))
    tell(strict, "attic")
    async with running(strict):
        await until(lambda: owed(strict)[0].last_error is not None)
    assert "private" in owed(strict)[0].last_error
    assert receiver.got == []
    strict.ledger.close()


async def test_after_three_days_an_event_is_given_up(studio: Studio, receiver: Hook):
    receiver.answers = [500]
    studio.film(callback_url=receiver.url)
    tell(studio, "attic")
    with studio.ledger.db.write() as tx:
        tx.execute(update(events).values(at=now() - timedelta(days=3, minutes=1)))
    async with running(studio):
        await until(lambda: owed(studio)[0].last_error is not None)
    assert owed(studio)[0].next_at is None
    assert owed(studio)[0].last_error == "answered HTTP 500"


async def test_one_slow_receiver_does_not_hold_up_the_others(
    studio: Studio, receiver: Hook, monkeypatch: pytest.MonkeyPatch
):
    slow = Hook()
    slow.hold.clear()
    studio.film("slow", callback_url=slow.url)
    studio.film("quick", callback_url=receiver.url)
    for _ in range(150):
        tell(studio, "slow")
    try:
        async with running(studio):
            await until(lambda: len(slow.got) == outbox.AT_ONCE_PER_URL)
            tell(studio, "quick")
            began = time.monotonic()
            await until(lambda: len(receiver.got) == 1)
            assert time.monotonic() - began < 5
            assert len(slow.got) == outbox.AT_ONCE_PER_URL
            slow.hold.set()
            await until(lambda: delivered(studio))
    finally:
        slow.close()
    assert len(set(slow.ids)) == 150


async def test_a_receiver_that_stays_busy_gets_the_rest_later(
    studio: Studio, receiver: Hook, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "TURN_TIMEOUT_S", 0.1)
    monkeypatch.setattr(outbox, "BACKOFF_S", (0.1,) * 7)
    receiver.hold.clear()
    studio.film(callback_url=receiver.url)
    for _ in range(outbox.AT_ONCE_PER_URL + 3):
        tell(studio, "attic")
    async with running(studio):
        await until(lambda: sum("busy" in (row.last_error or "") for row in owed(studio)) == 3)
        receiver.hold.set()
        await until(lambda: delivered(studio))


async def test_a_receiver_that_does_not_answer_is_left_after_a_while(
    studio: Studio, receiver: Hook, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "ANSWER_TIMEOUT_S", 0.2)
    receiver.hold.clear()
    studio.film(callback_url=receiver.url)
    tell(studio, "attic")
    async with running(studio):
        await until(lambda: owed(studio)[0].last_error is not None)
    assert "no answer" in owed(studio)[0].last_error


async def test_what_was_under_way_at_a_stop_is_delivered_by_the_next_process(
    studio: Studio, receiver: Hook
):
    receiver.hold.clear()
    studio.film(callback_url=receiver.url)
    tell(studio, "attic")
    async with running(studio):
        await until(lambda: len(receiver.got) == 1)
    receiver.hold.set()
    async with running(studio):
        await until(lambda: delivered(studio))
    assert receiver.ids[0] == receiver.ids[1]


async def test_what_a_killed_process_had_claimed_is_delivered_after_the_lease(
    studio: Studio, receiver: Hook
):
    studio.film(callback_url=receiver.url)
    tell(studio, "attic")
    assert len(studio.ledger.events.claim(0.3)) == 1
    async with running(studio):
        await until(lambda: delivered(studio))
    assert owed(studio)[0].attempts == 2


async def test_nothing_secret_is_logged(studio: Studio, receiver: Hook):
    receiver.answers = [500]
    studio.film(callback_url=receiver.url)
    studio.gate()
    tell(studio, "attic")
    with structlog.testing.capture_logs() as lines:
        async with running(studio):
            await until(lambda: len(receiver.got) == 2)
            await until(lambda: any(row.last_error for row in owed(studio)))
    text = json.dumps(lines)
    assert "outbox.undelivered" in text
    for secret in ("v1,", "/review/", "review_url", SIGNING_KEY, receiver.url):
        assert secret not in text


async def test_a_signing_key_that_cannot_sign_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    studio = open_studio(tmp_path, monkeypatch, signing_key=SecretStr(""))
    with pytest.raises(ServiceUnavailable, match="FILMFORGE_SIGNING_KEY"):
        await run_outbox(studio.gateway, asyncio.Event())
    studio.ledger.close()


def test_the_wait_grows_with_attempts_but_not_beyond_the_age_of_the_event():
    ages = [timedelta(seconds=sum(BACKOFF_S[:n])) for n in range(len(BACKOFF_S) + 2)]
    steps = [backoff_s(n, age) for n, age in enumerate(ages)]
    for step, base in zip(steps, (*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]), strict=True):
        assert base <= step <= base * 1.2
    assert backoff_s(0, timedelta(days=2)) <= BACKOFF_S[0] * 1.2
    assert backoff_s(40, timedelta(seconds=60)) <= BACKOFF_S[2] * 1.2
