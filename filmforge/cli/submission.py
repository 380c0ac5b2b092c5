"""A film document as a person wrote it, read from a file or from standard input."""

import json
import sys
from pathlib import Path
from typing import Any

from filmforge.errors import BadInput

_MAX_BYTES = 5 * 1024 * 1024


def read_document(source: str) -> Any:
    """Read a JSON document from a file, or from stdin for "-"; the API judges what it says.

    Raises BadInput for a file that is missing, too large, or no JSON in UTF-8.
    """
    try:
        content = _content(source)
    except OSError as error:
        raise BadInput(source, f"cannot be read ({error.strerror})", "Name a JSON file") from None
    if len(content) > _MAX_BYTES:
        raise BadInput(source, "is larger than 5 MiB", "Split the film")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise BadInput(source, "is not UTF-8", "Save it as UTF-8") from None
    except RecursionError:
        raise BadInput(source, "is nested too deeply", "Write a film or a list of shots") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadInput(source, f"is no JSON: {error.msg} in {where}", "Correct it there") from None
    except ValueError as error:
        raise BadInput(source, f"is no JSON: {error}", "Correct it") from None


def _content(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read(_MAX_BYTES + 1)
    with Path(source).open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def with_fields(document: Any, **given: str | None) -> Any:
    """The document with the film fields given set; a bare list becomes a film's shots."""
    chosen = {name: value for name, value in given.items() if value is not None}
    if not chosen:
        return document
    if isinstance(document, list):
        document = {"shots": document}
    if not isinstance(document, dict):
        raise BadInput("film", "is neither an object nor a list", "Write a film or a list of shots")
    return {**document, **chosen}


def encode(document: Any) -> bytes:
    """The document as JSON in UTF-8."""
    # surrogatepass: a lone surrogate is the API's to refuse by field name
    return json.dumps(document, ensure_ascii=True).encode()
