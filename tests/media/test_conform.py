"""Any clip becomes a piece of exactly the film's format and length."""

import asyncio
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
    await conform(clip, None, path, _spec(fps, 29))
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
    await conform(clip, None, path, _spec(frames=24, head_frames=7, tail_frames=5))
    assert _key_frames(path) == [0, 7, 19]


async def test_a_clip_too_short_holds_its_last_frame(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    clip = await make_clip("clip.mp4", "testsrc2=s=128x96:r=24:d=0.5")
    path = tmp_path / "piece.mov"
    await conform(clip, None, path, _spec(frames=24))
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
        await conform(clip, None, path, _spec(frames=2))
        line = pictures_of(path)[0][48]
        assert abs(int((line > 128).sum()) - columns) <= 2


async def test_a_clip_held_upright_is_turned(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    lying = await make_clip("lying.mp4", "color=white:s=128x96:r=24:d=0.2")
    upright = tmp_path / "upright.mp4"
    await run_ffmpeg(["-display_rotation", "90", "-i", str(lying), "-c", "copy", str(upright)])
    path = tmp_path / "piece.mov"
    await conform(upright, None, path, _spec(frames=2))
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
    await conform(clip, None, path, _spec(frames=2))
    before, after = pictures_of(clip)[0], pictures_of(path)[0]
    assert abs(int(before[360, 640]) - int(after[48, 64])) <= 2


async def test_silence_when_nobody_says_anything(
    make_clip: MakeClip, tmp_path: Path, sound_of: SoundOf
) -> None:
    path = tmp_path / "piece.mov"
    await conform(await make_clip("clip.mp4"), None, path, _spec())
    assert not sound_of(path).any()


@pytest.mark.parametrize(("voice_s", "start_s"), [(0.5, 0.25), (0.9, 0.0)])
async def test_a_voice_begins_a_moment_in_or_at_once_if_it_would_not_fit(
    make_clip: MakeClip, tmp_path: Path, sound_of: SoundOf, voice_s: float, start_s: float
) -> None:
    voice = await make_clip("voice.wav", None, f"sine=f=440:r=22050:d={voice_s}")
    path = tmp_path / "piece.mov"
    await conform(await make_clip("clip.mp4"), voice, path, _spec())
    sound = sound_of(path)
    assert np.abs(sound).max() == pytest.approx(1 / 8, abs=0.005), "the level of ffmpeg's sine"
    heard = np.flatnonzero(np.abs(sound[:, 0]) > 0.01) / 48_000
    assert heard[0] == pytest.approx(start_s, abs=0.01)
    assert heard[-1] == pytest.approx(start_s + voice_s, abs=0.01)


async def test_a_voice_longer_than_the_shot_fades_out_at_its_end(
    make_clip: MakeClip, tmp_path: Path, sound_of: SoundOf, loudness: Loudness
) -> None:
    voice = await make_clip("voice.mp3", None, "sine=f=440:r=44100:d=3")
    path = tmp_path / "piece.mov"
    await conform(await make_clip("clip.mp4"), voice, path, _spec())
    sound = sound_of(path)
    assert len(sound) == 48_000
    assert loudness(sound, 0.98, 1) < loudness(sound, 0.5, 0.8) / 3


async def test_the_clips_own_sound_is_lowered_by_eight_decibels_under_the_voice(
    make_clip: MakeClip, tmp_path: Path, sound_of: SoundOf, loudness: Loudness
) -> None:
    clip = await make_clip("clip.mov", "testsrc2=s=64x64:r=24:d=3", "sine=f=300:d=3")
    voice = await make_clip("voice.wav", None, "anullsrc=r=48000:cl=mono,atrim=end=1")
    path = tmp_path / "piece.mov"
    await conform(clip, voice, path, _spec(frames=72))
    sound = sound_of(path)
    under, after = loudness(sound, 0.4, 1.1), loudness(sound, 1.8, 2.8)
    assert 20 * np.log10(under / after) == pytest.approx(-8, abs=0.3)


async def test_the_same_clip_gives_the_same_bytes(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = await make_clip("clip.mp4", "testsrc2=s=160x90:d=1", "sine=d=1")
    first, second = tmp_path / "1.mov", tmp_path / "2.mov"
    await asyncio.gather(*(conform(clip, None, path, _spec()) for path in (first, second)))
    assert first.read_bytes() == second.read_bytes()


async def test_a_clip_without_picture_and_a_voice_without_sound_are_refused(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    sound, mute = await make_clip("a.wav", None, "sine=d=1"), await make_clip("b.mp4")
    with pytest.raises(BadMedia, match="no picture"):
        await conform(sound, None, tmp_path / "piece.mov", _spec())
    with pytest.raises(BadMedia, match="no sound"):
        await conform(mute, mute, tmp_path / "piece.mov", _spec())


async def test_a_playlist_given_as_a_clip_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n")
    with pytest.raises(BadMedia, match="is text"):
        await conform(clip, None, tmp_path / "piece.mov", _spec())
