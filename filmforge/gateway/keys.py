"""Keys: which of them are known here, compared so that the time tells nothing."""

import hashlib
import hmac
import secrets

from filmforge.settings import Settings

_PREFIX = "ff_"


def key_print(key: str) -> str:
    """What a key is known by where it must not stand itself: its sha256."""
    return hashlib.sha256(key.strip().encode()).hexdigest()


def fresh_key() -> str:
    """A key for a member, told once."""
    return f"{_PREFIX}{secrets.token_urlsafe(32)}"


def is_configured(settings: Settings, print_: str) -> bool:
    """Whether it is the print of one of FILMFORGE_API_KEYS."""
    known = [key_print(key) for key in settings.keys()]  # noqa: SIM118  a method of ours
    # Every key is compared, so that the time tells nothing about which one was close.
    return bool(sum(hmac.compare_digest(print_, one) for one in known))
