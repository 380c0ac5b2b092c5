"""Who an installation signs as: by its own certificate, or by one for development."""

from pydantic import ValidationError

from filmforge.errors import BadInput
from filmforge.provenance.certificate import SigningFiles, own_identity
from filmforge.provenance.development import development_identity
from filmforge.provenance.identity import CERTIFICATE, Identity
from filmforge.settings import Settings


def settings_name_a_signer(settings: Settings) -> bool:
    """Whether anything is said of who signs; otherwise a development certificate does."""
    return bool(
        settings.provenance_certificate or settings.provenance_key or settings.provenance_timestamps
    )


def identity_of(settings: Settings) -> Identity:
    """The identity that the settings name; a development certificate is made on first use.

    Raises BadInput naming the setting when the certificate is not fit to sign.
    """
    certificate, key = settings.provenance_certificate, settings.provenance_key
    if settings.provenance_timestamps and certificate is None:
        raise BadInput(
            CERTIFICATE,
            "is not set: nobody needs to know when a development certificate signed",
            "Set it and its key, or no FILMFORGE_PROVENANCE_TIMESTAMPS.",
        )
    if certificate is None and key is None:
        return development_identity(settings.work_dir / "provenance")
    if certificate is None or key is None:
        lacking = CERTIFICATE if key else "FILMFORGE_PROVENANCE_KEY"
        raise BadInput(lacking, "is not set, and the other is", "Set both, or neither.")
    try:
        files = SigningFiles(
            certificate=certificate,
            key=key,
            passphrase=settings.provenance_passphrase or None,
            timestamps_from=settings.provenance_timestamps or None,
        )
    except ValidationError:
        raise BadInput(
            "FILMFORGE_PROVENANCE_TIMESTAMPS",
            "is no address of a timestamp authority",
            "Give one that begins with https:// or http://, or none.",
        ) from None
    return own_identity(files)
