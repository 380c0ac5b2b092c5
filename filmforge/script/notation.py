"""JSON with its lines: a film or a bare list of shots, and where every field of it stands."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from filmforge.brief import MAX_SHOTS
from filmforge.script.draft import Draft, Fault, Row, unreadable

_MOST_DIGITS = 40
_MOST_DEPTH = 64
_MOST_FIELDS = 64
_SPACE = " \t\n"
# Possessive, and a string may lack its end: no input makes it go back.
_TOKENS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[\]{}]', re.DOTALL)


class _Part(NamedTuple):
    """A member of an object, or an item of a list, whose name is empty."""

    name: str
    value: Any
    at: int
    value_at: int


def read_notation(text: str) -> Draft:
    """The shots of a JSON document as POST /v1/films takes it. Raises Unreadable."""
    return _Document(text).draft()


class _Document:
    """The text while it is read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._ends = list(accumulate(len(line) + 1 for line in text.split("\n")))
        self._faults: list[Fault] = []

    def draft(self) -> Draft:
        """The whole of it."""
        start = self._skip(0)
        if self._at(start) not in ("[", "{"):
            raise unreadable(
                self._line(start),
                "is no JSON of a film",
                "Begin with { for a film, or with [ for a list of shots.",
            )
        self._check(start)
        if self._at(start) == "[":
            return Draft(form="json", rows=self._rows(start), faults=tuple(self._faults))
        return self._film(start)

    def _film(self, start: int) -> Draft:
        film: dict[str, Any] = {}
        lines: dict[str, int] = {}
        rows: tuple[Row, ...] = ()
        for number, part in enumerate(self._parts(start), 1):
            if number > _MOST_FIELDS:
                problem = f"has more than {_MOST_FIELDS} fields beside each other"
                raise unreadable(self._line(part.at), problem, "Remove those that are not known.")
            if part.name in lines:
                problem, remedy = "stands twice in the film", "Keep one of the two."
                line = self._line(part.at)
                self._faults.append(
                    Fault(line=line, field=part.name[:60], problem=problem, remedy=remedy)
                )
            lines[part.name] = self._line(part.at)
            if part.name == "shots" and self._at(part.value_at) == "[":
                rows = self._rows(part.value_at)
            else:
                film[part.name] = self._strict(part)
        faults = tuple(self._faults)
        return Draft(form="json", film=film, lines=lines, rows=rows, faults=faults)

    def _rows(self, start: int) -> tuple[Row, ...]:
        rows: list[Row] = []
        for part in self._parts(start):
            if len(rows) == MAX_SHOTS:
                problem = f"is more than {MAX_SHOTS:,} shots"
                raise unreadable(self._line(part.at), problem, "Make several films of it.", "shots")
            lines = {}
            if isinstance(part.value, dict):
                lines = {each.name: self._line(each.at) for each in self._parts(part.value_at)}
            rows.append(Row(line=self._line(part.at), shot=self._strict(part), lines=lines))
        return tuple(rows)

    def _parts(self, start: int) -> Iterator[_Part]:
        """The parts of the object or list that begins at `start`; it was read before as a whole."""
        end = "]" if self._at(start) == "[" else "}"
        at = self._skip(start + 1)
        while self._at(at) != end:
            name, value_at = "", at
            if end == "}":
                name, colon = _LENIENT.raw_decode(self._text, at)
                value_at = self._skip(self._skip(colon) + 1)
            value, after = _LENIENT.raw_decode(self._text, value_at)
            yield _Part(name, value, at, value_at)
            after = self._skip(after)
            at = self._skip(after + 1) if self._at(after) == "," else after

    def _strict(self, part: _Part) -> Any:
        """The value of a part; what is odd in it is a fault."""
        try:
            return _STRICT.raw_decode(self._text, part.value_at)[0]
        except ValueError as error:
            line, remedy = self._line(part.at), "Correct it there."
            self._faults.append(Fault(line=line, field="script", problem=str(error), remedy=remedy))
            return part.value

    def _check(self, start: int) -> None:
        """It is JSON from here to its end, and not nested so deep that reading it fails."""
        depth = 0
        for token in _TOKENS.finditer(self._text):
            sign = self._text[token.start()]
            depth += (sign in "[{") - (sign in "]}")
            if depth > _MOST_DEPTH:
                problem = f"is nested deeper than {_MOST_DEPTH} levels"
                raise unreadable(self._line(token.start()), problem, "Send a flatter document.")
        try:
            _, end = _LENIENT.raw_decode(self._text, start)
        except json.JSONDecodeError as error:
            problem = f"is not JSON: {error.msg}, column {error.colno}"
            raise unreadable(error.lineno, problem, _remedy(self._text, error.pos)) from None
        if (rest := self._skip(end)) < len(self._text):
            raise unreadable(self._line(rest), "goes on after its end", "Remove what follows.")

    def _skip(self, at: int) -> int:
        while at < len(self._text) and self._text[at] in _SPACE:
            at += 1
        return at

    def _at(self, at: int) -> str:
        return self._text[at : at + 1]

    def _line(self, at: int) -> int:
        return bisect_right(self._ends, at) + 1


def _remedy(text: str, at: int) -> str:
    before = text[:at].rstrip()[-1:]
    if before == "," or text[at : at + 1] in ("]", "}"):
        return "Remove the comma before it, or add what is missing."
    if text[at : at + 1] == "'":
        return 'Write texts in "double quotes".'
    return "Correct the document there; a comma or a quote is often missing just before."


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value] # add returns None on purpose
        raise ValueError(f"has the field {twice[:60]!r} twice in one object")
    return made


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"holds a number of {len(digits):,} digits")
    return int(digits)


def _constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is no number")


_LENIENT = json.JSONDecoder(parse_int=str)
_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_int=_integer, parse_constant=_constant)
