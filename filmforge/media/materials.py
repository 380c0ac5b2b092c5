"""Tell what kind of material a file is by its content, and whether a film can use it."""

from fractions import Fraction
from pathlib import Path
from typing import Literal

from filmforge.domain import Kind
from filmforge.errors import BadInput, BadMedia
from filmforge.fields import Frozen
from filmforge.media.captionfile import read_captions
from filmforge.media.fonts import check_font
from filmforge.media.lut import read_cube
from filmforge.media.probe import Limits, probe, verify
from filmforge.media.sniff import sniff

MaterialKind = Literal["image", "video", "audio", "lut", "font", "captions"]

MAX_BYTES = {Kind.IMAGE: 50_000_000, Kind.AUDIO: 200_000_000, Kind.VIDEO: 2_000_000_000}
# A score may lie under a whole film, and a reference may be one.
MAX_DURATION_S = 21_600.0

_FONTS = {
    b"\x00\x01\x00\x00": "font/ttf",
    b"true": "font/ttf",
    b"OTTO": "font/otf",
    b"ttcf": "font/collection",
}
_HEAD_BYTES = 65_536
_LUT_WORDS = (b"LUT_3D_SIZE", b"LUT_1D_SIZE")
# Captions are read to the millisecond, for no film names them yet.
_CAPTION_FPS = Fraction(1_000)


class Material(Frozen):
    """What an uploaded file is; sizes in pixels, `duration_s` in seconds."""

    kind: MaterialKind
    media_type: str
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None


def judge(path: Path) -> Material:
    """What a file is, if it is whole and within its limits; its name plays no part.

    Raises BadMedia saying what is wrong, or what can be used.
    """
    head = _head(path)
    if media_type := _FONTS.get(head[:4]):
        check_font(path)
        return Material(kind="font", media_type=media_type)
    try:
        sniff(path)
    except BadMedia as error:
        return _text(path, head, error)
    return _media(path)


def _media(path: Path) -> Material:
    kind = probe(path).kind
    facts = verify(path, kind, Limits(max_bytes=MAX_BYTES[kind], max_duration_s=MAX_DURATION_S))
    return Material(
        kind=kind.value,
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        duration_s=facts.duration_s,
    )


def _text(path: Path, head: bytes, unknown: BadMedia) -> Material:
    plain = head.replace(b"\0", b"")  # captions may be UTF-16
    if b"-->" in plain:
        return _captions(path, plain)
    if any(word in plain for word in _LUT_WORDS):
        read_cube(path)
        return Material(kind="lut", media_type="application/x-cube")
    others = ".cube LUTs; .ttf, .otf and .ttc fonts; .srt and .vtt subtitles."
    raise BadMedia(f"{str(unknown).rstrip('.')}; {others}") from None


def _captions(path: Path, plain: bytes) -> Material:
    try:
        read_captions(path, _CAPTION_FPS)
    except BadInput as error:
        raise BadMedia(f"{error.problem}. {error.remedy}") from None
    is_vtt = plain.lstrip(b"\xef\xbb\xbf\xff\xfe").startswith(b"WEBVTT")
    media_type = "text/vtt" if is_vtt else "application/x-subrip"
    return Material(kind="captions", media_type=media_type)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise BadMedia(f"the file cannot be read: {error.strerror}") from None
