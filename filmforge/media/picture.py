"""How every picture of a film is encoded, so that pieces made apart play as one stream."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import pairwise

_LEAST_TICKS = 10_000
_KEY_FRAME_EVERY_S = 2

BITEXACT = ("-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1")


# A filter: the encoder takes its tags from the frames, whatever its own options say.
TAGGED = "format=yuv420p,setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"


def timescale(fps: Fraction) -> int:
    """Ticks a second of the picture's track: a whole number of ticks to every frame."""
    ticks = fps.numerator
    while ticks < _LEAST_TICKS:
        ticks *= 2
    return ticks


def frame_ticks(fps: Fraction) -> int:
    """Ticks from one frame to the next."""
    return int(timescale(fps) / fps)


def key_frames(frames: int, forced: Sequence[int], fps: Fraction) -> list[int]:
    """Where the key frames of a picture of `frames` lie: the forced ones, and more between."""
    every = _gop_frames(fps)
    edges = sorted({0, *(each for each in forced if each < frames), frames})
    return [at for begin, end in pairwise(edges) for at in range(begin, end, every)]


def encoder_arguments(fps: Fraction, key_frames: Iterable[int] = (0,)) -> list[str]:
    """The ffmpeg arguments that encode a picture; `key_frames` are forced, counted from 0.

    No B-frames, so that a copy may begin at any key frame and end anywhere; closed GOPs;
    stitchable headers, which depend on these settings and never on what is seen.
    """
    forced = "+".join(f"eq(n,{frame})" for frame in sorted(set(key_frames)))
    return [
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-profile:v", "high"),
        *("-pix_fmt", "yuv420p", "-bf", "0", "-g", str(_gop_frames(fps))),
        # Key frames lie where they are expected, not where the picture changes.
        *("-x264-params", "stitchable=1:open-gop=0:scenecut=0"),
        *("-force_key_frames", f"expr:{forced}", "-forced-idr", "1"),
        *("-fps_mode", "passthrough", "-video_track_timescale", str(timescale(fps))),
    ]


def _gop_frames(fps: Fraction) -> int:
    return max(1, int(fps * _KEY_FRAME_EVERY_S))
