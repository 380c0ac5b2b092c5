"""Bodies: bounded, strict JSON, refused with words that name the place and the remedy."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from filmforge.brief import MAX_SHOTS
from filmforge.gateway.problems import Refusal, invalid
from filmforge.gateway.wording import FieldError, clip, errors_of, path_of
from filmforge.sound import MAX_CUES

MAX_BODY_BYTES = 5 * 2**20
MAX_DEPTH = 64
MAX_FIELDS = 64
MAX_ITEMS = 100
# Where more items or more fields than that may stand; a bare list is one of shots.
_LONG_LISTS: dict[tuple[str, ...], int] = {
    (): MAX_SHOTS,
    ("shots",): MAX_SHOTS,
    ("sound", "music"): MAX_CUES,
    ("sound", "ambience"): MAX_CUES,
    ("sound", "effects"): MAX_CUES,
}
_LARGE_OBJECTS: dict[tuple[str, ...], int] = {
    ("trim",): MAX_SHOTS,
    ("scenes",): MAX_SHOTS,
    ("subtitles", "tracks", "*", "lines"): MAX_SHOTS,
}
MAX_DIGITS = 40
READ_TIMEOUT_S = 60
STALL_S = 30
SMALLER = "make it smaller"
_DISCARD_BYTES = 32 * 2**20
_DISCARD_S = 2.0
_CLOSE = {"Connection": "close"}
# Possessive, and a string may lack its end: no input makes it go back.
_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)

Body = TypeVar("Body", bound=BaseModel)


class _Unreadable(ValueError):
    """What is wrong with JSON that the parser takes and we do not: field, problem, remedy."""


async def raw_body(request: Request) -> bytes:
    """The whole body, read once. Raises Refusal: 413 over 5 MiB, 408 when it takes too long."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            body = b"".join([piece async for piece in pieces(request, MAX_BODY_BYTES)])
    except TimeoutError:
        detail = f"The body did not arrive within {READ_TIMEOUT_S} s."
        raise Refusal(408, "too_slow", detail, headers=_CLOSE) from None
    request.state.raw_body = body
    return body


async def read_json(request: Request) -> Any:
    """The JSON document of the body. Raises Refusal."""
    raw = await raw_body(request)
    if not raw.strip():
        raise _refused("is empty", "Send a JSON document.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        detail = f"The content type is {clip(kind) or 'missing'}: send application/json."
        raise Refusal(415, "unsupported_media_type", detail)
    return await asyncio.to_thread(parse_json, raw)


async def read_model(request: Request, model: type[Body], *, optional: bool = False) -> Body:
    """The body as a model; with `optional` nothing at all stands for an empty object."""
    empty = optional and not (await raw_body(request)).strip()
    document = {} if empty else await read_json(request)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid(errors_of(error, model)) from None


def parse_json(raw: bytes) -> Any:
    """Parse strictly: UTF-8, no NaN, no key twice, bounded depth and sizes. Raises Refusal."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8: byte {error.start} is not part of a character"
        raise _refused(problem, "Send the document encoded as UTF-8.") from None
    _check_depth(text)
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_int=_integer)
    except _Unreadable as error:
        raise _refused(error.args[1], error.args[2], error.args[0]) from None
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg}, line {error.lineno}, column {error.colno}"
        raise _refused(problem, "Correct the document there.") from None
    try:
        _check_sizes(document, ())
    except _Unreadable as error:
        raise invalid([_field_error(error)]) from None
    return document


async def pieces(request: Request, limit: int, remedy: str = SMALLER) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises Refusal: 413 over `limit` bytes, 408 when it stalls."""
    known: bytes | None = getattr(request.state, "raw_body", None)
    if known is not None:
        yield known
        return
    declared = request.headers.get("content-length", "")
    left = -1 if declared.isdigit() and int(declared) > limit else limit
    stream = request.stream()
    while left >= 0 and (piece := await _next(stream)) is not None:
        left -= len(piece)
        if left >= 0:
            yield piece
    if left < 0:
        await _discard(stream)
        detail = f"The body is larger than {limit:,} bytes: {remedy}."
        raise Refusal(413, "too_large", detail, headers=_CLOSE)


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    try:
        async with asyncio.timeout(STALL_S):
            return await anext(stream, None)
    except TimeoutError:
        detail = f"Nothing more of the body arrived for {STALL_S} s."
        raise Refusal(408, "too_slow", detail, headers=_CLOSE) from None


async def _discard(stream: AsyncIterator[bytes]) -> None:
    """Throw away what still comes, so that a sender who only then reads gets the answer."""
    left = _DISCARD_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_S):
            while left > 0 and (piece := await anext(stream, None)) is not None:
                left -= len(piece)


def _refused(problem: str, remedy: str, field: str = "body") -> Refusal:
    told = FieldError(field=field, problem=problem, remedy=remedy)
    return Refusal(400, "unreadable_body", f"{field} {problem}. {remedy}", [told])


def _field_error(error: _Unreadable) -> FieldError:
    field, problem, remedy = error.args
    return FieldError(field=field, problem=problem, remedy=remedy)


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        sign = text[token.start()]
        if sign in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                line = text.count("\n", 0, token.start()) + 1
                problem = f"is nested deeper than {MAX_DEPTH} levels, line {line}"
                raise _refused(problem, "Send a flatter document.")
        elif sign in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value] # add returns None on purpose
        raise _Unreadable(clip(twice), "stands twice in one object", "Keep one of the two.")
    return made


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        problem = f"holds a number of {len(digits):,} digits"
        raise _Unreadable("body", problem, f"Use at most {MAX_DIGITS} digits.")
    return int(digits)


def _check_sizes(value: Any, place: tuple[int | str, ...]) -> None:
    """Refuse what no field takes before it is validated, so that its errors stay few."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _Unreadable(path_of(place), "must be finite, not NaN or infinity", "Give a number.")
    if isinstance(value, list):
        most = _LONG_LISTS.get(_names(place), MAX_ITEMS)
        if len(value) > most:
            problem = f"has {len(value):,} items; at most {most:,} are allowed"
            raise _Unreadable(path_of(place), problem, f"Keep it to {most:,} items.")
        for index, item in enumerate(value):
            _check_sizes(item, (*place, index))
    elif isinstance(value, dict):
        most = _LARGE_OBJECTS.get(_names(place), MAX_FIELDS)
        if len(value) > most:
            problem = f"has {len(value):,} fields; at most {most:,} are allowed"
            raise _Unreadable(path_of(place), problem, "Remove those that are not known.")
        for key, item in value.items():
            _check_sizes(item, (*place, key))


def _names(place: tuple[int | str, ...]) -> tuple[str, ...]:
    return tuple("*" if isinstance(part, int) else part for part in place)
