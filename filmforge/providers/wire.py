"""The wire: HTTP to a provider, where a paid POST is sent exactly once and every end has a name."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from filmforge.addresses import check_url, open_checked
from filmforge.errors import (
    AnswerLost,
    BadInput,
    BadMedia,
    ContentRefused,
    FilmError,
    KeyRefused,
    NotConfigured,
    NotSent,
    OutOfCredit,
    ProviderUnavailable,
    RateLimited,
    Refused,
)

MAX_ANSWER_BYTES = 1024 * 1024
ASK_TIMEOUT_S = 10.0
DOWNLOAD_TIMEOUT_S = 600.0
MAX_REDIRECTS = 3
# The longest answer that is the asset itself: an hour of sound is some 60 MB.
MAX_ASSET_ANSWER_BYTES = 500_000_000
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Answer:
    """A whole answer; `body` is empty when it was written to a file."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the provider says that it did what it was asked."""
        return httpx.codes.is_success(self.status)


class Wire:
    """One provider's HTTP client; `key` is hidden in every message that leaves it.

    `base_url` may have a path. Raises NotConfigured for one that is no address.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        key: str = "",
        submit_timeout_s: float,
        allow_private: bool = False,
        max_connections: int = 64,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NotConfigured(f"{name}: {base_url!r} is no address: give one with https://")
        self.name = name
        self.base = base_url.rstrip("/")
        self._key = key
        self._submit_timeout_s = submit_timeout_s
        self._allow_private = allow_private
        limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections
        )
        self.client = httpx.AsyncClient(
            headers={"accept-encoding": "identity", "user-agent": "FilmForge", **headers},
            timeout=ASK_TIMEOUT_S,
            limits=limits,
            trust_env=False,
            follow_redirects=False,
        )

    async def post_once(self, path: str, *, into: Path | None = None, **options: Any) -> Answer:
        """Send a paid request exactly once; `options` are httpx's (json, data, files, params).

        With `into` the body of a successful answer is written there, whole and synced, or not at
        all. Raises NotSent when it never left, AnswerLost when it may have arrived, also when
        what came of it cannot be kept.
        """
        # Waiting for a connection is given a part of the time, so that it fails by its own name:
        # a request that never left is worth telling from one whose answer was lost.
        wait_s = self._submit_timeout_s / 2
        timeout = httpx.Timeout(self._submit_timeout_s, connect=wait_s, pool=wait_s)
        try:
            async with asyncio.timeout(self._submit_timeout_s):
                return await self._call("POST", path, into=into, timeout=timeout, **options)
        except NEVER_SENT as error:
            raise NotSent(self.told(f"cannot be reached: {error!r}")) from None
        except (httpx.HTTPError, TimeoutError, BadMedia, OSError) as error:
            raise AnswerLost(self.told(f"no answer to a submission: {error!r}")) from None

    async def ask(
        self,
        form: type[A],
        method: str,
        path: str,
        *,
        max_bytes: int = MAX_ANSWER_BYTES,
        **options: Any,
    ) -> A:
        """Make a free call and read its JSON answer. Raises ProviderUnavailable."""
        answer = await self.call(method, path, max_bytes=max_bytes, **options)
        if not answer.ok:
            raise ProviderUnavailable(self.told(f"{path}: HTTP {answer.status}"))
        try:
            return form.model_validate_json(answer.body)
        except ValidationError as error:
            problem = error.errors()[0]["msg"]
            raise ProviderUnavailable(self.told(f"{path}: unreadable: {problem}")) from None

    async def call(
        self, method: str, path: str, *, max_bytes: int = MAX_ANSWER_BYTES, **options: Any
    ) -> Answer:
        """Make a free call, whatever its status. Raises ProviderUnavailable."""
        try:
            async with asyncio.timeout(ASK_TIMEOUT_S):
                return await self._call(method, path, max_bytes=max_bytes, **options)
        except (httpx.HTTPError, TimeoutError) as error:
            raise ProviderUnavailable(self.told(f"{path}: {error!r}")) from None

    async def download(
        self, url: str, path: Path, max_bytes: int, *, timeout_s: float = DOWNLOAD_TIMEOUT_S
    ) -> None:
        """Stream an output to a file; after a failure there is none.

        The provider's own address is trusted and gets its key, any other must be public and gets
        none. Raises ProviderUnavailable when it cannot be had, BadMedia when it is longer than
        `max_bytes` or ends too early.
        """
        try:
            async with asyncio.timeout(timeout_s), self._output(url) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise ProviderUnavailable(self.told(_why(answer.status_code)))
                with written(path) as file:
                    await self._copy(answer, file, max_bytes)
        except httpx.RemoteProtocolError:
            raise BadMedia(self.told("the output ended too early")) from None
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise ProviderUnavailable(self.told(f"the output cannot be had: {error!r}")) from None

    def told(self, message: str) -> str:
        """A message with the provider's name before it and without its key."""
        hidden = message.replace(self._key, "***") if self._key else message
        return f"{self.name}: {hidden}"

    def not_accepted(self, answer: Answer, message: str, *, content: bool = False) -> FilmError:
        """What an unsuccessful answer to a paid POST means; `content` if it names the content.

        Only a 4xx proves that nothing was taken; 408 and every 5xx may come from a gateway
        between us and a provider that has accepted.
        """
        told = self.told(message or f"HTTP {answer.status}")
        match answer.status:
            case 401 | 403 if not content:
                return KeyRefused(told)
            case 402:
                return OutOfCredit(told)
            case 429:
                return RateLimited(told, retry_after_s(answer.headers))
            case 408 | 409 | 425:
                return AnswerLost(told)
            case status if httpx.codes.is_client_error(status):
                return ContentRefused(told) if content else Refused(told)
        return AnswerLost(told)

    async def close(self) -> None:
        """Release the connections."""
        await self.client.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        *,
        into: Path | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        **options: Any,
    ) -> Answer:
        url = path if "://" in path else self.base + path
        async with self.client.stream(method, url, **options) as answer:
            if into is not None and answer.is_success:
                with written(into) as file:
                    await self._copy(answer, file, MAX_ASSET_ANSWER_BYTES)
                return Answer(answer.status_code, answer.headers, b"")
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > max_bytes:
                    raise httpx.RemoteProtocolError(f"the answer is longer than {max_bytes} bytes")
        return Answer(answer.status_code, answer.headers, bytes(body))

    @asynccontextmanager
    async def _output(self, url: str) -> AsyncIterator[httpx.Response]:
        if _origin(url) == _origin(self.base):
            async with self.client.stream("GET", url) as answer:
                yield answer
            return
        for _ in range(MAX_REDIRECTS):
            try:
                checked = await check_url(url, self._allow_private, "output")
            except BadInput as error:
                raise ProviderUnavailable(self.told(str(error))) from None
            async with open_checked(checked, timeout_s=DOWNLOAD_TIMEOUT_S) as answer:
                if not answer.has_redirect_location:
                    yield answer
                    return
                url = urljoin(url, answer.headers["location"])
        raise ProviderUnavailable(self.told("the output redirects too often"))

    async def _copy(self, answer: httpx.Response, file: BinaryIO, max_bytes: int) -> None:
        size = 0
        async for piece in answer.aiter_raw():
            size += len(piece)
            if size > max_bytes:
                raise BadMedia(self.told(f"the output is longer than {max_bytes} bytes"))
            file.write(piece)


def fingerprint(key: str) -> str:
    """A short name for an account that tells nothing of its key."""
    return hashlib.sha256(b"filmforge account\0" + key.encode()).hexdigest()[:12]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as a date (RFC 9110, 10.2.3)."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        if text.replace(".", "", 1).isdigit():
            return float(text)
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole and synced after the block, or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _why(status: int) -> str:
    gone = status in (httpx.codes.GONE, httpx.codes.NOT_FOUND)
    return f"the output {'is gone' if gone else 'cannot be had now'} (HTTP {status})"
