"""What a clip's pictures are, and the filters that make them plain: progressive, opaque, BT.709."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import av
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from filmforge.errors import BadMedia
from filmforge.media.sniff import MAX_PIXELS, open_media

_HD_LINES = 720
_LOOKED_AT = 8
_MAX_RATE = 120
# ISO/IEC 23091-2: code points of colour primaries, transfer characteristics and matrices.
_UNTAGGED = 2
_HDR = {16: "smpte2084", 18: "arib-std-b67"}
_WIDE = {9: "bt2020", 11: "smpte431", 12: "smpte432"}
# Nits. ITU-R BT.2408: diffuse white of HDR pictures; brighter than the peak is clipped.
_WHITE, _PEAK = 203, 1_000


class Footage(NamedTuple):
    """What the pictures of a clip are.

    `matrix` is ffmpeg's name of the colour matrix to read it with; `transfer` is set for HDR,
    `primaries` for a gamut wider than BT.709's; `rate` in frames a second; `lead_s` is how many
    seconds the file begins before its first picture.
    """

    matrix: str
    transfer: str | None
    primaries: str | None
    see_through: bool
    interlaced: bool
    rate: Fraction
    lead_s: Fraction


def read_footage(clip: Path) -> Footage:
    """Look at the first pictures of a clip. Raises BadMedia if there are none, or too large."""
    try:
        with open_media(clip) as media:
            stream = media.streams.video[0]
            _check_size(stream)
            shown = list(islice(_pictures(media.decode(stream)), _LOOKED_AT))
            if not shown:
                raise BadMedia("no picture can be decoded from the clip")
            return _footage(stream, shown, media.start_time or 0)
    except av.FFmpegError as error:
        raise BadMedia(f"the clip is damaged: {error.strerror}") from None


def _pictures(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """The frames up to the first that cannot be decoded, if there is one before it."""
    seen = False
    try:
        for frame in frames:
            seen = True
            yield frame
    except av.FFmpegError:
        if not seen:
            raise


def _check_size(stream: VideoStream) -> None:
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise BadMedia(f"the clip is {width} x {height}; {MAX_PIXELS:,} pixels are allowed")


def _footage(stream: VideoStream, shown: list[VideoFrame], start: int) -> Footage:
    first = shown[0]
    transfer = _HDR.get(int(first.color_trc))
    base = stream.time_base or Fraction(1)
    began = Fraction(stream.start_time or 0) * base
    return Footage(
        matrix=_matrix(first, hdr=transfer is not None),
        transfer=transfer,
        primaries=_WIDE.get(int(first.color_primaries), "bt2020" if transfer else None),
        see_through=_has_alpha(first),
        interlaced=any(frame.interlaced_frame for frame in shown),
        rate=min(Fraction(stream.average_rate or 25), Fraction(_MAX_RATE)),
        lead_s=max(Fraction(0), began - Fraction(start, av.time_base)),
    )


def _matrix(frame: VideoFrame, *, hdr: bool) -> str:
    """The colour matrix to read it with: ffmpeg takes untagged HD for BT.601, wrongly."""
    if int(frame.colorspace) != _UNTAGGED or not frame.format.name.startswith("yuv"):
        return "auto"
    if hdr:
        return "bt2020"
    return "bt709" if frame.height >= _HD_LINES else "auto"


def _has_alpha(frame: VideoFrame) -> bool:
    return frame.format.has_palette or any(part.is_alpha for part in frame.format.components)


def progressive(footage: Footage) -> list[str]:
    """The filters that join the two fields of an interlaced clip."""
    return ["bwdif=mode=send_frame:deint=interlaced"] if footage.interlaced else []


def needs_rgb(footage: Footage) -> bool:
    """Whether the clip must pass through 16-bit RGB, scaled, to become plain."""
    return bool(footage.see_through or footage.primaries)


def plain(footage: Footage) -> list[str]:
    """The filters that make 16-bit RGB opaque, over black, and of BT.709's gamut and range."""
    return [*_opaque(footage), *_narrowed(footage)]


def _opaque(footage: Footage) -> list[str]:
    return ["premultiply=inplace=1", "format=gbrp16le"] if footage.see_through else []


def _narrowed(footage: Footage) -> list[str]:
    if footage.primaries is None:
        return []
    transfer = footage.transfer or "bt709"
    toned = f"tonemap=mobius:desat=0:peak={_PEAK / _WHITE:.4f}"
    return [
        f"setparams=colorspace=gbr:color_primaries={footage.primaries}:color_trc={transfer}:range=pc",
        f"zscale=transfer=linear:npl={_WHITE}",
        "format=gbrpf32le",
        "zscale=primaries=bt709",
        *([toned] if footage.transfer else []),
        "zscale=transfer=bt709",
        "format=gbrp16le",
    ]
