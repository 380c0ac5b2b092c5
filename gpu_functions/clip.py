"""Clips: frames to and from files, as H.264 for a film, or without loss from one call to the next.

A frame is an array of rows by columns by 3, uint8, RGB.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from filmforge.errors import BadMedia

# The clip is encoded once more when a film is made of it, so this keeps nearly everything.
CRF = "14"
# x264's macroblock tree reads memory that it never wrote: with it the same frames give other bytes
# once in some two hundred times.
X264 = "mbtree=0"
# x264 cuts its work by the number of threads; a fixed one makes the same bytes on any machine.
THREADS = 4
BT709 = 1
TV_RANGE = 1


def write_clip(frames: Iterable[npt.NDArray[np.uint8]], path: Path, fps: Fraction) -> None:
    """Write an MP4 of H.264 in yuv420p, BT.709; both sides must be even. One frame at a time."""
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    coding = {"crf": CRF, "flags": "+bitexact", "x264-params": X264}
    with av.open(str(path), "w", format="mp4", options=options) as file:
        stream = file.add_stream("libx264", rate=fps, options=coding)
        coder = stream.codec_context
        coder.thread_count = THREADS
        coder.color_range = TV_RANGE
        coder.colorspace = coder.color_primaries = coder.color_trc = BT709
        _encode(file, stream, frames, fps, "yuv420p")


def read_clip(path: Path) -> tuple[Iterator[npt.NDArray[np.uint8]], Fraction]:
    """The frames of any clip, one at a time, and how many make a second. Raises BadMedia."""
    try:
        with av.open(str(path)) as file:
            fps = file.streams.video[0].guessed_rate
    except (av.FFmpegError, IndexError) as error:
        raise BadMedia(f"{path.name}: is no clip: {error}") from None
    if not fps:
        raise BadMedia(f"{path.name}: does not say how many frames make a second")
    return _decoded(path), fps


def keep(frames: npt.NDArray[np.uint8], path: Path) -> None:
    """Write frames without loss, about half as large as they are."""
    with av.open(str(path), "w", format="matroska") as file:
        stream = file.add_stream("ffv1", rate=1)
        _encode(file, stream, frames, Fraction(1), "bgr0")


def kept(path: Path) -> npt.NDArray[np.uint8]:
    """The frames of a file that `keep` wrote."""
    return np.stack(list(_decoded(path)))


def _decoded(path: Path) -> Iterator[npt.NDArray[np.uint8]]:
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _encode(file: Any, stream: Any, frames: Iterable[Any], fps: Fraction, pixels: str) -> None:
    source = iter(frames)
    first = next(source)
    stream.height, stream.width = first.shape[:2]
    stream.pix_fmt = pixels
    for index, frame in enumerate(chain([first], source)):
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        if pixels == "yuv420p":
            picture = picture.reformat(
                format=pixels, dst_colorspace=BT709, dst_color_range=TV_RANGE
            )
        picture.pts, picture.time_base = index, 1 / fps
        file.mux(stream.encode(picture))
    file.mux(stream.encode(None))
