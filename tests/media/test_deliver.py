"""A finished film becomes the files people play, edit and share, exact to the frame."""

import asyncio
import os
import struct
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from filmforge.delivery import Deliveries, Delivery, FilmFacts, Slate
from filmforge.errors import BadInput, BadMedia, MediaToolFailed
from filmforge.media.deliver import deliver
from filmforge.media.progress import run_with_progress
from tests.media.finished import (
    BEEP_FRAME,
    FIRST_GREY,
    GREY_STEP,
    NTSC_FILM,
    NTSC_VIDEO,
    beep_s,
    listen_to,
    look_at,
    make_film,
)

FILMS = {
    # format: codec, profile, tag, pixel format, sound, ending, media type
    "h264": ("h264", "High", "avc1", "yuv420p", "aac", "mp4", "video/mp4"),
    "hevc": ("hevc", "Main", "hvc1", "yuv420p", "aac", "mp4", "video/mp4"),
    "av1": ("libdav1d", "Main", "av01", "yuv420p", "aac", "mp4", "video/mp4"),
    "vp9": ("vp9", "Profile 0", None, "yuv420p", "opus", "webm", "video/webm"),
    "prores": ("prores", "HQ", "apch", "yuv422p10le", "pcm_s24le", "mov", "video/quicktime"),
}

_PATCH = (
    "format=rgb24,drawbox=color=0xE67828:t=fill,"
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
)


def _delivery(kind: str, **more: Any) -> Delivery:
    quick = {} if kind == "prores" else {"quality": "draft"}
    return Delivery(**{"format": kind, **quick, **more})


def _boxes(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        found.append(kind)
        at += size if size > 1 else struct.unpack(">Q", data[at + 8 : at + 16])[0]
    return found


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("fps", [NTSC_FILM, NTSC_VIDEO])
@pytest.mark.parametrize("kind", FILMS)
async def test_every_format_keeps_every_frame_its_time_its_colours_and_the_sound_in_sync(
    tmp_path: Path, kind: str, fps: Fraction
) -> None:
    film = await make_film(tmp_path / "film.mp4", fps=fps, frames=40)
    codec, profile, tag, pix_fmt, sound, ending, media_type = FILMS[kind]
    (made,) = await deliver(film, _delivery(kind, name="cut"), tmp_path)
    assert (made.name, made.path, made.media_type) == (
        f"cut.{ending}",
        tmp_path / f"cut.{ending}",
        media_type,
    )
    seen = look_at(made.path)
    assert (seen.codec, seen.profile, seen.pix_fmt) == (codec, profile, pix_fmt)
    assert seen.size == (128, 72)
    assert seen.colours == (1, 1, 1, 1), "BT.709, video range"
    assert seen.fps == fps
    shown = [frame / fps for frame in range(40)]
    if ending == "webm":  # Matroska counts milliseconds
        off = [abs(is_at - at) for is_at, at in zip(seen.times, shown, strict=True)]
        assert max(off) <= Fraction(1, 2_000)
    else:
        assert seen.times == shown
        assert seen.tag == tag
        assert seen.duration == 40 / fps
        assert _boxes(made.path).index(b"moov") < _boxes(made.path).index(b"mdat")
    expected = [FIRST_GREY + GREY_STEP * frame for frame in range(40)]
    # The decoder stretches 16 to 235 over 0 to 255.
    greys = [grey * 219 / 255 + 16 for grey in seen.greys]
    assert max(abs(a - b) for a, b in zip(greys, expected, strict=True)) < GREY_STEP / 2
    heard_codec, begins, samples = listen_to(made.path)
    assert heard_codec == sound
    assert begins == 0
    assert abs(len(samples) / 48_000 - float(40 / fps)) < 1024 / 48_000
    assert beep_s(begins, samples) == pytest.approx(float(BEEP_FRAME / fps), abs=0.001)


@pytest.mark.parametrize("longer", [-3_000, 0, 3_000])
@pytest.mark.parametrize("kind", ["vp9", "prores"])
async def test_sound_that_is_encoded_again_is_exact_to_the_sample(
    tmp_path: Path, kind: str, longer: int
) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=24, longer=longer)
    (made,) = await deliver(film, _delivery(kind), tmp_path)
    _, _, samples = listen_to(made.path)
    assert len(samples) == 48_048


async def test_h264_of_the_same_size_is_copied_and_a_draft_is_not(tmp_path: Path) -> None:
    film = await make_film(
        tmp_path / "film.mp4", "noise=alls=60:all_seed=7", frames=24, sound=False
    )

    def packets(path: Path) -> list[bytes]:
        with av.open(str(path)) as media:
            return [bytes(packet) for packet in media.demux(video=0)]

    for quality in ("standard", "high"):
        (made,) = await deliver(film, Delivery(format="h264", quality=quality), tmp_path)
        assert packets(made.path) == packets(film)
    (draft,) = await deliver(film, Delivery(format="h264", quality="draft"), tmp_path)
    assert draft.path.stat().st_size < film.stat().st_size * 0.7


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        ({"aspect": "9:16"}, (72, 128)),
        ({"aspect": "1:1", "fit": "pad"}, (72, 72)),
        ({"aspect": "1:1", "width": 96, "fit": "blur"}, (96, 96)),
        ({"height": 64}, (114, 64)),
        ({"width": 160, "height": 64}, (160, 64)),
    ],
)
async def test_a_film_is_delivered_in_the_shape_that_was_asked_for(
    tmp_path: Path, wish: dict[str, Any], size: tuple[int, int]
) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    (made,) = await deliver(film, _delivery("h264", **wish), tmp_path)
    seen = look_at(made.path)
    assert (seen.size, len(seen.times)) == (size, 6)


@pytest.mark.parametrize("kind", [*FILMS, "webp", "gif"])
async def test_the_same_film_gives_the_same_bytes(tmp_path: Path, kind: str) -> None:
    film = await make_film(tmp_path / "film.mp4", "noise=alls=40:all_seed=3", frames=12)
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made += await deliver(film, _delivery(kind, aspect="1:1"), tmp_path / name)
    assert made[0].path.read_bytes() == made[1].path.read_bytes()


@pytest.mark.parametrize("kind", ["hevc", "vp9", "hls"])
async def test_a_film_without_sound_is_delivered_without(tmp_path: Path, kind: str) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6, sound=False)
    made = await deliver(film, _delivery(kind, name="mute"), tmp_path)
    if kind == "hls":
        assert "AUDIO" not in made[0].path.read_text()
        assert 'CODECS="avc1.' in made[0].path.read_text()
        return
    with av.open(str(made[0].path)) as media:
        assert len(media.streams.audio) == 0
        assert sum(1 for _ in media.decode(video=0)) == 6


@pytest.mark.parametrize("kind", ["webp", "gif"])
async def test_a_preview_of_a_long_film_shows_six_seconds_from_all_over_it(
    tmp_path: Path, kind: str
) -> None:
    # Ten seconds, ever brighter.
    film = await make_film(
        tmp_path / "film.mp4", "geq=lum='20+N':cb=128:cr=128", fps=Fraction(10), frames=200
    )
    (made,) = await deliver(film, _delivery(kind), tmp_path)
    assert made.media_type == f"image/{kind}"
    with Image.open(made.path) as preview:
        assert (preview.format, preview.size) == (kind.upper(), (128, 72))
        assert preview.info["loop"] == 0, "for ever"
        greys, lasts = [], 0
        for index in range(preview.n_frames):
            preview.seek(index)
            preview.load()
            lasts += preview.info["duration"]
            greys.append(preview.convert("L").resize((1, 1)).getpixel((0, 0)))
    assert lasts == pytest.approx(6_000, abs=100)
    first, last = ((grey - 16) * 255 / 219 for grey in (20 + 12, 20 + 188))
    assert greys == sorted(greys)
    # WebP joins frames that differ by little.
    assert greys[0] == pytest.approx(first, abs=12)
    assert greys[-1] == pytest.approx(last, abs=12)


@pytest.mark.parametrize("kind", ["webp", "gif", "poster"])
async def test_stills_and_previews_show_the_colours_of_the_film(tmp_path: Path, kind: str) -> None:
    film = await make_film(tmp_path / "film.mp4", _PATCH, frames=6)
    (made,) = await deliver(film, Delivery(format=kind), tmp_path)
    with Image.open(made.path) as picture:
        seen = picture.convert("RGB").getpixel((64, 36))
    assert isinstance(seen, tuple)
    # An orange that BT.601 would show 20 levels off; a GIF has 256 colours.
    assert max(abs(a - b) for a, b in zip(seen, (230, 120, 40), strict=True)) <= 6


async def test_a_preview_grows_smaller_until_it_fits_unless_its_size_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = await make_film(tmp_path / "film.mp4", "noise=alls=90:all_seed=1", frames=8)
    (made,) = await deliver(film, _delivery("gif"), tmp_path)
    bound = made.path.stat().st_size // 2
    monkeypatch.setattr("filmforge.media.preview.MAX_BYTES", bound)
    (made,) = await deliver(film, _delivery("gif"), tmp_path)
    assert made.path.stat().st_size <= bound
    with Image.open(made.path) as preview:
        assert 64 <= preview.width < 128
    with pytest.raises(BadInput, match=r"takes [0-9,]+ bytes.*lower quality"):
        await deliver(film, _delivery("gif", width=128, name="asked"), tmp_path)
    assert _names(tmp_path) == ["film.mp4", made.name]


async def test_what_is_no_finished_film_or_not_told_truly_is_refused(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    (webm,) = await deliver(film, _delivery("vp9"), tmp_path)
    with pytest.raises(BadMedia, match="assemble it again"):
        await deliver(webm.path, _delivery("hevc"), tmp_path)
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text("#EXTM3U\nhttp://127.0.0.1:1/a.ts\n")
    with pytest.raises(BadMedia, match="is text"):
        await deliver(playlist, _delivery("hevc"), tmp_path)
    beyond = FilmFacts(shots=(Slate(shot_id="long", start=0, frames=7),))
    with pytest.raises(BadInput, match="'long' ends at frame 7 and the film has 6"):
        await deliver(film, _delivery("hevc"), tmp_path, beyond)


@pytest.mark.parametrize("kind", [*FILMS, "hls", "gif"])
async def test_a_damaged_film_leaves_nothing_behind(tmp_path: Path, kind: str) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    data = film.read_bytes()
    start = data.index(b"mdat")
    film.write_bytes(data[:start])
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises((MediaToolFailed, BadMedia)):
        await deliver(film, _delivery(kind, aspect="1:1"), out)
    assert _names(out) == []


async def test_progress_comes_from_ffmpeg_and_ends_at_one(tmp_path: Path) -> None:
    told: list[float] = []
    source = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=24:d=8,realtime=speed=4"]
    await run_with_progress([*source, "-f", "null", "-"], Fraction(8), told.append, stall_s=1.4)
    assert told == sorted(told)
    assert told[-1] == 1
    assert any(0.1 < done < 0.9 for done in told)


async def test_the_progress_of_a_delivery_of_many_parts_never_goes_back(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", size="426x240", frames=12)
    told: list[float] = []
    await deliver(film, _delivery("hls"), tmp_path, progress=told.append)
    assert told == sorted(told)
    assert 0.5 in told, "the first of two rungs"
    assert told[-1] == 1


async def test_cancelling_kills_ffmpeg_soon_and_leaves_nothing(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", "noise=alls=90:allf=t", size="640x360", frames=96)
    out = tmp_path / "out"
    out.mkdir()
    work = asyncio.create_task(deliver(film, Delivery(format="av1", quality="high"), out))
    while not _names(out):  # noqa: ASYNC110 - what ffmpeg writes sets no event
        await asyncio.sleep(0.02)
    assert _children() == 1
    began = time.monotonic()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert time.monotonic() - began < 5
    assert _children() == 0
    assert _names(out) == []


def _children() -> int:
    return sum("ffmpeg" in child.name() for child in psutil.Process().children())


async def test_ffmpeg_that_gets_no_further_is_killed_and_one_that_fails_is_quoted(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    raw = ["-f", "rawvideo", "-s", "64x64", "-i", f"file:{pipe}", "-f", "null", "-"]
    with pytest.raises(MediaToolFailed, match="no further"):
        await run_with_progress(raw, Fraction(1), stall_s=0.3)
    assert _children() == 0
    with pytest.raises(MediaToolFailed, match="No such file"):
        await run_with_progress(["-i", str(tmp_path / "none")], Fraction(1))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"format": "prores", "quality": "high"}, "in one way only. Leave quality out"),
        ({"format": "storyboard", "aspect": "1:1"}, "A4 pages. Leave aspect out"),
        ({"format": "contact_sheet", "height": 400}, "Leave height out"),
        ({"format": "h264", "frame": 3}, "posters only. Leave frame out"),
        ({"format": "poster", "quality": "draft"}, "one still picture. Leave quality out"),
        ({"format": "h264", "fit": "blur"}, "nothing to fit. Give an aspect"),
        ({"format": "h264", "aspect": "1:1", "width": 640, "height": 480}, "is not 1:1. Give one"),
        ({"format": "h264", "width": 63}, "greater than or equal to 64"),
        ({"format": "h264", "name": "../up"}, "pattern"),
        ({"format": "mpeg2"}, "'h264'"),
        ({"format": "h264", "bitrate": 5}, "bitrate"),
    ],
)
def test_what_cannot_go_together_is_refused_with_a_remedy(wish: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Delivery.model_validate(wish)
    assert said in str(refused.value)


def test_several_deliveries_have_names_of_their_own() -> None:
    several: TypeAdapter[tuple[Delivery, ...]] = TypeAdapter(Deliveries)
    wishes = [
        {"format": "h264"},
        {"format": "h264", "aspect": "9:16", "fit": "blur", "width": 720},
        {"format": "poster", "frame": 12, "picture": "png"},
        {"format": "contact_sheet"},
    ]
    accepted = several.validate_python(wishes)
    assert [each.stem for each in accepted] == [
        "h264",
        "h264-9x16-blur-w720",
        "poster-frame12-png",
        "contact-sheet",
    ]
    stored = several.dump_python(accepted, mode="json")
    assert several.validate_python(stored) == accepted, "what was stored is read again"
    for clash in ({"format": "h264"}, {"format": "hls", "name": "H264"}):
        with pytest.raises(ValidationError, match=r"deliveries\[1\].*another name"):
            several.validate_python([wishes[0], clash])
    with pytest.raises(ValidationError, match="20"):
        several.validate_python([{"format": "gif", "name": f"n{n}"} for n in range(21)])
