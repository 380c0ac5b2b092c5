"""From a screenplay to shots: one for each paragraph of action and each speech."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import ROUND_UP, Decimal
from itertools import islice

from pydantic import JsonValue

from filmforge.brief import MAX_SHOTS
from filmforge.script.draft import Draft, Fault, Row
from filmforge.script.fountain import Element, read_fountain
from filmforge.script.words import MOST_LABEL_CHARS, identifier, numbered, transition_of

ACTION_S = "4"
WORDS_A_SECOND = Decimal("2.5")
BREATH_S, LEAST_S, MOST_S = Decimal("0.8"), Decimal(2), Decimal(12)
_MOST_WORDS = int((MOST_S - BREATH_S) * WORDS_A_SECOND)
_TIMES = (
    "day", "night", "morning", "evening", "dawn", "dusk", "afternoon", "noon", "midnight",
    "sunset", "sunrise", "twilight", "magic hour", "golden hour",
)  # fmt: skip
_SAME = (
    "continuous",
    "later",
    "moments later",
    "same",
    "same time",
    "minutes later",
    "hours later",
)
_INSIDE = re.compile(r"(INT\.?/EXT|EXT/INT|I/E|E/I|INT|EXT|EST)[. ]+", re.IGNORECASE)
_UNSEEN = re.compile(r"\b(V\.?O\.?|O\.?S\.?|O\.?C\.?)(?![A-Za-z])", re.IGNORECASE)
_CONTINUED = re.compile(r"(?i)\bcont(?:inued|['\u2019]?d)\b\.?")
_SENTENCE = re.compile(r"(?<=[.!?…])\s+")


def read_screenplay(text: str) -> Draft:
    """The shots of a Fountain screenplay."""
    script = read_fountain(text)
    telling = _Telling(script.elements)
    rows = tuple(telling.rows())
    faults = [*script.faults, *telling.faults]
    if not rows:
        problem, remedy = "has no action and no speech", "Write what is seen and said."
        faults.append(Fault(line=None, field="script", problem=problem, remedy=remedy))
    title = script.title.get("title", "")
    film: dict[str, JsonValue] = {"title": title[:200]} if title else {}
    if telling.opening:
        film["opening"] = telling.opening
    remarks = tuple(telling.remarks)
    return Draft(form="screenplay", film=film, rows=rows, faults=tuple(faults), remarks=remarks)


class _Telling:
    """Goes through the elements and remembers where the story is."""

    def __init__(self, elements: Sequence[Element]) -> None:
        self._elements = elements
        self._cast = _cast(elements)
        self._rows: list[Row] = []
        self._scenes: Counter[str] = Counter()
        self._scene: dict[str, JsonValue] = {}
        self._setting = ""
        self._seen = ""
        self.faults: list[Fault] = []
        self.remarks: list[str] = []
        self.opening = ""

    def rows(self) -> list[Row]:
        for element in self._elements:
            if element.kind == "heading":
                self._enter(element)
            elif element.kind == "transition":
                self._leave(element)
            else:
                for shot in self._shots(element):
                    self._rows.append(Row(line=element.line, shot=shot))
            if len(self._rows) > MAX_SHOTS:
                problem = f"is more than {MAX_SHOTS:,} shots"
                remedy = "Make several films of it."
                self.faults.append(
                    Fault(line=element.line, field="shots", problem=problem, remedy=remedy)
                )
                return self._rows[:MAX_SHOTS]
        return self._rows

    def _enter(self, heading: Element) -> None:
        inside = _INSIDE.match(heading.text)
        places = [
            part.strip()
            for part in re.split(r"\s+[-\u2013\u2014]+\s+", heading.text)
            if part.strip()
        ]
        if inside and places:
            places[0] = places[0][inside.end() :].strip()
        time = places.pop().lower() if len(places) > 1 and _is_time(places[-1]) else ""
        if time in _SAME:
            time = str(self._scene.get("time_of_day", ""))
        landscapes = [place.lower()[:MOST_LABEL_CHARS] for place in places if place]
        self._scene = {"scene_id": self._scene_id(heading), "landscapes": [*landscapes]}
        if time:
            self._scene["time_of_day"] = time
        parts = [*(place.capitalize() for place in landscapes), _side(inside), time]
        self._setting = ", ".join(part for part in parts if part)
        self._seen = ""

    def _scene_id(self, heading: Element) -> str:
        wanted = identifier(heading.number or heading.text, 60) or f"scene-{len(self._scenes) + 1}"
        name = wanted
        while name in self._scenes:
            self._scenes[wanted] += 1
            name = f"{wanted}-{self._scenes[wanted]}"
        self._scenes[name] = 1
        return name

    def _leave(self, element: Element) -> None:
        name = transition_of(element.text)
        if name is None:
            self.remarks.append(
                f"Line {element.line}: the film knows no transition {element.text!r}: it is a cut."
            )
        elif not self._rows:
            self.opening = "fade_from_black" if name == "fade_from_black" else ""
        elif name != "cut":
            last = self._rows[-1]
            assert isinstance(last.shot, dict)
            before = last.shot.get("transition")
            both = (before, name) == ("fade_to_black", "fade_from_black")
            shot = {**last.shot, "transition": "dip_to_black" if both else name}
            self._rows[-1] = last.model_copy(update={"shot": shot})

    def _shots(self, element: Element) -> Iterator[dict[str, JsonValue]]:
        if element.kind == "action":
            self._seen = element.text
            yield self._shot(
                shot_type="medium" if self._here() else "wide",
                enhanced_prompt=self._prompt(element.text),
                duration=ACTION_S,
                characters=[name for name in self._cast if _shows(element.text, name)],
            )
            return
        for words in _spoken(element.text):
            yield self._shot(
                shot_type="close_up",
                enhanced_prompt=self._prompt(self._speaking(element)),
                duration=_seconds(words),
                dialogue=words,
                characters=[_name(element.who)],
            )

    def _shot(self, **said: JsonValue) -> dict[str, JsonValue]:
        return {"shot_id": numbered(len(self._rows) + 1), **said, **self._scene}

    def _here(self) -> bool:
        """Whether the scene has a shot already."""
        last = self._rows[-1].shot if self._rows else None
        return isinstance(last, dict) and last.get("scene_id") == self._scene.get("scene_id")

    def _prompt(self, words: str) -> str:
        return f"{self._setting}. {words}" if self._setting else words

    def _speaking(self, speech: Element) -> str:
        manner = _CONTINUED.sub("", speech.manner).strip(" ,")
        if _UNSEEN.search(manner):
            return self._seen or f"We hear {_name(speech.who)}."
        return f"{_name(speech.who)} speaks{f', {manner.lower()}' if manner else ''}."


def _cast(elements: Sequence[Element]) -> list[str]:
    """Who speaks; in a script of no more shots than a film may have, that is everybody."""
    names = dict.fromkeys(_name(each.who) for each in elements if each.kind == "speech")
    return list(islice(names, MAX_SHOTS))


def _name(who: str) -> str:
    """A name as it is read, not as it is shouted in a cue."""
    shouted = who == who.upper()
    name = " ".join(word.capitalize() for word in who.split()) if shouted else who
    return name[:MOST_LABEL_CHARS] or "Somebody"


def _shows(text: str, name: str) -> bool:
    return any(
        form in text and re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text)
        for form in (name, name.upper())
    )


def _is_time(words: str) -> bool:
    plain = words.lower().strip(" .()")
    return plain in _SAME or any(re.search(rf"\b{time}\b", plain) for time in _TIMES)


def _side(inside: re.Match[str] | None) -> str:
    told = inside[1].upper() if inside else ""
    return {"INT": "interior", "EXT": "exterior"}.get(told, "")


def _spoken(text: str) -> Iterator[str]:
    """A speech in parts that one shot each can hold, between sentences where there are some."""
    part: list[str] = []
    for sentence in _SENTENCE.split(text):
        words = sentence.split()
        if part and len(part) + len(words) > _MOST_WORDS:
            yield " ".join(part)
            part = []
        whole = max(len(words) - 1, 0) // _MOST_WORDS * _MOST_WORDS
        for at in range(0, whole, _MOST_WORDS):
            yield " ".join(words[at : at + _MOST_WORDS])
        part += words[whole:]
    if part:
        yield " ".join(part)


def _seconds(words: str) -> str:
    """How long it takes to say them, in halves of a second; scripts without spaces by the sign."""
    count = max(len(words.split()), len(words) // 12)
    whole = count / WORDS_A_SECOND + BREATH_S
    halves = (whole * 2).to_integral_value(ROUND_UP) / 2
    return format(min(max(halves, LEAST_S), MOST_S).normalize(), "f")
