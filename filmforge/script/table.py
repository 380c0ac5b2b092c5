"""Tables: comma- or tab-separated shots under a row that names their fields."""

import csv
import difflib
import io
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from filmforge.brief import MAX_SHOTS
from filmforge.domain import Shot
from filmforge.script.draft import Draft, Fault, Row, Unreadable, unreadable
from filmforge.script.words import numbered, split_list, transition_of

DELIMITERS = "\t;,|"
LISTS = ("characters", "landscapes", "styles")
MODELS = ("image", "video", "audio")
TRANSITION_SECONDS = "transition_duration"
# What has no words of its own in a table stands in its cell as JSON.
DOCUMENTS = ("guides", "options")
FIELDS = (
    *(name for name in Shot.model_fields if name != "providers"),
    TRANSITION_SECONDS,
    *MODELS,
)
_ALSO = {
    "shot_id": "id shot name shot_name code",
    "shot_number": "number no nr num shot_no order",
    "shot_type": "type size shot_size framing frame_size",
    "enhanced_prompt": "prompt description desc action visual visuals picture image_prompt",
    "negative_prompt": "negative avoid not exclude",
    "duration": "seconds secs sec s length duration_s length_s duration_sec duration_seconds",
    "dialogue": "dialog line lines speech spoken voice_over voiceover vo words says",
    "characters": "character cast who speaker person people",
    "landscapes": "landscape location locations place places setting",
    "styles": "style look",
    "mood": "tone feeling",
    "time_of_day": "day_night daytime tod",
    "scene_id": "scene scene_no sequence",
    "transition": "cut transition_type out",
    TRANSITION_SECONDS: "transition_seconds transition_s transition_length",
    "camera": "movement move camera_move camera_movement",
    "image": "image_model providers_image image_provider",
    "video": "video_model providers_video video_provider",
    "audio": "audio_model providers_audio audio_provider voice_model",
}  # fmt: skip
_FIELD_OF = {name: name for name in FIELDS} | {
    word: name for name, words in _ALSO.items() for word in words.split()
}
_MOST_COLUMNS = 256
_UNIT = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:s|secs?|seconds?|″|\")?", re.IGNORECASE)


class _Record(NamedTuple):
    line: int
    cells: Sequence[str]


def field_of(heading: str) -> str | None:
    """The field that a column heading means."""
    plain = re.sub(r"[^a-z0-9#]+", "_", heading.lower()).strip("_")
    return "shot_number" if plain == "#" else _FIELD_OF.get(plain)


def delimiter_of(first_line: str, least: int = 2) -> str | None:
    """What separates the headings of a table; None when the line names fewer fields."""
    known = {sign: _known(first_line, sign) for sign in DELIMITERS}
    best = max(known, key=lambda sign: known[sign])
    return best if known[best] >= least else None


def read_table(text: str) -> Draft:
    """The shots of a table. Raises Unreadable when it has no row of headings."""
    return _Table(text).draft()


class _Table:
    """A table while it is read."""

    def __init__(self, text: str) -> None:
        self._faults: list[Fault] = []
        self._remarks: list[str] = []
        self._columns: dict[int, str] = {}
        head, _, rest = text.partition("\n")
        told = re.fullmatch(r"sep=(.)", head.strip("\ufeff \n")) if head else None
        self._skipped = 1 if told else 0
        self._text = rest if told else text
        first = next((line for line in self._text.split("\n") if line.strip()), "")
        self._sign = told[1] if told else delimiter_of(first, 1) or ""

    def draft(self) -> Draft:
        """The whole of it."""
        if not self._sign:
            raise unreadable(
                1,
                "has no row of headings",
                "Name the columns in the first row, at least prompt and duration.",
            )
        rows: list[Row] = []
        try:
            for record in self._records():
                if not self._columns:
                    self._head(record)
                elif len(rows) == MAX_SHOTS:
                    problem = f"is more than {MAX_SHOTS:,} shots"
                    raise unreadable(record.line, problem, "Make several films of it.", "shots")
                else:
                    rows.append(self._row(record))
        except Unreadable as error:
            self._faults.append(error.fault)
        return Draft(
            form="table",
            rows=self._with_ids(rows),
            columns={name: self._place(at) for at, name in self._columns.items()},
            faults=tuple(self._faults),
            remarks=tuple(self._remarks),
        )

    def _records(self) -> Iterator[_Record]:
        reader = csv.reader(io.StringIO(self._text, newline=""), delimiter=self._sign, strict=True)
        while True:
            line = reader.line_num + 1 + self._skipped
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise unreadable(line, *_broken(str(error))) from None
            if cells is None:
                return
            if any(cell.strip() for cell in cells):
                yield _Record(line, cells)

    def _head(self, record: _Record) -> None:
        if len(record.cells) > _MOST_COLUMNS:
            problem = f"has {len(record.cells):,} columns; at most {_MOST_COLUMNS} are read"
            raise unreadable(record.line, problem, "Remove those that no shot needs.")
        self._headings = [heading.strip() for heading in record.cells]
        for at, heading in enumerate(self._headings):
            name = field_of(heading)
            if name is None:
                self._unknown(record.line, at, heading)
            elif name in self._columns.values():
                remedy = "Keep one of the two columns, or name this one otherwise."
                self._fault(record.line, at, name, "stands in two columns", remedy)
            else:
                self._columns[at] = name
        for name in ("enhanced_prompt", "duration"):
            if name not in self._columns.values():
                self._faults.append(
                    Fault(
                        line=record.line,
                        field=name,
                        problem="has no column",
                        remedy=f"Add a column {name.removeprefix('enhanced_')}.",
                    )
                )

    def _unknown(self, line: int, at: int, heading: str) -> None:
        if not heading:
            return  # its cells are refused where there is something in them
        near = difflib.get_close_matches(heading[:60].lower(), _FIELD_OF, n=1)
        known = f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(FIELDS)}."
        self._fault(
            line, at, heading[:60], "is not a known column", f"Rename or remove it. {known}"
        )

    def _row(self, record: _Record) -> Row:
        shot: dict[str, JsonValue] = {}
        for at, cell in enumerate(record.cells):
            if not cell.strip():
                continue
            if at in self._columns:
                put(shot, self._columns[at], cell)
            elif at >= len(self._headings) or not self._headings[at]:
                remedy = "Give the column a heading, or put a cell with separators into quotes."
                self._fault(record.line, at, "row", "has a cell under no heading", remedy)
                break  # those after it are of the same making
        return Row(line=record.line, shot=shot)

    def _with_ids(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """Rows without an id are called by their number."""
        given = {row.shot.get("shot_id") for row in rows if isinstance(row.shot, dict)}
        named = [
            row.model_copy(update={"shot": {"shot_id": free_id(index, given), **row.shot}})
            if isinstance(row.shot, dict)
            else row
            for index, row in enumerate(rows)
        ]
        if any("shot_id" not in row.shot for row in rows if isinstance(row.shot, dict)):
            self._remarks.append("Shots without an id were numbered.")
        return tuple(named)

    def _fault(self, line: int, at: int, field: str, problem: str, remedy: str) -> None:
        column = self._place(at)
        self._faults.append(
            Fault(line=line, column=column, field=field, problem=problem, remedy=remedy)
        )

    def _place(self, at: int) -> str:
        heading = self._headings[at] if at < len(self._headings) else ""
        return f"{at + 1} ({heading[:60]})" if heading else str(at + 1)


def put(shot: dict[str, JsonValue], name: str, cell: str) -> None:
    """Put what a cell says into a shot; what it cannot mean stays as it is, to be refused."""
    text = cell.strip().replace("\r\n", "\n")  # as forms send it, whatever was typed
    if name in LISTS:
        shot[name] = [*split_list(text)]
    elif name == "duration":
        shot[name] = _seconds(text)
    elif name == "transition":
        shot[name] = {**_part(shot, name), "type": transition_of(text) or text.lower()}
    elif name == TRANSITION_SECONDS:
        shot["transition"] = {**_part(shot, "transition"), "duration": _seconds(text)}
    elif name in MODELS:
        shot["providers"] = {**_part(shot, "providers"), name: text}
    elif name in DOCUMENTS:
        shot[name] = _document(text)
    else:
        shot[name] = text


def free_id(index: int, given: set[JsonValue]) -> str:
    """The id of the shot at an index that has none: its number, or the next that is free."""
    name, number = numbered(index + 1), 1
    while name in given:
        number += 1
        name = f"{numbered(index + 1)}-{number}"
    return name


def _part(shot: dict[str, JsonValue], name: str) -> dict[str, JsonValue]:
    found = shot.get(name)
    return found if isinstance(found, dict) else {}


def _document(text: str) -> JsonValue:
    """The document that a cell holds, or its text, to be refused."""
    try:
        found: JsonValue = json.loads(text)
    except ValueError:
        return text
    return found


def _seconds(text: str) -> str:
    found = _UNIT.fullmatch(text)
    return found[1].replace(",", ".") if found else text


def _known(line: str, sign: str) -> int:
    try:
        cells = next(csv.reader([line], delimiter=sign), [])
    except csv.Error:
        return 0
    return len({name for cell in cells if (name := field_of(cell))})


def _broken(words: str) -> tuple[str, str]:
    if "end of data" in words:
        return "opens a quote that is never closed", "Close it, and write a quote inside twice."
    if "field limit" in words or "field larger" in words:
        return "has a cell longer than any field may be", "Is a quote left open before it?"
    return f"is no row of a table: {words}", 'Write a quote inside a quoted cell twice: "".'
