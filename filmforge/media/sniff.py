"""Tell what a file is by its first bytes, and open it as that and nothing else.

Names are never trusted, and a format that makes ffmpeg open other files or addresses (playlists,
concat lists, SDP) is not in the table, so it can't be opened at all. A QuickTime file may point
to its data in another file: it is read as if it didn't.
"""

from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer

from filmforge.errors import BadMedia

MAX_PIXELS = 64_000_000

_HEAD_BYTES = 64
_ACCEPTED = (
    "Accepted are PNG, JPEG and WebP pictures; MP4, MOV, WebM and Matroska films; "
    "WAV, MP3, FLAC, Ogg, M4A and AAC sound."
)
_DECODING = {"max_pixels": str(MAX_PIXELS)}
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")


class Content(NamedTuple):
    """What a file is: its media type, and ffmpeg's demuxer for it (None for a picture)."""

    media_type: str
    demuxer: str | None


def sniff(path: Path) -> Content:
    """What the first bytes of a file say it is. Raises BadMedia for anything not accepted."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise BadMedia(f"the file cannot be read: {error.strerror}") from None
    if found := _picture(head) or _box(head) or _riff(head) or _stream(head):
        return found
    raise BadMedia(f"the file {_described(head)}. {_ACCEPTED}")


def open_media(path: Path, tried: str | None = None) -> InputContainer:
    """Open a film or sound with PyAV: the sniffed format, this file, pictures within bounds.

    Only streams of the codecs in `tried` are decoded for what headers leave out; of all if None.
    """
    demuxer = _demuxer(path)
    chosen = {} if tried is None else {"codec_whitelist": tried}
    try:
        media = av.open(
            f"file:{path}",
            "r",
            format=demuxer,
            container_options=_opening(demuxer) | chosen,
            options=_DECODING,
            metadata_errors="replace",
        )
    except av.FFmpegError as error:
        raise BadMedia(f"the file cannot be opened as {demuxer}: {error.strerror}") from None
    for stream in media.streams.video:
        if stream.codec_context:
            stream.codec_context.options = _DECODING
    return media


def input_arguments(path: Path) -> list[str]:
    """The ffmpeg arguments that open a film or sound, under the same bounds as `open_media`."""
    demuxer = _demuxer(path)
    bounds = (_opening(demuxer) | _DECODING).items()
    given = [word for name, value in bounds for word in (f"-{name}", value)]
    return [*given, "-f", demuxer, "-i", f"file:{path}"]


def _opening(demuxer: str) -> dict[str, str]:
    # What ffmpeg does by itself, said so that no build or later release does otherwise.
    inside = {"enable_drefs": "0", "use_absolute_path": "0"} if demuxer == "mov" else {}
    return {"protocol_whitelist": "file", "format_whitelist": demuxer, **inside}


def _demuxer(path: Path) -> str:
    content = sniff(path)
    if content.demuxer is None:
        raise BadMedia(f"the file is a picture ({content.media_type}), not a film or sound")
    return content.demuxer


def _picture(head: bytes) -> Content | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Content("image/png", None)
    if head.startswith(b"\xff\xd8\xff"):
        return Content("image/jpeg", None)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Content("image/webp", None)
    return None


def _box(head: bytes) -> Content | None:
    """ISO base media: a box of type `ftyp` comes first; old QuickTime files have none."""
    kind, brand = head[4:8], head[8:12]
    if kind == b"ftyp" and brand in _STILL_BRANDS:
        return None
    if kind in (b"moov", b"mdat", b"wide", b"free") or (kind, brand) == (b"ftyp", b"qt  "):
        return Content("video/quicktime", "mov")
    return Content("video/mp4", "mov") if kind == b"ftyp" else None


def _riff(head: bytes) -> Content | None:
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Content("audio/wav", "wav")
    return None


def _stream(head: bytes) -> Content | None:
    if head.startswith(b"\x1aE\xdf\xa3"):
        webm = b"webm" in head
        return Content("video/webm" if webm else "video/x-matroska", "matroska")
    if head.startswith(b"fLaC"):
        return Content("audio/flac", "flac")
    if head.startswith(b"OggS"):
        return Content("audio/ogg", "ogg")
    if head.startswith(b"ID3"):
        return Content("audio/mpeg", "mp3")
    return _mpeg_audio(head)


def _mpeg_audio(head: bytes) -> Content | None:
    """An MPEG audio frame: 11 bits of sync, then version and layer (0 is ADTS, 1 is layer III)."""
    if len(head) < _HEAD_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    match head[1] >> 1 & 3:
        case 0:
            return Content("audio/aac", "aac") if head[1] & 0xF6 == 0xF0 else None
        case 1:
            return Content("audio/mpeg", "mp3")
    return None


def _described(head: bytes) -> str:
    if not head:
        return "is empty"
    text = head[:24].decode("ascii", "replace")
    if all(char.isprintable() or char.isspace() for char in text.lstrip("\ufffd")):
        return f"is text, beginning with {text!a}"
    return f"is of an unknown kind, beginning with the bytes {head[:8].hex(' ')}"
