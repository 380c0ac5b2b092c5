"""Passphrases: what is kept of them, and whether a guess fits."""

import hashlib
import hmac
import secrets

# scrypt as RFC 7914 has it; 16 MiB and some 50 ms for each guess.
_SCRYPT: dict[str, int] = {"n": 2**14, "r": 8, "p": 1}


def hash_passphrase(passphrase: str) -> str:
    """What is kept of a passphrase."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{hashlib.scrypt(passphrase.encode(), salt=salt, **_SCRYPT).hex()}"


def fits(passphrase: str, kept: str) -> bool:
    """Whether it is the passphrase of which this was kept."""
    salt, _, known = kept.partition(":")
    found = hashlib.scrypt(passphrase.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()
    return hmac.compare_digest(found, known)
