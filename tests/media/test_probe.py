"""Media is judged by its content, never by its name."""

import io
import random
import struct
import zlib
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from filmforge.domain import Kind
from filmforge.errors import BadMedia
from filmforge.media.probe import Limits, probe, verify

MakeClip = Callable[..., Awaitable[Path]]


def _picture(path: Path, fmt: str, size: tuple[int, int] = (60, 40)) -> Path:
    Image.effect_noise(size, 80).convert("RGB").save(path, format=fmt)
    return path


@pytest.mark.parametrize(
    ("fmt", "media_type"),
    [("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp")],
)
def test_pictures_are_known_whatever_they_are_called(
    tmp_path: Path, fmt: str, media_type: str
) -> None:
    facts = verify(_picture(tmp_path / "movie.mp4", fmt), Kind.IMAGE)
    assert (facts.media_type, facts.width, facts.height) == (media_type, 60, 40)


@pytest.mark.parametrize(
    ("name", "media_type", "codecs"),
    [
        ("a.mp4", "video/mp4", ()),
        ("a.mov", "video/quicktime", ()),
        ("a.webm", "video/webm", ("-c:v", "libvpx", "-c:a", "libopus")),
    ],
)
async def test_films_are_known_with_size_rate_and_sound(
    make_clip: MakeClip, name: str, media_type: str, codecs: tuple[str, ...]
) -> None:
    clip = await make_clip(name, "testsrc2=s=160x90:r=24000/1001:d=1", "sine=r=48000:d=1", *codecs)
    facts = verify(clip.rename(clip.with_suffix(".png")), Kind.VIDEO)
    assert (facts.media_type, facts.width, facts.height) == (media_type, 160, 90)
    assert facts.fps == pytest.approx(Fraction(24000, 1001), abs=0.05)
    assert facts.duration_s == pytest.approx(1, abs=0.1)
    assert facts.sample_rate == 48_000


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.wav", "audio/wav"),
        ("a.mp3", "audio/mpeg"),
        ("a.flac", "audio/flac"),
        ("a.ogg", "audio/ogg"),
        ("a.m4a", "audio/mp4"),
        ("a.aac", "audio/aac"),
    ],
)
async def test_sound_is_known(make_clip: MakeClip, name: str, media_type: str) -> None:
    facts = verify(await make_clip(name, None, "sine=r=44100:d=2"), Kind.AUDIO)
    assert (facts.media_type, facts.sample_rate) == (media_type, 44_100)
    assert facts.duration_s == pytest.approx(2, abs=0.15)


async def test_a_song_with_a_cover_picture_is_sound(make_clip: MakeClip) -> None:
    song = await make_clip(
        "a.mp3",
        "color=red:s=64x64:d=1",
        "sine=d=1",
        "-frames:v",
        "1",
        "-c:v",
        "png",
        "-disposition:v",
        "attached_pic",
    )
    assert probe(song).kind is Kind.AUDIO


@pytest.mark.parametrize(
    "text",
    [
        '<svg xmlns="http://www.w3.org/2000/svg"/>',
        "<!doctype html><html></html>",
        "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n",
        "ffconcat version 1.0\nfile /etc/passwd\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\n",
        "",
    ],
)
def test_text_playlists_and_nothing_at_all_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_text(text)
    with pytest.raises(BadMedia, match=r"is text|is empty"):
        verify(path, Kind.VIDEO)


def test_a_playlist_dressed_as_sound_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"ID3" + b"\0" * 10 + b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    with pytest.raises(BadMedia):
        verify(path, Kind.AUDIO)


def test_the_wrong_kind_is_named(tmp_path: Path) -> None:
    path = _picture(tmp_path / "a.mp4", "PNG")
    with pytest.raises(BadMedia, match=r"is image \(image/png\); video is expected"):
        verify(path, Kind.VIDEO)


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "WEBP"])
def test_a_picture_cut_short_is_refused(tmp_path: Path, fmt: str) -> None:
    path = _picture(tmp_path / "a", fmt, (200, 200))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadMedia):
        verify(path, Kind.IMAGE)


@pytest.mark.parametrize("flags", [(), ("-movflags", "+faststart")])
@pytest.mark.parametrize("length_s", [2, 8])
async def test_a_film_cut_short_is_refused(
    make_clip: MakeClip, flags: tuple[str, ...], length_s: int
) -> None:
    clip = await make_clip("a.mp4", f"testsrc2=s=160x90:d={length_s}", None, *flags)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 7 // 10])
    with pytest.raises(BadMedia):
        verify(clip, Kind.VIDEO)


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
async def test_sound_cut_short_is_refused(make_clip: MakeClip, name: str) -> None:
    sound = await make_clip(name, None, "sine=d=3", "-movflags", "+faststart")
    sound.write_bytes(sound.read_bytes()[: sound.stat().st_size // 2])
    with pytest.raises(BadMedia, match=r"cut short|damaged"):
        verify(sound, Kind.AUDIO)


async def test_a_long_sound_is_checked_at_its_end_too(make_clip: MakeClip) -> None:
    sound = await make_clip("a.flac", None, "sine=d=9")
    limits = Limits(whole_audio_s=3)
    verify(sound, Kind.AUDIO, limits)
    sound.write_bytes(sound.read_bytes()[: sound.stat().st_size // 2])
    with pytest.raises(BadMedia):
        verify(sound, Kind.AUDIO, limits)


def _bomb(side: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_000, 11_000, 60_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_bomb(side))
    with pytest.raises(BadMedia, match="pixels"):
        verify(path, Kind.IMAGE)


async def test_bounds_on_bytes_pixels_and_time_say_what_is_allowed(make_clip: MakeClip) -> None:
    clip = await make_clip("a.mp4", "testsrc2=s=160x90:d=1")
    with pytest.raises(BadMedia, match="100 are allowed"):
        verify(clip, Kind.VIDEO, Limits(max_bytes=100))
    with pytest.raises(BadMedia, match=r"160 x 90.*10,000 are allowed"):
        verify(clip, Kind.VIDEO, Limits(max_pixels=10_000))
    with pytest.raises(BadMedia, match=r"lasts 1\.0 s"):
        verify(clip, Kind.VIDEO, Limits(max_duration_s=0.5))
    with pytest.raises(BadMedia, match="too long to decode"):
        verify(clip, Kind.VIDEO, Limits(decode_s=-1))


def test_noise_after_a_good_beginning_is_refused(tmp_path: Path) -> None:
    for index, head in enumerate(
        (
            b"RIFF\0\0\0\0WAVE",
            b"OggS",
            b"fLaC",
            b"\x1aE\xdf\xa3webm",
            b"\0\0\0\x20ftypisom",
            b"\xff\xfb\x90\0",
        )
    ):
        path = tmp_path / str(index)
        path.write_bytes(head + bytes(range(256)) * 8)
        with pytest.raises(BadMedia):
            verify(path, Kind.AUDIO)


async def test_a_codec_nobody_knows_is_refused(make_clip: MakeClip) -> None:
    clip = await make_clip("a.mp4", "testsrc2=s=96x64:d=0.2")
    clip.write_bytes(clip.read_bytes().replace(b"avc1", b"xxxx"))
    with pytest.raises(BadMedia, match="not known"):
        verify(clip, Kind.VIDEO)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.wav", "a.mp3", "a.ogg"])
async def test_damage_is_refused_or_harmless_but_never_an_accident(
    make_clip: MakeClip, name: str
) -> None:
    video = name in ("a.mp4", "a.webm")
    codec = ("-c:v", "libvpx") if name == "a.webm" else ()
    media = await make_clip(
        name, "testsrc2=s=96x64:d=0.3" if video else None, None if video else "sine=d=1", *codec
    )
    kind, whole, dice = probe(media).kind, media.read_bytes(), random.Random(7)
    refused = 0
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(40):
            damaged[dice.randrange(12, min(len(whole), 2_000))] = dice.randrange(256)
        media.write_bytes(damaged)
        try:
            verify(media, kind)
        except BadMedia:
            refused += 1
    assert refused


def test_an_animated_or_unaccepted_picture_format_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, format="GIF")
    path = tmp_path / "a.png"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(BadMedia, match="Accepted are"):
        verify(path, Kind.IMAGE)
