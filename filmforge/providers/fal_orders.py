"""Orders in the words of fal's models, and whether a listed one is ours.

In the catalogue a wire name may be a path ("image_size.width") and may end in one of FORMS
("duration:s"); the frame goes to `names.frame`, otherwise to "image_url".
"""

import base64
import binascii
import copy
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import JsonValue

from filmforge.domain import GenerationRequest
from filmforge.errors import BadInput, NotConfigured
from filmforge.providers.catalogue import Model

FORMS: dict[str, Callable[[Any], JsonValue]] = {
    "": lambda value: value,
    "int": lambda value: int(str(value)),
    "number": lambda value: float(str(value)),
    "s": lambda value: f"{value}s",
    "list": lambda value: [value],
}
FRAME = "frame"
_DIGEST = re.compile(r"[0-9a-f]{64}")

Order = dict[str, JsonValue]


def check_names(models: Mapping[str, Model]) -> None:
    """Raise NotConfigured naming the model whose wire names end in a form there is not."""
    for model in models.values():
        for ours, wire in model.names.items():
            form = wire.partition(":")[2]
            if form not in FORMS:
                known = ", ".join(sorted(filter(None, FORMS)))
                problem = f"names.{ours}: no form {form!r}: use one of {known}"
                raise NotConfigured(f"fal:{model.id}: {problem}")


def order_of(model: Model, request: GenerationRequest, frame: str | None) -> Order:
    """What is sent; `frame` is the reference of the picture a clip starts from.

    Raises BadInput for a value that its wire name cannot carry.
    """
    order: Order = {}
    for name, value in copy.deepcopy({**model.fixed, **request.parameters}).items():
        _place(order, model.names.get(name, name), value)
    if model.takes_seed and request.seed is not None:
        _place(order, model.names.get("seed", "seed"), request.seed)
    if frame is not None:
        _place(order, _frame_name(model), frame)
    return order


def same_order(model: Model, request: GenerationRequest, listed: JsonValue) -> bool | None:
    """Whether a listed order is that of the request; None if what is listed cannot tell."""
    if not isinstance(listed, dict):
        return None
    ours = order_of(model, request, None)
    if any(listed.get(name) != value for name, value in ours.items()):
        return False
    digests = [part.digest for part in request.inputs if part.role == FRAME]
    if not model.references or not digests:
        return True
    return _shows(listed.get(_frame_name(model).partition(":")[0]), digests[0])


def decoded(data_uri: str) -> bytes | None:
    """The bytes of a base64 data URI; None for anything else."""
    head, _, text = data_uri.partition(",")
    if not head.startswith("data:") or not head.endswith(";base64"):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _frame_name(model: Model) -> str:
    return model.names.get(FRAME, "image_url")


def _place(order: Order, wire: str, value: JsonValue) -> None:
    path, _, form = wire.partition(":")
    *outer, last = path.split(".")
    for name in outer:
        inner = order.setdefault(name, {})
        if not isinstance(inner, dict):
            raise NotConfigured(f"fal: the wire name {wire} stands beside a fixed {name}")
        order = inner
    try:
        order[last] = FORMS[form](value)
    except ValueError:
        remedy = "Ask for a whole number." if form == "int" else "Give a number."
        raise BadInput(last, f"{value!r} cannot be sent", remedy) from None


def _shows(reference: JsonValue, digest: str) -> bool | None:
    """Whether a reference is to the picture of that digest: by its bytes, or by its name."""
    if isinstance(reference, list):
        reference = reference[0] if reference else None
    if not isinstance(reference, str):
        return None
    if reference.startswith("data:"):
        data = decoded(reference)
        return None if data is None else hashlib.sha256(data).hexdigest() == digest
    named = _DIGEST.findall(urlsplit(reference).path)
    return digest in named if named else None
