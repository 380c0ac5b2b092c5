"""Writing shots as a table: what `filmforge.script.table` reads, and people edit."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from filmforge.script.table import DOCUMENTS, FIELDS, LISTS, MODELS, TRANSITION_SECONDS
from filmforge.script.words import join_list


def cells_of(shot: Mapping[str, JsonValue]) -> dict[str, str]:
    """What the cells of a shot say, by field; the empty ones are left out."""
    cells = {name: _cell(shot.get(name)) for name in FIELDS if name not in ("transition", *LISTS)}
    for name in LISTS:
        given = shot.get(name)
        labels = given if isinstance(given, list | tuple) else []
        cells[name] = join_list([_cell(label) for label in labels])
    transition = shot.get("transition")
    told = transition if isinstance(transition, Mapping) else {"type": transition}
    cells["transition"] = _cell(told.get("type"))
    cells[TRANSITION_SECONDS] = _cell(told.get("duration"))
    models = shot.get("providers")
    cells |= {
        name: _cell(models.get(name)) if isinstance(models, Mapping) else "" for name in MODELS
    }
    cells |= {name: _document(shot.get(name)) for name in DOCUMENTS}
    return {name: cells[name] for name in FIELDS if cells.get(name)}


def write_table(shots: Iterable[Mapping[str, JsonValue]]) -> str:
    """Shots as tab-separated text under their headings, with the columns that are in use."""
    rows = [cells_of(shot) for shot in shots]
    used: Sequence[str] = [name for name in FIELDS if any(name in row for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, used, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _document(value: JsonValue) -> str:
    """A document as JSON, without what it leaves open."""
    if not isinstance(value, Mapping):
        return _cell(value)
    said = {name: part for name, part in value.items() if part}
    return json.dumps(said, ensure_ascii=False) if said else ""


def _cell(value: JsonValue) -> str:
    return "" if value is None or isinstance(value, list | dict) else str(value)
