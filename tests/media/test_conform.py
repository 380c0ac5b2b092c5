"""Any clip becomes a piece of exactly the film's format and length."""

from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadMedia
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.sample_clock import samples_at

MakeClip = Callable[..., Awaitable[Path]]
PicturesOf = Callable[[Path], list[NDArray[np.uint8]]]
SoundOf = Callable[[Path], NDArray[np.float32]]
Loudness = Callable[[NDArray[np.float32], float, float], float]


def _spec(fps: Fraction = Fraction(24), frames: int = 24, **more: int) -> ConformSpec:
    return ConformSpec(**{"width": 128, "height": 96, "fps": fps, "frames": frames, **more})


def _key_frames(path: Path) -> list[int]:
    with av.open(str(path)) as media:
        packets = [packet for packet in media.demux(video=0) if packet.size]
        return [index for index, packet in enumerate(packets) if packet.is_keyframe]


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(24000, 1001), Fraction(30000, 1001)])
@pytest.mark.parametrize("source", ["s=160x90:r=25:d=0.4", "s=90x160:r=60:d=3", "s=64x64:r=8:d=1"])
async def test_any_clip_gets_the_exact_length_rate_and_size(
    make_clip: MakeClip, tmp_path: Path, fps: Fraction, source: str
) -> None:
    clip = await make_clip("clip.mp4", f"testsrc2={source}")
    path = tmp_path / "piece.mov"
    await conform(clip, path, _spec(fps, 29))
    with av.open(str(path)) as media:
        picture, sound = media.streams.video[0], media.streams.audio[0]
        assert (picture.codec_context.name, picture.codec_context.profile) == ("h264", "High")
        assert (picture.codec_context.width, picture.codec_context.height) == (128, 96)
        assert picture.codec_context.pix_fmt == "yuv420p"
        tags = picture.codec_context
        assert (tags.colorspace, tags.color_primaries, tags.color_trc) == (1, 1, 1), "BT.709"
        assert (sound.codec_context.name, sound.rate, sound.channels) == ("pcm_s16le", 48_000, 2)
        shown = [(frame.pts or 0) * (frame.time_base or 1) for frame in media.decode(video=0)]
        assert shown == [index / fps for index in range(29)]
        media.seek(0)
        heard = sum(frame.samples for frame in media.decode(audio=0))
        assert heard == samples_at(29, fps)


async def test_key_frames_stand_where_the_transitions_begin_and_end(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = await make_clip("clip.mp4")
    path = tmp_path / "piece.mov"
    await conform(clip, path, _spec(frames=24, head_frames=7, tail_frames=5))
    assert _key_frames(path) == [0, 7, 19]


async def test_a_clip_too_short_holds_its_last_frame(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    clip = await make_clip("clip.mp4", "testsrc2=s=128x96:r=24:d=0.5")
    path = tmp_path / "piece.mov"
    await conform(clip, path, _spec(frames=24))
    shown = [picture.astype(int) for picture in pictures_of(path)]
    assert np.abs(shown[5] - shown[11]).mean() > 3
    assert np.abs(shown[11] - shown[23]).mean() < 1


async def test_another_shape_is_letterboxed_with_its_proportions_kept(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    white = "color=white:s=64x64:r=24:d=0.2"
    square = await make_clip("square.mp4", white)
    anamorphic = await make_clip("anamorphic.mp4", f"{white},setsar=4/3")
    for clip, columns in ((square, 96), (anamorphic, 128)):
        path = tmp_path / "piece.mov"
        await conform(clip, path, _spec(frames=2))
        line = pictures_of(path)[0][48]
        assert abs(int((line > 128).sum()) - columns) <= 2


async def test_a_clip_held_upright_is_turned(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    lying = await make_clip("lying.mp4", "color=white:s=128x96:r=24:d=0.2")
    upright = tmp_path / "upright.mp4"
    await run_ffmpeg(["-display_rotation", "90", "-i", str(lying), "-c", "copy", str(upright)])
    path = tmp_path / "piece.mov"
    await conform(upright, path, _spec(frames=2))
    assert abs(int((pictures_of(path)[0][48] > 128).sum()) - 72) <= 2


async def test_hd_without_colour_tags_keeps_its_colours(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    clip = await make_clip(
        "clip.mp4",
        "color=0x20c040:s=1280x720:r=24:d=0.1",
        None,
        "-vf",
        "scale=out_color_matrix=bt709,format=yuv420p,setparams=colorspace=unknown",
    )
    path = tmp_path / "piece.mov"
    await conform(clip, path, _spec(frames=2))
    before, after = pictures_of(clip)[0], pictures_of(path)[0]
    assert abs(int(before[360, 640]) - int(after[48, 64])) <= 2


async def test_silence_when_nobody_says_anything(
    make_clip: MakeClip, tmp_path: Path, sound_of: SoundOf
) -> None:
    path = tmp_path / "piece.mov"
    await conform(await make_clip("clip.mp4"), path, _spec())
    assert not sound_of(path).any()


async def test_a_piece_may_begin_later_in_its_clip(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf, sound_of: SoundOf
) -> None:
    ramp = "color=black:s=64x64:r=24:d=2,geq=lum='16+4*N':cb=128:cr=128"
    clip = await make_clip("clip.mp4", ramp, "aevalsrc='0.5*gte(t,1)':s=48000:d=2")
    whole, path = tmp_path / "whole.mov", tmp_path / "piece.mov"
    await conform(clip, whole, _spec(frames=48))
    await conform(clip, path, _spec(frames=24, start_frames=12))
    every = [float(picture[:96].mean()) for picture in pictures_of(whole)]
    shown = [float(picture[:96].mean()) for picture in pictures_of(path)]
    assert every[12] > every[0] + 20
    assert shown == pytest.approx(every[12:36], abs=0.5)
    heard = np.flatnonzero(np.abs(sound_of(path)[:, 0]) > 0.1)[0] / 48_000
    assert heard == pytest.approx(0.5, abs=0.03)


async def test_a_clip_without_picture_is_refused(make_clip: MakeClip, tmp_path: Path) -> None:
    sound = await make_clip("a.wav", None, "sine=d=1")
    with pytest.raises(BadMedia, match="no picture"):
        await conform(sound, tmp_path / "piece.mov", _spec())


async def test_a_playlist_given_as_a_clip_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n")
    with pytest.raises(BadMedia, match="is text"):
        await conform(clip, tmp_path / "piece.mov", _spec())
