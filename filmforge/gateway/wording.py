"""What is wrong with an input, in words: the field, the problem and the remedy."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from filmforge.brief import Film
from filmforge.fields import Frozen

MAX_ERRORS = 50
MAX_NAME_CHARS = 60

_IDENTIFIER = "Use 1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first."
_REMEDIES = {
    "budget_usd": 'Write an amount of US dollars such as "12.50".',
    "limit_usd": 'Write an amount of US dollars such as "12.50".',
    "duration": "Give a number of seconds such as 2.5.",
    "fps": 'Give 24, or "24000/1001" for a fraction.',
    "film_id": _IDENTIFIER,
    "shot_id": _IDENTIFIER,
    "scene_id": _IDENTIFIER,
    "project": _IDENTIFIER,
    "priority": "Give a whole number from 1, which goes first, to 5.",
}
_PLACED = re.compile(r"([a-z_]+(?:\[[0-9]+\])?(?:\.[A-Za-z0-9_.\[\]-]+)?): (.+)", re.DOTALL)
_WANTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_unicode": "a string of whole Unicode characters",
}


class FieldError(Frozen):
    """One wrong field: `field` as a path such as shots[3].duration."""

    field: str
    problem: str
    remedy: str


def clip(text: str, most: int = MAX_NAME_CHARS) -> str:
    """The text, cut where it is longer than `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def path_of(parts: Iterable[int | str]) -> str:
    """A path as people write it: shots[3].duration; the whole body is `body`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{clip(part)}" if path else clip(part)
    return path or "body"


def errors_of(
    error: ValidationError | Sequence[Mapping[str, Any]],
    model: type[BaseModel] = Film,
    prefix: Sequence[int | str] = (),
) -> list[FieldError]:
    """What a validation of `model` found, in words; `prefix` is where in the body it stands."""
    raw = error.errors(include_url=False) if isinstance(error, ValidationError) else error
    # A list whose items are all wrong also counts as too short: the items say why.
    places = {tuple(entry["loc"][:-1]) for entry in raw if len(entry["loc"]) > 1}
    told = [e for e in raw if not (e["type"] == "too_short" and tuple(e["loc"]) in places)]
    return [_told(entry, model, prefix) for entry in told[:MAX_ERRORS]]


def _told(entry: Mapping[str, Any], model: type[BaseModel], prefix: Sequence[int | str]) -> Any:
    place = tuple(entry["loc"])
    last = next((part for part in reversed(place) if isinstance(part, str)), "")
    problem, remedy = _words(entry, model, place, last)
    field = path_of((*prefix, *place))
    if entry["type"] == "value_error" and (found := _PLACED.fullmatch(problem)):
        # Said by the whole of one of its parts.
        field = found[1] if field == "body" else f"{field}.{found[1]}"
        problem = found[2]
    return FieldError(field=field, problem=problem, remedy=remedy)


def _words(
    entry: Mapping[str, Any], model: type[BaseModel], place: tuple[int | str, ...], last: str
) -> tuple[str, str]:
    kind, context = entry["type"], entry.get("ctx", {})
    own = _REMEDIES.get(last, "")
    if kind == "extra_forbidden":
        return _unknown(model, place)
    if kind == "missing":
        return "is missing", f"Add it. {own}".strip()
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}", own or f"Give {_WANTED[kind]}."
    if kind in ("literal_error", "enum"):
        return "is not one of the words known here", f"Use one of: {context['expected']}."
    if kind == "string_pattern_mismatch":
        return "is not written as it must be", own or _pattern_remedy(place)
    if kind == "value_error":
        return _own_words(str(entry["msg"]), own)
    if kind in ("string_too_long", "too_long", "string_too_short", "too_short"):
        return _length(entry, context)
    return str(entry["msg"]).lower(), own or "Correct the value."


def _own_words(message: str, remedy: str) -> tuple[str, str]:
    """Our own validators say "problem", "problem: remove it" or "problem. Remedy."."""
    problem = message.removeprefix("Value error, ")
    head, _, tail = problem.partition(": ")
    if tail == "remove it":
        return head, "Remove it."
    head, _, tail = problem.partition(". ")
    if tail.endswith("."):
        return head, tail
    return problem, remedy or "Correct the value."


def _pattern_remedy(place: tuple[int | str, ...]) -> str:
    if "providers" in place or "fallbacks" in place:
        return 'Write it as "provider:model", such as "preview:storyboard".'
    return "Correct the value."


def _length(entry: Mapping[str, Any], context: Mapping[str, Any]) -> tuple[str, str]:
    given = entry.get("input")
    unit = "characters" if entry["type"].startswith("string") else "items"
    size = f"{len(given):,}" if isinstance(given, str | list | tuple) else "more"
    if "max_length" in context:
        most = context["max_length"]
        return f"has {size} {unit}; at most {most:,} are allowed", f"Keep it to {most:,} {unit}."
    least = context["min_length"]
    return f"has {size} {unit}; at least {least:,} is needed", "Fill it in."


def _unknown(model: type[BaseModel], place: tuple[int | str, ...]) -> tuple[str, str]:
    owner = _model_at(model, place[:-1])
    known = sorted(owner.model_fields) if owner else []
    near = difflib.get_close_matches(clip(str(place[-1])), known, n=2)
    if near:
        return "is not a known field", f"Did you mean {' or '.join(near)}?"
    return "is not a known field", f"Remove it; known are: {', '.join(known)}."


def _model_at(model: type[BaseModel] | None, place: tuple[int | str, ...]) -> Any:
    for part in place:
        if model is None:
            return None
        if isinstance(part, str):
            field = model.model_fields.get(part)
            model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)
