"""Put cues into a film: into its picture, or beside it as tracks that a player switches on."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import Field

from filmforge.errors import BadInput
from filmforge.fields import Frozen, Pixels
from filmforge.media.captionfile import shown_lines
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.fonts import Lettering, choose_fonts
from filmforge.media.languages import three_letters
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments
from filmforge.media.sniff import input_arguments
from filmforge.media.typeset import (
    Event,
    Style,
    drawing_filter,
    drawing_rate,
    marked_up,
    plain,
    script,
)
from filmforge.subtitles import Cue, Language

_WEIGHT = 500
_SAFE_WIDTH = 0.9
_EMS_HIGH = 20
# The longest readable line is about this many ems wide, and has to fit a narrow picture.
_EMS_WIDE = 25
_INK = "#ffffff"


class BurnSpec(Frozen):
    """The picture that text is drawn on; its first frame is `first_frame` of the film."""

    width: Pixels
    height: Pixels
    fps: Fraction
    language: Language = "und"
    first_frame: Annotated[int, Field(ge=0)] = 0


class SoftTrack(Frozen):
    """Cues as a track of their own; `is_default` shows them until they are switched off."""

    language: Language
    cues: tuple[Cue, ...]
    name: str = ""
    is_default: bool = False


def burn_filter(
    cues: Sequence[Cue], spec: BurnSpec, work_dir: Path, font: Path | None = None
) -> str:
    """Write the script and its fonts into `work_dir`; the filter that draws them, as text.

    The filter goes into a chain that starts with `spec.first_frame` at time 0, and works while
    `work_dir` is there. Blocking. Raises BadInput for characters that no font has, BadMedia for
    a font that can't be used.
    """
    shown = [cue for cue in cues if cue.end > spec.first_frame]
    lines = [line for cue in shown for line in cue.lines]
    lettering = choose_fonts(
        lines, spec.language, font, field="subtitles", weight=_WEIGHT, name="subtitle"
    )
    fonts = work_dir / "fonts"
    fonts.mkdir(parents=True, exist_ok=True)
    lettering.save(fonts, lines)
    style = _style(lettering, spec)
    events = [_event(cue, style, spec) for cue in shown]
    path = work_dir / "subtitles.ass"
    size = (spec.width, spec.height)
    rate = drawing_rate(spec.fps)
    path.write_text(script(size, rate, [style], events, spec.language), encoding="utf-8")
    return drawing_filter(path, fonts, spec.fps)


async def burn_in(
    source: Path,
    path: Path,
    cues: Sequence[Cue],
    spec: BurnSpec,
    work_dir: Path,
    *,
    font: Path | None = None,
    stretch: tuple[int, int],
) -> None:
    """Write frames of the .mov `source` again with text in them, encoded as pieces are, silent.

    `stretch` is the first frame and the one after the last; the first one of `spec` is its first.
    Raises BadInput, BadMedia and MediaToolFailed; `path` is of no use after a failure.
    """
    drawn = await asyncio.to_thread(burn_filter, cues, spec, work_dir, font)
    start, stop = stretch
    # Half a frame early, so that no rounding skips the first one.
    early = ["-ss", f"{float((start - Fraction(1, 2)) / spec.fps):.6f}"] if start else []
    await run_ffmpeg(
        [
            *early,
            *input_arguments(source),
            *("-map", "0:v:0", "-an", "-vf", f"setpts=PTS-STARTPTS,{drawn},{TAGGED}"),
            *("-frames:v", str(stop - start)),
            *encoder_arguments(spec.fps),
            *BITEXACT,
            *("-f", "mov", f"file:{path}"),
        ]
    )


async def add_subtitles(
    film: Path, tracks: Sequence[SoftTrack], path: Path, fps: Fraction, work_dir: Path
) -> None:
    """Write the MP4 `film` again with text tracks; picture and sound are copied.

    Times are to the hundredth of a second, rounded down: exact to the frame up to 100 a second.
    Raises BadInput without tracks, BadMedia and MediaToolFailed; `path` is written whole or not
    at all.
    """
    if not tracks:
        raise BadInput("subtitles.tracks", "there are none", "Give at least one track.")
    partial = path.with_name(f"{path.name}.part")
    try:
        await run_ffmpeg(
            [
                *input_arguments(film),
                *_inputs(tracks, fps, work_dir),
                *("-map", "0:v", "-map", "0:a?", *_maps(len(tracks))),
                *("-c", "copy", "-c:s", "mov_text", *_labels(tracks)),
                *("-fflags", "+bitexact", "-movflags", "+faststart"),
                *("-f", "mp4", f"file:{partial}"),
            ]
        )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _style(lettering: Lettering, spec: BurnSpec) -> Style:
    em = min(spec.height / _EMS_HIGH, spec.width / _EMS_WIDE)
    return Style(
        name="cue",
        lettering=lettering,
        em=em,
        colour=_INK,
        place=2,
        margin=round(spec.height * 0.06),
        outline=em * 0.07,
        shadow=em * 0.03,
    )


def _event(cue: Cue, style: Style, spec: BurnSpec) -> Event:
    """A cue, drawn smaller where a line would leave the safe part of the picture."""
    widest = max(style.lettering.width(line) for line in cue.lines)
    room = spec.width * _SAFE_WIDTH
    em = room / widest if widest * style.em > room else None
    text = marked_up(cue.lines, style.lettering, spec.language, em)
    start = max(0, cue.start - spec.first_frame)
    return Event(start, cue.end - spec.first_frame, style.name, text)


def _inputs(tracks: Sequence[SoftTrack], fps: Fraction, work_dir: Path) -> list[str]:
    arguments = []
    for index, track in enumerate(tracks):
        # ASS, because ffmpeg keeps its text as it is; of others it makes ASS, and leaves traces.
        path = work_dir / f"track-{index}.ass"
        events = [
            Event(cue.start, cue.end, "Default", plain(shown_lines(cue, track.language)))
            for cue in track.cues
        ]
        path.write_text(script((384, 288), fps, [], events, track.language), encoding="utf-8")
        arguments += ["-protocol_whitelist", "file", "-f", "ass", "-i", f"file:{path}"]
    return arguments


def _maps(tracks: int) -> list[str]:
    return [word for index in range(tracks) for word in ("-map", f"{index + 1}:s:0")]


def _labels(tracks: Sequence[SoftTrack]) -> list[str]:
    arguments = []
    for index, track in enumerate(tracks):
        arguments += [f"-metadata:s:s:{index}", f"language={three_letters(track.language)}"]
        arguments += [f"-metadata:s:s:{index}", f"handler_name={track.name or track.language}"]
        arguments += [f"-disposition:s:{index}", "default" if track.is_default else "0"]
    return arguments
