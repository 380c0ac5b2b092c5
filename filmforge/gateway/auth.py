"""Who calls: an API key, or a signature after Standard Webhooks."""

import hashlib
import hmac
from typing import Annotated

from fastapi import Depends, Request
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from filmforge.gateway.bodies import raw_body
from filmforge.gateway.problems import Refusal
from filmforge.gateway.state import gateway_of
from filmforge.settings import Settings

_SIGNATURE_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="filmforge"'}


async def caller(request: Request) -> str:
    """Who calls, as the audit trail names them. Raises Refusal with status 401.

    A signature covers the body, which is then read here; a key is checked without reading it.
    """
    settings = gateway_of(request).settings
    if "authorization" in request.headers:
        return _by_key(settings, request.headers["authorization"])
    if any(name in request.headers for name in _SIGNATURE_HEADERS):
        return _by_signature(settings, request, await raw_body(request))
    raise _unknown(
        "No authentication was given: send Authorization: Bearer KEY, or the Standard Webhooks "
        "headers webhook-id, webhook-timestamp and webhook-signature."
    )


Caller = Annotated[str, Depends(caller)]


def _by_key(settings: Settings, header: str) -> str:
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer":
        raise _unknown("The Authorization header must read: Bearer KEY.")
    given = hashlib.sha256(key.strip().encode()).hexdigest()
    known = [hashlib.sha256(k.encode()).hexdigest() for k in settings.keys()]  # noqa: SIM118  a method of ours
    # Every key is compared, so that the time tells nothing about which one was close.
    if not sum(hmac.compare_digest(given, one) for one in known):
        raise _unknown("The API key is not known here: use one of FILMFORGE_API_KEYS.")
    return f"key {given[:8]}"


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
