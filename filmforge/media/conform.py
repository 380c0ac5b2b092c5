"""Turn any clip into one piece of the film: same codec, same clock, same layout of sound."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import Field

from filmforge.domain import Kind
from filmforge.errors import BadInput, BadMedia, MediaToolFailed
from filmforge.fields import Frozen, Pixels
from filmforge.look import Look
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.footage import Footage, needs_rgb, plain, progressive, read_footage
from filmforge.media.look import (
    draws_between,
    finish,
    grade,
    is_graded,
    retimed,
    scaler,
    uses_lut,
)
from filmforge.media.lut import LutFile, read_cube, write_cube
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments
from filmforge.media.probe import Limits, MediaFacts, probe, verify
from filmforge.media.sample_clock import SAMPLE_RATE, samples_at
from filmforge.media.sniff import input_arguments, open_media

_PATIENCE_S = 600.0
_MOTION_S = 1.5
_UNBOUNDED = Limits(max_bytes=2**62, max_duration_s=1e12)


class ConformSpec(Frozen):
    """What a piece is to be.

    `width` and `height` in pixels; it shows the clip from frame `start_frames` on and has exactly
    `frames`; key frames are forced where the
    transition before it ends (`head_frames`) and the one after it begins (`tail_frames` before
    its end).
    """

    width: Pixels
    height: Pixels
    fps: Fraction
    start_frames: Annotated[int, Field(ge=0)] = 0
    frames: Annotated[int, Field(ge=1)]
    head_frames: Annotated[int, Field(ge=0)] = 0
    tail_frames: Annotated[int, Field(ge=0)] = 0
    look: Look = Look()

    @property
    def key_frames(self) -> list[int]:
        """The frames that are to be key frames."""
        return [0, self.head_frames, max(0, self.frames - self.tail_frames)]


async def conform(clip: Path, path: Path, spec: ConformSpec, lut: Path | None = None) -> None:
    """Write a .mov of exactly `spec.frames` frames and as much 48 kHz stereo PCM.

    The picture is scaled, graded and letterboxed, its last frame held or its end cut; it begins
    with the clip's first picture. `lut` is the file that `spec.look.lut` names. Raises BadInput,
    BadMedia and MediaToolFailed; what is at `path` after a failure is of no use.
    """
    facts = await asyncio.to_thread(probe, clip)
    if facts.video_codec is None:
        raise BadMedia(f"the clip holds no picture ({facts.media_type})")
    footage = await asyncio.to_thread(read_footage, clip)
    baked = path.with_name(f"{path.name}.cube")
    try:
        table = await asyncio.to_thread(_bake, spec.look, lut, baked)
        graph = f"{_picture(footage, spec, table)};{_sound(facts, spec, footage.lead_s)}"
        await run_ffmpeg(_arguments(clip, path, graph, spec), _patience_s(footage, spec))
    except MediaToolFailed:
        await asyncio.to_thread(verify, clip, Kind.VIDEO, _UNBOUNDED)
        raise
    finally:
        baked.unlink(missing_ok=True)
    await asyncio.to_thread(_check, path, spec)


def _bake(look: Look, lut: Path | None, path: Path) -> LutFile | None:
    """Check the LUT and write it at its strength, if the look has one."""
    if not uses_lut(look):
        return None
    if lut is None:
        raise BadInput("look.lut", "the file of the LUT is missing", "Upload the .cube again")
    return write_cube(read_cube(lut), path, 1.0 if look.lut_strength is None else look.lut_strength)


def _arguments(clip: Path, path: Path, graph: str, spec: ConformSpec) -> list[str]:
    return [
        *input_arguments(clip),
        *("-filter_complex", graph, "-map", "[picture]", "-map", "[sound]"),
        *encoder_arguments(spec.fps, spec.key_frames),
        *("-c:a", "pcm_s16le", "-ar", str(SAMPLE_RATE), "-map_chapters", "-1"),
        *BITEXACT,
        *("-f", "mov", f"file:{path}"),
    ]


def _patience_s(footage: Footage, spec: ConformSpec) -> float:
    """How long ffmpeg may take, in seconds: frames drawn from motion take 0.33 s a megapixel."""
    slow = spec.look.rate == "motion" and draws_between(spec.look, footage.rate, spec.fps)
    megapixels = spec.frames * spec.width * spec.height / 1e6
    return _PATIENCE_S + (_MOTION_S * megapixels if slow else 0)


def _check(path: Path, spec: ConformSpec) -> None:
    # ffmpeg begins its filters anew when a picture changes, and they count from 0 again.
    with open_media(path) as piece:
        frames = sum(stream.frames for stream in piece.streams.video)
    if frames != spec.frames:
        raise BadMedia(
            "the clip changes its size or format midway: convert it to a single one "
            f"({frames} frames came of it, {spec.frames} were wanted)"
        )


def _picture(footage: Footage, spec: ConformSpec, lut: LutFile | None) -> str:
    look, size = spec.look, f"{spec.width}:{spec.height}"
    return ",".join(
        [
            "[0:v:0]setpts=PTS-STARTPTS",
            *progressive(footage),
            f"fps={_steady(footage, spec)}:start_time=0",
            *_scaled(footage, spec, lut),
            *retimed(look, footage.rate, spec.fps),
            f"pad={size}:(ow-iw)/2:(oh-ih)/2",
            "setsar=1",
            "tpad=stop=-1:stop_mode=clone",
            f"trim=start_frame={spec.start_frames}:end_frame={spec.start_frames + spec.frames}",
            "setpts=PTS-STARTPTS",
            *finish(look, spec.width, spec.height),
            f"{TAGGED}[picture]",
        ]
    )


def _steady(footage: Footage, spec: ConformSpec) -> Fraction:
    """The rate to be steady at: what draws new frames wants the clip's own."""
    draws = draws_between(spec.look, footage.rate, spec.fps)
    return footage.rate if draws else spec.fps


def _scaled(footage: Footage, spec: ConformSpec, lut: LutFile | None) -> list[str]:
    """The filters that fit the picture into the frame, and through 16-bit RGB if need be."""
    # At least 2 pixels, whatever the shape: ffmpeg's own fitting makes them none.
    wide = f"2*max(1,round(min({spec.width},{spec.height}*dar)/2))"
    high = f"2*max(1,round(min({spec.height},{spec.width}/dar)/2))"
    flags = f"flags={scaler(spec.look)}"
    fit = f"scale=w='{wide}':h='{high}':in_color_matrix={footage.matrix}:{flags}"
    out = "out_color_matrix=bt709:out_range=tv"
    if not needs_rgb(footage) and not is_graded(spec.look):
        return [f"{fit}:{out}", "format=yuv420p"]
    deep = "gbrap16le" if footage.see_through else "gbrp16le"
    graded = [*plain(footage), *grade(spec.look, lut)]
    exact = "+accurate_rnd+full_chroma_int"
    back = f"scale={out}:{flags}{exact}"
    return [f"{fit}{exact}", f"format={deep}", *graded, back, "format=yuv420p"]


def _sound(facts: MediaFacts, spec: ConformSpec, lead_s: Fraction) -> str:
    """The clip's own sound, or silence; it stays in step with the picture."""
    first = samples_at(spec.start_frames, spec.fps)
    last = samples_at(spec.start_frames + spec.frames, spec.fps)
    kept = f"[0:a:0]asetpts=PTS-{float(lead_s):.6f}/TB,{_stereo(facts)}"
    own = kept if facts.audio_codec else f"anullsrc=r={SAMPLE_RATE}:cl=stereo"
    cut = f"atrim=start_sample={first}:end_sample={last},asetpts=PTS-STARTPTS"
    return f"{own},apad=whole_len={last},{cut}[sound]"


def _stereo(facts: MediaFacts) -> str:
    # ffmpeg would make one channel 3 dB quieter on two.
    both = "pan=stereo|c0=c0|c1=c0," if facts.channels == 1 else ""
    resampled = f"aresample={SAMPLE_RATE}:async=1:first_pts=0"
    return f"{both}{resampled},aformat=fltp:channel_layouts=stereo"
