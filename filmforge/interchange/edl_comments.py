"""What a CMX3600 list cannot say in its columns, said in comments that other readers pass over.

A comment `* FILMFORGE KIND {json}` belongs to the event above it (FILM to the whole film);
`* FILMFORGE + …` goes on where a long one was folded.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from filmforge.errors import BadInput

_PREFIX = "* FILMFORGE "
_MORE = "+"
_COLUMNS = 76


def folded(kind: str, value: dict[str, Any]) -> Iterator[str]:
    """The lines of one comment: ASCII, none longer than 76 columns or ending in a space."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    # A space at a fold would be stripped by editors, so inside the JSON it is escaped.
    text = text.replace(" ", "\\u0020") if len(text) > _COLUMNS // 2 else text
    lead = _PREFIX + kind + " "
    while text:
        room = _COLUMNS - len(lead)
        yield lead + text[:room]
        text, lead = text[room:], _PREFIX + _MORE + " "


def unfolded(comments: Iterable[str]) -> list[tuple[str, dict[str, Any]]]:
    """The comments of ours among these lines, in their order. Raises BadInput for a broken one."""
    texts: list[tuple[str, str]] = []
    for line in comments:
        if not line.startswith(_PREFIX):
            continue
        kind, _, text = line.removeprefix(_PREFIX).partition(" ")
        if kind != _MORE:
            texts.append((kind, text))
        elif texts:
            texts[-1] = (texts[-1][0], texts[-1][1] + text)
    return [(kind, _parsed(text)) for kind, text in texts]


def _parsed(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadInput(
            "edl",
            f"the comment beginning with {text[:40]!r} is damaged",
            "Remove the FILMFORGE comments of that event, or export the list again.",
        )
    return value
