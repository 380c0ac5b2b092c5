"""Addresses: what people give is checked, and what was checked is what is called."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from filmforge import addresses
from filmforge.addresses import Checked, check_url, download, is_public, open_checked
from filmforge.errors import BadInput

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


def named(monkeypatch: pytest.MonkeyPatch, **hosts: list[str]) -> None:
    """Let names resolve to these addresses, as a name server would say."""

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        found = hosts.get(host.replace(".", "_"), [])
        if not found:
            raise socket.gaierror(f"no {host}")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", look_up)


@contextlib.asynccontextmanager
async def server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            try:
                await answer(reader, writer)
            finally:
                writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listener:
        yield listener.sockets[0].getsockname()[1]


def says(head: str, body: bytes = b"", heard: list[bytes] | None = None) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(request)
        writer.write(f"HTTP/1.1 {head}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()

    return answer


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
        "198.18.0.1", "192.88.99.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1",
        "ff02::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
        "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_known_as_such(address: str):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "2002:808:808::", "64:ff9b::808:808"],
)
def test_an_address_on_the_public_internet_is_fine_embedded_or_not(address: str):
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "URL"),
        ("example.com/hook", "URL"),
        ("https://", "host"),
        ("ftp://example.com/x", "scheme"),
        ("file:///etc/passwd", ""),
        ("http://example.com/", "scheme"),
        ("javascript:alert(1)", ""),
        ("https://user:secret@example.com/", "password"),
        ("https://user@example.com/", "password"),
        ("https://example.com:99999/", ""),
        ("https://example.com:0/", "port"),
        ("https://exa mple.com/", ""),
        ("https://example.com\\@10.0.0.1/", ""),
        ("https://example.com/\n", ""),
        ("https://" + "a" * 2000 + ".com/", "2000"),
        ("https://nowhere.test/", "resolved"),
        ("https://2130706433/", ""),
        ("https://0x7f000001/", ""),
        ("https://0x08080808/", ""),
        ("https://0177.0.0.1/", ""),
        ("https://127.1/", ""),
        ("https://127.0.0.1/", "private"),
        ("https://[::1]/", "private"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://mixed.test/", "private"),
    ],
)
async def test_a_url_that_cannot_be_used_is_refused_naming_field_and_remedy(
    url: str, problem: str, monkeypatch: pytest.MonkeyPatch
):
    literals = {ip.replace(".", "_"): [ip] for ip in ("127.0.0.1", "::1", "::ffff:10.0.0.1")}
    named(
        monkeypatch, example_com=["8.8.8.8"], mixed_test=["8.8.8.8", "10.0.0.1"], **literals
    )  # one private address among public ones is enough
    with pytest.raises(BadInput) as refused:
        await check_url(url, allow_private=False, field="callback_url")
    assert refused.value.field == "callback_url"
    assert problem in refused.value.problem
    assert refused.value.remedy
    assert "secret" not in str(refused.value)


async def test_a_public_url_passes_with_the_addresses_it_has_now(monkeypatch: pytest.MonkeyPatch):
    named(monkeypatch, example_com=["8.8.8.8", "8.8.4.4"])
    checked = await check_url("https://example.com/hook?x=1#y", False, "callback_url")
    expected = ("https://example.com/hook?x=1", "example.com", 443, ("8.8.8.8", "8.8.4.4"))
    assert (checked.url, checked.host, checked.port, checked.addresses) == expected


async def test_on_a_machine_for_development_loopback_and_http_are_fine():
    checked = await check_url("http://localhost:8080/hook", True, "callback_url")
    assert checked.port == 8080
    assert any(ipaddress.ip_address(address).is_loopback for address in checked.addresses)


async def test_a_name_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch):
    released = threading.Event()
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: released.wait(10) and [])
    monkeypatch.setattr(addresses, "RESOLVE_TIMEOUT_S", 0.05)
    try:
        with pytest.raises(BadInput, match="cannot be resolved"):
            await check_url("https://slow.test/", False, "callback_url")
    finally:
        released.set()


async def test_the_checked_address_is_called_whatever_the_name_says_now(
    monkeypatch: pytest.MonkeyPatch,
):
    heard: list[bytes] = []
    async with server(says("204 No Content", heard=heard)) as port:
        named(monkeypatch)  # the name means nothing any more: nobody may ask
        checked = Checked(f"http://films.test:{port}/x?y=1", "films.test", port, ("127.0.0.1",))
        async with open_checked(checked, "POST", content=b"{}") as answer:
            assert answer.status_code == 204
    assert heard[0].startswith(b"POST /x?y=1 HTTP/1.1\r\n")
    assert f"host: films.test:{port}\r\n".encode() in heard[0].lower()


async def test_the_next_address_is_tried_when_one_cannot_be_reached():
    async with server(says("200 OK")) as port:
        checked = Checked(f"http://a.test:{port}/", "a.test", port, ("127.0.0.2", "127.0.0.1"))
        async with open_checked(checked) as answer:
            assert answer.status_code == 200


async def test_a_redirect_is_not_followed_and_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    heard: list[bytes] = []
    async with server(says("302 Found\r\nlocation: /elsewhere", heard=heard)) as port:
        checked = Checked(f"http://127.0.0.1:{port}/", "127.0.0.1", port, ("127.0.0.1",))
        async with open_checked(checked) as answer:
            assert answer.status_code == 302
    assert len(heard) == 1


async def test_a_receiver_that_never_answers_is_left_in_time():
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(silent) as port:
        checked = Checked(f"http://127.0.0.1:{port}/", "127.0.0.1", port, ("127.0.0.1",))
        with pytest.raises((TimeoutError, httpx.TimeoutException)):
            async with open_checked(checked, timeout_s=0.2):
                pass


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's TLS for one name, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    trusting = ssl.create_default_context(
        cadata=made.public_bytes(serialization.Encoding.PEM).decode()
    )
    return serving, trusting


async def test_tls_is_verified_for_the_name_though_an_address_is_called(tmp_path: Path):
    serving, trusting = certificate(tmp_path, "films.test")
    async with server(says("200 OK"), serving) as port:
        right = Checked(f"https://films.test:{port}/", "films.test", port, ("127.0.0.1",))
        async with open_checked(right, tls=trusting) as answer:
            assert answer.status_code == 200
        wrong = Checked(f"https://other.test:{port}/", "other.test", port, ("127.0.0.1",))
        with pytest.raises(httpx.ConnectError, match="mismatch"):
            async with open_checked(wrong, tls=trusting):
                pass
        with pytest.raises(httpx.ConnectError, match="self-signed"):
            async with open_checked(right):
                pass


async def fetch(port: int, path: Path, **options: Any) -> None:
    given = {"allow_private": True, "field": "url", "max_bytes": 100, "timeout_s": 5.0, **options}
    await download(f"http://127.0.0.1:{port}/file", path, **given)


async def test_a_download_is_written_to_the_file(tmp_path: Path):
    path = tmp_path / "file"
    async with server(says("200 OK", b"picture")) as port:
        await fetch(port, path)
    assert path.read_bytes() == b"picture"


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (says("200 OK", b"x" * 101), "larger than 100 bytes"),
        (says("404 Not Found"), "HTTP 404"),
        (says("302 Found\r\nlocation: /other"), "HTTP 302"),
        (says("200 OK\r\ncontent-encoding: gzip", b"x"), "compressed"),
        (says("200 OK\r\ncontent-length: 50", b"short"), "could not be downloaded"),
        (drip, "could not be downloaded"),
    ],
)
async def test_a_download_that_goes_wrong_leaves_no_file(
    answer: Answer, problem: str, tmp_path: Path
):
    path = tmp_path / "file"
    async with server(answer) as port:
        with pytest.raises(BadInput, match=problem) as refused:
            await fetch(port, path, timeout_s=0.5)
    assert refused.value.field == "url"
    assert not path.exists()


async def test_a_download_from_loopback_is_refused_unless_allowed(tmp_path: Path):
    with pytest.raises(BadInput, match="scheme"):
        await fetch(9, tmp_path / "file", allow_private=False)
