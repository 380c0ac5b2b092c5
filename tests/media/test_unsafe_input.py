"""What is damaged or means harm is conformed or refused with a reason; no other file is read."""

import contextlib
import struct
import zlib
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from filmforge.domain import Kind
from filmforge.errors import BadMedia
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.probe import verify
from filmforge.media.sniff import input_arguments, open_media

MakeClip = Callable[..., Awaitable[Path]]
Conform = Callable[..., Awaitable[Path]]

_SMALL = ConformSpec(width=64, height=64, fps=Fraction(24), frames=12)


@pytest.mark.parametrize(
    "name", ["a.txt", "a.png", "clip%03d.mp4", "-y.mp4", "concat:a|b", "a b'c"]
)
async def test_a_name_means_nothing(make_clip: MakeClip, conformed: Conform, name: str) -> None:
    clip = await make_clip("a.mp4", "testsrc2=s=64x64:r=24:d=0.5")
    await conformed(clip.rename(clip.with_name(name)))


HEADS = [
    b"",
    b"ID3\4",
    b"OggS",
    b"\x1aE\xdf\xa3webm",
    b"\0\0\0\x14ftypqt  ",
    b"RIFF\0\0\0\0WAVE",
    b"\xff\xfb\x90\0",
    b"\x89PNG\r\n\x1a\n",
]


@pytest.mark.parametrize("head", HEADS)
async def test_a_list_of_other_files_is_refused_whatever_it_begins_with(
    make_clip: MakeClip, tmp_path: Path, head: bytes
) -> None:
    await make_clip("secret.ts", "testsrc2=s=64x64:r=24:d=0.5", "sine=d=1")
    secret = tmp_path / "secret.ts"
    for text in (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{secret}'\n",
        f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{secret}"/></svg>',
        f'<?xml version="1.0"?><MPD><BaseURL>{secret}</BaseURL></MPD>',
        f"v=0\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=control:{secret}\n",
    ):
        for name in ("a.mp4", "a.m3u8", "a%d.ts"):
            path = tmp_path / name
            path.write_bytes(head + text.encode() * 4)
            with pytest.raises(BadMedia):
                verify(path, Kind.VIDEO)
            with pytest.raises(BadMedia):
                await conform(path, tmp_path / "piece.mov", _SMALL)


def test_ffmpeg_is_told_to_open_one_file_as_one_format(tmp_path: Path) -> None:
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"\0\0\0\x14ftypqt  " + bytes(64))
    given = input_arguments(clip)
    told = dict(zip(given[::2], given[1::2], strict=True))
    assert told["-protocol_whitelist"] == "file"
    assert told["-format_whitelist"] == told["-f"] == "mov"
    assert told["-enable_drefs"] == told["-use_absolute_path"] == "0"
    assert int(told["-max_pixels"]) == 64_000_000


def _pointing_at(whole: bytes, name: str) -> bytes:
    """A QuickTime film without pictures of its own, which says they are in a file beside it."""
    path = f"/x/{name}".encode()
    path += b"\0" * (len(path) % 2)
    alias = b"\0" * 10 + b"\1x".ljust(28, b"\0") + b"\0" * 12 + b"\1a".ljust(64, b"\0") + bytes(16)
    alias += struct.pack(">HH", 1, 1) + bytes(16) + struct.pack(">HH", 2, len(path)) + path
    alias += struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", len(alias) + 12, b"alis", 0) + alias
    at = whole.index(b"dref") - 4
    old = struct.unpack_from(">I", whole, at)[0]
    new = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    film = bytearray(whole)
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = whole.rindex(box, 0, at) - 4
        size = struct.unpack_from(">I", whole, place)[0]
        struct.pack_into(">I", film, place, size + len(new) - old)
    start = whole.index(b"mdat") + 4
    length = struct.unpack_from(">I", whole, start - 8)[0] - 8
    film[start : start + length] = bytes(length)
    return bytes(film[:at]) + new + bytes(film[at + old :])


async def test_a_film_that_points_into_another_file_gets_nothing_of_it(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    secret = await make_clip("secret.mov", "color=white:s=64x64:r=24:d=0.5", None, "-c:v", "mjpeg")
    clip = tmp_path / "a.mov"
    clip.write_bytes(_pointing_at(secret.read_bytes(), "secret.mov"))
    with av.open(str(clip), container_options={"enable_drefs": "1"}) as media:
        assert next(media.decode(video=0)).to_ndarray(format="gray").min() > 200, "the trap works"
    with pytest.raises(BadMedia):
        verify(clip, Kind.VIDEO)
    with pytest.raises(BadMedia):
        await conform(clip, tmp_path / "piece.mov", _SMALL)


async def test_a_picture_far_too_large_is_refused_before_it_is_decoded(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = await make_clip("a.mkv", "color=s=64x64:r=24:d=0.2", None, "-c:v", "png")
    whole = clip.read_bytes()
    at = whole.index(b"IHDR")
    head = b"IHDR" + struct.pack(">II", 9_000, 8_000) + whole[at + 12 : at + 17]
    huge = head + struct.pack(">I", zlib.crc32(head))
    clip.write_bytes(whole.replace(whole[at : at + 21], huge))
    with pytest.raises(BadMedia):
        await conform(clip, tmp_path / "piece.mov", _SMALL)


async def test_a_declared_size_beyond_bounds_is_named(make_clip: MakeClip, tmp_path: Path) -> None:
    wide = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-frames:v", "1")
    clip = await make_clip("a.mp4", "color=s=16000x4400:r=1:d=1", None, *wide)
    with pytest.raises(BadMedia, match=r"16000 x 4400.*64,000,000"):
        verify(clip, Kind.VIDEO)
    with pytest.raises(BadMedia, match=r"16000 x 4400; 64,000,000 pixels are allowed"):
        await conform(clip, tmp_path / "piece.mov", _SMALL)
    with open_media(clip) as media, pytest.raises(av.FFmpegError):
        next(media.decode(video=0))


async def test_two_frames_days_apart_are_refused_and_never_filled_in(
    make_clip: MakeClip, conformed: Conform
) -> None:
    apart = ("-vf", "setpts='if(N,500000/TB,0)'", "-fps_mode", "passthrough")
    clip = await make_clip("a.mkv", "testsrc2=s=64x64:r=1:d=2", None, *apart)
    with pytest.raises(BadMedia, match="600 s are allowed"):
        verify(clip, Kind.VIDEO)
    await conformed(clip)


async def test_damage_is_refused_or_conformed_to_the_frame(
    make_clip: MakeClip, conformed: Conform
) -> None:
    clip = await make_clip("a.mp4", "testsrc2=s=160x90:r=24:d=1", None, "-g", "4")
    whole = clip.read_bytes()
    end = whole.index(b"moov")
    said = []
    for step in (31, 101, 1_009):
        broken = bytearray(whole)
        for at in range(whole.index(b"mdat") + 3_000, end - 3_000, step):
            broken[at] ^= 0x5A
        clip.write_bytes(broken)
        try:
            verify(clip, Kind.VIDEO)
        except BadMedia as refused:
            said.append(str(refused))
        with contextlib.suppress(BadMedia):
            await conformed(clip, 24)
    assert any("of 24 frames cannot be decoded whole" in words for words in said)


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.mkv"])
async def test_a_short_clip_cut_short_is_refused(make_clip: MakeClip, name: str) -> None:
    codec = ("-c:v", "libvpx", "-b:v", "500k") if name == "a.webm" else ()
    fast = ("-movflags", "+faststart") if name == "a.mp4" else ()
    clip = await make_clip(name, "testsrc2=s=160x90:r=24:d=1", None, *codec, *fast)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 6 // 10])
    with pytest.raises(BadMedia):
        verify(clip, Kind.VIDEO)


async def test_nothing_at_all_and_sound_alone_are_refused(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    empty = tmp_path / "a.mp4"
    empty.touch()
    with pytest.raises(BadMedia, match="is empty"):
        await conform(empty, tmp_path / "piece.mov", _SMALL)
    sound = await make_clip("b.mp4", None, "sine=d=1")
    with pytest.raises(BadMedia, match="no picture"):
        await conform(sound, tmp_path / "piece.mov", _SMALL)
