"""Reading a script of whatever form: JSON, a table, or a screenplay."""

import re
from pathlib import PurePath

from filmforge.script.decoding import text_of
from filmforge.script.draft import Draft, Form, Unreadable, unreadable
from filmforge.script.notation import read_notation
from filmforge.script.scenes import read_screenplay
from filmforge.script.table import delimiter_of, read_table

MAX_BYTES = 5 * 2**20
_ENDINGS: dict[str, Form] = {
    ".json": "json",
    ".csv": "table",
    ".tsv": "table",
    ".tab": "table",
    ".fountain": "screenplay",
    ".spmd": "screenplay",
}
_READERS = {"json": read_notation, "table": read_table, "screenplay": read_screenplay}


def read_script(data: bytes, name: str = "") -> Draft:
    """What a file says, whatever of it can be read; `name` is that of the file.

    A form that the name does not tell is found out by the first line.
    """
    form: Form = _ENDINGS.get(PurePath(name).suffix.lower(), "table")
    try:
        if len(data) > MAX_BYTES:
            problem = f"has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
            raise unreadable(None, problem, "Make several films of it.")
        text, remarks = text_of(data)
        if not text.strip():
            raise unreadable(None, "is empty", "Write at least one shot.")
        form = form_of(text, name)
        draft = _READERS[form](text)
    except Unreadable as error:
        return Draft(form=form, faults=(error.fault,))
    return draft.model_copy(update={"remarks": (*remarks, *draft.remarks)})


def form_of(text: str, name: str = "") -> Form:
    """The form of a text, by the name of its file or else by how it begins."""
    told = _ENDINGS.get(PurePath(name).suffix.lower())
    if told:
        return told
    start = text.lstrip()
    if re.match(r"\{|\[\s*(?:[\]{\"\d]|$)", start):
        return "json"
    first = start.partition("\n")[0]
    return "table" if delimiter_of(first) or first.startswith("sep=") else "screenplay"
