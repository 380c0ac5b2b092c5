"""Channels by the API: where people are told, added, listed, tried and removed."""

import asyncio
import base64
import hashlib
import secrets
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AfterValidator, Field, StringConstraints, field_validator

from filmforge.addresses import check_url, is_near
from filmforge.fields import Frozen, Identifier, Label
from filmforge.gateway.auth import Producer, producer
from filmforge.gateway.bodies import read_model
from filmforge.gateway.mail import check_address, mail_server
from filmforge.gateway.notify import send_trial
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger.channels import BLOCKED, TOPICS, Channel, ChannelKind
from filmforge.settings import FAR_WARNING, Settings

LONGEST_BATCH_S = 86_400
BATCH_S = {
    ChannelKind.EMAIL: 300,
    ChannelKind.SLACK: 30,
    ChannelKind.DISCORD: 30,
    ChannelKind.WEBHOOK: 0,
}
# What most people want to hear of: what waits for them, and what is over.
USUAL = (
    "frame.waiting",
    "shot.needs_attention",
    BLOCKED,
    "budget.reached",
    "film.found_wanting",
    "film.undelivered",
    "film.done",
    "film.cancelled",
)

router = APIRouter(prefix="/v1/channels", tags=["channels"], dependencies=[Depends(producer)])


def _one_line(text: str) -> str:
    if len(text.splitlines()) > 1:
        raise ValueError("has more than one line. Write it on one.")
    return text


class NewChannel(Frozen):
    """The body of a call that adds a channel: no `film_id` is every film.

    `address` is a URL, or a mail address. Without `batch_s` mail waits for five minutes, chats
    for half a minute, a webhook not at all. With `signed_link` whoever gets the message may
    decide without a key; mail has it unless told otherwise.
    """

    kind: ChannelKind
    name: Annotated[Label, AfterValidator(_one_line)]
    address: Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
    events: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)] = USUAL
    film_id: Identifier | None = None
    batch_s: Annotated[int, Field(ge=0, le=LONGEST_BATCH_S)] | None = None
    signed_link: bool | None = None

    @field_validator("events")
    @classmethod
    def _known(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        unknown = next((each for each in given if each not in TOPICS), None)
        if unknown is not None:
            raise ValueError(f"{unknown[:60]!r} is not known. Use some of: {', '.join(TOPICS)}.")
        return tuple(dict.fromkeys(given))


class ChannelView(Frozen):
    """A channel without what would let others write there; `problem` is why it fails, if it does.

    `signing_secret` is told once, when a webhook is added.
    """

    channel_id: str
    kind: ChannelKind
    name: str
    address: str
    events: tuple[str, ...]
    film_id: str | None
    batch_s: int
    signed_link: bool
    created_by: str
    created_at: datetime
    problem: str | None
    problem_at: datetime | None
    signing_secret: str | None = None


class ChannelList(Frozen):
    """The channels in force, oldest first."""

    channels: tuple[ChannelView, ...]
    warning: str | None


class Tried(Frozen):
    """Whether a test message was taken, and why not."""

    sent: bool
    message: str


@router.get("", response_model=ChannelList)
async def channels(request: Request) -> Response:
    """The channels in force, without their secrets."""
    gateway = gateway_of(request)
    found = await asyncio.to_thread(gateway.ledger.channels.all)
    views = tuple(map(channel_view, found))
    return json_response(ChannelList(channels=views, warning=links_warning(gateway.settings)))


@router.post("", status_code=201, response_model=ChannelView, openapi_extra=body_of(NewChannel))
async def add(request: Request, who: Producer) -> Response:
    """Tell somebody from now on what happens to a film, or to all of them."""
    wish = await read_model(request, NewChannel)
    return json_response(await add_channel(gateway_of(request), wish, who), 201)


@router.delete("/{channel_id}", response_model=ChannelView)
async def remove(request: Request, channel_id: str, who: Producer) -> Response:
    """Tell nobody there any more; the address is forgotten."""
    ledger = gateway_of(request).ledger
    gone = await asyncio.to_thread(ledger.channels.revoke, channel_id, who)
    return json_response(channel_view(gone))


@router.post("/{channel_id}/test", response_model=Tried)
async def send_test(request: Request, channel_id: str) -> Response:
    """Send a test message now."""
    gateway = gateway_of(request)
    channel = await asyncio.to_thread(gateway.ledger.channels.read, channel_id)
    return json_response(await try_channel(gateway, channel))


async def add_channel(gateway: Gateway, wish: NewChannel, who: str) -> ChannelView:
    """Check an address and keep it. Raises BadInput, or NotFound for a film that is not there."""
    address = wish.address.strip()
    if wish.kind is ChannelKind.EMAIL:
        mail_server(gateway.settings)
        check_address(address)
    else:
        await check_url(address, gateway.settings.allow_private_urls, "address")
    secret = _fresh_secret() if wish.kind is ChannelKind.WEBHOOK else None
    signed = wish.signed_link
    if signed is None:
        signed = wish.kind is ChannelKind.EMAIL

    def keep() -> Channel:
        if wish.film_id is not None:
            gateway.ledger.films.read(wish.film_id)
        return gateway.ledger.channels.add(
            wish.kind,
            wish.name,
            address,
            who,
            wants=wish.events,
            batch_s=BATCH_S[wish.kind] if wish.batch_s is None else wish.batch_s,
            film_id=wish.film_id,
            secret=secret,
            signed_link=signed,
        )

    view = channel_view(await asyncio.to_thread(keep))
    return view.model_copy(update={"signing_secret": secret})


async def try_channel(gateway: Gateway, channel: Channel) -> Tried:
    """Send a test message and say how that went."""
    problem = await send_trial(gateway, channel)
    if problem is None:
        return Tried(sent=True, message="The test message was taken.")
    return Tried(sent=False, message=f"The test message was not taken: {problem.words}")


def channel_view(channel: Channel) -> ChannelView:
    """A channel as it may be shown."""
    told = channel.model_dump(include=set(ChannelView.model_fields) - {"address"})
    return ChannelView(**told, address=_shown(channel))


def links_warning(settings: Settings) -> str | None:
    """Why links in messages do not work from elsewhere, if they do not."""
    return FAR_WARNING if is_near(settings.public_url) else None


def _shown(channel: Channel) -> str:
    """What an address is known by where it must not stand itself; a mail address is no secret."""
    address = channel.address.get_secret_value()
    if channel.kind is ChannelKind.EMAIL:
        return address
    known = hashlib.sha256(address.encode()).hexdigest()[:8]
    return f"{urlsplit(address).hostname} (print {known})"


def _fresh_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
