"""Where in a sound somebody speaks, by its energy."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from filmforge.errors import BadMedia
from filmforge.media.sniff import open_media

Span: TypeAlias = tuple[Fraction, Fraction]

_RATE = 16_000
_STEP = 160
_STEPS_S = _RATE // _STEP
_SHORTEST_PAUSE = 18
_SHORTEST_SPEECH = 4
_SILENT_DB = -60.0
_LEAST_RANGE_DB = 8.0
_BELOW_SPEECH_DB = 24.0


def speech_spans(path: Path) -> tuple[Span, ...]:
    """Seconds in a sound at which speech begins and ends, to 10 ms; pauses under 0.18 s are none.

    Empty for a silent sound. Raises BadMedia.
    """
    levels = _levels(path)
    if not len(levels) or np.percentile(levels, 99) < _SILENT_DB:
        return ()
    loud = np.flatnonzero(levels > _threshold(levels))
    breaks = np.flatnonzero(np.diff(loud) > _SHORTEST_PAUSE)
    begins = loud[np.concatenate(([0], breaks + 1))]
    ends = loud[np.concatenate((breaks, [len(loud) - 1]))] + 1
    long_enough = ends - begins >= min(_SHORTEST_SPEECH, int(max(ends - begins)))
    return tuple(
        (Fraction(int(begin), _STEPS_S), Fraction(int(end), _STEPS_S))
        for begin, end in zip(begins[long_enough], ends[long_enough], strict=True)
    )


def _threshold(levels: NDArray[np.float64]) -> float:
    low, high = np.percentile(levels, [10, 95])
    if high - low < _LEAST_RANGE_DB:
        return _SILENT_DB  # nothing tells speech from pauses: all of it is speech
    # Where hardly any pause is, the low end is quiet speech; where noise is, it is the noise.
    return float(max(min(low + 0.4 * (high - low), high - _BELOW_SPEECH_DB), low + 3, _SILENT_DB))


def _levels(path: Path) -> NDArray[np.float64]:
    """The level of every 10 ms in dB of full scale, not under -100."""
    powers: list[NDArray[np.float64]] = []
    held = np.zeros(0, np.float32)
    for block in _samples(path):
        held = np.concatenate((held, block))
        whole = len(held) // _STEP * _STEP
        powers.append(np.mean(np.square(held[:whole].reshape(-1, _STEP), dtype=np.float64), axis=1))
        held = held[whole:]
    joined = np.concatenate(powers) if powers else np.zeros(0)
    levels: NDArray[np.float64] = 10 * np.log10(np.maximum(joined, 1e-10))
    return levels


def _samples(path: Path) -> Iterator[NDArray[np.float32]]:
    try:
        with open_media(path) as media:
            if not media.streams.audio:
                raise BadMedia("the voice holds no sound")
            resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
            for frame in media.decode(media.streams.audio[0]):
                for block in resampler.resample(frame):
                    yield np.asarray(block.to_ndarray(), np.float32).reshape(-1)
            for block in resampler.resample(None):
                yield np.asarray(block.to_ndarray(), np.float32).reshape(-1)
    except av.FFmpegError as error:
        raise BadMedia(f"the voice is damaged: {error.strerror}") from None
