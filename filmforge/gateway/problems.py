"""Problem documents (RFC 9457): every refusal in one shape, naming the field and the remedy."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from filmforge.errors import (
    BadInput,
    BadMedia,
    BudgetExceeded,
    Conflict,
    CreateAmbiguous,
    FilmError,
    FilmStopped,
    NotConfigured,
    NotFound,
    ProviderError,
    ServiceUnavailable,
    StoreUnavailable,
)
from filmforge.fields import Frozen
from filmforge.gateway.rendering import SIGN_IN, page, sent_to_sign_in, wants_html
from filmforge.gateway.wording import MAX_ERRORS, FieldError, clip, errors_of

MAX_DETAIL_CHARS = 1_000
RETRY_AFTER_S = 5

_STATUS: dict[type[FilmError], int] = {
    BadInput: 422,
    BadMedia: 422,
    NotConfigured: 422,
    NotFound: 404,
    Conflict: 409,
    FilmStopped: 409,
    CreateAmbiguous: 409,
    BudgetExceeded: 402,
    ServiceUnavailable: 503,
    StoreUnavailable: 503,
    ProviderError: 502,
}
_TITLES = {
    400: "The body cannot be read",
    401: "Who calls is not known",
    402: "The budget does not allow it",
    403: "That is not allowed",
    404: "There is no such thing",
    405: "The method is not allowed here",
    408: "The body took too long",
    409: "It contradicts what is already so",
    410: "The link has expired",
    413: "The body is too large",
    415: "The content type is not supported",
    422: "The input cannot be used",
    429: "Too many were wrong",
    500: "Something of ours went wrong",
    502: "A provider could not be used",
    503: "A server of ours does not answer",
}
_AWAY = "A server of ours could not be used. Look again in a minute for what was done and what not."

_log = structlog.get_logger()


class Problem(Frozen):
    """A problem document; `code` is a stable word for programs."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[FieldError, ...] = ()


class Refusal(FilmError):
    """A request that is answered with a problem document as given here."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.word = code
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def install_problems(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(FilmError, _film_error)
    app.add_exception_handler(RequestValidationError, _bad_parameters)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(OperationalError, _database_error)
    app.add_exception_handler(InterfaceError, _database_error)
    app.add_exception_handler(Exception, _our_fault)


def invalid(errors: Sequence[FieldError]) -> Refusal:
    """The refusal of fields that cannot be used."""
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    detail = f"{first.field} {first.problem}. {first.remedy}{more}"
    return Refusal(422, BadInput.code, detail, errors[:MAX_ERRORS])


def respond(refusal: Refusal) -> Response:
    """The problem document of a refusal."""
    problem = Problem(
        type=f"urn:filmforge:problem:{refusal.word}",
        title=_TITLES.get(refusal.status, "The request was refused"),
        status=refusal.status,
        detail=clip(str(refusal), MAX_DETAIL_CHARS),
        code=refusal.word,
        errors=refusal.errors,
    )
    body: dict[str, Any] = problem.model_dump(mode="json") | refusal.more
    if not problem.errors:
        del body["errors"]
    # Escaped to ASCII: what is echoed may hold characters that UTF-8 cannot carry.
    return Response(
        json.dumps(body), refusal.status, refusal.headers, media_type="application/problem+json"
    )


def refusal_of(error: FilmError) -> Refusal:
    """The refusal that answers one of our errors."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BadInput):
        return invalid([FieldError(field=error.field, problem=error.problem, remedy=error.remedy)])
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 500)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return Refusal(status, error.code, str(error), headers=headers)


async def _film_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FilmError)
    refusal = refusal_of(error)
    if refusal.status >= 500:
        _log.error("request_failed", code=refusal.word, error=str(error))
        if not (isinstance(error, Refusal) or _is_api(request)):
            # What a server said may tell where it is, and a page is for guests too.
            refusal = Refusal(refusal.status, refusal.word, _AWAY, headers=refusal.headers)
    return _answered(request, refusal)


def _is_api(request: Request) -> bool:
    return request.url.path.startswith("/v1/")


def _answered(request: Request, refusal: Refusal) -> Response:
    """A problem document, or what a person who looks at pages is to read."""
    if _is_api(request) or not wants_html(request):
        return respond(refusal)
    if refusal.word == SIGN_IN and request.method in ("GET", "HEAD"):
        return sent_to_sign_in(request)
    title = _TITLES.get(refusal.status, "That could not be used")
    answer = page("notice.html", refusal.status, title=title, words=str(refusal), note="", back="")
    answer.headers.update(refusal.headers)
    return answer


async def _bad_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The first part of a place says "query" or "path": the field is named without it.
    found = [{**entry, "loc": tuple(entry["loc"][1:])} for entry in error.errors()]
    return _answered(request, invalid(errors_of(found)))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = {
        404: "There is nothing at this address; /openapi.json lists what there is.",
        405: f"{request.method} is not allowed here; /openapi.json lists what is.",
    }.get(error.status_code, str(error.detail))
    word = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    return _answered(request, Refusal(error.status_code, word, detail, headers=error.headers))


async def _database_error(request: Request, error: Exception) -> Response:
    _log.error("database_failed", error=clip(str(error), MAX_DETAIL_CHARS))
    away = ServiceUnavailable("the database did not answer; try again")
    return _answered(request, refusal_of(away))


async def _our_fault(request: Request, _error: Exception) -> Response:
    # The server logs the error itself; callers learn nothing of our inside.
    return _answered(request, Refusal(500, FilmError.code, "An error of ours; it was logged."))
