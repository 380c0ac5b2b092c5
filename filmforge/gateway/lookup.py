"""The film and the shot that an address names."""

import asyncio
import re
from typing import Annotated

from fastapi import Depends, Path, Request

from filmforge.commands import Answer
from filmforge.errors import Conflict, NotFound
from filmforge.gateway.state import gateway_of
from filmforge.gateway.wording import clip
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


async def known_film(request: Request, film_id: Annotated[str, Path()]) -> FilmRecord:
    """The film of the address. Raises NotFound."""
    if not _NAME.fullmatch(film_id):
        raise NotFound(f"there is no film {clip(film_id)}")
    return await asyncio.to_thread(gateway_of(request).ledger.films.read, film_id)


KnownFilm = Annotated[FilmRecord, Depends(known_film)]


async def open_film(film: KnownFilm) -> FilmRecord:
    """The film of the address if it has not ended. Raises NotFound or Conflict."""
    if film.ended:
        raise Conflict(f"the film {film.film_id} is {film.execution}: resume the film first")
    return film


OpenFilm = Annotated[FilmRecord, Depends(open_film)]


async def known_shot(
    request: Request, film: KnownFilm, shot_id: Annotated[str, Path()]
) -> ShotRecord:
    """The shot of the address. Raises NotFound."""
    if not _NAME.fullmatch(shot_id):
        raise NotFound(f"there is no shot {clip(shot_id)} in film {film.film_id}")
    return await asyncio.to_thread(gateway_of(request).ledger.shots.read, film.film_id, shot_id)


KnownShot = Annotated[ShotRecord, Depends(known_shot)]


def accepted(answer: Answer) -> Answer:
    """The answer of a film that took a command. Raises NotFound or Conflict if it did not."""
    if answer.outcome == "unknown_shot":
        raise NotFound(answer.message)
    if answer.outcome != "accepted":
        raise Conflict(answer.message)
    return answer
