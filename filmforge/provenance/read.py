"""Read the content credentials of a file and say whether they hold; nothing is fetched."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from cryptography import x509

from filmforge.errors import BadInput, BadMedia
from filmforge.media.sniff import sniff
from filmforge.provenance.credentials import (
    Credentials,
    SignedBy,
    State,
    actions_of,
    clean,
    mapping,
    mappings,
    moment,
    parts_of,
    software_of,
)
from filmforge.provenance.identity import DEVELOPMENT
from filmforge.provenance.native import CARRIERS, c2pa, context

_UNTRUSTED = "signingCredential.untrusted"
# C2PA 2.x, validation status codes: these say that bytes are not those that were signed.
_CHANGED = (".mismatch", "assertion.missing", "claim.missing", "hardBindings.missing")


def read(path: Path, anchors: Path | None = None) -> Credentials:
    """The credentials of a file; `anchors` is a PEM file of the roots whose signers are trusted.

    Works offline and in bounded memory. Raises BadMedia for a file of unknown kind, BadInput for
    anchors that can't be read.
    """
    trusted = _anchors(anchors) if anchors else None
    media_type = sniff(path).media_type
    if media_type not in CARRIERS:
        return Credentials(state=State.NONE, problems=(f"{media_type} can't carry credentials",))
    try:
        with (
            context(trusted) as settings,
            path.open("rb") as file,
            c2pa.Reader(media_type, file, context=settings) as reader,
        ):
            return _understood(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return Credentials(state=State.NONE)
    except c2pa.C2paError as error:
        return _unreadable(str(error))
    except OSError as error:
        raise BadMedia(f"the file cannot be read: {error.strerror}") from None


def _anchors(path: Path) -> str:
    try:
        text = path.read_text("ascii")
        x509.load_pem_x509_certificates(text.encode())
    except (OSError, ValueError):
        raise BadInput(
            "anchors",
            f"{path} holds no certificates in PEM",
            "Give a PEM file of root certificates.",
        ) from None
    return text


def _unreadable(said: str) -> Credentials:
    kind, _, rest = said.partition(": ")
    if kind == "Remote":
        return Credentials(state=State.NONE, elsewhere=clean(rest.rpartition(" ")[2]))
    return Credentials(state=State.DAMAGED, problems=(clean(said) or "unreadable",))


def _understood(store: Mapping[str, Any]) -> Credentials:
    manifest = mapping(mapping(store.get("manifests")).get(store.get("active_manifest", "")))
    results = mapping(mapping(store.get("validation_results")).get("activeManifest"))
    failures, successes = _codes(results, "failure"), _codes(results, "success")
    signature = mapping(manifest.get("signature_info"))
    parts = parts_of(manifest)
    actions = actions_of(manifest, parts)
    validated = bool(successes & {"timeStamp.validated", "timeStamp.trusted"})
    return Credentials(
        state=_state(str(store.get("validation_state")), failures, signature),
        title=clean(manifest.get("title")),
        software=software_of(manifest.get("claim_generator_info")),
        signer=SignedBy(
            organisation=clean(signature.get("issuer")),
            name=clean(signature.get("common_name")),
            algorithm=clean(signature.get("alg")),
            serial=clean(signature.get("cert_serial_number")),
        ),
        claimed_at=actions[0].when if actions else None,
        timestamp=moment(signature.get("time")) if validated else None,
        timestamp_trusted="timeStamp.trusted" in successes,
        actions=actions,
        ingredients=tuple(parts.values()),
        problems=tuple(sorted(failures)),
    )


def _codes(results: Mapping[str, Any], outcome: str) -> set[str]:
    return {clean(item.get("code")) or "unnamed" for item in mappings(results.get(outcome))}


def _state(verdict: str, failures: Collection[str], signature: Mapping[str, Any]) -> State:
    if any(word in code for code in failures for word in _CHANGED):
        return State.TAMPERED
    if verdict == "Trusted" and not failures:
        return State.TRUSTED
    if verdict != "Valid" or any(code != _UNTRUSTED for code in failures):
        return State.INVALID
    return State.DEVELOPMENT if signature.get("issuer") == DEVELOPMENT else State.UNTRUSTED
