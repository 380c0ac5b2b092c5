"""A draft: what a script says, where it says it, and what could not be read of it."""

from typing import Literal

from pydantic import JsonValue

from filmforge.fields import Frozen

Form = Literal["json", "table", "screenplay"]


class Fault(Frozen):
    """What is wrong at one place: `line` counts from 1, `column` names that of a table."""

    line: int | None
    column: str | None = None
    field: str
    problem: str
    remedy: str


class Row(Frozen):
    """A shot as it was written, not judged yet; `lines` says where fields of it stand."""

    line: int
    shot: JsonValue
    lines: dict[str, int] = {}


class Draft(Frozen):
    """A script as read: `film` is what it says besides its shots, `lines` where.

    `columns` names the column of a table that each field stands in. Shots that are there although
    there are faults are those that could be read.
    """

    form: Form
    film: dict[str, JsonValue] = {}
    lines: dict[str, int] = {}
    rows: tuple[Row, ...] = ()
    columns: dict[str, str] = {}
    faults: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def document(self) -> dict[str, JsonValue]:
        """The film as it is submitted."""
        return {**self.film, "shots": [row.shot for row in self.rows]}


class Unreadable(Exception):
    """A script, or the rest of it, that cannot be read; the fault says where and why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.problem)
        self.fault = fault


def unreadable(line: int | None, problem: str, remedy: str, field: str = "script") -> Unreadable:
    """The exception for a script that cannot be read from a line on."""
    return Unreadable(Fault(line=line, field=field, problem=problem, remedy=remedy))
