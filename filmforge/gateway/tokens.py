"""Tokens: links that stand for one frame or one film, signed, expiring, never stored."""

import hashlib
import secrets
import time
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol, TypeVar

from itsdangerous import BadData, URLSafeSerializer
from pydantic import ValidationError

from filmforge.errors import FilmError, ServiceUnavailable
from filmforge.fields import Digest, Frozen, Identifier
from filmforge.settings import Settings

FRAME_SALT = "filmforge.review.frame.1"
FILM_SALT = "filmforge.review.film.1"
OUTPUT_SALT = "filmforge.output.1"
SHARE_SALT = "filmforge.share.1"
MAX_TOKEN_CHARS = 1_000


class ForgedLink(FilmError):
    """A token that this installation has not signed for this purpose."""

    code: ClassVar[str] = "link_forged"


class ExpiredLink(FilmError):
    """A genuine token whose time is over."""

    code: ClassVar[str] = "link_expired"


class FrameLink(Frozen):
    """What the link to one frame says; `link_id` tells two links to the same frame apart."""

    gate_id: str
    digest: Digest
    link_id: str
    expires_at: int


class FilmLink(Frozen):
    """What the link to a film's review board says."""

    film_id: Identifier
    expires_at: int


class OutputLink(Frozen):
    """What the link says by which a player reads all files of one output."""

    film_id: Identifier
    kind: str
    expires_at: int


Link = TypeVar("Link", FrameLink, FilmLink, OutputLink)


class Waiting(Protocol):
    """A gate, or whatever else says which frame waits before which."""

    @property
    def gate_id(self) -> str:
        """The gate."""

    @property
    def digest(self) -> str:
        """The frame."""


def sign_review(settings: Settings, gate: Waiting) -> tuple[str, datetime]:
    """A fresh link to one frame, and the moment from which it is refused."""
    link = FrameLink(
        gate_id=gate.gate_id,
        digest=gate.digest,
        link_id=secrets.token_urlsafe(12),
        expires_at=_expiry(settings),
    )
    token = _signer(settings, FRAME_SALT).dumps(link.model_dump())
    return f"{_base(settings)}/review/{token}", datetime.fromtimestamp(link.expires_at, UTC)


def sign_board(settings: Settings, film_id: str) -> str:
    """A fresh link to the review board of a film; it lives as long as a link to a frame."""
    link = FilmLink(film_id=film_id, expires_at=_expiry(settings))
    token = _signer(settings, FILM_SALT).dumps(link.model_dump())
    return f"{_base(settings)}/review/films/{token}"


def sign_output(settings: Settings, film_id: str, kind: str) -> str:
    """A fresh link under which the files of an output are found by their names."""
    expires_at = int(time.time()) + settings.player_link_s
    link = OutputLink(film_id=film_id, kind=kind, expires_at=expires_at)
    token = _signer(settings, OUTPUT_SALT).dumps(link.model_dump())
    return f"{_base(settings)}/outputs/{token}"


def read_review(settings: Settings, token: str) -> FrameLink:
    """What a link to a frame says. Raises ForgedLink or ExpiredLink."""
    return _read(FrameLink, settings, FRAME_SALT, token)


def read_board(settings: Settings, token: str) -> FilmLink:
    """What a link to a review board says. Raises ForgedLink or ExpiredLink."""
    return _read(FilmLink, settings, FILM_SALT, token)


def read_output(settings: Settings, token: str) -> OutputLink:
    """What a link to an output says. Raises ForgedLink or ExpiredLink."""
    return _read(OutputLink, settings, OUTPUT_SALT, token)


def sign_share(settings: Settings, share_id: str) -> str:
    """The link of a share; whether it still holds is asked when it is opened."""
    token = _signer(settings, SHARE_SALT).dumps(share_id)
    return f"{_base(settings)}/s/{token}"


def read_share(settings: Settings, token: str) -> str:
    """The id of the share that a link is for. Raises ForgedLink."""
    said = _said(settings, SHARE_SALT, token)
    if not isinstance(said, str):
        raise ForgedLink("the link was not made here")
    return said


def _read(kind: type[Link], settings: Settings, salt: str, token: str) -> Link:
    try:
        link = kind.model_validate(_said(settings, salt, token))
    except ValidationError:
        raise ForgedLink("the link was not made here") from None
    _refuse_expired(link.expires_at)
    return link


def _said(settings: Settings, salt: str, token: str) -> Any:
    if len(token) > MAX_TOKEN_CHARS:
        raise ForgedLink("the link was not made here")
    try:
        return _signer(settings, salt).loads(token)
    except BadData:
        raise ForgedLink("the link was not made here") from None


def _signer(settings: Settings, salt: str) -> URLSafeSerializer:
    key = settings.signing_key.get_secret_value()
    if not key:
        raise ServiceUnavailable("links cannot be signed: set FILMFORGE_SIGNING_KEY")
    # Derived with the salt by HMAC-SHA256: a token of one purpose is nothing to the other.
    options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(key, salt=salt, signer_kwargs=options)


def _expiry(settings: Settings) -> int:
    return int(time.time()) + settings.review_link_s


def _refuse_expired(expires_at: int) -> None:
    if time.time() >= expires_at:
        moment = datetime.fromtimestamp(expires_at, UTC)
        raise ExpiredLink(f"the link expired at {moment:%Y-%m-%d %H:%M} UTC")


def _base(settings: Settings) -> str:
    return settings.public_url.rstrip("/")
