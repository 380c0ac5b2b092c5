"""Clips of every rate, shape, depth and sound are conformed to the frame and the sample."""

from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.domain import Kind
from filmforge.errors import BadMedia
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.probe import verify

MakeClip = Callable[..., Awaitable[Path]]
PicturesOf = Callable[[Path], list[NDArray[np.uint8]]]
SoundOf = Callable[[Path], NDArray[np.float32]]
Conform = Callable[..., Awaitable[Path]]

LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-pix_fmt", "yuv420p")
NTSC = [Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60000, 1001)]


def _coded(rate: str, seconds: str) -> str:
    """Frames of one grey each, of which `_numbers` tells the number, modulo 18."""
    return f"nullsrc=s=64x64:r={rate}:d={seconds},format=gray,geq=lum='40+10*mod(N,18)'"


def _numbers(pictures: list[NDArray[np.uint8]]) -> list[int]:
    return [round(((picture[:64].mean() - 16) * 255 / 219 - 40) / 10) for picture in pictures]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
@pytest.mark.parametrize("fps", NTSC)
async def test_a_clip_at_an_ntsc_rate_keeps_every_frame_once(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf, name: str, fps: Fraction
) -> None:
    clip = await make_clip(name, _coded(str(fps), "3"), None, *LOSSLESS)
    frames = int(3 * fps)
    shown = _numbers(pictures_of(await conformed(clip, frames, fps)))
    assert shown == [number % 18 for number in range(frames)]


async def test_from_film_to_television_the_frames_stand_where_their_time_is(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf
) -> None:
    clip = await make_clip("a.mp4", _coded("24", "2"), None, *LOSSLESS)
    shown = _numbers(pictures_of(await conformed(clip, 59, NTSC[1])))
    for index, number in enumerate(shown):
        assert abs((number - index / NTSC[1] * 24 + 9) % 18 - 9) <= 0.51


@pytest.mark.parametrize("offset_s", ["-0.033", "0.023", "3.337", "-3.337"])
async def test_a_clip_begins_with_its_first_picture_whenever_its_file_does(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf, sound_of: SoundOf,
    tmp_path: Path, offset_s: str,
) -> None:  # fmt: skip
    """The sound, a click half a second after the first picture, stays in step."""
    click = "aevalsrc='lt(abs(t-0.5),0.001)':s=48000:d=1"
    whole = await make_clip("whole.mkv", _coded("24", "1"), click, *LOSSLESS, "-c:a", "pcm_s16le")
    clip = tmp_path / "clip.mkv"
    late = ("-itsoffset", "0.03", "-i", str(whole), "-map", "1:v", "-map", "0:a")
    shifted = ("-c", "copy", "-output_ts_offset", offset_s)
    await run_ffmpeg(["-i", str(whole), *late, *shifted, str(clip)])
    assert verify(clip, Kind.VIDEO).duration_s == pytest.approx(1.03, abs=0.05)
    piece = await conformed(clip, 24)
    assert _numbers(pictures_of(piece)) == [number % 18 for number in range(24)]
    clicked = float(np.abs(sound_of(piece)[:, 0]).argmax()) / 48_000
    assert clicked == pytest.approx(0.5 - 0.03, abs=0.004)


async def test_a_variable_rate_becomes_steady_with_each_picture_at_its_time(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf
) -> None:
    uneven = ("-vf", "select='lt(n,5)+not(mod(n,4))'", "-fps_mode", "vfr")
    clip = await make_clip("a.mp4", _coded("24", "0.7"), None, *uneven, *LOSSLESS)
    shown = _numbers(pictures_of(await conformed(clip, 16)))
    assert shown == [0, 1, 2, 3, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12]


@pytest.mark.parametrize(("degrees", "bright"), [(0, "left"), (180, "right"), (90, "bottom"),
                                                 (270, "top")])  # fmt: skip
async def test_a_clip_is_shown_the_way_its_camera_was_held(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf, tmp_path: Path,
    degrees: int, bright: str,
) -> None:  # fmt: skip
    lying = await make_clip("a.mp4", "color=black:s=64x64:r=24:d=0.2,drawbox=w=32:c=white:t=fill")
    turned = tmp_path / "turned.mp4"
    rotation = ("-display_rotation", str(degrees))
    await run_ffmpeg([*rotation, "-i", str(lying), "-c", "copy", str(turned)])
    luma = pictures_of(await conformed(turned, 2))[0][:64]
    halves = {
        "left": luma[:, :28], "right": luma[:, 36:], "top": luma[:28], "bottom": luma[36:]
    }  # fmt: skip
    assert [side for side, half in halves.items() if half.mean() > 200] == [bright]


@pytest.mark.parametrize(
    ("size", "shape"),
    [("63x47", (48, 64)), ("3x3", (64, 64)), ("20x2000", (64, 2)), ("2000x20", (2, 64))],
)
async def test_odd_and_extreme_sizes_fit_in_their_shape(
    make_clip: MakeClip,
    conformed: Conform,
    pictures_of: PicturesOf,
    size: str,
    shape: tuple[int, int],
) -> None:
    odd = ("-pix_fmt", "yuv444p", "-qp", "0")
    clip = await make_clip("a.mp4", f"color=white:s={size}:r=24:d=0.2", None, *odd)
    bright = pictures_of(await conformed(clip, 2))[0][:64] > 120
    assert (bright.any(axis=1).sum(), bright.any(axis=0).sum()) == shape


@pytest.mark.parametrize(("shape", "lines"), [("2/1", 32), ("1/2", 64), ("32/1", 2)])
async def test_pixels_that_are_not_square_are_made_so(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf, shape: str, lines: int
) -> None:
    clip = await make_clip("a.mp4", f"color=white:s=64x64:r=24:d=0.2,setsar={shape}")
    luma = pictures_of(await conformed(clip, 2))[0][:64]
    assert abs(int((luma[:, 32] > 110).sum()) - lines) <= 2


async def test_ten_bits_keep_their_levels(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf
) -> None:
    deep = ("-vf", "format=yuv420p10le,lutyuv=y=501:u=512:v=512", "-qp", "0")
    clip = await make_clip("a.mp4", "color=gray:s=64x64:r=24:d=0.2", None, *deep)
    with av.open(str(clip)) as media:
        assert media.streams.video[0].codec_context.pix_fmt == "yuv420p10le"
    assert pictures_of(await conformed(clip, 2))[0][:64].mean() == pytest.approx(501 / 4, abs=3)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
async def test_hdr_is_toned_down_with_its_middle_kept_and_its_lights_distinct(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf, transfer: str
) -> None:
    """A dark grey, nearly diffuse white, a light beyond it, and red: a card lit twice over."""
    boxes = ("x=16:w=16:c=0xaaaaaa", "x=32:w=16:c=0xf9f9f9", "x=48:w=16:c=0x902020")
    card = "color=0x464646:s=64x64:r=24:d=0.2,format=rgb24" + "".join(
        f",drawbox={box}:t=fill" for box in boxes
    )
    tagged = "format=gbrp,setparams=color_trc=bt709:color_primaries=bt709:colorspace=gbr:range=pc"
    bright = "zscale=t=linear,format=gbrpf32le,colorchannelmixer=rr=2:gg=2:bb=2"
    hdr = f"zscale=npl=203:p=2020:t={transfer}:m=2020_ncl:r=limited,format=yuv420p10le"
    tags = f"log-level=error:crf=5:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc"
    clip = await make_clip(
        "a.mp4",
        card,
        None,
        *("-vf", f"{tagged},{bright},{hdr}", "-c:v", "libx265", "-x265-params", tags),
    )
    shown = pictures_of(await conformed(clip, 2))[0].astype(int)
    grey, white, light = (int(shown[32, x]) for x in (8, 24, 40))
    assert grey == pytest.approx(16 + 219 * 0x46 / 255 * 2 ** (1 / 2.4), abs=3)
    assert grey + 60 < white < light - 12 < 235 - 12
    assert shown[80:].max() > 160, "red stays red"


async def test_what_is_see_through_lies_over_black(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf
) -> None:
    """Left opaque, middle half, right not there at all, all of it white."""
    alpha = "255*lt(X,20)+128*between(X,20,43)"
    for codec, pixels in (("qtrle", "argb"), ("prores_ks", "yuva444p10le"), ("png", "rgba")):
        card = f"color=white:s=64x64:r=24:d=0.2,format=rgba,geq=r=255:g=255:b=255:a='{alpha}'"
        clip = await make_clip("a.mov", card, None, "-c:v", codec, "-pix_fmt", pixels)
        line = pictures_of(await conformed(clip, 2))[0][32].astype(int)
        assert [int(line[x]) for x in (8, 32, 56)] == pytest.approx([235, 126, 16], abs=4), codec


async def test_fields_are_joined_without_combs(
    make_clip: MakeClip, conformed: Conform, pictures_of: PicturesOf
) -> None:
    bar = "color=black:s=64x64:r=48:d=1[b];color=white:s=12x64:r=48:d=1[w];[b][w]overlay=x=t*100"
    clip = await make_clip(
        "a.mp4", f"{bar},interlace=lowpass=0", None, "-flags", "+ilme+ildct", *LOSSLESS
    )
    worst = 0.0
    for name, path in (("source", clip), ("piece", await conformed(clip, 8))):
        luma = pictures_of(path)[5][:64].astype(float)
        comb = float(np.abs(luma[1:-1:2] - (luma[:-2:2] + luma[2::2]) / 2).mean())
        worst = comb if name == "source" else worst
    assert worst > 4 * comb


async def test_a_clip_that_changes_its_size_midway_is_refused(
    make_clip: MakeClip, conformed: Conform, tmp_path: Path
) -> None:
    clip = tmp_path / "a.mkv"
    with av.open(str(clip), "w") as joined:
        stream = None
        for index, size in enumerate(("64x64", "96x64")):
            part = await make_clip(f"{size}.webm", f"testsrc2=s={size}:r=24:d=0.25", None, "-b:v",
                                   "200k", "-c:v", "libvpx")  # fmt: skip
            with av.open(str(part)) as media:
                stream = stream or joined.add_stream_from_template(media.streams.video[0])
                for packet in media.demux(video=0):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts, packet.dts = packet.pts + 250 * index, packet.dts + 250 * index
                        packet.stream = stream
                        joined.mux(packet)
    with pytest.raises(BadMedia, match="changes its size or format midway"):
        await conformed(clip, 12)
    await conformed(clip, 3)


async def test_five_speakers_become_two_and_a_voice_in_the_middle_is_heard(
    make_clip: MakeClip, conformed: Conform, sound_of: SoundOf
) -> None:
    middle = "sine=f=440:r=48000:d=1,pan=5.1|FC=c0"
    for codec in ("pcm_s16le", "aac"):
        clip = await make_clip("a.mov", "testsrc2=s=64x64:r=24:d=1", middle, "-c:a", codec)
        left, right = sound_of(await conformed(clip, 24)).T
        assert np.abs(left - right).max() < 0.01
        assert np.abs(left[9_600:-9_600]).max() > 0.02


async def test_sound_of_eight_kilohertz_keeps_its_pitch_and_place(
    make_clip: MakeClip, conformed: Conform, sound_of: SoundOf
) -> None:
    clip = await make_clip(
        "a.mkv", "testsrc2=s=64x64:r=24:d=1", "sine=f=440:r=8000:d=1", "-c:a", "pcm_s16le"
    )
    sound = sound_of(await conformed(clip, 24))[:, 0]
    above = sound[4_800:-4_800] > 0
    assert int((above[1:] & ~above[:-1]).sum()) == pytest.approx(440 * 0.8, abs=2)


async def test_sixteen_channels_of_no_known_layout_do_not_stop_a_clip(
    make_clip: MakeClip, conformed: Conform
) -> None:
    many = "sine=r=48000:d=1,pan=16c|c0=c0|c9=c0"
    clip = await make_clip("a.mov", "testsrc2=s=64x64:r=24:d=1", many, "-c:a", "pcm_s16le")
    await conformed(clip, 24)
