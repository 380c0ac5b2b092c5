"""SMPTE timecode, counted in whole frames: non-drop, and drop-frame at 29.97 and 59.94."""

import re
from fractions import Fraction

from filmforge.errors import BadInput

_TIMECODE = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})[:;.,]([0-9]{2,3})")
_NTSC = 1001
_HOURS = 24


def counts(fps: Fraction) -> int:
    """The frame numbers in a second of timecode: 24 at 23.976, 30 at 29.97, 60 at 59.94."""
    return -int(-fps // 1)


def drops(fps: Fraction) -> bool:
    """Whether the rate is shown in drop-frame timecode, which keeps to the wall clock."""
    return fps.denominator == _NTSC and counts(fps) % 30 == 0


def to_timecode(frame: int, fps: Fraction, drop: bool | None = None) -> str:
    """The timecode of a frame, with a semicolon if it drops numbers.

    Drop-frame skips the first two numbers (four at 59.94) of every minute not divisible by ten:
    SMPTE ST 12-1. Raises BadInput beyond 24 hours.
    """
    base = counts(fps)
    dropping = drops(fps) if drop is None else drop
    number = frame + _skipped(frame, base) if dropping else frame
    if not 0 <= number < _HOURS * 3600 * base:
        raise BadInput(
            "timecode",
            f"frame {frame} lies beyond {_HOURS} hours",
            "Let the film's timecode begin earlier.",
        )
    seconds, frames = divmod(number, base)
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours:02}:{minutes:02}:{seconds % 60:02}{';' if dropping else ':'}{frames:02}"


def from_timecode(text: str, fps: Fraction, drop: bool) -> int:
    """The frame of a timecode. Raises BadInput for one that no clock at this rate shows."""
    base = counts(fps)
    found = _TIMECODE.fullmatch(text)
    hours, minutes, seconds, frames = map(int, found.groups()) if found else (_HOURS, 0, 0, 0)
    per_minute = _per_minute(base) if drop else 0
    skipped = seconds == 0 and minutes % 10 and frames < per_minute
    if hours >= _HOURS or minutes > 59 or seconds > 59 or frames >= base or skipped:
        raise BadInput(
            "timecode",
            f"{text[:20]!r} is no timecode at {fps} frames a second"
            + (" (drop-frame skips it)" if skipped else ""),
            "Export the list at the film's rate, as HH:MM:SS:FF.",
        )
    whole_minutes = hours * 60 + minutes
    return (
        (whole_minutes * 60 + seconds) * base
        + frames
        - per_minute * (whole_minutes - whole_minutes // 10)
    )


def _per_minute(base: int) -> int:
    return base // 15


def _skipped(frame: int, base: int) -> int:
    """How many numbers are skipped before a frame."""
    per_minute = _per_minute(base)
    minute = base * 60 - per_minute
    tens, rest = divmod(frame, minute * 10 + per_minute)
    # The first minute of ten skips nothing, so it is longer.
    return per_minute * (9 * tens + max(0, rest - per_minute) // minute)
