"""Sessions: who looks at the pages, by a signed cookie; of a session nothing is stored.

A cookie says by which key, member or link somebody came in. Whether that still holds is asked at
every request, so that what is revoked ends at once.
"""

import hashlib
import hmac
import secrets
import time
from typing import Literal

from fastapi import Request, Response
from itsdangerous import BadData, URLSafeSerializer
from pydantic import ValidationError

from filmforge.fields import Frozen, Identifier
from filmforge.settings import Settings

MEMBER_COOKIE = "filmforge"
FILM_COOKIE = "filmforge_film"
SESSION_S = 12 * 3600
_SALT = "filmforge.session.1"
_FORM_SALT = b"filmforge.form.1"
_MOST_CHARS = 1_000

Door = Literal["nobody", "key", "member", "share", "board"]


class Session(Frozen):
    """Who came in by which door: `subject` is the key's print, the member or the share.

    `who` is the name that person gave; one by a link is for `film_id` alone.
    """

    door: Door
    subject: str
    who: str
    film_id: Identifier | None = None
    session_id: str
    expires_at: int


def begin(
    door: Door, subject: str, who: str, film_id: str | None = None, expires_at: int | None = None
) -> Session:
    """A fresh session, which ends with the link it came by if that is sooner."""
    ends = int(time.time()) + SESSION_S
    return Session(
        door=door,
        subject=subject,
        who=who,
        film_id=film_id,
        session_id=secrets.token_urlsafe(16),
        expires_at=min(ends, expires_at or ends),
    )


def keep(response: Response, settings: Settings, session: Session) -> None:
    """Have the browser keep a session: for all pages, or for those of its film alone."""
    response.set_cookie(
        _name(session.film_id),
        _signer(settings).dumps(session.model_dump()),
        max_age=max(0, session.expires_at - int(time.time())),
        path=_path(session.film_id),
        secure=settings.public_url.startswith("https://"),
        httponly=True,
        # Strict would let nobody in who follows a link out of a mail.
        samesite="lax",
    )


def forget(response: Response) -> None:
    """Have the browser forget the session for all pages."""
    response.delete_cookie(MEMBER_COOKIE, path="/", httponly=True, samesite="lax")


def sessions_of(request: Request, settings: Settings) -> list[Session]:
    """The sessions a request comes with, that of its film first; what is not ours counts not."""
    given = [request.cookies.get(name) for name in (FILM_COOKIE, MEMBER_COOKIE)]
    read = [_read(settings, text) for text in given if text]
    return [session for session in read if session]


def form_key(settings: Settings, session: Session) -> str:
    """What a form of this session holds, so that a page of somebody else cannot send it."""
    key = settings.signing_key.get_secret_value().encode()
    return hmac.new(key, _FORM_SALT + session.session_id.encode(), hashlib.sha256).hexdigest()


def _read(settings: Settings, text: str) -> Session | None:
    if len(text) > _MOST_CHARS:
        return None
    try:
        session = Session.model_validate(_signer(settings).loads(text))
    except (BadData, ValidationError):
        return None
    return session if time.time() < session.expires_at else None


def _name(film_id: str | None) -> str:
    return FILM_COOKIE if film_id else MEMBER_COOKIE


def _path(film_id: str | None) -> str:
    return f"/films/{film_id}" if film_id else "/"


def _signer(settings: Settings) -> URLSafeSerializer:
    return URLSafeSerializer(
        settings.signing_key.get_secret_value(),
        salt=_SALT,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
