"""Notify: what channels are owed on its way to people, in one message a film and channel.

A message is sent first and recorded then. A process that is killed in between has its batch sent
once more after the lease, under the same id; none is lost. Two processes never send the same
batch, for the lease is longer than a message can take.
"""

import asyncio
import functools
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError
from standardwebhooks.webhooks import Webhook

from filmforge.addresses import check_url, open_checked
from filmforge.errors import BadInput, ServiceUnavailable
from filmforge.gateway.chats import discord_body, slack_body, webhook_body
from filmforge.gateway.mail import MailRefused, compose, mail_server, send_mail
from filmforge.gateway.outbox import backoff_s, signed
from filmforge.gateway.state import Gateway
from filmforge.gateway.tidings import Tidings, moot, tidings, trial
from filmforge.ledger.channels import Channel, ChannelKind
from filmforge.ledger.database import now
from filmforge.ledger.notices import Batch
from filmforge.settings import Settings

POLL_S = 1.0
ANSWER_TIMEOUT_S = 15.0
# Longer than the slowest mail server may take for one mail.
LEASE_S = 180.0
IN_HAND = 32
# A channel that refused for good is asked so rarely, until its events are too old.
_LASTING_WAIT_S = 3_600.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 3_600.0
_FAILING_AFTER = 3
_GONE = (400, 401, 403, 404, 405, 410)

# Threads of their own: a mail server that hangs must not take those the database needs.
_MAILERS = ThreadPoolExecutor(max_workers=IN_HAND, thread_name_prefix="mail")

log = structlog.get_logger()


@dataclass(frozen=True)
class Problem:
    """Why a message was not taken; `pause_s` is what the receiver asked for."""

    words: str
    lasting: bool = False
    pause_s: float | None = None


async def run_notify(gateway: Gateway, stop: asyncio.Event) -> None:
    """Tell what is owed until `stop` is set; the database knows what is owed and when."""
    await _Notify(gateway).run(stop)


async def send_trial(gateway: Gateway, channel: Channel) -> Problem | None:
    """Send a test message now; what went wrong, None when it was taken."""
    problem = await _send(gateway, channel, trial(gateway.settings, channel.name), _trial_id())
    await _keep_working(gateway, channel, problem, tries=_FAILING_AFTER)
    return problem


class _Notify:
    """The batches in hand, at most one of each channel, so that a slow one holds up no other."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                if not await self._take():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(stop.wait(), POLL_S)
        finally:
            # What is cut off here may have arrived: only the lease brings it back.
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self) -> bool:
        room = IN_HAND - len(self._tasks)
        if room <= 0:
            return False
        try:
            batches = await asyncio.to_thread(self._look_and_claim, room)
        except (SQLAlchemyError, ServiceUnavailable) as error:
            log.warning("notify.database_unavailable", error=type(error).__name__)
            return False
        for batch in batches:
            channel_id = batch.channel.channel_id
            task = asyncio.create_task(self._tell(batch))
            self._tasks[channel_id] = task
            task.add_done_callback(functools.partial(self._done, channel_id))
        return bool(batches)

    def _look_and_claim(self, room: int) -> list[Batch]:
        ledger = self._gateway.ledger
        ledger.channels.look()
        return list(ledger.notices.claim(LEASE_S, room, set(self._tasks)))

    def _done(self, channel_id: str, task: asyncio.Task[None]) -> None:
        self._tasks.pop(channel_id, None)
        if not task.cancelled() and (error := task.exception()):
            # Its class alone: the words of a library may hold the address.
            log.error("notify.broken", error=type(error).__name__)  # the lease brings it back

    async def _tell(self, batch: Batch) -> None:
        channel, ledger = batch.channel, self._gateway.ledger
        bound = log.bind(channel_id=channel.channel_id, kind=channel.kind, film_id=batch.film_id)
        rest, told = await asyncio.to_thread(_prepared, self._gateway, batch)
        if told is None:
            return
        problem = await _send(self._gateway, channel, told, _batch_id(rest))
        if problem is None:
            await asyncio.to_thread(ledger.notices.sent, rest)
            bound.info("notify.sent", events=len(rest.events))
        else:
            wait_s = _wait_s(rest, problem)
            await asyncio.to_thread(ledger.notices.unsent, rest, problem.words, wait_s)
            bound.warning("notify.unsent", attempt=rest.attempts + 1, problem=problem.words)
        await _keep_working(self._gateway, channel, problem, tries=rest.attempts + 1)


def _prepared(gateway: Gateway, batch: Batch) -> tuple[Batch, Tidings | None]:
    """What is left to tell of a batch, and the words for it."""
    gone = moot(gateway, batch)
    for why in set(gone.values()):
        of_that = [event_id for event_id, each in gone.items() if each == why]
        gateway.ledger.notices.moot(batch, of_that, why)
    left = tuple(event for event in batch.events if event.id not in gone)
    rest = batch.model_copy(update={"events": left})
    return rest, tidings(gateway, rest) if left else None


async def _keep_working(
    gateway: Gateway, channel: Channel, problem: Problem | None, tries: int
) -> None:
    """Say of a channel that it fails, when that lasts; and that it works again."""
    if problem and (problem.lasting or tries >= _FAILING_AFTER):
        await asyncio.to_thread(gateway.ledger.channels.works, channel.channel_id, problem.words)
    elif problem is None and channel.problem:
        await asyncio.to_thread(gateway.ledger.channels.works, channel.channel_id, None)


def _wait_s(batch: Batch, problem: Problem) -> float:
    if problem.pause_s is not None:
        return min(max(problem.pause_s, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S)
    usual = backoff_s(batch.attempts, now() - batch.events[0].at)
    return max(usual, _LASTING_WAIT_S) if problem.lasting else usual


def _batch_id(batch: Batch) -> str:
    """One name for the same events to the same receiver, however often they are sent."""
    first, last = batch.events[0].id, batch.events[-1].id
    return f"msg_{batch.channel.channel_id}_{first}_{last}_{len(batch.events)}"


def _trial_id() -> str:
    return f"msg_trial_{now().timestamp():.6f}"


async def _send(
    gateway: Gateway, channel: Channel, told: Tidings, message_id: str
) -> Problem | None:
    try:
        if channel.kind is ChannelKind.EMAIL:
            send = functools.partial(_mail, gateway.settings, channel, told, message_id)
            return await asyncio.get_running_loop().run_in_executor(_MAILERS, send)
        return await _post(gateway.settings, channel, told, message_id)
    except TimeoutError:
        return Problem(f"no answer in {ANSWER_TIMEOUT_S:.0f} seconds")
    except httpx.HTTPError as error:
        return Problem(f"could not be sent: {type(error).__name__}")
    except MailRefused as error:
        return Problem(str(error), error.lasting)
    except (BadInput, ServiceUnavailable) as error:
        return Problem(str(error))


def _mail(settings: Settings, channel: Channel, told: Tidings, message_id: str) -> None:
    server, address = mail_server(settings), channel.address.get_secret_value()
    try:
        mail = compose(server, told, channel.name, address, message_id)
    except ValueError:
        problem = "cannot stand in a mail"
        raise BadInput("name", problem, "Use a name of one line in another channel.") from None
    send_mail(server, address, mail)


async def _post(
    settings: Settings, channel: Channel, told: Tidings, message_id: str
) -> Problem | None:
    url = channel.address.get_secret_value()
    checked = await check_url(url, settings.allow_private_urls, "address")
    body, headers = _body(channel, told, message_id)
    async with open_checked(
        checked, "POST", headers=headers, content=body.encode(), timeout_s=ANSWER_TIMEOUT_S
    ) as answer:
        return None if answer.is_success else _refused(answer)


def _body(channel: Channel, told: Tidings, message_id: str) -> tuple[str, dict[str, str]]:
    plain = {"content-type": "application/json"}
    if channel.kind is ChannelKind.SLACK:
        return json.dumps(slack_body(told)), plain
    if channel.kind is ChannelKind.DISCORD:
        return json.dumps(discord_body(told)), plain
    body, secret = webhook_body(told), channel.secret
    assert secret is not None
    return body, signed(Webhook(secret.get_secret_value()), message_id, body)


def _refused(answer: httpx.Response) -> Problem:
    """Why a receiver did not take a message, by its status alone: its words are not ours."""
    status = answer.status_code
    if status in (429, 503):
        after = answer.headers.get("retry-after", "")
        pause_s = float(after) if after.replace(".", "", 1).isdecimal() else None
        words = f"the receiver takes no more messages for a while (HTTP {status})"
        return Problem(words, pause_s=pause_s)
    if status in (404, 410):
        words = "the address is gone there: make a new one and add it as another channel"
        return Problem(f"{words} (HTTP {status})", lasting=True)
    return Problem(f"answered HTTP {status}", lasting=status in _GONE)
