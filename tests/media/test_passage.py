"""Passages show what their pieces show, mixed at the resolution they have it in."""

from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from filmforge.media.passage import Piece, draw_blend, draw_fade

FPS, FRAMES = Fraction(24), 6
MakePiece = Callable[..., Awaitable[Piece]]
PicturesOf = Callable[[Path], list[NDArray[np.uint8]]]

# Stripes as fine as 4:2:0 has them in colour, and as it has them in light.
_STRIPES = (
    "nullsrc=s=128x96:r=24:d=1,format=yuv420p,"
    "geq=lum='if(mod(X,2),60,180)':cb='if(mod(X,2),60,196)':cr='if(mod(Y,2),60,196)'"
)
_PLAIN = "color=0x406080:s=128x96:r=24:d=1"


async def test_a_crossfade_is_the_exact_mixture_of_both_pictures_in_the_finest_colours(
    make_piece: MakePiece, pictures_of: PicturesOf, tmp_path: Path
) -> None:
    leaving = await make_piece("leaving", _STRIPES, None, FPS, 20, tail=FRAMES)
    coming = await make_piece("coming", _PLAIN, None, FPS, 20, head=FRAMES)
    path = tmp_path / "passage.mov"
    await draw_blend("crossfade", leaving, coming, FRAMES, path, FPS)
    before = pictures_of(leaving.path)[-FRAMES:]
    after = pictures_of(coming.path)[:FRAMES]
    shares = [(k + 1) / (FRAMES + 1) for k in range(FRAMES)]
    wanted = [a + (b - a.astype(float)) * s for a, b, s in zip(before, after, shares, strict=True)]
    _assert_alike(pictures_of(path), wanted)


async def test_a_fade_is_the_exact_mixture_with_its_colour_in_the_finest_colours(
    make_piece: MakePiece, pictures_of: PicturesOf, tmp_path: Path
) -> None:
    piece = await make_piece("piece", _STRIPES, None, FPS, 20, head=FRAMES)
    path = tmp_path / "passage.mov"
    await draw_fade("from", "black", piece, FRAMES, path, FPS)
    shown = pictures_of(piece.path)[:FRAMES]
    black = np.concatenate((np.full((96, 128), 16.0), np.full((48, 128), 128.0)))
    wanted = [black + (each - black) * (k / FRAMES) for k, each in enumerate(shown)]
    _assert_alike(pictures_of(path), wanted)


def _assert_alike(shown: list[NDArray[np.uint8]], wanted: list[NDArray[np.float64]]) -> None:
    assert len(shown) == len(wanted)
    # What the encoder loses of it, in light and in colour.
    for picture, expected in zip(shown, wanted, strict=True):
        off = np.abs(picture - expected)
        assert off[:96].mean() < 5
        assert off[96:].mean() < 5
