"""Every message arrives after whatever stood in the way, and holds up no other."""

import json
import socket
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import update

from filmforge.gateway import notify, outbox
from filmforge.gateway.mail import SAY_TIMEOUT_S
from filmforge.gateway.notify import LEASE_S, send_trial
from filmforge.ledger.channels import ChannelKind
from filmforge.ledger.database import now
from filmforge.ledger.people_tables import channels
from tests.gateway.receivers import SLACK_PATH, Chat, MailServer
from tests.gateway.studio import Studio, open_studio
from tests.notices.telling import channel, make_due, owed, running, tell, told, until


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_that_asks_for_time_is_given_it(studio: Studio, slack: Chat, status: int):
    slack.answers = [(status, {"retry-after": "30"})]
    channel(studio, slack.url)
    studio.film()
    tell(studio)
    async with running(studio):
        await until(lambda: any(row.last_error for row in owed(studio)))
        assert timedelta(seconds=25) < owed(studio)[0].due_at - now() <= timedelta(seconds=30)
        make_due(studio)
        await until(lambda: told(studio))
    assert len(slack.got) == 2


async def test_a_receiver_that_asks_for_no_time_is_not_asked_without_end(
    studio: Studio, slack: Chat, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(notify, "_SHORTEST_PAUSE_S", 60.0)
    slack.answers = [(429, {"retry-after": "0"})]
    channel(studio, slack.url)
    studio.film()
    tell(studio)
    async with running(studio):
        await until(lambda: any(row.last_error for row in owed(studio)))
    assert owed(studio)[0].due_at - now() > timedelta(seconds=30)
    assert len(slack.got) == 1


async def test_a_name_that_is_not_found_for_a_moment_is_asked_again_soon(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
):
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    made = channel(studio, f"https://hooks.studio.test{SLACK_PATH}")
    studio.film()
    tell(studio)
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", unknown)
        async with running(studio):
            await until(lambda: any(row.last_error for row in owed(studio)))
    assert "cannot be resolved" in owed(studio)[0].last_error
    assert owed(studio)[0].due_at - now() < timedelta(minutes=1)
    assert studio.ledger.channels.read(made.channel_id).problem is None


@pytest.mark.parametrize("status", [404, 410])
async def test_an_address_that_is_gone_marks_the_channel_until_it_works_again(
    studio: Studio, discord: Chat, status: int
):
    discord.answers = [(status, {})]
    made = channel(studio, discord.url, ChannelKind.DISCORD)
    studio.film()
    tell(studio)
    async with running(studio):
        await until(lambda: studio.ledger.channels.read(made.channel_id).problem is not None)
        assert "gone" in str(studio.ledger.channels.read(made.channel_id).problem)
        assert owed(studio)[0].due_at - now() > timedelta(minutes=30)
        make_due(studio)
        await until(lambda: told(studio))
        await until(lambda: studio.ledger.channels.read(made.channel_id).problem is None)


async def test_a_receiver_that_is_down_for_a_while_gets_everything_in_one_message_later(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "BACKOFF_S", (0.05,) * 7)
    away = Chat(SLACK_PATH)
    away.close()
    made = channel(studio, away.url)
    studio.film(title="Attic")
    tell(studio)
    async with running(studio):
        await until(lambda: studio.ledger.channels.read(made.channel_id).problem is not None)
        assert owed(studio)[0].attempts >= 3
        assert "ConnectError" in owed(studio)[0].last_error
        monkeypatch.setattr(outbox, "BACKOFF_S", (60.0,) * 7)
        await until(lambda: owed(studio)[0].due_at - now() > timedelta(seconds=30))
        tell(studio, "film.cancelled")
        await until(lambda: len(owed(studio)) == 2)
        back = Chat(SLACK_PATH)
        with studio.ledger.db.write() as tx:
            tx.execute(update(channels).values(address=back.url))
        make_due(studio)
        await until(lambda: told(studio))
        back.close()
    assert len(back.got) == 1
    assert back.got[0]["text"] == "Attic is finished, and more"


async def test_a_slow_receiver_holds_up_no_other(studio: Studio, slack: Chat, discord: Chat):
    slack.hold.clear()
    channel(studio, slack.url)
    channel(studio, discord.url, ChannelKind.DISCORD)
    studio.film()
    tell(studio)
    async with running(studio):
        await until(lambda: len(slack.got) == 1)
        for _ in range(3):
            tell(studio)
            count = len(discord.got)
            began = time.monotonic()
            await until(lambda count=count: len(discord.got) > count)  # type: ignore[misc] # mypy infers no default of a lambda
            assert time.monotonic() - began < 6
        assert len(slack.got) == 1
        slack.hold.set()
        await until(lambda: told(studio))


async def test_a_process_killed_between_sending_and_recording_repeats_a_batch_once(
    studio: Studio, slack: Chat, mail: MailServer, monkeypatch: pytest.MonkeyPatch
):
    """The receiver took it, nobody wrote that down: after the lease it goes out again, the same."""
    channel(studio, slack.url, ChannelKind.WEBHOOK, secret="whsec_" + "A" * 32)
    channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    studio.film(title="Attic")
    tell(studio)
    tell(studio, "film.cancelled")
    studio.ledger.channels.look()

    def killed(*_: Any) -> None:
        raise SystemError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(type(studio.ledger.notices), "sent", killed)
        async with running(studio):
            await until(lambda: len(slack.got) == 1 and len(mail.mails) == 1)
    assert all(row.leased_until - now() > timedelta(seconds=60) for row in owed(studio))
    make_due(studio, leased_until=now() - timedelta(seconds=1))
    async with running(studio):
        await until(lambda: told(studio))
    assert len(slack.got) == len(mail.mails) == 2
    assert len({headers["webhook-id"] for headers in slack.headers}) == 1
    assert len({str(got["message-id"]) for got in mail.mails}) == 1


async def test_what_happens_while_nobody_runs_is_told_by_the_next_process(
    studio: Studio, slack: Chat
):
    channel(studio, slack.url)
    studio.film()
    async with running(studio):
        tell(studio)
        await until(lambda: told(studio))
    tell(studio, "film.cancelled")
    async with running(studio):
        await until(lambda: len(owed(studio)) == 2 and told(studio))
    assert len(slack.got) == 2


async def test_an_address_that_turned_private_is_not_called(
    slack: Chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    strict = open_studio(tmp_path / "strict", monkeypatch, allow_private_urls=False)
    made = channel(strict, slack.url.replace("http:", "https:"))
    problem = await send_trial(strict.gateway, made)
    assert problem is not None
    assert "private" in problem.words
    assert "opensesame" not in problem.words
    assert slack.got == []
    strict.ledger.close()


async def test_no_address_and_no_password_stands_in_a_log_or_an_error(
    studio: Studio, slack: Chat, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "BACKOFF_S", (0.02,) * 7)
    slack.answers = [(500, {}), (302, {"location": slack.url})]
    channel(studio, slack.url, signed_link=True)
    studio.film()
    tell(studio)
    with structlog.testing.capture_logs() as lines:
        async with running(studio):
            await until(lambda: told(studio))
    text = json.dumps(lines, default=str)
    assert "notify.unsent" in text
    for secret in ("opensesame", "/review/", "127.0.0.1"):
        assert secret not in text
    assert len(slack.got) == 3


def test_the_lease_is_longer_than_the_slowest_message():
    assert LEASE_S > 10 * SAY_TIMEOUT_S
    assert LEASE_S > notify.ANSWER_TIMEOUT_S + 10
