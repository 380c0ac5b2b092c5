"""Certificates: one is made for development; one's own is refused early when it will not do."""

import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from pydantic import SecretStr

from filmforge.errors import BadInput
from filmforge.provenance.certificate import SigningFiles, own_identity
from filmforge.provenance.credentials import State
from filmforge.provenance.development import development_identity
from filmforge.provenance.facts import Claim
from filmforge.provenance.identity import CERTIFICATE
from filmforge.provenance.read import read
from filmforge.provenance.sign import sign

from .conftest import NOW, Authority, Issued


def _files(issued: Issued, passphrase: str | None = None) -> SigningFiles:
    secret = SecretStr(passphrase) if passphrase else None
    return SigningFiles(certificate=issued.certificate, key=issued.key, passphrase=secret)


def test_the_development_certificate_is_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "keys"
    made = development_identity(folder)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert development_identity(folder).fingerprint == made.fingerprint
    assert made.development
    assert "PRIVATE" not in repr(made)
    made.prove()


@pytest.mark.parametrize(("days", "renewed"), [(4 * 365, False), (5 * 365 + 1, True)])
def test_the_development_certificate_is_renewed_before_it_expires(
    tmp_path: Path, days: int, renewed: bool
) -> None:
    first = development_identity(tmp_path, NOW)
    later = development_identity(tmp_path, NOW + timedelta(days=days))
    assert (later.fingerprint != first.fingerprint) is renewed
    assert development_identity(tmp_path, NOW + timedelta(days=days)).fingerprint == (
        later.fingerprint
    )


def test_a_development_file_that_is_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "development-signing.pem").write_text("my diary")
    with pytest.raises(BadInput, match="Delete the file"):
        development_identity(tmp_path)
    assert (tmp_path / "development-signing.pem").read_text() == "my diary"


@pytest.mark.parametrize(
    ("make_key", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "es256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "es384"),
        (lambda: rsa.generate_private_key(65537, 2048), "ps256"),
        (ed25519.Ed25519PrivateKey.generate, "ed25519"),
    ],
)
async def test_ones_own_certificate_signs_and_is_trusted_under_its_root(
    film: Path, tmp_path: Path, authority: Authority, make_key: Callable[[], Any], algorithm: str
) -> None:
    issued = authority.issue(make_key(), passphrase=b"open sesame")
    own = own_identity(_files(issued, "open sesame"))
    assert (own.algorithm, own.development) == (algorithm, False)
    signed = tmp_path / "signed.mp4"
    await sign(film, signed, Claim(), own)
    assert read(signed).state is State.UNTRUSTED
    found = read(signed, issued.root)
    assert found.state is State.TRUSTED
    assert found.signer is not None
    assert found.signer.name == "Signer of the tests"


def test_a_document_signing_certificate_is_permitted(authority: Authority) -> None:
    own_identity(_files(authority.issue(use="1.3.6.1.5.5.7.3.36")))


_KEY = "FILMFORGE_PROVENANCE_KEY"
_ANY_USE, _SERVER = "2.5.29.37.0", "1.3.6.1.5.5.7.3.1"


@pytest.mark.parametrize(
    ("wish", "field", "problem"),
    [
        ({"lasts": timedelta(hours=1)}, CERTIFICATE, "expired on"),
        ({"starts": timedelta(days=1)}, CERTIFICATE, "not valid before"),
        ({"use": _SERVER}, CERTIFICATE, "extended key usage"),
        ({"use": _ANY_USE}, CERTIFICATE, "extended key usage"),
        ({"use": None}, CERTIFICATE, "extended key usage"),
        ({"signs": False}, CERTIFICATE, "digitalSignature"),
        ({"order": -1}, _KEY, "does not belong"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, _KEY, "curve or its size"),
        ({"key": rsa.generate_private_key(65537, 1024)}, _KEY, "curve or its size"),
    ],
)
def test_a_certificate_that_will_not_do_is_refused_with_field_and_remedy(
    authority: Authority, wish: dict[str, Any], field: str, problem: str
) -> None:
    with pytest.raises(BadInput, match=problem) as refused:
        own_identity(_files(authority.issue(**wish)))
    assert refused.value.field == field
    assert refused.value.remedy


def test_a_chain_with_a_strangers_issuer_is_refused(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue()
    issued = authority.issue()
    first = issued.certificate.read_text().split("-----END CERTIFICATE-----\n")[0]
    issued.certificate.write_text(f"{first}-----END CERTIFICATE-----\n{stranger.root.read_text()}")
    with pytest.raises(BadInput, match="was not issued by the next"):
        own_identity(_files(issued))


def test_one_file_of_key_and_chain_serves_as_both(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "development"
    development = development_identity(folder)
    own = authority.issue()
    file = folder / "development-signing.pem"
    own.certificate.write_bytes(file.read_bytes())
    own.key.write_bytes(file.read_bytes())
    assert own_identity(_files(own)).fingerprint == development.fingerprint


def test_a_wrong_or_missing_passphrase_is_named(authority: Authority) -> None:
    sealed = authority.issue(passphrase=b"right")
    for passphrase, problem in ((None, "the key is encrypted"), ("wrong", "does not open")):
        with pytest.raises(BadInput, match=problem) as refused:
            own_identity(_files(sealed, passphrase))
        assert refused.value.field == "FILMFORGE_PROVENANCE_PASSPHRASE"
    with pytest.raises(BadInput, match="not encrypted"):
        own_identity(_files(authority.issue(), "needless"))


@pytest.mark.parametrize(("field", "name"), [("certificate", "chain.pem"), ("key", "key.pem")])
@pytest.mark.parametrize("content", [None, b"", b"\x30\x82not pem"])
def test_files_that_are_not_there_or_not_pem_are_named(
    authority: Authority, field: str, name: str, content: bytes | None
) -> None:
    issued = authority.issue()
    file = issued.certificate.with_name(name)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        own_identity(_files(issued))
    assert refused.value.field == f"FILMFORGE_PROVENANCE_{field.upper()}"
    assert str(file) in refused.value.problem


async def test_a_certificate_that_expired_since_it_was_loaded_signs_no_more(
    film: Path, tmp_path: Path
) -> None:
    old = development_identity(tmp_path / "keys", NOW - timedelta(days=6 * 365))
    with pytest.raises(BadInput, match="expired on"):
        await sign(film, tmp_path / "signed.mp4", Claim(), old)
    assert not (tmp_path / "signed.mp4").exists()
