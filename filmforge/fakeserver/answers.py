"""The answers of the server: JSON, problems, and the ones that break on the wire."""

from typing import NoReturn

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

MAX_BODY_BYTES = 1024 * 1024
MALFORMED = Response('{"request_id": "abc', media_type="application/json")


class Problem(Exception):
    """An answer that is not a success; `code` is stable."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


async def problem_answer(_request: Request, error: Exception) -> Response:
    """Write a problem as JSON: {"error": {"code", "message"}}."""
    if not isinstance(error, Problem):
        raise error
    body = {"error": {"code": error.code, "message": str(error)}}
    return JSONResponse(body, error.status, error.headers)


def refuse_invalid(error: ValidationError) -> NoReturn:
    """Turn the first thing that is wrong with a body into a problem naming the field."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "body"
    raise Problem(422, "bad_request", f"{field}: {first['msg']}") from None


async def read_body(request: Request) -> bytes:
    """The body of a request, at most 1 MiB."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise Problem(413, "too_large", f"body: at most {MAX_BODY_BYTES} bytes")
    return bytes(body)


class Cut(Response):
    """An answer that promises a whole body, sends `share` of it and then drops the line."""

    def __init__(self, body: bytes, media_type: str, share: float) -> None:
        super().__init__(body, media_type=media_type)
        self._share = share

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send headers and a part of the body; the server closes what is left unfinished."""
        headers = self.raw_headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        part = bytes(self.body)[: int(len(self.body) * self._share)]
        await send({"type": "http.response.body", "body": part, "more_body": True})


class Silence(Response):
    """No answer at all, until the caller gives up."""

    async def __call__(self, _scope: Scope, receive: Receive, _send: Send) -> None:
        """Wait for the caller to hang up."""
        while (await receive())["type"] != "http.disconnect":
            continue
