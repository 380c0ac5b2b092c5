"""Pieces become a film without a frame lost, doubled or needlessly encoded again."""

import asyncio
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadInput, BadMedia
from filmforge.media.assemble import Piece, assemble, film_frames
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.soundtrack import Stretch, samples_at, soundtrack

FPS = Fraction(24)
MakePiece = Callable[..., Awaitable[Piece]]
PicturesOf = Callable[[Path], list[NDArray[np.uint8]]]
SoundOf = Callable[[Path], NDArray[np.float32]]
Loudness = Callable[[NDArray[np.float32], float, float], float]


def _moving(hue: int) -> str:
    return f"testsrc2=s=160x120:r=25:d=1.5,hue=h={hue}"


async def _mixed(make_piece: MakePiece, fps: Fraction) -> list[Piece]:
    """Cuts and crossfades, among them a piece that is all crossfade and one of a single frame."""
    return list(
        await asyncio.gather(
            make_piece("a", _moving(0), "sine=d=1", fps, 30, overlap=5),
            make_piece("b", _moving(60), "sine=f=300:d=1", fps, 20, head=5, overlap=7),
            make_piece("c", _moving(120), None, fps, 8, head=7, overlap=1),
            make_piece("d", _moving(180), None, fps, 13, head=1),
            make_piece("e", _moving(240), "sine=f=700:d=1", fps, 1),
            make_piece("f", _moving(300), None, fps, 9),
        )
    )


@pytest.mark.parametrize("fps", [FPS, Fraction(24000, 1001), Fraction(7, 3)])
async def test_every_frame_is_shown_once_and_only_crossfades_are_encoded_again(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf, fps: Fraction
) -> None:
    pieces = await _mixed(make_piece, fps)
    film = tmp_path / "film.mp4"
    await assemble(pieces, film, tmp_path, fps)
    shown = pictures_of(film)
    assert len(shown) == film_frames(pieces) == 81 - 13
    position = head = 0
    for piece in pieces:
        tail = piece.overlap_frames
        source = pictures_of(piece.path)
        for index in range(head, piece.frames - tail):
            assert np.array_equal(shown[position + index], source[index]), (piece.path, index)
        position, head = position + piece.frames - tail, tail


@pytest.mark.parametrize("fps", [FPS, Fraction(24000, 1001), Fraction(30000, 1001)])
async def test_time_runs_evenly_and_sound_ends_with_the_picture(
    make_piece: MakePiece, tmp_path: Path, fps: Fraction
) -> None:
    pieces = await _mixed(make_piece, fps)
    film = tmp_path / "film.mp4"
    await assemble(pieces, film, tmp_path, fps)
    with av.open(str(film)) as media:
        picture, sound = media.streams.video[0], media.streams.audio[0]
        assert (sound.codec_context.name, sound.rate, sound.channels) == ("aac", 48_000, 2)
        assert (picture.duration or 0) * (picture.time_base or 1) == 68 / fps
        length = (sound.duration or 0) * (sound.time_base or 1)
        assert abs(length - 68 / fps) < Fraction(1, 1000)
        shown = [(frame.pts or 0) * (frame.time_base or 1) for frame in media.decode(video=0)]
        assert shown == [index / fps for index in range(68)]
    await run_ffmpeg(["-xerror", "-err_detect", "explode", "-i", str(film), "-f", "null", "-"])
    head = film.read_bytes()[:4096]
    assert b"moov" in head


async def test_a_crossfade_goes_evenly_from_one_picture_to_the_other(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    dark = await make_piece("a", "color=0x202020:s=128x96:r=24:d=1", None, FPS, 12, overlap=6)
    light = await make_piece("b", "color=0xe0e0e0:s=128x96:r=24:d=1", None, FPS, 12, head=6)
    film = tmp_path / "film.mp4"
    await assemble([dark, light], film, tmp_path, FPS)
    luma = [float(picture[:96].mean()) for picture in pictures_of(film)]
    low, high = luma[0], luma[-1]
    expected = [low + (high - low) * step / 7 for step in range(8)]
    assert luma[5:13] == pytest.approx(expected, abs=1.5)


async def test_sound_changes_with_the_picture(
    make_piece: MakePiece, tmp_path: Path, sound_of: SoundOf, loudness: Loudness
) -> None:
    still = "color=gray:s=64x64:r=24:d=1"
    pieces = [
        await make_piece("a", still, None, FPS, 12),
        await make_piece("b", still, "sine=f=500:d=1", FPS, 24, overlap=12),
        await make_piece("c", still, None, FPS, 24, head=12),
    ]
    film = tmp_path / "film.mp4"
    await assemble(pieces, film, tmp_path, FPS)
    sound = sound_of(film)
    heard = np.flatnonzero(np.abs(sound[:, 0]) > 0.02)[0] / 48_000
    assert heard == pytest.approx(0.5, abs=0.005)
    full = loudness(sound, 0.6, 0.9)
    assert loudness(sound, 1.2, 1.3) == pytest.approx(full * 0.707, rel=0.1)
    assert loudness(sound, 1.6, 1.9) < full / 100


async def test_sound_does_not_drift_over_many_pieces(make_piece: MakePiece) -> None:
    fps = Fraction(30000, 1001)
    piece = await make_piece("a", "color=gray:s=64x64:r=24:d=0.2", "sine=d=1", fps, 3)
    stretches = [Stretch(path=piece.path, start=3 * i, end=3 * i + 3) for i in range(101)]
    assert sum(len(block) for block in soundtrack(stretches, fps)) == samples_at(303, fps)


async def test_one_piece_is_a_film_and_its_own_transition_is_not_used(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    piece = await make_piece("a", _moving(0), None, FPS, 10, overlap=4)
    await assemble([piece], tmp_path / "film.mp4", tmp_path, FPS)
    assert len(pictures_of(tmp_path / "film.mp4")) == film_frames([piece]) == 10


def test_overlaps_that_do_not_fit_name_the_piece(tmp_path: Path) -> None:
    long = Piece(path=tmp_path, frames=20, transition="crossfade", overlap_frames=6)
    short = Piece(path=tmp_path, frames=10, transition="crossfade", overlap_frames=5)
    with pytest.raises(BadInput, match=r"pieces\[1\]: its crossfades take 6 \+ 5 frames"):
        film_frames([long, short, long])
    with pytest.raises(BadInput, match="at least one"):
        film_frames([])


async def test_a_piece_that_was_not_conformed_for_its_place_is_refused(
    make_piece: MakePiece, tmp_path: Path
) -> None:
    good = await make_piece("a", _moving(0), None, FPS, 12, overlap=4)
    keyless = await make_piece("b", _moving(0), None, FPS, 12)
    film = tmp_path / "film.mp4"
    with pytest.raises(BadMedia, match=r"b\.mov has no key frame 4"):
        await assemble([good, keyless], film, tmp_path, FPS)
    with pytest.raises(BadMedia, match=r"b\.mov has 12 frames, not 13"):
        await assemble([keyless.model_copy(update={"frames": 13})], film, tmp_path, FPS)
    with pytest.raises(BadMedia, match=r"b\.mov runs at 24 fps, not 25"):
        await assemble([keyless], film, tmp_path, Fraction(25))
    other = await make_piece("c", _moving(0), None, Fraction(25), 12)
    with pytest.raises(BadMedia, match=r"c\.mov was encoded in another way"):
        await assemble([keyless, other], film, tmp_path, FPS)
    assert not film.exists()


async def test_cancelled_it_leaves_nothing_behind(make_piece: MakePiece, tmp_path: Path) -> None:
    piece = await make_piece("a", _moving(0), "sine=d=1", FPS, 24)
    film, partial = tmp_path / "film.mp4", tmp_path / "film.mp4.part"
    work = asyncio.create_task(assemble([piece] * 2_000, film, tmp_path, FPS))
    async with asyncio.timeout(30):
        while not partial.exists():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.005)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not film.exists()
    assert not partial.exists()
