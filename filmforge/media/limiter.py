"""A look-ahead limiter of true peaks, as a curve of gains that other sounds may share."""

from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from filmforge.media.envelope import Envelope
from filmforge.media.listen import Samples
from filmforge.media.sample_clock import SAMPLE_RATE

# Longer than half a wave of 20 Hz, so that the gain rides no single wave.
_REACH = SAMPLE_RATE * 30 // 1000
_TAPS = 16
_OVERSAMPLED = 4
_CONTEXT = _TAPS + 2 * _REACH
# What lies between two samples is at most about 6 dB above them.
_CLEAR = 0.5
_STRETCH = 1_200


def limiting_gains(blocks: Iterable[Samples], gain: float, ceiling: float) -> Iterator[Envelope]:
    """Gains that make a sound `gain` times louder and keep its true peaks below `ceiling`.

    As many as there are samples, in blocks of other lengths. The gain goes down smoothly in the
    60 ms before a peak and up in the 60 ms after it. True peaks are found as in ITU-R BS.1770-4,
    annex 2, at four times the rate.
    """
    silence = np.zeros((_CONTEXT, 2), np.float32)
    held = silence
    for block in chain(blocks, [silence]):
        held = np.concatenate((held, block * np.float32(gain)))
        ready = len(held) - 2 * _CONTEXT
        if ready > 0:
            yield gain * _reduction(held, ceiling)
            held = held[ready:]


def _reduction(sound: Samples, ceiling: float) -> Envelope:
    """What peaks are to be lowered by, from 0 to 1, but for the context at either end."""
    needed = _needed(sound, ceiling)
    if needed.min() == 1.0:
        return np.ones(len(sound) - 2 * _CONTEXT)
    lowest = _sliding_least(needed, 2 * _REACH + 1)
    return _mean(_mean(lowest, _REACH + 1), _REACH + 1)


def _needed(sound: Samples, ceiling: float) -> Envelope:
    """What each sample alone is to be lowered by, looking closely only where it is loud."""
    needed = np.ones(len(sound) - 2 * _TAPS)
    for begin in range(0, len(needed), _STRETCH):
        stretch = sound[begin : begin + _STRETCH + 2 * _TAPS]
        if np.abs(stretch).max() >= _CLEAR * ceiling:
            peaks = np.maximum(true_peaks(stretch), ceiling)
            needed[begin : begin + len(peaks)] = ceiling / peaks
    return needed


def true_peaks(sound: Samples) -> Envelope:
    """The highest level at and right beside each sample, but for the first and last 16."""
    between = np.zeros(len(sound) - 2 * _TAPS + 1)
    for channel in sound.T:
        for taps in _INTERPOLATION:
            np.maximum(between, np.abs(np.correlate(channel, taps, "valid")), out=between)
    at = np.abs(sound[_TAPS:-_TAPS]).max(axis=1)
    highest: Envelope = np.maximum(at, np.maximum(between[:-1], between[1:]))
    return highest


def _interpolation() -> list[NDArray[np.float32]]:
    """Windowed sinc filters for the points between a sample and the next."""
    places = np.arange(1 - _TAPS, 1 + _TAPS)
    distances = [places - step / _OVERSAMPLED for step in range(1, _OVERSAMPLED)]
    window = [np.cos(np.pi * each / (2 * _TAPS)) ** 2 for each in distances]
    return [(np.sinc(d) * w).astype(np.float32) for d, w in zip(distances, window, strict=True)]


_INTERPOLATION = _interpolation()


def _sliding_least(values: Envelope, width: int) -> Envelope:
    """The least of every `width` neighbours, by van Herk's two running minima."""
    count = len(values)
    padded = np.concatenate((values, np.ones(-count % width))).reshape(-1, width)
    before = np.minimum.accumulate(padded, axis=1).ravel()
    after = np.minimum.accumulate(padded[:, ::-1], axis=1)[:, ::-1].ravel()
    return np.minimum(after[: count - width + 1], before[width - 1 : count])


def _mean(values: Envelope, width: int) -> Envelope:
    sums = np.cumsum(np.concatenate(([0.0], values)))
    means: Envelope = (sums[width:] - sums[:-width]) / width
    return means
