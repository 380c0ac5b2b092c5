"""The sound of a film as one stream of samples, read piece by piece and never held whole."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from filmforge.errors import BadMedia
from filmforge.fields import Frozen
from filmforge.media.sniff import open_media

SAMPLE_RATE = 48_000
_BLOCK = 4_800
_SAMPLE_BYTES = 4
_SLACK = 2

Samples = NDArray[np.int16]


class Stretch(Frozen):
    """One piece's place in the film: `start` and `end` in frames, overlapping its neighbours."""

    path: Path
    start: int
    end: int


def samples_at(frame: int, fps: Fraction) -> int:
    """Samples that have passed when a frame begins, to the nearest one."""
    return round(frame * SAMPLE_RATE / fps)


def soundtrack(stretches: Sequence[Stretch], fps: Fraction) -> Iterator[Samples]:
    """The film's sound as blocks of shape (samples, 2), at most 0.1 s each except in crossfades.

    Where two pieces overlap they crossfade at equal power. Raises BadMedia for a piece that is
    too short.
    """
    carried: Samples = np.zeros((0, 2), np.int16)
    following = [samples_at(each.start, fps) for each in stretches[1:]]
    for stretch, next_start in zip(stretches, [*following, None], strict=True):
        start, end = samples_at(stretch.start, fps), samples_at(stretch.end, fps)
        tail = end - (end if next_start is None else next_start)
        with _Pcm(stretch.path) as pcm:
            yield _crossfade(carried, pcm.take(len(carried)))
            left = end - start - len(carried) - tail
            while left > 0:
                yield pcm.take(min(left, _BLOCK))
                left -= _BLOCK
            carried = pcm.take(tail)


def _crossfade(leaving: Samples, coming: Samples) -> Samples:
    angle = (np.arange(len(leaving), dtype=np.float32) + 0.5)[:, None] / max(1, len(leaving))
    angle *= np.pi / 2
    mixed = np.rint(leaving * np.cos(angle) + coming * np.sin(angle))
    louder: Samples = np.clip(mixed, -32_768, 32_767).astype(np.int16)
    return louder


class _Pcm:
    """The samples of one piece, taken in order."""

    def __init__(self, path: Path) -> None:
        self._media = open_media(path)
        if not self._media.streams.audio:
            self._media.close()
            raise BadMedia("the piece holds no sound: conform it again")
        self._packets = self._media.demux(self._media.streams.audio[0])
        self._held = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._media.close()

    def take(self, samples: int) -> Samples:
        """The next samples, of shape (samples, 2)."""
        wanted = samples * _SAMPLE_BYTES
        while len(self._held) < wanted:
            packet = next(self._packets, None)
            if packet is None or not packet.size:
                self._pad(wanted)
            else:
                self._held += bytes(packet)
        taken = np.frombuffer(bytes(self._held[:wanted]), np.int16).reshape(-1, 2)
        del self._held[:wanted]
        return taken

    def _pad(self, wanted: int) -> None:
        # A piece rounds its own length, the film the place of each frame: they differ by one.
        missing = wanted - len(self._held)
        if missing > _SLACK * _SAMPLE_BYTES:
            raise BadMedia(
                f"the piece's sound is {missing // _SAMPLE_BYTES} samples too short: "
                "conform it again"
            )
        self._held += bytes(missing)
