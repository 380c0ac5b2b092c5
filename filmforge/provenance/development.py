"""A signing certificate for development: made on first use, trusted by nobody, and saying so."""

import os
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from filmforge.errors import BadInput
from filmforge.provenance.identity import DEVELOPMENT, Identity

_FILE = "development-signing.pem"
_YEARS = timedelta(days=5 * 365)
_RENEW_BEFORE = timedelta(days=30)
_CLOCKS_DIFFER = timedelta(hours=1)
_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def development_identity(folder: Path, now: datetime | None = None) -> Identity:
    """The development certificate kept in `folder`, made or renewed if need be.

    Key and certificates are one file of mode 0600, put in its place whole: of two processes that
    make one at once the later wins, and both can sign. Raises BadInput when the file there can't
    be read.
    """
    moment = now or datetime.now(UTC)
    path = folder / _FILE
    if path.exists():
        kept = _kept(path)
        if moment < kept.leaf.not_valid_after_utc - _RENEW_BEFORE:
            return kept
    made = _make(moment)
    _keep(made, path)
    return made


def _kept(path: Path) -> Identity:
    try:
        data = path.read_bytes()
        key = load_pem_private_key(data, None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise ValueError("not an ECDSA key")
        return Identity(x509.load_pem_x509_certificates(data), key, "es256")
    except (OSError, TypeError, ValueError) as error:
        raise BadInput(
            "signing", f"{path} is no development certificate: {error}", "Delete the file."
        ) from None


def _make(now: datetime) -> Identity:
    """A new root, whose key is thrown away at once, and the one certificate it signed."""
    root_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    root_name, name = _name("FilmForge development root"), _name("FilmForge development signing")
    root = (
        _blank(root_name, root_name, root_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .sign(root_key, SHA256())
    )
    leaf = (
        _blank(name, root_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
            critical=False,
        )
        .sign(root_key, SHA256())
    )
    return Identity((leaf, root), key, "es256")


def _blank(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=key,
        serial_number=x509.random_serial_number(),
        not_valid_before=now - _CLOCKS_DIFFER,
        not_valid_after=now + _YEARS,
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, DEVELOPMENT),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*allowed: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in allowed for usage in _USAGES})


def _keep(identity: Identity, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # mkstemp makes the file with mode 0600.
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(_pems(identity))
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _pems(identity: Identity) -> Sequence[bytes]:
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return [key, *(certificate.public_bytes(Encoding.PEM) for certificate in identity.chain)]
