"""A clip read frame by frame and made chunk by chunk.

Each chunk is encoded and kept when it is whole, so that a work begun again goes on after it.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import numpy.typing as npt

from filmforge.errors import BadInput, BadMedia
from gpu_functions.clip import read_clip, write_clip
from gpu_functions.maker import Room

T = TypeVar("T")
Frame = npt.NDArray[np.uint8]


class Footage:
    """The frames of a clip in order, decoded anew each time; `total` of them, `fps` a second.

    Raises BadInput naming the role for what is no clip.
    """

    def __init__(self, path: Path, role: str) -> None:
        self._path = path
        try:
            frames, self.fps = read_clip(path)
            self.total = sum(1 for _ in frames)
        except (BadMedia, av.FFmpegError):
            self.total = 0
        if not self.total:
            raise BadInput(role, "is no clip that can be read", "Give an MP4 with a picture.")

    def __iter__(self) -> Iterator[Frame]:
        return read_clip(self._path)[0]


def rate_of(fps: str) -> Fraction:
    """Frames a second, of "24" or "24000/1001". Raises BadInput."""
    try:
        rate = Fraction(fps)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise BadInput("fps", "is no rate", "Give frames a second, as 48 or 60000/1001.")
    return rate


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of so many, the last one of what is left."""
    source = iter(items)
    while some := list(islice(source, size)):
        yield some


def write(parts: Iterable[Iterable[Frame]], room: Room, path: Path, fps: Fraction) -> None:
    """Write the frames of all parts as one MP4; a part that was kept is not asked for its frames.

    Both sides of the frames must be even.
    """
    files = []
    for number, frames in enumerate(parts):
        file = room.folder / f"chunk-{number:05}.mp4"
        if not room.checkpoints.load(file.name, file):
            write_clip(frames, file, fps)
            room.checkpoints.save(file.name, file)
        files.append(file)
    join(files, path, fps)


def join(files: list[Path], path: Path, fps: Fraction) -> None:
    """One clip of several that were written alike, one after another, without encoding again."""
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(path), "w", format="mp4", options=options) as joined:
        with av.open(str(files[0])) as first:
            stream = joined.add_stream_from_template(first.streams.video[0])
        before = 0
        for file in files:
            with av.open(str(file)) as part:
                video = part.streams.video[0]
                start = round(before / fps / (video.time_base or 1 / fps))
                for packet in part.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue  # the end of the file
                    packet.stream = stream
                    packet.pts += start
                    packet.dts += start
                    joined.mux(packet)
                before += video.frames
