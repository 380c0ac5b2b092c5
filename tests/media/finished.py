"""Finished films for the tests of delivery, and what a decoder says of the files made of them."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from numpy.typing import NDArray

from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments

NTSC_FILM = Fraction(24_000, 1001)
NTSC_VIDEO = Fraction(30_000, 1001)
BEEP_FRAME = 12
# Frame n is grey, brighter by this much than the one before.
FIRST_GREY, GREY_STEP = 40, 4
COUNTED = f"geq=lum='{FIRST_GREY}+{GREY_STEP}*N':cb=128:cr=128"


async def make_film(
    path: Path,
    picture: str = COUNTED,
    *,
    size: str = "128x72",
    fps: Fraction = NTSC_FILM,
    frames: int = 48,
    sound: bool = True,
    longer: int = 0,
) -> Path:
    """Write a film as the assembly does; a tone begins exactly with frame 12.

    Its sound is as long as its picture, or as many samples `longer`.
    """
    beep_s = float(BEEP_FRAME / fps)
    tone = f"aevalsrc='gte(t,{beep_s:.9f})*0.4*sin(2*PI*1000*(t-{beep_s:.9f}))':s=48000:c=stereo"
    ends = f"trim=end_frame={frames}"
    samples = round(frames * 48_000 / fps) + longer
    heard = ["-f", "lavfi", "-i", f"{tone},atrim=end_sample={samples}"] if sound else []
    await run_ffmpeg(
        [
            *("-f", "lavfi", "-i", f"color=black:s={size}:r={fps},{ends},{picture},{TAGGED}"),
            *(*heard, *encoder_arguments(fps)),
            *("-c:a", "aac", "-b:a", "192k", *BITEXACT, "-movflags", "+faststart", str(path)),
        ]
    )
    return path


class Seen(NamedTuple):
    """What a decoder says of the picture of a file."""

    codec: str
    profile: str | None
    tag: str
    pix_fmt: str | None
    size: tuple[int, int]
    fps: Fraction | None
    times: list[Fraction]
    greys: list[float]
    colours: tuple[int, int, int, int]
    duration: Fraction


def look_at(path: Path) -> Seen:
    """Decode every frame of a file."""
    with av.open(str(path)) as media:
        stream = media.streams.video[0]
        context = stream.codec_context
        times, greys = [], []
        for frame in media.decode(stream):
            assert frame.pts is not None
            times.append(frame.pts * Fraction(frame.time_base or 1))
            greys.append(float(np.asarray(frame.to_ndarray(format="gray")).mean()))
        return Seen(
            codec=context.name,
            profile=context.profile,
            tag=context.codec_tag,
            pix_fmt=context.pix_fmt,
            size=(context.width, context.height),
            fps=stream.average_rate,
            times=times,
            greys=greys,
            colours=(
                int(context.colorspace),
                int(context.color_primaries),
                int(context.color_trc),
                int(context.color_range),
            ),
            duration=Fraction(stream.duration or 0) * Fraction(stream.time_base or 1),
        )


def listen_to(path: Path) -> tuple[str, Fraction, NDArray[np.float32]]:
    """The codec of a file's sound, when it begins in seconds, and its left channel."""
    with av.open(str(path)) as media:
        stream = media.streams.audio[0]
        frames = list(media.decode(stream))
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=48_000)
        blocks = [
            np.asarray(out.to_ndarray(), np.float32).reshape(-1, 2)[:, 0]
            for frame in frames
            for out in resampler.resample(frame)
        ]
        begins = Fraction(frames[0].pts or 0) * Fraction(frames[0].time_base or 1)
        return stream.codec_context.name, begins, np.concatenate(blocks)


def beep_s(begins: Fraction, samples: NDArray[np.float32]) -> float:
    """When the tone is first heard, in seconds of the film."""
    return float(begins) + int(np.flatnonzero(np.abs(samples) > 0.1)[0]) / 48_000
