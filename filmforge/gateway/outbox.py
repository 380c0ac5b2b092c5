"""The outbox: owed events on their way to callback URLs, signed, again and again until taken."""

import asyncio
import json
import secrets
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from filmforge.addresses import check_url, open_checked
from filmforge.errors import FilmError, ServiceUnavailable
from filmforge.gateway.given import OutputView, outputs_of
from filmforge.gateway.state import Gateway
from filmforge.gateway.tokens import sign_review
from filmforge.gateway.view import budget_view
from filmforge.ledger.database import now
from filmforge.ledger.events import Delivery, Event
from filmforge.settings import Settings

POLL_S = 1.0
ANSWER_TIMEOUT_S = 15.0
TURN_TIMEOUT_S = 10.0
# Longer than a delivery can take (its turn, the name, the answer), so that no two overlap.
LEASE_S = 60.0
IN_HAND = 500
AT_ONCE_PER_URL = 8
BACKOFF_S = (5.0, 30.0, 120.0, 600.0, 3_600.0, 10_800.0, 21_600.0)
JITTER = 0.2

FRAME_EVENTS = ("frame.waiting", "frame.reminder")
BUDGET_EVENTS = ("budget.reached", "film.done", "film.cancelled")

log = structlog.get_logger()


async def run_outbox(gateway: Gateway, stop: asyncio.Event) -> None:
    """Deliver what is owed until `stop` is set; then what is under way is put back.

    The database knows what is owed and when it is tried again, so a new process goes on where a
    killed one was, after at most LEASE_S seconds. Raises ServiceUnavailable when the signing key
    cannot sign.
    """
    await _Outbox(gateway).run(stop)


def backoff_s(earlier: int, age: timedelta) -> float:
    """Seconds to the next attempt: by the earlier ones, or by the event's age if that is less.

    Attempts alone would punish a delivery that only waited for its turn at a busy receiver.
    """
    waited, by_age = 0.0, 0
    while by_age < len(BACKOFF_S) - 1 and waited + BACKOFF_S[by_age] <= age.total_seconds():
        waited += BACKOFF_S[by_age]
        by_age += 1
    step = BACKOFF_S[min(earlier, by_age)]
    return step * (1 + JITTER * secrets.SystemRandom().random())


class _Outbox:
    """The deliveries in hand; a receiver takes some at once, the rest wait for their turn."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._signer = _signer(gateway.settings)
        self._turns: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(AT_ONCE_PER_URL)
        )
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                if not await self._take():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), POLL_S)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self) -> bool:
        room = IN_HAND - len(self._tasks)
        if room <= 0:
            return False
        try:
            events = self._gateway.ledger.events
            due = await asyncio.to_thread(events.claim, LEASE_S, min(room, 100))
        except (SQLAlchemyError, ServiceUnavailable) as error:
            log.warning("outbox.database_unavailable", error=type(error).__name__)
            return False
        for delivery in due:
            task = asyncio.create_task(self._deliver(delivery))
            self._tasks.add(task)
            task.add_done_callback(self._done)
        if not self._tasks:
            self._turns.clear()
        return bool(due)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("outbox.broken", error=repr(error))  # the lease brings it back

    async def _deliver(self, delivery: Delivery) -> None:
        event, events = delivery.event, self._gateway.ledger.events
        bound = log.bind(event_id=event.id, type=event.type, film_id=event.film_id)
        try:
            problem = await self._attempt(delivery)
        except asyncio.CancelledError:
            await asyncio.to_thread(events.undelivered, delivery, "the gateway stopped", 0)
            raise
        if problem is None:
            await asyncio.to_thread(events.delivered, event.id)
            bound.info("outbox.delivered", attempt=delivery.attempts + 1)
            return
        wait_s = backoff_s(delivery.attempts, now() - event.at)
        await asyncio.to_thread(events.undelivered, delivery, problem, wait_s)
        bound.warning("outbox.undelivered", attempt=delivery.attempts + 1, problem=problem)

    async def _attempt(self, delivery: Delivery) -> str | None:
        turn = self._turns[delivery.url]
        try:
            await asyncio.wait_for(turn.acquire(), TURN_TIMEOUT_S)
        except TimeoutError:
            return "the receiver is busy with other events"
        try:
            return await _send(self._gateway, self._signer, delivery)
        except TimeoutError:
            return f"no answer in {ANSWER_TIMEOUT_S:.0f} seconds"
        except httpx.HTTPError as error:
            return f"could not be sent: {type(error).__name__}"
        except FilmError as error:
            return str(error)
        finally:
            turn.release()


async def _send(gateway: Gateway, signer: Webhook, delivery: Delivery) -> str | None:
    """What went wrong, None when the receiver took it."""
    settings, event = gateway.settings, delivery.event
    checked = await check_url(delivery.url, settings.allow_private_urls, "callback_url")
    body = await asyncio.to_thread(_body, gateway, event)
    headers = signed(signer, f"evt_{event.id}", body)
    content, limit_s = body.encode(), ANSWER_TIMEOUT_S
    async with open_checked(
        checked, "POST", headers=headers, content=content, timeout_s=limit_s
    ) as answer:
        return None if answer.is_success else f"answered HTTP {answer.status_code}"


def _signer(settings: Settings) -> Webhook:
    try:
        return Webhook(settings.signing_key.get_secret_value())
    except (ValueError, EmptyWebhookSecretError):
        problem = "set FILMFORGE_SIGNING_KEY to base64, with or without whsec_ before it"
        raise ServiceUnavailable(f"webhooks cannot be signed: {problem}") from None


def signed(signer: Webhook, message_id: str, body: str) -> dict[str, str]:
    """The headers of a message after Standard Webhooks."""
    moment = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signer.sign(message_id, moment, body),
    }


def _body(gateway: Gateway, event: Event) -> str:
    data: dict[str, Any] = {"film_id": event.film_id, "shot_id": event.shot_id, **event.data}
    if event.type in FRAME_EVENTS:
        data |= _review_link(gateway, event)
    if event.type in BUDGET_EVENTS:
        budget = budget_view(gateway.ledger.budget(event.film_id))
        data["budget"] = budget.model_dump(mode="json")
    if event.type == "film.done":
        data["outputs"] = [made.model_dump() for made in _outputs(gateway, event.film_id)]
    moment = event.at.astimezone(UTC).isoformat()
    return json.dumps({"type": event.type, "timestamp": moment, "data": data})


def _review_link(gateway: Gateway, event: Event) -> dict[str, Any]:
    """A fresh link to the frame; none when it was decided before the event could be told."""
    gate = gateway.ledger.gates.of_frame(
        event.film_id, event.shot_id or "", str(event.data.get("digest"))
    )
    if gate is None:
        return {"review_url": None, "expires_at": None}
    url, expires_at = sign_review(gateway.settings, gate)
    return {"review_url": url, "expires_at": expires_at.isoformat()}


def _outputs(gateway: Gateway, film_id: str) -> Sequence[OutputView]:
    def url(digest: str, filename: str) -> str:
        return gateway.store.url(digest, filename=filename)

    return outputs_of(gateway, url, film_id)
