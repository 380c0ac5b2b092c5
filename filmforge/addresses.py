"""Addresses: URLs that people give, checked before anything connects to them."""

import asyncio
import functools
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import httpx

from filmforge.errors import BadInput

MAX_URL_CHARS = 2_000
RESOLVE_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 5.0

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Neither is marked by `ipaddress`: the relays of 6to4, and networks private to a site.
_NOT_PUBLIC = (ipaddress.ip_network("192.88.99.0/24"), ipaddress.ip_network("fec0::/10"))
# Threads of their own: a name server that hangs must not take those the database needs.
_RESOLVERS = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Checked:
    """A URL that may be called, with the addresses its host had when it was checked."""

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]


async def check_url(url: str, allow_private: bool, field: str) -> Checked:
    """Check a URL a person gave, and every address that its host resolves to.

    Raises BadInput naming `field` unless it is https with a host on the public internet; with
    `allow_private` http and every address that resolves are fine too.
    """
    parsed = _parsed(url, allow_private, field)
    host = parsed.raw_host.decode("ascii")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    if not allow_private:
        _refuse_odd_number(host, field)
    addresses = await _resolve(host, port, field)
    if not allow_private and not all(is_public(address) for address in addresses):
        raise BadInput(
            field,
            f"{host} is a private, loopback, link-local or reserved address",
            "Use an address on the public internet, or set FILMFORGE_ALLOW_PRIVATE_URLS=1 on a "
            "machine for development.",
        )
    return Checked(str(parsed), host, port, addresses)


def is_public(address: str) -> bool:
    """Whether an IP address, or the IPv4 address embedded in it, is on the public internet."""
    ip = _embedded(ipaddress.ip_address(address.partition("%")[0]))
    special = ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback
    listed = any(ip in network for network in _NOT_PUBLIC if network.version == ip.version)
    return ip.is_global and not special and not ip.is_link_local and not listed


def is_public_url(url: str) -> bool:
    """Whether somebody out there could reach it: a public address, or a name that may have one."""
    host = urlsplit(url).hostname or ""
    try:
        return is_public(host)
    except ValueError:
        return "." in host and not host.endswith((".local", ".internal", ".localhost"))


def is_near(url: str) -> bool:
    """Whether a URL names this machine itself, and means another one everywhere else."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@asynccontextmanager
async def open_checked(
    checked: Checked,
    method: str = "GET",
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    timeout_s: float = 15.0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[httpx.Response]:
    """Call a checked URL at the address that was checked, not at what its name says now.

    The whole visit, reading included, takes at most `timeout_s` seconds. No redirect is followed,
    no proxy used. Raises httpx.HTTPError or TimeoutError.
    """
    client = httpx.AsyncClient(
        transport=_Pinned(checked, tls or _tls()),
        timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
        headers={"accept-encoding": "identity", "user-agent": "FilmForge"},
        trust_env=False,
        follow_redirects=False,
    )
    async with (
        asyncio.timeout(timeout_s),
        client,
        client.stream(method, checked.url, headers=headers, content=content) as answer,
    ):
        yield answer


async def download(
    url: str, path: Path, *, allow_private: bool, field: str, max_bytes: int, timeout_s: float
) -> None:
    """Stream what a URL answers to a file; after a failure there is no file.

    Raises BadInput naming `field` when the URL is refused, answers anything but 200, takes
    more than `timeout_s` seconds or sends more than `max_bytes`.
    """
    checked = await check_url(url, allow_private, field)
    try:
        async with open_checked(checked, timeout_s=timeout_s) as answer:
            _refuse_answer(answer, field)
            with _written(path) as file:
                await _copy(answer, file, field, max_bytes)
    except (httpx.HTTPError, TimeoutError) as error:
        problem = f"could not be downloaded: {type(error).__name__}"
        raise BadInput(field, problem, "Check that the file can be fetched from there.") from error


class _Pinned(httpx.AsyncHTTPTransport):
    """Connects to checked addresses in turn; the name stays in Host and in the TLS handshake."""

    def __init__(self, checked: Checked, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False, retries=0)
        self._checked = checked

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = self._checked.host
        *others, last = self._checked.addresses
        for address in others:
            request.url = request.url.copy_with(host=address)
            try:
                return await super().handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        request.url = request.url.copy_with(host=last)
        return await super().handle_async_request(request)


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _parsed(url: str, allow_private: bool, field: str) -> httpx.URL:
    remedy = "Give an address such as https://example.com/hook."
    if len(url) > MAX_URL_CHARS:
        raise BadInput(field, f"is longer than {MAX_URL_CHARS} characters", remedy)
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise BadInput(field, "is not a URL", remedy) from None
    if not parsed.host or any(c.isspace() or c == "\\" for c in url):
        raise BadInput(field, "is not a URL with a host", remedy)
    schemes = ("https", "http") if allow_private else ("https",)
    if parsed.scheme not in schemes:
        raise BadInput(field, f"has the scheme {parsed.scheme or 'none'!r}", remedy)
    if parsed.userinfo:
        raise BadInput(field, "holds a user name or password", "Leave them out of the address.")
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise BadInput(field, f"has the port {parsed.port}", "Use a port from 1 to 65535.")
    return parsed.copy_with(fragment=None)


def _refuse_odd_number(host: str, field: str) -> None:
    # 2130706433, 0x7f.1 and 0177.0.0.1 are 127.0.0.1 to some and names to others.
    last = host.rstrip(".").rpartition(".")[2].lower()
    if ":" in host or not (last.isdigit() or last.startswith("0x")):
        return
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        remedy = "Write an address as four decimal numbers, or give a name."
        raise BadInput(field, f"{host} is an unusual way to write an address", remedy) from None


async def _resolve(host: str, port: int, field: str) -> tuple[str, ...]:
    ask = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_TIMEOUT_S):
            found = await loop.run_in_executor(_RESOLVERS, ask)
    except (OSError, UnicodeError, TimeoutError):
        found = []
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise BadInput(field, f"{host} cannot be resolved", "Check the name of the host.")
    return addresses


def _embedded(ip: _Address) -> _Address:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _refuse_answer(answer: httpx.Response, field: str) -> None:
    if answer.status_code != httpx.codes.OK:
        remedy = "Give an address that answers 200 with the file itself; none is followed further."
        raise BadInput(field, f"answered HTTP {answer.status_code}", remedy)
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise BadInput(field, "answered a compressed file", "Serve the file as it is.")


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("wb") as file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _copy(answer: httpx.Response, file: BinaryIO, field: str, max_bytes: int) -> None:
    size = 0
    async for piece in answer.aiter_raw():
        size += len(piece)
        if size > max_bytes:
            raise BadInput(field, f"is larger than {max_bytes} bytes", "Use a smaller file.")
        file.write(piece)
