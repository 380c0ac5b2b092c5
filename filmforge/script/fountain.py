"""Fountain: a screenplay in plain text, as its elements with their lines (fountain.io/syntax)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from filmforge.script.draft import Fault

_HEADING = re.compile(r"(?:INT|EXT|EST|INT\./EXT|INT/EXT|EXT/INT|I/E|E/I)[. ]", re.IGNORECASE)
_NUMBER = re.compile(r"#([^#\n]+)#\s*$")
_TRANSITION = re.compile(r"[^a-z]*\bTO:|FADE (?:IN|OUT)[.:]?|(?:FADE|CUT) TO (?:BLACK|WHITE)[.:]?")
_TITLE = re.compile(r"([A-Za-z][A-Za-z ]{0,40}):[ \t]*(.*)")
_EMPHASIS = re.compile(r"(?<!\\)(\*{1,3}|_)(?=\S)(.{1,200}?)(?<=[^\s\\])\1")
_MOST_MARKED = 32_000
_ESCAPED = re.compile(r"\\([*_\\!@>.#~])")

Kind = Literal["heading", "action", "speech", "transition"]


class Element(NamedTuple):
    """A piece of a screenplay; `who` speaks a speech, `manner` is how, `number` that of a scene."""

    kind: Kind
    line: int
    text: str
    who: str = ""
    manner: str = ""
    number: str = ""


@dataclass(frozen=True)
class Screenplay:
    """A screenplay: its title page, its elements in order, and what could not be read."""

    title: dict[str, str]
    elements: Sequence[Element]
    faults: Sequence[Fault]


class _Line(NamedTuple):
    number: int
    text: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()


def read_fountain(text: str) -> Screenplay:
    """The elements of a screenplay; what is not said in it (notes, sections) is left out."""
    text, faults = _without_boneyard(text)
    text = _without_notes(text)
    lines = [_Line(number, line) for number, line in enumerate(text.split("\n"), 1)]
    title, rest = _title_page(lines)
    return Screenplay(title, tuple(_Reader(rest).elements()), faults)


def _without_boneyard(text: str) -> tuple[str, Sequence[Fault]]:
    parts, faults, at = [], [], 0
    while (start := text.find("/*", at)) >= 0:
        end = text.find("*/", start + 2)
        parts.append(text[at:start])
        if end < 0:
            line = text.count("\n", 0, start) + 1
            problem = "opens a boneyard (/*) that is never closed"
            remedy = "Close it with */, or remove the /*."
            faults.append(Fault(line=line, field="script", problem=problem, remedy=remedy))
            return "".join(parts), faults
        parts.append("\n" * text.count("\n", start, end))
        at = end + 2
    return "".join([*parts, text[at:]]), faults


def _without_notes(text: str) -> str:
    """Without [[what is noted]], which may go over lines and not over a blank one."""
    parts, at, end, blank = [], 0, -1, -1
    while (start := text.find("[[", at)) >= 0:
        # Each end is looked for once, however many notes are open before it.
        if end < start and (end := text.find("]]", start)) < 0:
            break
        if blank < start:
            blank = text.find("\n\n", start)
            blank = len(text) if blank < 0 else blank
        if blank < end:
            parts.append(text[at:blank])
            at = blank
        else:
            parts += [text[at:start], "\n" * text.count("\n", start, end)]
            at = end + 2
    return "".join([*parts, text[at:]])


def _title_page(lines: Sequence[_Line]) -> tuple[dict[str, str], Sequence[_Line]]:
    """The keys of the title page, which begins at the first line and ends at a blank one."""
    first = next((at for at, line in enumerate(lines) if not line.blank), len(lines))
    page: dict[str, list[str]] = {}
    key = ""
    for at, line in enumerate(lines[first:], first):
        found = _TITLE.fullmatch(line.text.rstrip())
        if line.blank:
            return _joined(page), lines[at:]
        if found and not _TRANSITION.fullmatch(line.text.strip()):
            key = found[1].strip().lower()
            page[key] = [found[2].strip()] if found[2].strip() else []
        elif key and line.text[:1] in (" ", "\t"):
            page[key].append(line.text.strip())
        else:
            return {}, lines
    return (_joined(page), ()) if page else ({}, lines)


def _joined(page: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: plain(" ".join(said)) for name, said in page.items()}


class _Reader:
    """Goes through the lines of the body."""

    def __init__(self, lines: Sequence[_Line]) -> None:
        self._lines = lines
        self._at = 0

    def elements(self) -> Iterator[Element]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.blank or _unsaid(line.text):
                self._at += 1
            else:
                yield self._element(line)

    def _element(self, line: _Line) -> Element:
        text = line.text.strip()
        if heading := self._heading(text):
            self._at += 1
            number = _NUMBER.search(heading)
            words, called = plain(_NUMBER.sub("", heading)), number[1].strip() if number else ""
            return Element("heading", line.number, words, number=called)
        if transition := self._transition(text):
            self._at += 1
            return Element("transition", line.number, plain(transition))
        return self._speech(line) if self._is_cue(text) else self._action(line)

    def _heading(self, text: str) -> str:
        if re.match(r"\.[^.\s]", text):
            return text[1:]
        return text if _HEADING.match(text) and self._alone(before_only=True) else ""

    def _transition(self, text: str) -> str:
        if text.startswith(">") and not text.endswith("<"):
            return text[1:].strip()
        return text if _TRANSITION.fullmatch(text) and self._alone() else ""

    def _is_cue(self, text: str) -> bool:
        if text.startswith("@"):
            return len(text) > 1
        name = text.partition("(")[0]
        upper = name == name.upper() and any(sign.isalpha() for sign in name)
        return upper and self._alone(before_only=True) and not self._last_of_paragraph()

    def _speech(self, line: _Line) -> Element:
        cue = line.text.strip().removeprefix("@").rstrip("^ ")
        who, _, extension = cue.partition("(")
        manner = [extension.rstrip(") ")] if extension else []
        said: list[str] = []
        for each in self._paragraph(1):
            text = each.text.strip()
            if text.startswith("(") and text.endswith(")"):
                manner.append(text[1:-1].strip())
            else:
                said.append(text.removeprefix("~").strip())
        words = plain(" ".join(said))
        return Element("speech", line.number, words, plain(who), ", ".join(map(plain, manner)))

    def _action(self, line: _Line) -> Element:
        said = []
        for each in self._paragraph(0):
            text = each.text.strip().removeprefix("!").removeprefix("~")
            if text.startswith(">") and text.endswith("<"):
                text = text[1:-1]
            said.append(text.strip())
        return Element("action", line.number, plain(" ".join(said)))

    def _paragraph(self, skip: int) -> list[_Line]:
        """The lines up to a blank one; two spaces on a line of a speech make it no blank one."""
        self._at += skip
        found: list[_Line] = []
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.blank and not (skip and line.text == "  "):
                break
            if found and not skip and self._heading(line.text.strip()):
                break
            self._at += 1
            if not line.blank and not _unsaid(line.text):
                found.append(line)
        return found

    def _alone(self, before_only: bool = False) -> bool:
        """Whether a line stands between blank ones."""
        before = self._at == 0 or self._lines[self._at - 1].blank
        return before and (before_only or self._last_of_paragraph())

    def _last_of_paragraph(self) -> bool:
        return self._at + 1 >= len(self._lines) or self._lines[self._at + 1].blank


def _unsaid(text: str) -> bool:
    """Whether a line is a section, a synopsis or a page break."""
    start = text.lstrip()
    return start.startswith("#") or (start.startswith("=") and not start.startswith("=>"))


def plain(text: str) -> str:
    """Text without its emphasis and escapes, in single spaces.

    What is far longer than a prompt may be, and refused for that, keeps its emphasis.
    """
    if len(text) <= _MOST_MARKED:
        for _ in range(3):  # bold in italics in an underline
            text = _EMPHASIS.sub(r"\2", text)
    return " ".join(_ESCAPED.sub(r"\1", text).split())
