"""The only door to c2pa's native library: its own copy, and no word to the network unasked."""

import importlib
import os
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

_LIBRARY_VARIABLE = "C2PA_LIBRARY_NAME"
_LIBRARY_SUFFIXES = (".so", ".dylib", ".dll")

# What can carry credentials, by sniffed media type. WebM, Matroska, Ogg and raw AAC can't.
CARRIERS = frozenset(
    {
        *("video/mp4", "video/quicktime", "image/png", "image/jpeg", "image/webp"),
        *("audio/wav", "audio/mpeg", "audio/flac"),
    }
)

# What a signing certificate must be for (C2PA 2.x, certificate profile); the library's own
# default knows the first alone.
PERMITTED_USES = (
    "1.3.6.1.5.5.7.3.4",  # emailProtection
    "1.3.6.1.5.5.7.3.36",  # documentSigning, RFC 9336
    "1.3.6.1.4.1.62558.2.1",  # C2PA claim signing
    "1.3.6.1.4.1.311.76.59.1.9",  # Microsoft C2PA signing
)


def _packaged_library() -> str:
    spec = find_spec("c2pa")
    if spec is None or spec.origin is None:
        raise ImportError("c2pa is not installed")
    folder = Path(spec.origin).parent / "libs"
    return str(next(file for file in folder.iterdir() if file.suffix in _LIBRARY_SUFFIXES))


def _load() -> ModuleType:
    """Import c2pa with the library of its own package.

    By itself it searches the working directory first, so that verifying a file among downloads
    could run a library that lies beside it; a full path leaves it nothing to search.
    """
    before = os.environ.get(_LIBRARY_VARIABLE)
    os.environ[_LIBRARY_VARIABLE] = _packaged_library()
    try:
        return importlib.import_module("c2pa")
    finally:
        if before is None:
            del os.environ[_LIBRARY_VARIABLE]
        else:
            os.environ[_LIBRARY_VARIABLE] = before


c2pa = _load()


def context(
    anchors: str | None = None, timestamps_from: str | None = None, leaf_kib: int | None = None
) -> Any:
    """Settings of one signing or reading, all of them explicit.

    `anchors` is a PEM bundle of the roots to trust, none by default; `timestamps_from` is the
    address of the one server that may be asked; `leaf_kib` has films hashed in leaves.
    """
    host = urlsplit(timestamps_from).hostname if timestamps_from else None
    return c2pa.Context.from_dict(
        {
            "version": 1,
            "trust": {"trust_config": "\n".join(PERMITTED_USES)}
            | ({"user_anchors": anchors} if anchors else {}),
            "core": {"allowed_network_hosts": [host] if host else [], "allow_redirects": False}
            | ({"merkle_tree_chunk_size_in_kb": leaf_kib} if leaf_kib else {}),
            "verify": {
                "verify_after_reading": True,
                "verify_after_sign": True,
                "verify_after_sign_hash": True,
                "verify_trust": True,
                "verify_timestamp_trust": True,
                "ocsp_fetch": False,
                "remote_manifest_fetch": False,
            },
            "builder": {
                "thumbnail": {"enabled": False},
                "created_assertion_labels": ["c2pa.actions", "c2pa.ingredient"],
                "bmff_hash_exclude_free_and_skip_boxes": False,
            },
        }
    )
