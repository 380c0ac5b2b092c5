"""The values that every format has in common, read with the same bounds and the same words."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from filmforge.errors import BadInput
from filmforge.fields import Identifier, Rate
from filmforge.interchange.recut import Recut
from filmforge.transition import Style

_RATE: TypeAdapter[Fraction] = TypeAdapter(Rate)
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
_STYLES: dict[str, Style] = {style: style for style in get_args(Style)}
_EDITORS_NAMES: dict[str, Style] = {
    "smpte_dissolve": "crossfade",
    "dissolve": "crossfade",
    "cross_dissolve": "crossfade",
    "fade_to_color": "dip_to_black",
    "dip_to_color_dissolve": "dip_to_black",
    "dip_to_black": "dip_to_black",
    "dip_to_white": "dip_to_white",
}


def recut_from(**values: Any) -> Recut:
    """A checked recut. Raises BadInput naming the first value out of bounds."""
    try:
        # Through plain values, because parts were built before they were spliced, unchecked.
        return Recut.model_validate(Recut.model_construct(**values).model_dump(warnings=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "timeline"
        raise BadInput(field, first["msg"], "Correct the edit and export it again.") from None


def rate_of(told: object, given: Fraction | None) -> Fraction:
    """The rate a file states, or else the given one. Raises BadInput for none or a bad one."""
    if told is None and given is None:
        raise BadInput("fps", "the file does not say its rate", "Give the film's rate.")
    try:
        return _RATE.validate_python(given if told is None else told)
    except ValidationError as error:
        raise BadInput("fps", error.errors()[0]["msg"], "Give the film's rate.") from None


def style_of(name: str, field: str) -> Style:
    """The film's name of a transition, from ours or an editor's. Raises BadInput for others."""
    key = re.sub(r"[^a-z]+", "_", name.lower()).strip("_")
    style = _STYLES.get(key) or _EDITORS_NAMES.get(key)
    if style is None or style == "cut":
        raise BadInput(
            field,
            f"the transition {name[:100]!r} cannot be rendered",
            f"Use one of: {', '.join(style for style in _STYLES if style != 'cut')}.",
        )
    return style


def shot_id_of(told: Mapping[str, Any], name: str) -> str | None:
    """The shot a clip belongs to: as its metadata says, or else as it is called."""
    for candidate in (told.get("shot_id"), name):
        try:
            return _IDENTIFIER.validate_python(candidate)
        except ValidationError:
            continue
    return None
