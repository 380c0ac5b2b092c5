"""The user's own signing certificate and key, from PEM files, refused early with a remedy."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import Field, SecretStr

from filmforge.errors import BadInput
from filmforge.fields import Frozen
from filmforge.provenance.identity import CERTIFICATE, Identity
from filmforge.provenance.native import PERMITTED_USES

_KEY = "FILMFORGE_PROVENANCE_KEY"
_PASSPHRASE = "FILMFORGE_PROVENANCE_PASSPHRASE"  # noqa: S105  the name of a setting
_ISSUER = "Ask its issuer for a certificate for signing content credentials."
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LEAST_RSA_BITS = 2048
_ANY_USE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE.dotted_string


class SigningFiles(Frozen):
    """Where the user's certificate and key lie: PEM, the chain beginning with the signer's own.

    `timestamps_from` is an RFC 3161 authority; with it a signature outlives its certificate.
    """

    certificate: Path
    key: Path
    passphrase: SecretStr | None = None
    timestamps_from: Annotated[str, Field(pattern=r"^https?://[^\s/]+", max_length=500)] | None = (
        None
    )


def own_identity(files: SigningFiles, now: datetime | None = None) -> Identity:
    """The user's identity, proven fit to sign.

    Raises BadInput naming the field and the remedy: unreadable, not PEM, wrong passphrase, key of
    another certificate, out of order, expired, not yet valid, or not permitted by C2PA.
    """
    chain = _chain(files.certificate)
    key = _key(files)
    identity = Identity(chain, key, _algorithm(key), files.timestamps_from)
    if key.public_key() != identity.leaf.public_key():
        raise BadInput(
            _KEY,
            "it does not belong to the first certificate of the chain",
            "Give the key of that certificate, and put the signer's own certificate first.",
        )
    _check_order(chain)
    identity.check_dates(now or datetime.now(UTC))
    _check_uses(identity.leaf)
    identity.prove()
    return identity


def _read(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(
            field, f"{path} cannot be read: {error.strerror}", "Give the path of a PEM file."
        ) from None


def _chain(path: Path) -> Sequence[x509.Certificate]:
    data = _read(path, CERTIFICATE)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise BadInput(
            CERTIFICATE,
            f"{path} holds no certificate in PEM",
            "Convert it: openssl x509 -in FILE -out FILE.pem",
        ) from None


def _key(files: SigningFiles) -> CertificateIssuerPrivateKeyTypes:
    data = _read(files.key, _KEY)
    secret = files.passphrase.get_secret_value().encode() if files.passphrase else None
    try:
        key: Any = load_pem_private_key(data, secret)
    except TypeError:
        if secret is None:
            raise BadInput(
                _PASSPHRASE, "the key is encrypted", "Give the passphrase of the key."
            ) from None
        raise BadInput(
            _PASSPHRASE, "the key is not encrypted", "Give no passphrase, or encrypt the key."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        if secret is not None and b"ENCRYPTED" in data:
            raise BadInput(
                _PASSPHRASE, "the key does not open with it", "Correct the passphrase."
            ) from None
        raise BadInput(
            _KEY,
            f"{files.key} holds no private key in PEM",
            "Convert it: openssl pkey -in FILE -out FILE.pem",
        ) from None
    if isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey | Ed25519PrivateKey):
        return key
    raise BadInput(_KEY, "C2PA cannot sign with this kind of key", "Use ECDSA, RSA or Ed25519.")


def _algorithm(key: CertificateIssuerPrivateKeyTypes) -> str:
    if isinstance(key, EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS:
        return "ps256"
    if isinstance(key, Ed25519PrivateKey):
        return "ed25519"
    raise BadInput(
        _KEY,
        "C2PA does not permit its curve or its size",
        f"Use P-256, P-384, P-521, Ed25519, or RSA of at least {_LEAST_RSA_BITS} bits.",
    )


def _check_order(chain: Sequence[x509.Certificate]) -> None:
    for certificate, issuer in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise BadInput(
                CERTIFICATE,
                f"{certificate.subject.rfc4514_string()} was not issued by the next in the file, "
                f"{issuer.subject.rfc4514_string()}",
                "Order the chain: the signer's own first, each followed by its issuer.",
            ) from None


def _check_uses(leaf: x509.Certificate) -> None:
    """C2PA 2.x, certificate profile: an end entity's, for signing, for a permitted purpose."""
    if leaf.subject == leaf.issuer:
        raise BadInput(CERTIFICATE, "it is signed by itself, which C2PA forbids", _ISSUER)
    if getattr(_extension(leaf, x509.BasicConstraints), "ca", False):
        raise BadInput(
            CERTIFICATE, "the first certificate is an authority's", "Put the signer's own first."
        )
    if not getattr(_extension(leaf, x509.KeyUsage), "digital_signature", False):
        raise BadInput(CERTIFICATE, "its key usage lacks digitalSignature", _ISSUER)
    uses = {use.dotted_string for use in _extension(leaf, x509.ExtendedKeyUsage) or ()}
    if _ANY_USE in uses or not uses.intersection(PERMITTED_USES):
        raise BadInput(
            CERTIFICATE,
            "its extended key usage does not permit content credentials "
            "(emailProtection, documentSigning or C2PA claim signing)",
            _ISSUER,
        )


def _extension(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> Any:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
