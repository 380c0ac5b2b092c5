"""Draw the passages of a film: crossfades, wipes, and fades to a colour and out of it."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from filmforge.fields import Frozen
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments, timescale
from filmforge.media.sniff import input_arguments
from filmforge.transition import Colour

Way = Literal["to", "from"]

# Passages are drawn side by side, so one thread for each is enough.
_ONE_THREAD = ("-threads", "1")
_XFADE: Mapping[str, str] = {
    "crossfade": "fade",
    "wipe_left": "wipeleft",
    "wipe_right": "wiperight",
    "wipe_up": "wipeup",
    "wipe_down": "wipedown",
}
_MERGED = "mergeplanes=map0s=0:map0p=0:map1s=1:map1p=0:map2s=2:map2p=0:format=yuv420p"
# ITU-R BT.709, narrow range.
_LUMA: Mapping[Colour, int] = {"black": 16, "white": 235}


class Piece(Frozen):
    """A conformed shot; `frames` is its length."""

    path: Path
    frames: Annotated[int, Field(ge=1)]


async def draw_blend(
    look: str, leaving: Piece, coming: Piece, frames: int, path: Path, fps: Fraction
) -> None:
    """Write a silent .mov of the last `frames` of one piece going over into another's first.

    Frame k of n shows (k + 1) / (n + 1) of the coming piece. Raises MediaToolFailed.
    """
    # xfade counts from 100 %: begun one frame early, both ends are mixed alike.
    xfade = (
        f"xfade={_XFADE[look]}:duration={float((frames + 1) / fps):.6f}"
        f":offset={-float(1 / fps):.6f}"
    )
    graph = (
        f"[0:v:0]{_clock(fps)}[a];[1:v:0]{_clock(fps)}[b];"
        f"{_plane_by_plane('a', 'b', xfade)},{TAGGED}"
    )
    inputs = [*_last(leaving, frames, fps), *_first(coming, frames, fps)]
    await _draw(inputs, graph, frames, path, fps)


async def draw_fade(
    way: Way, colour: Colour, piece: Piece, frames: int, path: Path, fps: Fraction
) -> None:
    """Write a silent .mov of a piece's last `frames` going to a colour, or first coming from it.

    Frame k of n shows (k + 1) / n of the colour on the way to it and 1 - k / n on the way back,
    so that both ends of a dip are the colour alone. Raises MediaToolFailed.
    """
    going = way == "to"
    inputs = _last(piece, frames, fps) if going else _first(piece, frames, fps)
    first, then, offset_s = ("a", "b", -float(1 / fps)) if going else ("b", "a", 0.0)
    xfade = f"xfade=fade:duration={float(frames / fps):.6f}:offset={offset_s:.6f}"
    graph = (
        f"[0:v:0]{_clock(fps)},format=yuv420p,split[a][c];"
        f"[c]lutyuv=y={_LUMA[colour]}:u=128:v=128[b];"
        f"{_plane_by_plane(first, then, xfade)},{TAGGED}"
    )
    await _draw(inputs, graph, frames, path, fps)


def _clock(fps: Fraction) -> str:
    return f"fps={fps},settb=1/{timescale(fps)}"


def _plane_by_plane(first: str, then: str, xfade: str) -> str:
    """The graph of two pictures going over into each other, each plane as a grey picture.

    xfade knows no 4:2:0: it would have every frame at full colour resolution and back again.
    """
    apart = [
        f"[{name}]format=yuv420p,extractplanes=y+u+v[{name}y][{name}u][{name}v]"
        for name in (first, then)
    ]
    mixed = [f"[{first}{plane}][{then}{plane}]{xfade}[{plane}]" for plane in "yuv"]
    return ";".join([*apart, *mixed, f"[y][u][v]{_MERGED}"])


def _first(piece: Piece, frames: int, fps: Fraction) -> list[str]:
    return ["-t", f"{float(frames / fps):.6f}", *_ONE_THREAD, *input_arguments(piece.path)]


def _last(piece: Piece, frames: int, fps: Fraction) -> list[str]:
    start_s = float((piece.frames - frames) / fps)
    return ["-ss", f"{start_s:.6f}", *_ONE_THREAD, *input_arguments(piece.path)]


async def _draw(inputs: list[str], graph: str, frames: int, path: Path, fps: Fraction) -> None:
    await run_ffmpeg(
        [
            *inputs,
            *("-filter_complex_threads", "1"),
            *("-filter_complex", graph, "-an", "-frames:v", str(frames)),
            *(*encoder_arguments(fps), *_ONE_THREAD),
            *BITEXACT,
            *("-f", "mov", f"file:{path}"),
        ]
    )
