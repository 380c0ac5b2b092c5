"""Who signs: a certificate chain with its key, checked before anything is made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from io import BytesIO
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image

from filmforge.errors import BadInput
from filmforge.provenance.native import c2pa, context

# The organisation a development certificate names; it earns no trust, it only says what it is.
DEVELOPMENT = "FilmForge development"
# The setting that names the certificate of whoever signs.
CERTIFICATE = "FILMFORGE_PROVENANCE_CERTIFICATE"


@dataclass(frozen=True)
class Identity:
    """A signer; `chain` begins with the certificate that signs, `algorithm` is COSE's name.

    `timestamps_from` is the address of an RFC 3161 authority, asked at every signing if given.
    """

    chain: Sequence[x509.Certificate]
    key: CertificateIssuerPrivateKeyTypes = field(repr=False)
    algorithm: str
    timestamps_from: str | None = None

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate that signs."""
        return self.chain[0]

    @property
    def development(self) -> bool:
        """Whether it is a certificate that FilmForge made for itself."""
        names = self.leaf.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
        return any(name.value == DEVELOPMENT for name in names)

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of the certificate that signs, in hexadecimal."""
        return self.leaf.fingerprint(SHA256()).hex()

    def check_dates(self, now: datetime) -> None:
        """Raises BadInput when a certificate of the chain is not valid at `now`."""
        for certificate in self.chain:
            name = certificate.subject.rfc4514_string()
            if now > certificate.not_valid_after_utc:
                raise BadInput(
                    CERTIFICATE,
                    f"{name} expired on {_day(certificate.not_valid_after_utc)}",
                    "Renew it, or set neither it nor its key to sign for development.",
                )
            if now < certificate.not_valid_before_utc:
                raise BadInput(
                    CERTIFICATE,
                    f"{name} is not valid before {_day(certificate.not_valid_before_utc)}",
                    "Wait until then, or set this machine's clock.",
                )

    def signer(self) -> Any:
        """The native library's signer; the caller closes it."""
        chain = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.chain)
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(self.algorithm, chain, key, self.timestamps_from)
        )

    def prove(self) -> None:
        """Sign one pixel, so that whatever C2PA does not permit is told before a film is made.

        Asks no timestamp authority. Raises BadInput with the native library's reason.
        """
        quiet = Identity(self.chain, self.key, self.algorithm)
        pixel = BytesIO()
        Image.new("RGB", (1, 1)).save(pixel, "PNG")
        actions = [{"action": "c2pa.created", "digitalSourceType": _EMPTY}]
        assertion = {"label": "c2pa.actions.v2", "data": {"actions": actions}}
        try:
            with (
                context() as settings,
                quiet.signer() as signer,
                c2pa.Builder({"assertions": [assertion]}, settings) as builder,
            ):
                builder.sign(signer, "image/png", pixel, BytesIO())
        except c2pa.C2paError as error:
            raise BadInput(
                CERTIFICATE,
                f"C2PA does not permit it: {error}",
                "Ask its issuer for a certificate for signing content credentials.",
            ) from None


_EMPTY = "http://c2pa.org/digitalsourcetype/empty"


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
