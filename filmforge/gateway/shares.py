"""Share links by the API: made, listed, signed once more, revoked."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from filmforge.errors import NotFound
from filmforge.fields import Frozen, Label, plain_text
from filmforge.gateway.auth import Producer, producer
from filmforge.gateway.bodies import read_model
from filmforge.gateway.lookup import KnownFilm
from filmforge.gateway.passphrases import hash_passphrase
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.gateway.tokens import sign_share
from filmforge.ledger.shares import Share
from filmforge.rights import Given

DAY_S = 86_400
WEEK_S = 7 * DAY_S
LONGEST_S = 366 * DAY_S

router = APIRouter(
    prefix="/v1/films/{film_id}/shares", tags=["shares"], dependencies=[Depends(producer)]
)

Passphrase = Annotated[
    str, StringConstraints(min_length=6, max_length=500), AfterValidator(plain_text)
]


class NewShare(Frozen):
    """The body of a call, or the form, that makes a link; without a passphrase none is asked."""

    name: Label
    gives: Given = Given.SEE
    lasts_s: int = Field(default=WEEK_S, ge=60, le=LONGEST_S)
    passphrase: Annotated[Passphrase | None, BeforeValidator(lambda given: given or None)] = None


class ShareView(Frozen):
    """A link to one film; `url` is told of one that was asked for by itself, while it holds."""

    share_id: str
    film_id: str
    name: str
    gives: Given
    state: Literal["open", "locked", "expired", "revoked"]
    has_passphrase: bool
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    opened: int
    last_opened_at: datetime | None
    url: str | None = None


class ShareList(Frozen):
    """The links of a film, newest first."""

    film_id: str
    shares: tuple[ShareView, ...]


@router.post("", status_code=201, response_model=ShareView, openapi_extra=body_of(NewShare))
async def share(request: Request, film: KnownFilm, who: Producer) -> Response:
    """Make a link by which people without a key see, comment on or decide about a film."""
    gateway = gateway_of(request)
    wish = await read_model(request, NewShare)
    made = await asyncio.to_thread(create_share, gateway, film.film_id, wish, who)
    return json_response(view_with_address(gateway, made), 201)


@router.get("", response_model=ShareList)
async def shares(request: Request, film: KnownFilm) -> Response:
    """The links of a film, without their addresses."""
    found = await asyncio.to_thread(gateway_of(request).ledger.shares.of_film, film.film_id)
    return json_response(ShareList(film_id=film.film_id, shares=tuple(map(share_view, found))))


@router.get("/{share_id}", response_model=ShareView)
async def one_share(request: Request, film: KnownFilm, share_id: str) -> Response:
    """One link with its address."""
    gateway = gateway_of(request)
    found = await asyncio.to_thread(share_of_film, gateway, film.film_id, share_id)
    return json_response(view_with_address(gateway, found))


@router.delete("/{share_id}", response_model=ShareView)
async def revoke(request: Request, film: KnownFilm, share_id: str, who: Producer) -> Response:
    """Let nobody in by a link any more, nor those who are in."""
    ledger = gateway_of(request).ledger
    gone = await asyncio.to_thread(ledger.shares.revoke, film.film_id, share_id, who)
    return json_response(share_view(gone))


def create_share(gateway: Gateway, film_id: str, wish: NewShare, who: str) -> Share:
    """Make the link that is wished for; of a passphrase only the hash is kept."""
    kept = hash_passphrase(wish.passphrase) if wish.passphrase else None
    ends = datetime.now(UTC) + timedelta(seconds=wish.lasts_s)
    return gateway.ledger.shares.create(film_id, wish.name, wish.gives, ends, who, kept)


def share_of_film(gateway: Gateway, film_id: str, share_id: str) -> Share:
    """One link of a film. Raises NotFound, also for one of another film."""
    found = gateway.ledger.shares.read(share_id)
    if found.film_id != film_id:
        raise NotFound("there is no such share link")
    return found


def share_view(found: Share) -> ShareView:
    """A link as it stands now."""
    told = found.model_dump(include=set(ShareView.model_fields))
    return ShareView(**told, state=_state(found), has_passphrase=found.passphrase is not None)


def view_with_address(gateway: Gateway, found: Share) -> ShareView:
    """A link as it stands now, with the address that opens it while it holds."""
    holds = found.holds(datetime.now(UTC))
    url = sign_share(gateway.settings, found.share_id) if holds else None
    return share_view(found).model_copy(update={"url": url})


def _state(found: Share) -> Literal["open", "locked", "expired", "revoked"]:
    moment = datetime.now(UTC)
    if found.revoked_at:
        return "revoked"
    if moment >= found.expires_at:
        return "expired"
    return "locked" if found.locked_until and moment < found.locked_until else "open"
