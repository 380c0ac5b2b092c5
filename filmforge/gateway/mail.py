"""Mail: a message as text and HTML, handed to the mail server of this installation."""

import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from typing import ClassVar
from urllib.parse import SplitResult, unquote, urlsplit

from filmforge.errors import BadInput, FilmError
from filmforge.gateway.rendering import rendered
from filmforge.gateway.tidings import Tidings
from filmforge.ledger.database import now
from filmforge.settings import Settings

# For each thing that is said to the server, of which there are about eight.
SAY_TIMEOUT_S = 10.0
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_REMEDY = "Use smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465."


class MailRefused(FilmError):
    """A mail was not taken; with `lasting` it will not be without a change."""

    code: ClassVar[str] = "mail_refused"

    def __init__(self, message: str, lasting: bool) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True, repr=False)
class MailServer:
    """Where mail is handed in, and from whom it is; plain is spoken only on this machine."""

    host: str
    port: int
    implicit_tls: bool
    user: str
    password: str
    sender: str
    plain: bool


def mail_server(settings: Settings) -> MailServer:
    """The server that FILMFORGE_SMTP_URL names. Raises BadInput, which never repeats it."""
    url = settings.smtp_url.get_secret_value()
    if not url:
        raise BadInput("FILMFORGE_SMTP_URL", "is not set: no mail can be sent", _REMEDY)
    parts = _split(url)
    sender = settings.mail_from
    if not sender:
        problem = "is not set: mail needs somebody it is from"
        raise BadInput("FILMFORGE_MAIL_FROM", problem, "Use FilmForge <films@example.com>.")
    check_address(parseaddr(sender)[1], "FILMFORGE_MAIL_FROM")
    host = parts.hostname or ""
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(
        host=host,
        port=parts.port or _PORTS[parts.scheme],
        implicit_tls=parts.scheme == "smtps",
        user=user,
        password=password,
        sender=sender,
        plain=host in _LOOPBACK or (settings.allow_private_urls and not user),
    )


def check_address(address: str, field: str = "address") -> str:
    """The address, if mail can go there. Raises BadInput naming `field`."""
    name, at, domain = address.rpartition("@")
    plain = address.isascii() and address.isprintable()
    if not (name and at and domain) or not plain or any(c in address for c in ' ,;:<>()[]"\\'):
        raise BadInput(field, "is not one mail address", "Write it as ada@example.com.")
    if len(address) > 254:
        raise BadInput(field, "is longer than 254 characters", "Use a shorter address.")
    return address


def compose(server: MailServer, told: Tidings, name: str, address: str, message_id: str) -> bytes:
    """The mail of a message. Raises ValueError for a header of more than one line."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["Subject"] = told.subject
    mail["From"] = formataddr(parseaddr(server.sender))
    mail["To"] = formataddr((name, address))
    mail["Date"] = format_datetime(now())
    # The same for a repeat, so that the receiving side can tell.
    domain = parseaddr(server.sender)[1].rpartition("@")[2]
    mail["Message-ID"] = f"<{hashlib.sha256(message_id.encode()).hexdigest()[:32]}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_plain_text(told, name))
    mail.add_alternative(rendered("mail.html", told=told, name=name), subtype="html")
    return mail.as_bytes()


def _plain_text(told: Tidings, name: str) -> str:
    lines: list[str] = []
    for line in told.lines:
        lines += [line.words, *(f"  - {each}" for each in line.details), ""]
    lines += [f"{told.link_words}:", told.link, ""]
    if told.signed:
        lines.append("Whoever has this link may decide about the frames: do not pass it on.")
    lines.append(f"You get this because {name} is told of what happens to films in FilmForge.")
    return "\n".join([*lines, "Whoever produces the film can change that on its page of notices."])


def send_mail(server: MailServer, address: str, mail: bytes) -> None:
    """Hand a mail in; blocks for about a minute at most. Raises MailRefused.

    What it says names neither the user nor the password.
    """
    try:
        with _said_hello(server) as smtp:
            smtp.sendmail(parseaddr(server.sender)[1], [address], mail)
    except smtplib.SMTPRecipientsRefused as error:
        code = next((code for code, _ in error.recipients.values()), 550)
        raise MailRefused(f"the mail server refused the recipient ({code})", code >= 500) from None
    except smtplib.SMTPAuthenticationError as error:
        words = f"the mail server does not take the user and password ({error.smtp_code})"
        raise MailRefused(words, True) from None
    except smtplib.SMTPResponseException as error:
        code = error.smtp_code
        raise MailRefused(f"the mail server refused the mail ({code})", code >= 500) from None
    except (smtplib.SMTPException, OSError, UnicodeError) as error:
        words = f"the mail server could not be used: {type(error).__name__}"
        raise MailRefused(words, isinstance(error, ssl.SSLCertVerificationError)) from None


@contextmanager
def _said_hello(server: MailServer) -> Iterator[smtplib.SMTP]:
    """A connection over which mail may be sent: encrypted, and signed in to."""
    tls = ssl.create_default_context()
    # Said to the server in greeting: not the name of this machine.
    ours = parseaddr(server.sender)[1].rpartition("@")[2]
    host, port = server.host, server.port
    smtp = (
        smtplib.SMTP_SSL(host, port, ours, timeout=SAY_TIMEOUT_S, context=tls)
        if server.implicit_tls
        else smtplib.SMTP(host, port, ours, SAY_TIMEOUT_S)
    )
    try:
        smtp.ehlo()
        if not server.implicit_tls and smtp.has_extn("starttls"):
            smtp.starttls(context=tls)
            smtp.ehlo()
        elif not (server.implicit_tls or server.plain):
            raise MailRefused("the mail server offers no encryption (STARTTLS)", True)
        if server.user:
            smtp.login(server.user, server.password)
        yield smtp
    finally:
        # However it says goodbye: what it took is taken.
        with suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.path.strip("/") or parts.query:
        raise BadInput("FILMFORGE_SMTP_URL", "is not the address of a mail server", _REMEDY)
    return parts
