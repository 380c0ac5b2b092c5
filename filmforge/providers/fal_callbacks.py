"""Callbacks of fal: signed with Ed25519 by keys that it publishes (model-apis/webhooks)."""

import base64
import hashlib
import time
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel

from filmforge.errors import ProviderUnavailable
from filmforge.providers.signature import TOLERANCE_S, not_genuine
from filmforge.providers.wire import Wire

KEPT_S = 86_400.0  # the keys are to be cached for at most 24 hours
KEPT_AT_LEAST_S = 60.0  # so that forged callbacks do not make us ask for keys each time
SIGNED = ("request-id", "user-id", "timestamp")


class _Key(BaseModel):
    crv: str = ""
    x: str = ""


class _KeySet(BaseModel):
    keys: list[_Key]


class Signature:
    """Verifies callbacks with the keys at the address of `wire`."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._keys: list[Ed25519PublicKey] = []
        self._read_at = time.monotonic() - KEPT_S

    async def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """The id of a callback signed by fal at most 5 minutes ago.

        Raises BadInput for a forged or stale one, ProviderUnavailable when the keys cannot be
        had. They are asked for anew when none of them fits.
        """
        given = {name.lower(): value for name, value in headers.items()}
        try:
            words = [given[f"x-fal-webhook-{word}"] for word in SIGNED]
            signature = bytes.fromhex(given["x-fal-webhook-signature"])
            age_s = abs(time.time() - int(words[-1]))
        except (KeyError, ValueError):
            raise not_genuine() from None
        if age_s > TOLERANCE_S:
            raise not_genuine()
        message = "\n".join([*words, hashlib.sha256(body).hexdigest()]).encode()
        for kept_s in (KEPT_S, KEPT_AT_LEAST_S):
            await self._refresh(kept_s)
            if any(_fits(key, signature, message) for key in self._keys):
                return words[0]
        raise not_genuine()

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()

    async def _refresh(self, kept_s: float) -> None:
        now = time.monotonic()
        if now - self._read_at < kept_s:
            return
        told = await self._wire.ask(_KeySet, "GET", "")
        try:
            self._keys = [_public(key.x) for key in told.keys if key.crv == "Ed25519"]
        except ValueError:
            raise ProviderUnavailable(self._wire.told("its keys cannot be read")) from None
        self._read_at = now


def _public(x: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))


def _fits(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
