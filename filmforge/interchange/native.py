"""OpenTimelineIO's own file: the whole timeline as JSON, nothing left out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import opentimelineio as otio

from filmforge.errors import BadInput

MAX_BYTES = 64 << 20
_MAX_OBJECTS = 1_000_000
_MAX_VALUES = 5_000_000
_SCHEMAS = frozenset(
    {
        *("Timeline", "Stack", "Track", "Clip", "Gap", "Transition", "Marker"),
        *("Effect", "TimeEffect", "LinearTimeWarp", "FreezeFrame", "SerializableCollection"),
        *("ExternalReference", "MissingReference", "GeneratorReference"),
        *("ImageSequenceReference", "RationalTime", "TimeRange", "TimeTransform"),
        *("Box2d", "V2d", "Color"),
    }
)
_REMEDY = "Export an .otio timeline with the editor's own exporter."


def write_otio(timeline: otio.schema.Timeline, path: Path) -> None:
    """Write the timeline; the same timeline gives the same bytes."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json_of(timeline), encoding="utf-8")
    partial.replace(path)


def json_of(timeline: otio.schema.Timeline) -> str:
    """The timeline as JSON, hardly indented: white space would be most of a long film's file."""
    return str(timeline.to_json_string(indent=1))


def read_otio(text: str) -> otio.schema.Timeline:
    """The timeline in an .otio file of unknown origin.

    Raises BadInput for more than 64 MiB, 1,000,000 objects or 5,000,000 values, for JSON nested too
    deeply, and for schemas that are not OpenTimelineIO's own.
    """
    _check_size(text)
    _check_schemas(_parsed(text))
    try:
        found = otio.core.deserialize_json_from_string(text)
    except (otio.exceptions.OTIOError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise _bad(f"OpenTimelineIO cannot read it: {str(error)[:200]}") from None
    if isinstance(found, otio.schema.SerializableCollection):
        timelines = [item for item in found if isinstance(item, otio.schema.Timeline)]
        found = timelines[0] if len(timelines) == 1 else found
    if not isinstance(found, otio.schema.Timeline):
        raise _bad("it holds no single timeline")
    return found


def _check_size(text: str) -> None:
    objects = text.count("{") + text.count("[")
    if len(text) > MAX_BYTES or objects > _MAX_OBJECTS or text.count(",") > _MAX_VALUES:
        raise _bad(f"it is too large: {len(text)} characters, {objects} objects")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    except ValueError as error:
        raise _bad(f"it is no JSON: {error}") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check_schemas(document: Any) -> None:
    for node in _nodes(document):
        schema = str(node.get("OTIO_SCHEMA", "Timeline"))
        if schema.partition(".")[0] not in _SCHEMAS:
            raise _bad(f"the schema {schema[:60]!r} is unknown")


def _nodes(document: Any) -> Iterator[dict[str, Any]]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _bad(problem: str) -> BadInput:
    return BadInput("otio", problem, _REMEDY)
