"""The clock of a film's sound: 48,000 samples a second, counted from the film's first frame."""

from fractions import Fraction

SAMPLE_RATE = 48_000


def samples_at(frame: int, fps: Fraction) -> int:
    """Samples that have passed when a frame begins, to the nearest one."""
    return round(frame * SAMPLE_RATE / fps)
