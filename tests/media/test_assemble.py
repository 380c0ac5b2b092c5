"""Pieces become a film without a frame lost, doubled or needlessly encoded again."""

import asyncio
from collections.abc import Awaitable, Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.cut.layout import film_frames
from filmforge.errors import BadInput, BadMedia
from filmforge.media.assemble import Run, assemble
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.passage import Piece
from filmforge.media.sample_clock import samples_at
from filmforge.media.score import Entry, Score
from filmforge.media.wav import wav_writer
from filmforge.transition import Style
from tests.media.joined import cut_of, join, sound_of

FPS = Fraction(24)
MakePiece = Callable[..., Awaitable[Piece]]
PicturesOf = Callable[[Path], list[NDArray[np.uint8]]]
SoundOf = Callable[[Path], NDArray[np.float32]]
Loudness = Callable[[NDArray[np.float32], float, float], float]


def _moving(hue: int) -> str:
    return f"testsrc2=s=160x120:r=25:d=1.5,hue=h={hue}"


Seams = list[tuple[Style, int, int]]
SEAMS: Seams = [
    ("crossfade", 5, 5),
    ("wipe_left", 7, 7),
    ("dip_to_black", 1, 2),
    ("cut", 0, 0),
    ("fade_from_white", 0, 4),
]


async def _mixed(make_piece: MakePiece, fps: Fraction) -> list[Piece]:
    """Seams of every kind, among them a piece that is all seam and one of a single frame."""
    return list(
        await asyncio.gather(
            make_piece("a", _moving(0), "sine=d=1", fps, 30, tail=5),
            make_piece("b", _moving(60), "sine=f=300:d=1", fps, 20, head=5, tail=7),
            make_piece("c", _moving(120), None, fps, 8, head=7, tail=1),
            make_piece("d", _moving(180), None, fps, 13, head=2),
            make_piece("e", _moving(240), "sine=f=700:d=1", fps, 1),
            make_piece("f", _moving(300), None, fps, 9, head=4),
        )
    )


@pytest.mark.parametrize("fps", [FPS, Fraction(24000, 1001), Fraction(7, 3)])
async def test_every_frame_is_shown_once_and_only_seams_are_encoded_again(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf, fps: Fraction
) -> None:
    pieces = await _mixed(make_piece, fps)
    slots, film = cut_of(pieces, SEAMS), tmp_path / "film.mp4"
    await join(pieces, slots, film, tmp_path, fps)
    shown = pictures_of(film)
    assert len(shown) == film_frames(slots) == 81 - 12
    position = 0
    for piece, slot in zip(pieces, slots, strict=True):
        source = pictures_of(piece.path)
        for index in range(slot.head, piece.frames - slot.tail):
            assert np.array_equal(shown[position + index], source[index]), (piece.path, index)
        position += piece.frames - slot.overlap


@pytest.mark.parametrize("fps", [FPS, Fraction(24000, 1001), Fraction(30000, 1001)])
async def test_time_runs_evenly_and_sound_ends_with_the_picture(
    make_piece: MakePiece, tmp_path: Path, fps: Fraction
) -> None:
    pieces = await _mixed(make_piece, fps)
    film = tmp_path / "film.mp4"
    await join(pieces, cut_of(pieces, SEAMS), film, tmp_path, fps)
    with av.open(str(film)) as media:
        picture, sound = media.streams.video[0], media.streams.audio[0]
        assert (sound.codec_context.name, sound.rate, sound.channels) == ("aac", 48_000, 2)
        assert (picture.duration or 0) * (picture.time_base or 1) == 69 / fps
        length = (sound.duration or 0) * (sound.time_base or 1)
        assert abs(length - 69 / fps) < Fraction(1, 1000)
        shown = [(frame.pts or 0) * (frame.time_base or 1) for frame in media.decode(video=0)]
        assert shown == [index / fps for index in range(69)]
    await run_ffmpeg(["-xerror", "-err_detect", "explode", "-i", str(film), "-f", "null", "-"])
    head = film.read_bytes()[:4096]
    assert b"moov" in head


async def test_sound_and_picture_are_together_after_half_an_hour(
    make_piece: MakePiece, tmp_path: Path
) -> None:
    """A flash and a click begin a shot: the first, one in the middle, and the last of 360."""
    fps, shots, frames = Fraction(24000, 1001), 360, 120
    flash = "color=black:s=64x64:r=24:d=5,drawbox=color=white:t=fill:enable='eq(n,0)'"
    piece = await make_piece("flash", flash, None, fps, frames)
    click = tmp_path / "click.wav"
    with wav_writer(click) as write:
        write(np.repeat(np.linspace(0.9, 0, 480, dtype=np.float32)[:, None], 2, axis=1))
    places = [0, 180, 359]
    starts = [samples_at(place * frames, fps) for place in places]
    clicks = [Entry(role="effects", source="click", start=at, length=480) for at in starts]
    length = samples_at(shots * frames, fps)
    spans = sound_of(Score.of(clicks, length), {"click": click}, tmp_path)
    runs = [Run(path=piece.path, frames=frames, start=0, stop=frames)] * shots
    film = tmp_path / "film.mp4"
    await assemble(runs, spans, film, fps)
    for place in places:
        seen, heard = _flash_s(film, place * frames / fps), _click_s(film, place * frames / fps)
        assert seen == float(place * frames / fps)
        assert heard == pytest.approx(seen, abs=0.001)
    with av.open(str(film)) as media:
        stamps = [packet.pts for packet in media.demux(video=0) if packet.size]
        assert len(stamps) == shots * frames
        assert {b - a for a, b in pairwise(stamps) if a is not None and b is not None} == {1001}


def _flash_s(film: Path, near_s: Fraction) -> float:
    """When the picture is white for the first time after a moment."""
    with av.open(str(film)) as media:
        stream = media.streams.video[0]
        media.seek(int(near_s / (stream.time_base or 1)), stream=stream)
        for frame in media.decode(stream):
            if frame.to_ndarray(format="gray").mean() > 100:
                return float((frame.pts or 0) * (frame.time_base or 1))
    raise AssertionError("no flash")


def _click_s(film: Path, near_s: Fraction) -> float:
    """When it is loud for the first time from a second before a moment on."""
    with av.open(str(film)) as media:
        stream = media.streams.audio[0]
        if near_s > 1:
            media.seek(int((near_s - 1) * 48_000), stream=stream)
        for frame in media.decode(stream):
            loud = np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.3)
            if len(loud):
                return float((frame.pts or 0) * (frame.time_base or 1)) + int(loud[0]) / 48_000
    raise AssertionError("no click")


async def _lumas(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf, seam: tuple[Style, int, int]
) -> tuple[list[float], float, float]:
    """How light each frame of a film is that goes from a dark piece to a light one."""
    _, tail, head = seam
    dark = await make_piece("a", "color=0x202020:s=128x96:r=24:d=1", None, FPS, 12, tail=tail)
    light = await make_piece("b", "color=0xe0e0e0:s=128x96:r=24:d=1", None, FPS, 12, head=head)
    film = tmp_path / "film.mp4"
    await join([dark, light], cut_of([dark, light], [seam]), film, tmp_path, FPS)
    luma = [float(picture[:96].mean()) for picture in pictures_of(film)]
    return luma, luma[0], luma[-1]


async def test_a_crossfade_goes_evenly_from_one_picture_to_the_other(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    seam: tuple[Style, int, int] = ("crossfade", 6, 6)
    luma, low, high = await _lumas(make_piece, tmp_path, pictures_of, seam)
    expected = [low + (high - low) * step / 7 for step in range(8)]
    assert luma[5:13] == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize(("style", "colour"), [("dip_to_black", 16), ("dip_to_white", 235)])
async def test_a_dip_goes_evenly_to_its_colour_and_out_of_it(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf, style: Style, colour: int
) -> None:
    luma, low, high = await _lumas(make_piece, tmp_path, pictures_of, (style, 4, 4))
    assert len(luma) == 24
    out = [low + (colour - low) * step / 4 for step in range(5)]
    back = [colour + (high - colour) * step / 4 for step in range(5)]
    assert luma[7:17] == pytest.approx([*out, *back], abs=1.5)


@pytest.mark.parametrize(
    ("style", "light"),
    [
        ("wipe_left", np.s_[:96, -12:]),
        ("wipe_right", np.s_[:96, :12]),
        ("wipe_up", np.s_[84:96, :]),
        ("wipe_down", np.s_[:12, :]),
    ],
)
async def test_a_wipe_is_named_after_the_way_its_edge_moves(
    make_piece: MakePiece, tmp_path: Path, pictures_of: PicturesOf, style: Style, light: Any
) -> None:
    await _lumas(make_piece, tmp_path, pictures_of, (style, 6, 6))
    middle = pictures_of(tmp_path / "film.mp4")[8]
    assert middle[light].mean() > 180
    assert 60 < middle[:96].mean() < 180


async def test_sound_changes_with_the_picture(
    make_piece: MakePiece, tmp_path: Path, sound_of: SoundOf, loudness: Loudness
) -> None:
    still = "color=gray:s=64x64:r=24:d=1"
    pieces = [
        await make_piece("a", still, None, FPS, 12),
        await make_piece("b", still, "sine=f=500:d=1", FPS, 24, tail=12),
        await make_piece("c", still, None, FPS, 24, head=12),
    ]
    film = tmp_path / "film.mp4"
    slots = cut_of(pieces, [("cut", 0, 0), ("crossfade", 12, 12)])
    await join(pieces, slots, film, tmp_path, FPS)
    sound = sound_of(film)
    heard = np.flatnonzero(np.abs(sound[:, 0]) > 0.02)[0] / 48_000
    assert heard == pytest.approx(0.5, abs=0.005)
    full = loudness(sound, 0.6, 0.9)
    assert loudness(sound, 1.2, 1.3) == pytest.approx(full * 0.707, rel=0.1)
    assert loudness(sound, 1.6, 1.9) < full / 100


async def test_a_piece_that_was_not_conformed_for_its_place_is_refused(
    make_piece: MakePiece, tmp_path: Path
) -> None:
    film = tmp_path / "film.mp4"
    good = await make_piece("a", _moving(0), None, FPS, 12, tail=4)
    keyless = await make_piece("b", _moving(0), None, FPS, 12)
    blend: Seams = [("crossfade", 4, 4)]
    with pytest.raises(BadMedia, match=r"b\.mov has no key frame 4"):
        await join([good, keyless], cut_of([good, keyless], blend), film, tmp_path, FPS)
    longer = keyless.model_copy(update={"frames": 13})
    with pytest.raises(BadMedia, match=r"b\.mov has 12 frames, not 13"):
        await join([longer], cut_of([longer], []), film, tmp_path, FPS)
    with pytest.raises(BadMedia, match=r"b\.mov runs at 24 fps, not 25"):
        await join([keyless], cut_of([keyless], []), film, tmp_path, Fraction(25))
    other = await make_piece("c", _moving(0), None, Fraction(25), 12)
    with pytest.raises(BadMedia, match=r"c\.mov was encoded in another way"):
        await join([keyless, other], cut_of([keyless, other], [("cut", 0, 0)]), film, tmp_path, FPS)
    with pytest.raises(BadInput, match="at least one"):
        await assemble([], [], film, FPS)
    assert not film.exists()


async def test_cancelled_it_leaves_nothing_behind(make_piece: MakePiece, tmp_path: Path) -> None:
    piece = await make_piece("a", _moving(0), "sine=d=1", FPS, 24)
    film, partial = tmp_path / "film.mp4", tmp_path / "film.mp4.part"
    many = [piece] * 300
    slots = cut_of(many, [("cut", 0, 0)] * 299)
    work = asyncio.create_task(join(many, slots, film, tmp_path, FPS))
    async with asyncio.timeout(60):
        while not partial.exists():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.005)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert not film.exists()
    assert not partial.exists()
