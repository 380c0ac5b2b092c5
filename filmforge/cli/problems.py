"""What went wrong, in plain sentences, and the exit status that goes with it."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from filmforge.errors import BadInput, FilmError

_WRONG_USE = (400, 411, 413, 415, 422)


class Refusal(FilmError):
    """The API answered with a problem document (RFC 9457); `problem` is the whole of it."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__("\n".join(sentences(problem)) or f"the API answered {status}")
        self.status = status
        self.problem = {"status": status, **problem}


class Unreachable(FilmError):
    """No answer came from the API."""

    code = "unreachable"


def sentences(problem: Mapping[str, Any]) -> list[str]:
    """A problem document as lines: each wrong field with its remedy, or else what is wrong."""
    parts = [part for part in problem.get("errors") or () if isinstance(part, Mapping)]
    if not parts:
        return str(problem.get("detail") or problem.get("title") or "").splitlines()
    title = [f"{problem['title']}:"] if problem.get("title") and len(parts) > 1 else []
    return title + [_sentence(part) for part in parts]


def _sentence(part: Mapping[str, Any]) -> str:
    words = f"{part.get('field', '')} {part.get('problem', '')}".strip().rstrip(".")
    return f"{words}. {part.get('remedy', '')}".strip()


def complain(error: FilmError, as_json: bool) -> int:
    """Write an error to stderr, and as a document to stdout if asked; returns the exit status."""
    if as_json:
        sys.stdout.write(json.dumps(_document(error), ensure_ascii=False, indent=2) + "\n")
    lines = str(error).splitlines() or [error.code]
    for line in lines:
        sys.stderr.write(f"filmforge: {line}\n")
    return _status(error)


def _document(error: FilmError) -> dict[str, Any]:
    match error:
        case Refusal():
            return error.problem
        case BadInput():
            return {
                "code": error.code,
                "field": error.field,
                "detail": error.problem,
                "remedy": error.remedy,
            }
        case _:
            return {"code": error.code, "detail": str(error)}


def _status(error: FilmError) -> int:
    wrong_use = isinstance(error, BadInput) or (
        isinstance(error, Refusal) and error.status in _WRONG_USE
    )
    return 2 if wrong_use else 1
