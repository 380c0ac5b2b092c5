"""Forms: what a page sends, read strictly and only from pages of ours."""

import hmac
from typing import TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError

from filmforge.fields import Frozen
from filmforge.gateway.bodies import raw_body, read_json
from filmforge.gateway.problems import Refusal, invalid
from filmforge.gateway.wording import errors_of

FORM = "application/x-www-form-urlencoded"
KEY_FIELD, KEY_HEADER = "form_key", "x-form-key"
_MOST_FIELDS = 256
_OURS = ("same-origin", "none")

Fields = TypeVar("Fields", bound=BaseModel)


class Pressed(Frozen):
    """A form that says nothing but that its button was pressed."""


async def form_fields(request: Request, most: int = _MOST_FIELDS) -> dict[str, str]:
    """The fields of a form in order; of one that stands twice the last. Raises Refusal."""
    try:
        text = (await raw_body(request)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=most)
    except ValueError:
        detail = "The form cannot be read: send UTF-8, percent-encoded, with few fields."
        raise Refusal(400, "unreadable_body", detail) from None
    return dict(pairs)


def is_form(request: Request) -> bool:
    """Whether a body is a form, and not JSON."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


async def read_form(request: Request, model: type[Fields], *form_keys: str) -> Fields:
    """What a page of ours sent, as a form or as JSON with the key of its session in a header.

    Raises Refusal: 403 for what another site sent or a page that is out of date.
    """
    refuse_foreign(request)
    if is_form(request):
        document: object = await form_fields(request)
        given = document.pop(KEY_FIELD, "") if isinstance(document, dict) else ""
    else:
        document, given = await read_json(request), request.headers.get(KEY_HEADER, "")
    refuse_keyless(str(given), *form_keys)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise invalid(errors_of(error, model)) from None


def refuse_keyless(given: str, *form_keys: str) -> None:
    """Refuse what was sent without the key that a page of ours gave out."""
    if not any(hmac.compare_digest(given.encode(), key.encode()) for key in form_keys):
        detail = "This page is out of date or not ours: load it again, then send it once more."
        raise Refusal(403, "form_key", detail)


def refuse_foreign(request: Request) -> None:
    """Refuse what a page of another site sent, where the browser says so."""
    if request.headers.get("sec-fetch-site", "none") not in _OURS:
        raise Refusal(403, "foreign_page", "A page of another site sent this; nothing was done.")
