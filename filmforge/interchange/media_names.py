"""What media is called in an edited file: names that lead back to the digest they were given."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

ASSET_URL = "asset:sha256:"
_PREFIX_CHARS = 16
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(rf"(?:^|-)([0-9a-f]{{{_PREFIX_CHARS}}})(?:\.[A-Za-z0-9]{{1,5}})?$")
_SUFFIXES = {
    "video/quicktime": ".mov",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "audio/wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/flac": ".flac",
    "audio/ogg": ".ogg",
    "audio/aac": ".aac",
    "audio/mp4": ".m4a",
    "audio/webm": ".webm",
}
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def asset_url(digest: str) -> str:
    """How the film's own timeline names a stored asset."""
    return ASSET_URL + digest


def file_name(name: str, digest: str, suffix: str = ".mov") -> str:
    """A portable file name: what the clip is called, then the beginning of its digest."""
    stem = _UNSAFE.sub("_", name).strip("._-")[:64] or "media"
    return f"{stem}-{digest[:_PREFIX_CHARS]}{suffix}"


def suffix_of(media_type: str) -> str:
    """How a file of this type ends."""
    return _SUFFIXES.get(media_type, ".mov")


def digest_of(url: str) -> str | None:
    """The digest in an asset's address, if the address holds a whole one."""
    found = _DIGEST.fullmatch(url.removeprefix(ASSET_URL)) or _DIGEST.fullmatch(stem(url))
    return found[0] if found else None


def digest_prefix(url: str) -> str | None:
    """The beginning of a digest at the end of a file name made by `file_name`."""
    found = _PREFIX.search(_base(url))
    return found[1] if found else None


def known_digest(url: str, told: object) -> str | None:
    """The digest of the media at `url`, given the one that metadata tells.

    The address is what an editor relinks, so it is believed before the metadata.
    """
    whole = digest_of(url)
    if whole or not isinstance(told, str) or not _DIGEST.fullmatch(told):
        return whole
    prefix = digest_prefix(url)
    agrees = prefix is not None and told.startswith(prefix)
    return told if agrees or not url else None


def stem(url: str) -> str:
    """The last part of an address without its ending."""
    return PurePosixPath(_base(url)).stem


def _base(url: str) -> str:
    """The last part of a path, an address or a Windows path."""
    return unquote(url).replace("\\", "/").rstrip("/").rpartition("/")[2]
