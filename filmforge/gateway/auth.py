"""Who calls: an API key, or a signature after Standard Webhooks."""

import asyncio
from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from filmforge.gateway.bodies import raw_body
from filmforge.gateway.keys import is_configured, key_print
from filmforge.gateway.limits import guesses_of
from filmforge.gateway.problems import Refusal
from filmforge.gateway.state import gateway_of
from filmforge.rights import Right
from filmforge.settings import Settings

_SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_READS = ("GET", "HEAD")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="filmforge"'}


class Known(NamedTuple):
    """A caller and what they may do."""

    who: str
    right: Right


async def known(request: Request) -> Known:
    """Who calls and what they may do. Raises Refusal with status 401.

    A signature covers the body, which is then read here; a key is checked without reading it.
    """
    gateway = gateway_of(request)
    if "authorization" in request.headers:
        return await _by_key(request, request.headers["authorization"])
    if any(name in request.headers for name in _SIGNATURE_HEADERS):
        who = _by_signature(gateway.settings, request, await raw_body(request))
        return Known(who, Right.PRODUCE)
    raise _unknown(
        "No authentication was given: send Authorization: Bearer KEY, or the Standard Webhooks "
        "headers webhook-id, webhook-timestamp and webhook-signature."
    )


AnyCaller = Annotated[Known, Depends(known)]


async def caller(request: Request, found: AnyCaller) -> str:
    """Who calls, as the audit trail names them. Raises Refusal with status 403.

    Members may read what their role lets them; to change a film takes a producer.
    """
    return _allowed(found, Right.SEE if request.method in _READS else Right.PRODUCE)


async def producer(found: AnyCaller) -> str:
    """Who calls, if they may read what opens a film to others, and change it."""
    return _allowed(found, Right.PRODUCE)


async def decider(found: AnyCaller) -> str:
    """Who calls, if they may decide about frames."""
    return _allowed(found, Right.DECIDE)


async def administrator(found: AnyCaller) -> str:
    """Who calls, if they may change who is let in and what an installation may spend."""
    return _allowed(found, Right.ADMINISTER)


Caller = Annotated[str, Depends(caller)]
Producer = Annotated[str, Depends(producer)]
Decider = Annotated[str, Depends(decider)]
Administrator = Annotated[str, Depends(administrator)]


def _allowed(found: Known, right: Right) -> str:
    if found.right < right:
        raise Refusal(403, "not_allowed", f"{found.who} may not do this: ask for another role.")
    return found.who


async def _by_key(request: Request, header: str) -> Known:
    guesses, gateway = guesses_of(request), gateway_of(request)
    guesses.refuse_many(request)
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _unknown("The Authorization header must read: Bearer KEY.")
    given = key_print(key)
    if is_configured(gateway.settings, given):
        return Known(f"key {given[:8]}", Right.ADMINISTER)
    member = await asyncio.to_thread(gateway.ledger.members.by_key, given)
    if member is None:
        guesses.wrong(request)
        raise _unknown("The API key is not known here: use one of FILMFORGE_API_KEYS, or yours.")
    return Known(member.name, member.role.right)


def _by_signature(settings: Settings, request: Request, body: bytes) -> str:
    secret = settings.signing_key.get_secret_value()
    missing = [name for name in _SIGNATURE_HEADERS if not request.headers.get(name)]
    if missing:
        raise _unknown(f"The signature is incomplete: the header {missing[0]} is missing.")
    if not secret:
        raise _unknown("Signatures are not accepted here: FILMFORGE_SIGNING_KEY is not set.")
    try:
        Webhook(secret).verify(body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        raise _unknown(_reason(error)) from None
    return "webhook"


def _reason(error: Exception) -> str:
    if "too old" in str(error):
        return "The webhook-timestamp is stale (older than 5 minutes): sign the request again."
    if "too new" in str(error):
        return "The webhook-timestamp lies more than 5 minutes ahead: set the clock right."
    if isinstance(error, UnicodeDecodeError):
        return "A signed body must be UTF-8 text: send files with a Bearer key."
    return "The webhook-signature does not match the body, its id and its timestamp."


def _unknown(detail: str) -> Refusal:
    return Refusal(401, "unauthorized", detail, headers=_CHALLENGE)
