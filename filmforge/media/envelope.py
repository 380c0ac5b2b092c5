"""How loud a sound is at each sample: fades, and the lowering of sounds under dialogue.

Every value comes from whole numbers by +, -, *, / and square root, which IEEE 754 rounds in one
way only: a span of a film is the same to the last bit wherever, and on whatever, it is computed.
"""

from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from filmforge.media.score import Score

Envelope = NDArray[np.float64]


def amplitude(gain_db: float) -> float:
    """The factor that a gain in dB stands for."""
    return float(10 ** (gain_db / 20))


def fade(begin: int, end: int, first: int, last: int, rise: int, fall: int) -> Envelope | None:
    """From `begin` to `end`, the fades of a sound that lasts from `first` to `last`, in samples.

    A rise and a fall of the same length over each other have constant power. None where there is
    nothing to fade.
    """
    if begin >= first + rise and end <= last - fall:
        return None
    place = np.arange(begin, end, dtype=np.float64) + 0.5
    power = np.ones(end - begin)
    if rise:
        power *= _smooth((place - first) / rise)
    if fall:
        power *= _smooth((last - place) / fall)
    return np.sqrt(power)


def speech_level(score: Score, begin: int, end: int) -> Envelope | None:
    """How much dialogue there is from `begin` to `end`: 0 none, 1 some, smooth ramps between.

    None where there is none at all.
    """
    attack, release = score.ducking.attack, score.ducking.release
    first = bisect_right(score.speech, begin - release, key=lambda span: span[1])
    last = bisect_left(score.speech, end + attack, key=lambda span: span[0])
    if first >= last:
        return None
    place = np.arange(begin, end, dtype=np.float64) + 0.5
    level = np.zeros(end - begin)
    for start, stop in score.speech[first:last]:
        down = (place - (start - attack)) / attack
        up = ((stop + release) - place) / release
        level = np.maximum(level, np.minimum(down, up))
    return _smooth(level)


def _smooth(ramp: Envelope) -> Envelope:
    # So near the square of a sine that no ear can tell, and exact; it and its mirror add up to 1.
    ramp = np.clip(ramp, 0.0, 1.0)
    return ramp * ramp * (3.0 - 2.0 * ramp)
