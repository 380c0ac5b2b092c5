"""A sheet: the shots of a film in the cells of a page, before anybody has submitted them."""

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import NamedTuple

from fastapi import Request
from pydantic import JsonValue
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from filmforge.domain import Kind
from filmforge.gateway.bodies import MAX_BODY_BYTES, raw_body
from filmforge.gateway.pages.forms import form_fields, is_form
from filmforge.gateway.problems import Refusal
from filmforge.script.decoding import text_of
from filmforge.script.draft import Draft, Fault, Row, Unreadable
from filmforge.script.reading import read_script
from filmforge.script.table import FIELDS, free_id, put
from filmforge.script.writing import cells_of, write_table

# More rows than that are edited as text: a page of more fields is slow to load and to send.
MOST_ROWS = 300
_MOST_FIELDS = 64 + MOST_ROWS * (len(FIELDS) + 1)
_CELL = re.compile(r"r(\d{1,6})\.([a-z_]+)")
_SAID_BESIDES = ("title", "film_id", "budget_usd")

Cells = dict[str, str]


class Given(NamedTuple):
    """What a page sent: its fields, and the file that somebody chose."""

    fields: Mapping[str, str]
    file: bytes
    name: str


class Sheet(NamedTuple):
    """A film on a page: `besides` are the fields beside the shots that the page shows.

    `rest` is what else the film says; `script` the text that is edited where there are too many
    shots for cells, and `from_text` whether it was read from one, so that lines mean something.
    """

    draft: Draft
    besides: Mapping[str, str]
    rest: Mapping[str, JsonValue]
    script: str
    name: str
    from_text: bool

    @property
    def document(self) -> dict[str, JsonValue]:
        """The film as it is submitted."""
        said: dict[str, JsonValue] = {**self.rest}
        said |= {name: self.besides[name] for name in _SAID_BESIDES if self.besides.get(name)}
        models: dict[str, JsonValue] = {
            kind: self.besides[kind] for kind in Kind if self.besides.get(kind)
        }
        if models:
            said["providers"] = models
        if frames := self.besides.get("frames"):
            approval = said.get("approval")
            before = approval if isinstance(approval, dict) else {}
            said["approval"] = {**before, "frames": frames}
        if self.draft.rows or "shots" not in said:
            said["shots"] = [row.shot for row in self.draft.rows]
        return said


async def read_given(request: Request) -> Given:
    """What a page sent, with or without a file. Raises Refusal."""
    if is_form(request):
        return Given(await form_fields(request, _MOST_FIELDS), b"", "")
    raw = await raw_body(request)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield raw
        yield b""

    parser = MultiPartParser(
        request.headers, stream(), max_files=1, max_fields=64, max_part_size=MAX_BODY_BYTES
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise _unreadable() from error
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    try:
        file = form.get("file")
        data = await file.read() if isinstance(file, UploadFile) else b""
        name = file.filename if isinstance(file, UploadFile) else ""
    finally:
        await form.close()
    return Given(fields, data, name or "")


def sheet_of(given: Given) -> Sheet:
    """The sheet that was sent; what a file or a text says stands in cells where there is room."""
    fields, name = given.fields, given.name or given.fields.get("name", "")
    data = given.file or fields.get("script", "").encode()
    draft = read_script(data, name) if data.strip() else _draft_of(_rows(fields))
    rest = {**_rest(fields.get("film", "")), **draft.film}
    besides = {key: fields.get(key, "").strip() for key in (*_SAID_BESIDES, *Kind, "frames")}
    text = _text(data) if len(draft.rows) > MOST_ROWS else ""
    from_text = bool(data.strip())
    return Sheet(draft, _besides(rest, besides), rest, text, name if text else "", from_text)


def sheet_from(film: Mapping[str, JsonValue], shots: Sequence[Mapping[str, JsonValue]]) -> Sheet:
    """The sheet of a film that is there."""
    rest = dict(film)
    draft = _draft_of([cells_of(shot) for shot in shots])
    text = write_table(shots) if len(shots) > MOST_ROWS else ""
    return Sheet(draft, _besides(rest, {}), rest, text, "shots.tsv" if text else "", False)


def rearranged(sheet: Sheet, wish: str) -> Sheet:
    """The sheet with a row more or less, or moved: "add", "remove 3", "up 3", "down 3"."""
    rows = [cells_of(row.shot) if isinstance(row.shot, dict) else {} for row in sheet.draft.rows]
    verb, _, place = wish.partition(" ")
    at = int(place) if re.fullmatch(r"[0-9]{1,6}", place) and int(place) < len(rows) else -1
    if verb == "add":
        rows.append({"shot_type": "medium", "duration": "4"})
    elif verb == "remove" and at >= 0:
        rows.pop(at)
    elif verb in ("up", "down") and at >= 0:
        to = at - 1 if verb == "up" else at + 1
        rows.insert(max(to, 0), rows.pop(at))
    return sheet._replace(draft=_draft_of(rows))


def field_cell(field: str) -> str:
    """The cell in which a field of a shot stands."""
    last = field.partition("[")[0]
    if last.startswith("providers."):
        return last.removeprefix("providers.")
    return {"transition.type": "transition", "transition.duration": "transition_duration"}.get(
        last, last.partition(".")[0]
    )


def _rows(fields: Mapping[str, str]) -> list[Cells]:
    """The rows in the order in which the page showed them; one without a word is none."""
    rows: dict[str, Cells] = {}
    for name, value in fields.items():
        if (found := _CELL.fullmatch(name)) and found[2] in FIELDS and value.strip():
            rows.setdefault(found[1], {})[found[2]] = value
    return list(rows.values())


def _draft_of(rows: Sequence[Cells]) -> Draft:
    given: set[JsonValue] = {cells.get("shot_id", "").strip() for cells in rows}
    made = []
    for index, cells in enumerate(rows):
        shot: dict[str, JsonValue] = {}
        for name in sorted(cells, key=FIELDS.index):
            put(shot, name, cells[name])
        if not shot.get("shot_id"):
            shot = {"shot_id": free_id(index, given), **shot}
            given.add(shot["shot_id"])
        made.append(Row(line=index + 1, shot=shot))
    return Draft(form="table", rows=tuple(made))


def _besides(rest: dict[str, JsonValue], shown: Mapping[str, str]) -> dict[str, str]:
    """The fields beside the shots, taken out of the rest; what the page says goes first."""
    found: dict[str, str] = {}
    for name in _SAID_BESIDES:
        if isinstance(rest.get(name), str | int | float):
            found[name] = str(rest.pop(name))
    models = rest.get("providers")
    if isinstance(models, dict) and all(
        name in set(Kind) and isinstance(ref, str | None) for name, ref in models.items()
    ):
        found |= {name: str(ref or "") for name, ref in models.items()}
        del rest["providers"]
    approval = rest.get("approval")
    if isinstance(approval, dict) and approval.get("frames") in ("auto", "required"):
        found["frames"] = str(approval["frames"])
    both = {name: shown.get(name) or found.get(name, "") for name in (*_SAID_BESIDES, *Kind)}
    return {**both, "frames": shown.get("frames") or found.get("frames") or "required"}


def _rest(text: str) -> dict[str, JsonValue]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise _unreadable()
    return found


def _unreadable() -> Refusal:
    return Refusal(400, "unreadable_body", "The form cannot be read: load the page again.")


def _text(data: bytes) -> str:
    try:
        return text_of(data)[0]
    except Unreadable:
        return ""


def fault_of_row(draft: Draft, index: int, field: str, problem: str, remedy: str) -> Fault:
    """A fault of one field of one shot, where it stands."""
    row, first = draft.rows[index], field.partition(".")[0]
    return Fault(
        line=row.lines.get(first, row.line),
        column=draft.columns.get(field_cell(field)),
        field=field,
        problem=problem,
        remedy=remedy,
    )
