"""A submitted film: read from a body, and refused before anything starts or is spent."""

import asyncio
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from filmforge.addresses import check_url
from filmforge.brief import Brief, Film, read_film
from filmforge.domain import Shot
from filmforge.gateway.bodies import read_json
from filmforge.gateway.problems import invalid
from filmforge.gateway.quotes import check_film
from filmforge.gateway.references import check_references
from filmforge.gateway.state import Gateway
from filmforge.gateway.wishes import check_deliveries
from filmforge.gateway.wording import MAX_ERRORS, FieldError, errors_of


async def submitted_film(request: Request, gateway: Gateway) -> Film:
    """The film of the body, every field and model of it usable. Raises Refusal or BadInput."""
    return await usable_film(gateway, await read_json(request), request.app.state.looks)


async def usable_film(gateway: Gateway, document: Any, looks: asyncio.Semaphore) -> Film:
    """The film that a document says, every field and model of it usable.

    Raises Refusal or BadInput; `looks` bounds how many files are looked into at once.
    """
    film = await asyncio.to_thread(film_of, document)
    if film.callback_url is not None:
        private = gateway.settings.allow_private_urls
        await check_url(film.callback_url, private, "callback_url")
    await asyncio.to_thread(check_film, gateway.registry, film)
    await asyncio.to_thread(check_deliveries, film)
    await check_references(gateway, film, looks)
    return film


def film_of(document: Any) -> Film:
    """Validate a document, a film or a bare list of shots. Raises Refusal naming the fields.

    Shots are validated one by one, so that a body made of errors stops at the first fifty.
    """
    found = film_or_errors(document)
    if isinstance(found, Film):
        return found
    raise invalid(found)


def film_or_errors(document: Any, most: int = MAX_ERRORS) -> Film | list[FieldError]:
    """The film that a document says, or what is wrong with it, up to about so many errors."""
    film = {"shots": document} if isinstance(document, list) else document
    shots = film.get("shots") if isinstance(film, dict) else None
    if not isinstance(film, dict) or not isinstance(shots, list) or not shots:
        return _whole(film)
    made, errors = _shots(shots, most)
    rest = {name: value for name, value in film.items() if name != "shots"}
    if not errors:
        return _whole({**rest, "shots": made})
    try:
        Brief.model_validate(rest)
    except ValidationError as error:
        errors = [*errors_of(error), *errors]
    return errors


def _whole(film: Any) -> Film | list[FieldError]:
    try:
        return read_film(film)
    except ValidationError as error:
        shots = film.get("shots") if isinstance(film, dict) else None
        return _twice(shots) or errors_of(error)


def _shots(documents: list[Any], most: int) -> tuple[list[Shot], list[FieldError]]:
    made: list[Shot] = []
    errors: list[FieldError] = []
    for index, document in enumerate(documents):
        try:
            made.append(Shot.model_validate(document))
        except ValidationError as error:
            errors += errors_of(error, Shot, ("shots", index))
            if len(errors) >= most:
                break
    return made, errors


def _twice(shots: Any) -> list[FieldError]:
    """The shot ids that stand more than once, each with the place where it stands first."""
    first: dict[str, int] = {}
    errors: list[FieldError] = []
    for index, shot in enumerate(shots if isinstance(shots, list) else ()):
        if not isinstance(shot, Shot):
            return []
        earlier = first.setdefault(shot.shot_id, index)
        if earlier != index:
            errors.append(
                FieldError(
                    field=f"shots[{index}].shot_id",
                    problem=f"{shot.shot_id!r} is used twice: shots[{earlier}] has it too",
                    remedy="Give every shot an id of its own.",
                )
            )
    return errors
