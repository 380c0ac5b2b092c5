"""Sound as functions take and give it: any file decoded to samples, samples written as WAV."""

import wave
from itertools import chain
from pathlib import Path
from typing import Any

from filmforge.errors import BadInput

# As samples at 16 kHz somewhat less than 1 GB.
LONGEST_S = 4 * 3600.0


def decode(path: Path, rate: int, role: str, longest_s: float = LONGEST_S) -> Any:
    """The sound of an audio or video file: float32, -1 to 1, resampled to `rate` Hz.

    All channels are one: their mean, so that what is in all of them is as loud as it was. Raises
    BadInput naming the role for a file without sound, or with more than `longest_s` of it.
    """
    import av
    import numpy as np

    pieces, samples = [], 0
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise BadInput(role, "has no sound", "Give a file that has.")
            resampler = av.AudioResampler(format="fltp", rate=rate)
            for frame in chain(container.decode(audio=0), (None,)):
                for piece in resampler.resample(frame):
                    pieces.append(piece.to_ndarray().mean(axis=0, dtype=np.float32))
                    samples += piece.samples
                if samples > longest_s * rate:
                    limit = f"At most {longest_s:g} s are taken."
                    raise BadInput(role, "is too long", limit)
    except av.error.FFmpegError as error:
        problem = f"cannot be decoded ({error.strerror})"
        raise BadInput(role, problem, "Give a sound or video file.") from None
    if not samples:
        raise BadInput(role, "is empty", "Give a file with sound in it.")
    return np.concatenate(pieces)


def encode(path: Path, samples: Any, rate: int) -> None:
    """Write samples (n, or n by channels, -1 to 1) as WAV of 16 bits; louder ones are clipped."""
    import numpy as np

    whole = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if whole.ndim == 1 else whole.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.tobytes())


def fade_out(samples: Any, rate: int, seconds: float) -> Any:
    """Samples (n by channels) whose last seconds go down to silence along a quarter of a cosine."""
    import numpy as np

    length = min(len(samples), round(seconds * rate))
    faded = np.array(samples)
    if length:
        curve = np.cos(np.linspace(0, np.pi / 2, length, dtype=np.float32))
        faded[-length:] *= curve[:, None]
    return faded
