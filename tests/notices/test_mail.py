"""Mail is handed in encrypted, to one person, as text that does nothing."""

import socket
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from filmforge.errors import BadInput
from filmforge.gateway import outbox
from filmforge.gateway.mail import check_address, compose, mail_server
from filmforge.gateway.notify import send_trial
from filmforge.ledger.channels import ChannelKind
from filmforge.ledger.database import now
from tests.gateway.receivers import PASSWORD, USER, Chat, MailServer
from tests.gateway.studio import Studio, open_studio
from tests.notices.telling import channel, long_tidings, owed, running, tell, told, until


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


async def test_a_mail_that_was_taken_is_sent_once_however_the_server_says_goodbye(
    studio: Studio, mail: MailServer
):
    mail.goodbye = "451 stay"
    made = channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    assert await send_trial(studio.gateway, made) is None
    assert len(mail.mails) == 1


async def test_a_mail_server_that_hangs_is_given_up_for_now_and_holds_up_nobody(
    studio: Studio, slack: Chat, monkeypatch: pytest.MonkeyPatch
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr("filmforge.gateway.mail.SAY_TIMEOUT_S", 0.5)
        url = SecretStr(f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(studio.settings, "smtp_url", url)
        mailed = channel(studio, "ada@studio.test", ChannelKind.EMAIL)
        channel(studio, slack.url)
        studio.film()
        tell(studio)
        async with running(studio):
            await until(lambda: bool(slack.got))
            assert not any(row.last_error for row in owed(studio))
            await until(lambda: any(row.last_error for row in owed(studio)))
    (waits,) = (row for row in owed(studio) if row.channel_id == mailed.channel_id)
    assert "the mail server could not be used" in waits.last_error
    assert waits.due_at - now() < timedelta(minutes=1)


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


async def test_a_password_that_mail_cannot_carry_is_said_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    server = MailServer(tmp_path, login=True)
    address = f"smtp://films:{quote('öffne dich')}@127.0.0.1:{server.port}"
    studio = open_studio(
        tmp_path / "odd", monkeypatch, smtp_url=SecretStr(address), mail_from="films@studio.test"
    )
    problem = await send_trial(
        studio.gateway, channel(studio, "ada@studio.test", ChannelKind.EMAIL)
    )
    assert problem is not None
    assert problem.words == "the mail server could not be used: UnicodeEncodeError"
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
