"""A tiny film, a development certificate and an authority of the tests' own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.provenance.development import development_identity
from filmforge.provenance.facts import Approved, Claim, Edit, MadeWith, Role
from filmforge.provenance.identity import Identity

NOW = datetime.now(UTC)


def made(role: Role = Role.CLIP, shot: int = 1, provider: str = "fal", **more: Any) -> MadeWith:
    given = {
        "shot_id": f"shot_{shot:03}",
        "digest": f"{shot:02x}" * 32,
        "request_key": f"{shot:062x}{list(Role).index(role):02x}",
    }
    return MadeWith(role=role, provider=provider, model="kling/v2", **(given | more))


@pytest.fixture
def claim() -> Claim:
    return Claim(
        title="Attic",
        made_with=(
            made(Role.FRAME, provider="openai", prompt="a secret cat"),
            made(Role.CLIP, prompt="a secret cat"),
            made(Role.CLIP, take=2, used=False),
            made(Role.VOICE, shot=2, provider="elevenlabs"),
        ),
        edits=(Edit(action="adjustedColor", description="Graded with a film-wide LUT"),),
        approvals=(Approved(by="Ann", at=NOW, shot_id="shot_001"),),
    )


@pytest.fixture
async def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    inputs = ["-f", "lavfi", "-i", "testsrc2=s=64x64:r=24:d=1", "-f", "lavfi", "-i", "sine=d=1"]
    await run_ffmpeg(
        [*inputs, "-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart", str(path)]
    )
    return path


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return development_identity(tmp_path / "keys")


class Issued(NamedTuple):
    certificate: Path
    key: Path
    root: Path


class Authority:
    """A certificate authority that issues what a test asks for, right or wrong."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = generate_private_key(SECP256R1())
        name = _name("Root of the tests")
        self._root = (
            _blank(name, name, self._key.public_key(), timedelta(days=9))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, SHA256())
        )

    def issue(
        self,
        key: Any = None,
        *,
        starts: timedelta = timedelta(days=-1),
        lasts: timedelta = timedelta(days=2),
        use: str | None = ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,
        signs: bool = True,
        order: int = 1,
        passphrase: bytes | None = None,
    ) -> Issued:
        key = key or generate_private_key(SECP256R1())
        subject = _name("Signer of the tests")
        builder = (
            _blank(subject, self._root.subject, key.public_key(), lasts, NOW + starts)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if use:
            uses = x509.ExtendedKeyUsage([ObjectIdentifier(use)])
            builder = builder.add_extension(uses, critical=False)
        chain = [builder.sign(self._key, SHA256()), self._root][::order]
        return self._write(chain, key, passphrase)

    def _write(self, chain: list[x509.Certificate], key: Any, passphrase: bytes | None) -> Issued:
        issued = Issued(*(self._folder / name for name in ("chain.pem", "key.pem", "root.pem")))
        sealed = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        issued.certificate.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in chain))
        issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
        issued.root.write_bytes(self._root.public_bytes(Encoding.PEM))
        return issued


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests & Sons"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _blank(
    subject: x509.Name,
    issuer: x509.Name,
    key: Any,
    lasts: timedelta,
    starts: datetime = NOW - timedelta(days=1),
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer, subject, key, x509.random_serial_number(), starts, starts + lasts
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=not signs,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
