"""Receivers on this machine that answer as Slack, Discord and a mail server do."""

import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.fake_process import free_port

SLACK_PATH = "/services/T00000000/B00000000/opensesame"
DISCORD_PATH = "/api/webhooks/123456789/opensesame"

USER, PASSWORD = "films", "open sesame/1"


class Receiver:
    """An HTTP server of one address, which answers while `hold` is set."""

    def __init__(self, path: str, handler: type[BaseHTTPRequestHandler]) -> None:
        self.hold = threading.Event()
        self.hold.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def close(self) -> None:
        """Take nothing any more."""
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Chat(Receiver):
    """An HTTP receiver; `answers` are (status, headers) given in turn, then it takes everything."""

    def __init__(self, path: str) -> None:
        self.got: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        super().__init__(path, self._handler())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                chat.raw.append(body)
                chat.headers.append({k.lower(): v for k, v in self.headers.items()})
                chat.got.append(json.loads(body))
                chat.hold.wait(30)
                status, headers = chat.answers.pop(0) if chat.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"ok" if status == 200 else b"")

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class MailServer:
    """A mail server; `refused` recipients are answered 550, the next `busy` mails 451.

    Who leaves is told `goodbye`. With `tls` it offers STARTTLS, or speaks TLS `at_once`; `login`
    asks for USER and PASSWORD.
    """

    def __init__(
        self, folder: Path, *, tls: bool = False, at_once: bool = False, login: bool = False
    ) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refused: set[str] = set()
        self.busy = 0
        self.goodbye = "221 Bye"
        self.encrypted: list[bool] = []
        options: dict[str, Any] = {}
        self.certificate = folder / "mail.pem"
        if tls:
            options["ssl_context" if at_once else "tls_context"] = _tls(self.certificate)
        if login:
            options["authenticator"] = _authenticate
            options["auth_require_tls"] = tls and not at_once
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self._controller.start()

    async def handle_RCPT(  # noqa: N802 - the name aiosmtpd asks for
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name aiosmtpd asks for
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.busy:
            self.busy -= 1
            return "451 try again later"
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, EmailMessage, policy=policy.SMTP))
        self.recipients += envelope.rcpt_tos
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"

    async def handle_QUIT(  # noqa: N802 - the name aiosmtpd asks for
        self, _server: SMTP, _session: Session, _envelope: Envelope
    ) -> str:
        return self.goodbye

    def close(self) -> None:
        self._controller.stop()


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    return AuthResult(success=known, handled=known)


def _tls(path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    moment = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(hours=1))
        .not_valid_after(moment + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
