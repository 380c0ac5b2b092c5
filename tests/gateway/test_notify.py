"""Notices reach people: in their words, once, and after whatever stood in the way."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from pydantic import SecretStr
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from filmforge.domain import Execution
from filmforge.errors import BadInput
from filmforge.gateway import notify, outbox
from filmforge.gateway.chats import discord_body, slack_body
from filmforge.gateway.mail import SAY_TIMEOUT_S, check_address, compose, mail_server
from filmforge.gateway.notify import LEASE_S, run_notify, send_trial
from filmforge.gateway.pages.channels import WORDS
from filmforge.gateway.tidings import _SAID, MOST_NAMED, Line, Tidings
from filmforge.gateway.tokens import read_board
from filmforge.ledger.channels import BLOCKED, TOPICS, Channel, ChannelKind
from filmforge.ledger.database import now
from filmforge.ledger.events import record_event
from filmforge.ledger.people_tables import channels, notices
from tests.gateway.receivers import DISCORD_PATH, PASSWORD, SLACK_PATH, USER, Chat, MailServer
from tests.gateway.studio import Studio, open_studio

TITLE = "Attic <!channel> *&* @everyone"


@pytest.fixture
def slack() -> Iterator[Chat]:
    made = Chat(SLACK_PATH)
    yield made
    made.close()


@pytest.fixture
def discord() -> Iterator[Chat]:
    made = Chat(DISCORD_PATH)
    yield made
    made.close()


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailServer]:
    made = MailServer(tmp_path)
    yield made
    made.close()


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mail: MailServer) -> Iterator[Studio]:
    monkeypatch.setattr(notify, "POLL_S", 0.02)
    made = open_studio(
        tmp_path / "studio",
        monkeypatch,
        smtp_url=SecretStr(f"smtp://127.0.0.1:{mail.port}"),
        mail_from="FilmForge <films@studio.test>",
    )
    yield made
    made.ledger.close()


@asynccontextmanager
async def running(studio: Studio) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(run_notify(studio.gateway, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 20)


async def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition lies in a database
            await asyncio.sleep(0.01)


def channel(
    studio: Studio,
    address: str,
    kind: ChannelKind = ChannelKind.SLACK,
    batch_s: int = 0,
    **more: Any,
) -> Channel:
    wants = more.pop("wants", TOPICS)
    return studio.ledger.channels.add(
        kind, "Ada", address, "test", wants=wants, batch_s=batch_s, **more
    )


def tell(studio: Studio, type_: str = "film.done", film_id: str = "attic", **data: Any) -> None:
    with studio.ledger.db.write() as tx:
        record_event(tx, film_id, type_, data.pop("shot_id", None), **data)


def owed(studio: Studio) -> list[Any]:
    with studio.ledger.db.read() as tx:
        return list(tx.execute(select(notices).order_by(notices.c.event_id)))


def told(studio: Studio) -> bool:
    return bool(owed(studio)) and all(row.sent_at for row in owed(studio))


def over(studio: Studio) -> bool:
    """Whether nothing is owed any more."""
    return bool(owed(studio)) and not any(row.due_at for row in owed(studio))


def make_due(studio: Studio, **values: Any) -> None:
    with studio.ledger.db.write() as tx:
        past = now() - timedelta(seconds=1)
        tx.execute(
            update(notices).where(notices.c.due_at.is_not(None)).values(due_at=past, **values)
        )


def frames(studio: Studio, count: int, title: str = "Attic") -> None:
    """A film whose frames all wait."""
    shots = [
        {"shot_id": f"shot_{n:03d}", "enhanced_prompt": "A trunk.", "duration": 3}
        for n in range(1, count + 1)
    ]
    studio.film(title=title, shots=shots)
    for number, shot in enumerate(shots, 1):
        studio.gate(digest=f"{number:064x}", shot_id=str(shot["shot_id"]))


async def test_forty_frames_are_one_mail_with_one_link_that_opens_the_board(
    studio: Studio, mail: MailServer
):
    channel(studio, "ada@studio.test", ChannelKind.EMAIL, batch_s=300, signed_link=True)
    frames(studio, 40)
    async with running(studio):
        await until(lambda: len(owed(studio)) == 40)
        assert mail.mails == []
        make_due(studio)
        await until(lambda: told(studio))
    (got,) = mail.mails
    assert mail.recipients == ["ada@studio.test"]
    assert got["subject"] == "40 frames of Attic wait for you"
    assert got["to"] == "Ada <ada@studio.test>"
    assert got["from"] == "FilmForge <films@studio.test>"
    assert got["auto-submitted"] == "auto-generated"
    for kind in ("plain", "html"):
        part = got.get_body((kind,))
        assert part is not None
        text = part.get_content()
        assert "shot_012" in text
        assert f"and {40 - MOST_NAMED} more" in text
        (link,) = re.findall(r"http://[^\s\"<]+", text)
        assert link.startswith("http://studio.test/review/films/")
        token = link.rpartition("/")[2]
        assert read_board(studio.settings, token).film_id == "attic"


async def test_slack_gets_the_words_and_one_button_and_nobody_is_called(
    studio: Studio, slack: Chat
):
    channel(studio, slack.url)
    frames(studio, 3, TITLE)
    tell(
        studio,
        "shot.comment",
        shot_id="shot_001",
        who="<@U1>",
        text="see <http://x|y>",
        what="added",
    )
    async with running(studio):
        await until(lambda: told(studio))
    body = slack.got[0]
    text = json.dumps(body)
    # What is plain text to Slack calls nobody; all the rest is escaped.
    parsed = [b["text"] for b in body["blocks"] if b.get("text", {}).get("type") == "mrkdwn"]
    assert len(parsed) == 2
    assert "<" not in json.dumps([parsed, body["text"]])
    assert body["text"].startswith("3 frames of Attic &lt;!channel&gt; *&amp;* @everyone wait for")
    sections = [block["text"]["text"] for block in body["blocks"] if block["type"] == "section"]
    assert "• shot_001\n• shot_002\n• shot_003" in sections[0]
    (button,) = body["blocks"][-1]["elements"]
    assert button["url"] == "http://studio.test/films/attic"
    assert text.count("http://") == 2  # that of the button, and the one somebody wrote


async def test_discord_gets_an_embed_that_calls_nobody(studio: Studio, discord: Chat):
    channel(studio, discord.url, ChannelKind.DISCORD)
    frames(studio, 2, TITLE)
    async with running(studio):
        await until(lambda: told(studio))
    body = discord.got[0]
    assert body["allowed_mentions"] == {"parse": []}
    (embed,) = body["embeds"]
    assert embed["url"] == "http://studio.test/films/attic"
    assert r"Attic \<!channel\> \*&\* \@everyone" in embed["fields"][0]["name"]
    assert r"shot\_001" in embed["fields"][0]["value"]


def long_tidings() -> Tidings:
    details = tuple("#" * 900 for _ in range(13))
    line = Line(words="*" * 1_000, details=details)
    link = f"https://films.example/review/films/{'t' * 900}"
    return Tidings(
        film_id="attic",
        title="_" * 80,
        subject="s" * 160,
        lines=(line,) * 11,
        link=link,
        link_words="Open the board of " + "_" * 80,
        signed=True,
    )


def test_a_message_keeps_to_the_limits_of_discord_and_slack():
    (embed,) = discord_body(long_tidings())["embeds"]
    parts = [embed["title"], *(f[k] for f in embed["fields"] for k in ("name", "value"))]
    assert sum(map(len, parts)) <= 6_000
    assert len(embed["title"]) <= 256
    assert 1 <= len(embed["fields"]) <= 25
    assert all(
        1 <= len(f["name"]) <= 256 and 1 <= len(f["value"]) <= 1_024 for f in embed["fields"]
    )
    blocks = slack_body(long_tidings())["blocks"]
    assert len(blocks) <= 50
    texts = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    assert all(len(text) <= 3_000 for text in texts)
    assert len(blocks[0]["text"]["text"]) <= 150
    assert len(blocks[-1]["elements"][0]["text"]["text"]) <= 75


async def test_a_program_gets_signed_messages_whose_events_keep_their_ids(
    studio: Studio, slack: Chat
):
    secret = "whsec_ZmlsbWZvcmdlLW90aGVyLXRlc3Qta2V5LTAwMDE="
    channel(studio, slack.url, ChannelKind.WEBHOOK, secret=secret)
    studio.film(title="Attic")
    tell(studio)
    async with running(studio):
        await until(lambda: told(studio))
    body = Webhook(secret).verify(slack.raw[0], slack.headers[0])
    assert body["type"] == "notice"
    assert body["data"]["subject"] == "Attic is finished"
    assert body["data"]["url"] == "http://studio.test/films/attic"
    (event,) = body["data"]["events"]
    assert (event["id"], event["type"]) == (f"evt_{owed(studio)[0].event_id}", "film.done")


async def test_every_event_is_said_in_plain_words(studio: Studio, slack: Chat):
    channel(studio, slack.url)
    studio.film(title="Attic")
    gate = studio.gate()
    studio.ledger.gates.remind("attic", "shot_001", gate.digest)
    studio.ledger.films.set(
        "attic", Execution.NEEDS_ATTENTION, "work_dir_full", "Make room, then retry."
    )
    studio.ledger.shots.set(
        "attic",
        "shot_002",
        execution=Execution.FAILED,
        reason="content_refused",
        event="shot.needs_attention",
    )
    tell(studio, "budget.reached")
    tell(studio, "film.found_wanting", words=["it is black for 3 s"])
    tell(studio, "take.found_wanting", shot_id="shot_002", words=["it is frozen"])
    tell(studio, "film.undelivered", kind="hls", message="the file is broken")
    tell(studio, "shot.comment", shot_id="shot_001", who="Kim", text="warmer\nlight", what="added")
    tell(studio, "shot.comment", shot_id="shot_001", who="Kim", what="resolved")
    tell(studio, "film.done")
    tell(studio, "film.cancelled")
    studio.ledger.channels.look()
    async with running(studio):
        await until(lambda: over(studio))
    (body,) = slack.got
    said = "\n".join(b["text"]["text"] for b in body["blocks"] if b["type"] == "section")
    for words in (
        "Attic cannot go on: Make room, then retry.",
        "Attic has reached its budget of 5.00 USD: raise it and it goes on",
        "1 shot of Attic needs attention",
        "shot_002: the provider refused the content",
        "1 frame of Attic waits for you",
        "1 frame of Attic still waits for you",
        "Something was found in the film Attic: it is black for 3 s",
        "shot_002: it is frozen",
        "hls: the file is broken",
        "1 new note on Attic",
        "shot_001, Kim: warmer light",
        "Attic is finished",
        "Attic was cancelled",
    ):
        assert words in said
    assert body["text"] == "Attic cannot go on: Make room, then retry., and more"


def test_everything_a_channel_can_want_has_words():
    assert set(TOPICS) == set(_SAID)
    assert set(TOPICS) <= set(WORDS)
    assert BLOCKED in TOPICS


async def test_frames_that_were_decided_meanwhile_are_not_told(studio: Studio, slack: Chat):
    channel(studio, slack.url, batch_s=300)
    frames(studio, 3)
    studio.ledger.channels.look()
    for number in (1, 3):
        shot_id, digest = f"shot_{number:03d}", f"{number:064x}"
        studio.ledger.gates.decide("attic", shot_id, digest, "approved", "Ada", "", "x")
    make_due(studio)
    async with running(studio):
        await until(lambda: over(studio))
    (body,) = slack.got
    assert body["text"] == "1 frame of Attic waits for you"
    assert "shot_002" in json.dumps(body)
    assert [row.last_error is None for row in owed(studio)] == [False, True, False]


async def test_when_nothing_is_left_to_tell_no_message_goes_out(studio: Studio, slack: Chat):
    channel(studio, slack.url)
    frames(studio, 1)
    studio.ledger.gates.decide("attic", "shot_001", f"{1:064x}", "approved", "Ada", "", "x")
    async with running(studio):
        await until(lambda: over(studio))
    assert slack.got == []
    assert "decided" in owed(studio)[0].last_error


async def test_two_films_are_two_messages_each_with_its_link(studio: Studio, slack: Chat):
    channel(studio, slack.url)
    for film_id in ("attic", "harbour"):
        studio.film(film_id)
        tell(studio, film_id=film_id)
    async with running(studio):
        await until(lambda: told(studio))
    links = {body["blocks"][-1]["elements"][0]["url"] for body in slack.got}
    assert links == {f"http://studio.test/films/{film}" for film in ("attic", "harbour")}


async def test_a_receiver_that_asks_for_time_is_given_it(studio: Studio, slack: Chat):
    slack.answers = [(429, {"retry-after": "30"})]
    channel(studio, slack.url)
    studio.film()
    tell(studio)
    async with running(studio):
        await until(lambda: any(row.last_error for row in owed(studio)))
        assert timedelta(seconds=25) < owed(studio)[0].due_at - now() <= timedelta(seconds=30)
        make_due(studio)
        await until(lambda: told(studio))
    assert len(slack.got) == 2


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
            assert time.monotonic() - began < 3
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


async def test_a_mail_server_that_is_busy_is_asked_again(
    studio: Studio, mail: MailServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox, "BACKOFF_S", (0.02,) * 7)
    mail.busy = 1
    channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    studio.film()
    tell(studio)
    async with running(studio):
        await until(lambda: told(studio))
    assert len(mail.mails) == 1
    assert owed(studio)[0].attempts == 2


async def test_a_recipient_that_is_refused_marks_the_channel(studio: Studio, mail: MailServer):
    mail.refused = {"ada@studio.test"}
    made = channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    problem = await send_trial(studio.gateway, made)
    assert problem is not None
    assert problem.words == "the mail server refused the recipient (550)"
    assert studio.ledger.channels.read(made.channel_id).problem == problem.words


@pytest.mark.parametrize(("scheme", "at_once"), [("smtp", False), ("smtps", True)])
async def test_mail_is_encrypted_and_signed_in_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, at_once: bool
):
    server = MailServer(tmp_path, tls=True, at_once=at_once, login=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    address = f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}"
    studio = open_studio(
        tmp_path / "tls", monkeypatch, smtp_url=SecretStr(address), mail_from="films@studio.test"
    )
    made = channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    assert await send_trial(studio.gateway, made) is None
    assert server.encrypted == [True]
    monkeypatch.delenv("SSL_CERT_FILE")
    problem = await send_trial(studio.gateway, made)
    assert problem is not None
    assert PASSWORD not in problem.words
    studio.ledger.close()
    server.close()


async def test_a_wrong_password_is_said_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    server = MailServer(tmp_path, login=True)
    studio = open_studio(
        tmp_path / "wrong",
        monkeypatch,
        smtp_url=SecretStr(f"smtp://films:opensesame@127.0.0.1:{server.port}"),
        mail_from="films@studio.test",
    )
    made = channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    problem = await send_trial(studio.gateway, made)
    assert problem is not None
    assert problem.words == "the mail server does not take the user and password (535)"
    assert problem.lasting
    studio.ledger.close()
    server.close()


def test_a_password_is_never_sent_to_another_machine_unencrypted(studio: Studio):
    def server(url: str) -> Any:
        return mail_server(studio.settings.model_copy(update={"smtp_url": SecretStr(url)}))

    assert server("smtp://127.0.0.1:25").plain
    assert server("smtp://mail.internal:25").plain  # with private addresses allowed, no password
    assert not server("smtp://ada:opensesame@mail.example:587").plain
    for wrong in ("mail.example:25", "http://mail.example", "smtp://", "smtp://h:0", "smtp://h/x"):
        with pytest.raises(BadInput, match="FILMFORGE_SMTP_URL") as error:
            server(wrong)
        assert wrong not in str(error.value).replace("smtp://USER", "")


@pytest.mark.parametrize(
    "address",
    ["ada", "ada@", "@x.test", "a@x.test, b@x.test", "a b@x.test", "a@x.test\nBcc: c@x.test",
     "<a@x.test>", "a@x.test\x00", "ü@x.test", "a@" + "x" * 300],
)  # fmt: skip
def test_an_address_that_is_not_one_mail_address_is_refused(address: str):
    with pytest.raises(BadInput, match="address"):
        check_address(address)


def test_a_header_has_one_line_whatever_a_title_says(studio: Studio):
    server = mail_server(studio.settings)
    told = long_tidings().model_copy(update={"subject": "a\r\nBcc: eve@x.test"})
    with pytest.raises(ValueError, match=r"linefeed|newline|header"):
        compose(server, told, "Ada", "ada@x.test", "m1")
    with pytest.raises(ValueError, match=r"linefeed|newline|header"):
        compose(server, long_tidings(), "Ada\nBcc: eve@x.test", "ada@x.test", "m1")


async def test_a_hostile_title_is_text_in_a_mail(studio: Studio, mail: MailServer):
    channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    studio.film(title="<img src=x onerror=alert(1)>\nBcc: eve@x.test")
    tell(studio)
    async with running(studio):
        await until(lambda: told(studio))
    (got,) = mail.mails
    assert got["bcc"] is None
    html = got.get_body(("html",))
    assert html is not None
    assert "<img" not in html.get_content()
    assert mail.recipients == ["ada@studio.test"]


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
