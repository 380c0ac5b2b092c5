"""Small pictures: a frame or a clip at a glance."""

from pathlib import Path

import av
from PIL import Image

from filmforge.errors import BadMedia
from filmforge.media.probe import open_picture
from filmforge.media.sniff import open_media, sniff

_QUALITY = 80


def draw_thumb(source: Path, path: Path, width: int) -> None:
    """Write a JPEG `width` pixels wide, of a clip its first frame. Raises BadMedia.

    Nothing is made larger than it is; one that is very tall is at most four times as high as wide.
    """
    picture = _picture(source)
    try:
        picture.thumbnail((width, width * 4), Image.Resampling.LANCZOS)
        picture.convert("RGB").save(path, "JPEG", quality=_QUALITY, optimize=True)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadMedia(f"the picture is damaged: {error}") from error


def _picture(source: Path) -> Image.Image:
    if sniff(source).demuxer is None:
        return open_picture(source)
    try:
        with open_media(source) as media:
            if media.streams.video:
                frame = next(media.decode(video=0))
                return Image.fromarray(frame.to_ndarray(format="rgb24"))
    except (av.FFmpegError, StopIteration) as error:
        raise BadMedia("the clip has no picture that can be read") from error
    raise BadMedia("a sound has no picture")
