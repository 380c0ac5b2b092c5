"""Turn any clip and voice into one piece of the film: same codec, clock and loudness layout."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
from pydantic import Field

from filmforge.errors import BadMedia
from filmforge.fields import Frozen, Pixels
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments
from filmforge.media.probe import MediaFacts, probe
from filmforge.media.sniff import input_arguments, open_media
from filmforge.media.soundtrack import SAMPLE_RATE, samples_at

VOICE_LEAD_S = 0.25
DUCKED_DB = -8
_RAMP_S = 0.15
_FADE_S = 0.1
_HD_LINES = 720
_UNTAGGED = 2  # ISO/IEC 23091-2, matrix coefficients: unspecified


class ConformSpec(Frozen):
    """What a piece is to be.

    `width` and `height` in pixels; `frames` is its exact length; key frames are forced where the
    transition before it ends (`head_frames`) and the one after it begins (`tail_frames` before
    its end).
    """

    width: Pixels
    height: Pixels
    fps: Fraction
    frames: Annotated[int, Field(ge=1)]
    head_frames: Annotated[int, Field(ge=0)] = 0
    tail_frames: Annotated[int, Field(ge=0)] = 0


async def conform(clip: Path, voice: Path | None, path: Path, spec: ConformSpec) -> None:
    """Write a .mov of exactly `spec.frames` frames and as much 48 kHz stereo PCM.

    The picture is scaled and letterboxed, its last frame held or its end cut. The voice lies
    over the clip's own sound, which is lowered by 8 dB under it. Raises BadMedia and
    MediaToolFailed; what is at `path` after a failure is of no use.
    """
    facts = await asyncio.to_thread(probe, clip)
    if facts.video_codec is None:
        raise BadMedia(f"the clip holds no picture ({facts.media_type})")
    spoken = await asyncio.to_thread(probe, voice) if voice else None
    voice_s = await asyncio.to_thread(_sound_s, voice) if voice else 0.0
    matrix = await asyncio.to_thread(_matrix, clip)
    graph = ";".join([_picture(matrix, spec), *_sound(facts, spoken, voice_s, spec)])
    await run_ffmpeg(
        [
            *input_arguments(clip),
            *(input_arguments(voice) if voice else ()),
            *("-filter_complex", graph, "-map", "[picture]", "-map", "[sound]"),
            *encoder_arguments(spec.fps, _key_frames(spec)),
            *("-c:a", "pcm_s16le", "-ar", str(SAMPLE_RATE), "-map_chapters", "-1"),
            *BITEXACT,
            *("-f", "mov", f"file:{path}"),
        ]
    )


def _key_frames(spec: ConformSpec) -> list[int]:
    return [0, spec.head_frames, max(0, spec.frames - spec.tail_frames)]


def _sound_s(path: Path) -> float:
    """Decode a sound to know its true length, which compressed files only guess at."""
    try:
        with open_media(path) as media:
            if not media.streams.audio:
                raise BadMedia("the voice holds no sound")
            return sum(frame.samples / frame.sample_rate for frame in media.decode(audio=0))
    except av.FFmpegError as error:
        raise BadMedia(f"the voice is damaged: {error.strerror}") from None


def _matrix(clip: Path) -> str:
    """The colour matrix to read the clip with: ffmpeg takes untagged HD for BT.601, wrongly."""
    with open_media(clip) as media:
        context = media.streams.video[0].codec_context
        untagged = context.colorspace == _UNTAGGED
        is_yuv = (context.pix_fmt or "").startswith("yuv")
        return "bt709" if untagged and is_yuv and context.height >= _HD_LINES else "auto"


def _picture(matrix: str, spec: ConformSpec) -> str:
    size = f"{spec.width}:{spec.height}"
    fit = "force_original_aspect_ratio=decrease:force_divisible_by=2:reset_sar=1:flags=bicubic"
    colour = f"in_color_matrix={matrix}:out_color_matrix=bt709:out_range=tv"
    return ",".join(
        [
            f"[0:v:0]fps={spec.fps}:start_time=0",
            f"scale={size}:{fit}:{colour}",
            f"pad={size}:(ow-iw)/2:(oh-ih)/2",
            TAGGED,
            "setsar=1",
            "tpad=stop=-1:stop_mode=clone",
            f"trim=end_frame={spec.frames}[picture]",
        ]
    )


def _sound(
    facts: MediaFacts, spoken: MediaFacts | None, voice_s: float, spec: ConformSpec
) -> list[str]:
    samples = samples_at(spec.frames, spec.fps)
    exact = f"apad=whole_len={samples},atrim=end_sample={samples}"
    own = f"[0:a:0]{_stereo(facts)}" if facts.audio_codec else f"anullsrc=r={SAMPLE_RATE}:cl=stereo"
    if not spoken:
        return [f"{own},{exact}[sound]"]
    shot_s = samples / SAMPLE_RATE
    start_s = VOICE_LEAD_S if VOICE_LEAD_S + voice_s <= shot_s else 0.0
    return [
        f"{own},{exact},{_ducked(start_s, min(start_s + voice_s, shot_s))}[own]",
        f"[1:a:0]{_stereo(spoken)},{_fitted(voice_s, shot_s)},"
        f"adelay={round(start_s * 1000)}:all=1[voice]",
        f"[own][voice]amix=inputs=2:duration=longest:normalize=0,"
        f"alimiter=limit=0.97:level=0:latency=1,{exact}[sound]",
    ]


def _stereo(facts: MediaFacts) -> str:
    # ffmpeg would make one channel 3 dB quieter on two.
    both = "pan=stereo|c0=c0|c1=c0," if facts.channels == 1 else ""
    resampled = f"aresample={SAMPLE_RATE}:async=1:first_pts=0"
    return f"{both}{resampled},aformat=fltp:channel_layouts=stereo"


def _ducked(start_s: float, end_s: float) -> str:
    depth = 1 - 10 ** (DUCKED_DB / 20)
    inside = f"min((t-{start_s - _RAMP_S:.4f})/{_RAMP_S},({end_s + _RAMP_S:.4f}-t)/{_RAMP_S})"
    # Small frames, because the volume moves once a frame.
    return f"asetnsamples=n=240:p=0,volume=eval=frame:volume='1-{depth:.6f}*clip({inside},0,1)'"


def _fitted(voice_s: float, shot_s: float) -> str:
    if voice_s <= shot_s:
        return "anull"
    fade_s = min(_FADE_S, shot_s / 2)
    return f"atrim=end={shot_s:.6f},afade=t=out:st={shot_s - fade_s:.6f}:d={fade_s:.6f}"
