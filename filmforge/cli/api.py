"""A client of the HTTP API."""

import hashlib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from filmforge.cli.access import Access
from filmforge.cli.problems import Refusal, Unreachable
from filmforge.errors import BadMedia

Document = dict[str, Any]

_TIMEOUT = httpx.Timeout(60, connect=5)
_LONG_TIMEOUT = httpx.Timeout(600, connect=5)
_PAUSE_S, _LONGEST_PAUSE_S = 5.0, 60.0


class Api:
    """One connection; every answer that is not a success raises Refusal."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=not is_loopback(access.url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, patient: bool = False
    ) -> Any:
        """Read something. Raises Refusal or Unreachable, as every call here.

        A `patient` call waits for ten minutes, for what the API must first ask elsewhere.
        """
        timeout = _LONG_TIMEOUT if patient else _TIMEOUT
        return self._call("GET", path, params=params, timeout=timeout)

    def put(self, path: str, body: Any) -> Any:
        """Set something; `body` is sent as JSON."""
        return self._call("PUT", path, json=body)

    def patch(self, path: str, body: Any) -> Any:
        """Change something; `body` is sent as JSON."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> Any:
        """Take something away."""
        return self._call("DELETE", path)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """Ask for something to be done; `body` is sent as JSON."""
        return self._call("POST", path, json=body, headers=headers)

    def ask(self, path: str, body: Any) -> tuple[Any, float]:
        """Post something, and learn after how many seconds the API wishes to be asked again."""
        answer = self._answer("POST", path, json=body)
        return _document(answer), _pause_s(answer)

    def send(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> Any:
        """Post a JSON document as it was written."""
        return self._call(
            "POST",
            path,
            content=body,
            headers={"Content-Type": "application/json", **(headers or {})},
        )

    def upload(self, path: str, file: Path, **params: str) -> Any:
        """Post a file as it is; `params` say what there is to say of it."""
        with file.open("rb") as content:
            return self._call(
                "POST",
                path,
                content=content,
                params=params,
                headers={"Content-Type": "application/octet-stream"},
                timeout=_LONG_TIMEOUT,
            )

    def ready(self) -> bool:
        """Whether the API answers and is ready for work."""
        with suppress(httpx.HTTPError):
            return self._client.get(f"{self._access.url}/readyz").is_success
        return False

    def download(self, url: str, target: Path, digest: str | None = None) -> int:
        """Stream a file to a path and return its size in bytes; an older one is replaced whole.

        Raises BadMedia when the bytes are not those of the digest; the target is untouched then.
        """
        draft = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            found, size = self._stream(url, draft)
            if digest and found != digest:
                raise BadMedia(f"{target.name} arrived damaged: try again")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        return size

    def pieces(self, url: str, params: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        """The bytes of a file as they arrive; one that is made for this call may take minutes."""
        address = self._address(url)
        options: dict[str, Any] = {"headers": self._key(address), "timeout": _LONG_TIMEOUT}
        try:
            with self._client.stream("GET", address, params=params, **options) as answer:
                if not answer.is_success:
                    answer.read()
                    refuse(answer)
                yield from answer.iter_bytes()
        except httpx.TransportError as error:
            raise unreachable(self._access.url, error) from None

    def _stream(self, url: str, draft: Path) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with draft.open("wb") as file:
            for piece in self.pieces(url):
                digest.update(piece)
                size += file.write(piece)
        return digest.hexdigest(), size

    def _call(self, method: str, path: str, **options: Any) -> Any:
        return _document(self._answer(method, path, **options))

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        address = self._address(path)
        headers = {
            "Accept": "application/json",
            **self._key(address),
            **(options.pop("headers", None) or {}),
        }
        try:
            answer = self._client.request(method, address, headers=headers, **options)
        except httpx.TransportError as error:
            raise unreachable(self._access.url, error) from None
        refuse(answer)
        return answer

    def _address(self, path: str) -> str:
        return path if "://" in path else f"{self._access.url}{path}"

    def _key(self, address: str) -> dict[str, str]:
        # A storage server would refuse the key beside its own signature; others must not see it.
        if urlsplit(address)[:2] != urlsplit(self._access.url)[:2]:
            return {}
        return {"Authorization": f"Bearer {self._access.key}"}


def film_path(film_id: str, *rest: str) -> str:
    """The path of a film or of something below it, each part quoted."""
    return "/".join(["/v1/films", *(quote(part, safe="") for part in (film_id, *rest))])


def is_loopback(url: str) -> bool:
    """Whether an address is this machine, where no proxy has any business."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def refuse(answer: httpx.Response) -> None:
    """Raise Refusal for an answer, read to its end, that is not a success."""
    if answer.is_success:
        return
    problem: Any = None
    with suppress(ValueError):
        problem = answer.json()
    if not isinstance(problem, dict):
        problem = {"title": f"the API answered {answer.status_code} {answer.reason_phrase}"}
    raise Refusal(answer.status_code, problem)


def unreachable(url: str, error: httpx.TransportError) -> Unreachable:
    """The error for a call that brought no answer, saying what to do."""
    if isinstance(error, httpx.ConnectError):
        return Unreachable(f"{url} does not answer. Start it with `filmforge up`.")
    return Unreachable(f"{url} did not answer ({type(error).__name__}). Try again.")


def _pause_s(answer: httpx.Response) -> float:
    told = answer.headers.get("retry-after", "")
    return min(float(told), _LONGEST_PAUSE_S) if told.isdecimal() else _PAUSE_S


def _document(answer: httpx.Response) -> Any:
    if not answer.content:
        return {}
    try:
        return answer.json()
    except ValueError:
        raise Unreachable(f"{answer.url} answered with something that is no JSON.") from None
