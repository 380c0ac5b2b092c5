"""Doors: how people come in to the pages, with a key of the team or by a link to one film."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AfterValidator, StringConstraints

from filmforge.errors import NotFound
from filmforge.fields import Frozen, plain_text
from filmforge.gateway.keys import is_configured, key_print
from filmforge.gateway.limits import guesses_of
from filmforge.gateway.pages.forms import Pressed, read_form
from filmforge.gateway.pages.sessions import Session, begin, forget, form_key, keep, sessions_of
from filmforge.gateway.passphrases import fits
from filmforge.gateway.problems import Refusal
from filmforge.gateway.rendering import QUIET_HEADERS, page
from filmforge.gateway.state import Gateway, Parts
from filmforge.gateway.tokens import ForgedLink, read_share
from filmforge.ledger.shares import Share

router = APIRouter(include_in_schema=False)

# Browsers read //host and /\host as another site, and skip white space in between.
_OURS = re.compile(r"/(?![/\\])[!-~]*")

Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=60, strip_whitespace=True),
    AfterValidator(plain_text),
]
Secret = Annotated[str, StringConstraints(max_length=500)]


class SignIn(Frozen):
    """The form of the team: a key, and where to go from here."""

    key: Secret
    next: Annotated[str, StringConstraints(max_length=2_000)] = ""


class Guest(Frozen):
    """The form of a link: who comes in, and the passphrase if the link has one."""

    name: Name
    passphrase: Secret = ""


@router.get("/sign-in")
async def show_sign_in(request: Request, gateway: Parts, next: str = "") -> Response:  # noqa: A002  the address says it so
    """Ask for a key."""
    return _asking(request, gateway, "sign_in.html", next=_here(next), wrong="")


@router.post("/sign-in")
async def sign_in(request: Request, gateway: Parts) -> Response:
    """Let in whoever has a key."""
    guesses = guesses_of(request)
    guesses.refuse_many(request)
    form = await read_form(request, SignIn, *_form_keys(request, gateway))
    session = await asyncio.to_thread(_by_key, gateway, form.key)
    if session is None:
        guesses.wrong(request)
        wrong = "That key is not known here."
        answer = _asking(request, gateway, "sign_in.html", next=_here(form.next), wrong=wrong)
        answer.status_code = 403
        return answer
    answer = _go(_here(form.next) or "/films")
    keep(answer, gateway.settings, session)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, gateway: Parts) -> Response:
    """Forget who this is."""
    await read_form(request, Pressed, *_form_keys(request, gateway))
    answer = _go("/sign-in")
    forget(answer)
    return answer


@router.head("/s/{token}")
@router.get("/s/{token}")
async def show_share(request: Request, gateway: Parts, token: str) -> Response:
    """Ask who comes in by a link; nothing is used up by looking."""
    share = await _share(request, gateway, token)
    return _asking(request, gateway, "share.html", share=share, wrong="")


@router.post("/s/{token}")
async def open_share(request: Request, gateway: Parts, token: str) -> Response:
    """Let somebody in by a link."""
    share = await _share(request, gateway, token)
    form = await read_form(request, Guest, *_form_keys(request, gateway))
    if share.passphrase and not await _knows(gateway, share, form.passphrase):
        guesses_of(request).wrong(request)
        wrong = "That passphrase is not right."
        answer = _asking(request, gateway, "share.html", share=share, wrong=wrong)
        answer.status_code = 403
        return answer
    ends = int(share.expires_at.timestamp())
    session = begin("share", share.share_id, form.name, share.film_id, ends)
    await asyncio.to_thread(gateway.ledger.shares.opened, share, f"{form.name} (link {share.name})")
    answer = _go(f"/films/{share.film_id}")
    keep(answer, gateway.settings, session)
    return answer


async def _knows(gateway: Gateway, share: Share, passphrase: str) -> bool:
    """Whether somebody knows the passphrase of a link. Raises Refusal after many who did not."""
    # Counted before it is looked at: of many at once no more are looked at than are allowed.
    if not await asyncio.to_thread(gateway.ledger.shares.guess, share):
        raise Refusal(429, "too_many_guesses", "Too many wrong passphrases: wait a while.")
    if await asyncio.to_thread(fits, passphrase, str(share.passphrase)):
        return True
    await asyncio.to_thread(gateway.ledger.shares.refused, share)
    return False


def _by_key(gateway: Gateway, key: str) -> Session | None:
    found = key_print(key)
    if is_configured(gateway.settings, found):
        return begin("key", found, "")
    member = gateway.ledger.members.by_key(found)
    return begin("member", member.member_id, member.name) if member else None


async def _share(request: Request, gateway: Gateway, token: str) -> Share:
    guesses = guesses_of(request)
    guesses.refuse_many(request)
    try:
        share_id = read_share(gateway.settings, token)
        share = await asyncio.to_thread(gateway.ledger.shares.read, share_id)
    except (ForgedLink, NotFound):
        guesses.wrong(request)
        detail = "It was changed, cut short or made elsewhere: ask for a new link."
        raise Refusal(403, ForgedLink.code, detail) from None
    if not share.holds(datetime.now(UTC)):
        raise Refusal(410, "link_expired", "It was for a while, and that is over: ask for another.")
    return share


def _asking(request: Request, gateway: Gateway, template: str, **values: Any) -> Response:
    """A form for somebody who may not be known yet; then a cookie of nobody's makes it ours."""
    known = _form_keys(request, gateway)
    session = begin("nobody", "", "")
    answer = page(
        template, form_key=known[0] if known else form_key(gateway.settings, session), **values
    )
    if not known:
        keep(answer, gateway.settings, session)
    return answer


def _form_keys(request: Request, gateway: Gateway) -> list[str]:
    """The keys of forms that were made for whoever asks."""
    settings = gateway.settings
    return [form_key(settings, session) for session in sessions_of(request, settings)]


def _here(address: str) -> str:
    """An address of ours, or nothing: nobody is sent elsewhere."""
    return address if _OURS.fullmatch(address) else ""


def _go(address: str) -> Response:
    return RedirectResponse(address, 303, QUIET_HEADERS)
