"""An HLS ladder: every segment decodes, as long as its playlist says, at the same frames."""

import asyncio
import re
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from filmforge.delivery import Delivery
from filmforge.media.deliver import deliver
from filmforge.media.hls import Segment, bit_rates, ladder, read_segments, segment_frames
from filmforge.media.master import Delivered
from filmforge.media.reframe import Size
from tests.media.finished import BEEP_FRAME, NTSC_FILM, beep_s, listen_to, make_film

_FRAMES = 300
_RUNGS = [(426, 240), (256, 144)]


@pytest.fixture(scope="module")
def ladder_made(tmp_path_factory: pytest.TempPathFactory) -> list[Delivered]:
    return asyncio.run(_make_ladder(tmp_path_factory.mktemp("ladder")))


async def _make_ladder(folder: Path) -> list[Delivered]:
    moving = "noise=alls=30:allf=t:all_seed=5"
    film = await make_film(folder / "film.mp4", moving, size="426x240", frames=_FRAMES)
    return await deliver(film, Delivery(format="hls", quality="draft", name="stream"), folder)


def _streams(master: Path) -> list[dict[str, str]]:
    found = re.findall(r"^#EXT-X-STREAM-INF:(.*)\n(.*)$", master.read_text(), re.MULTILINE)
    attribute = re.compile(r'([A-Z-]+)=("[^"]*"|[^,]*)')
    return [{**dict(attribute.findall(line)), "URI": uri} for line, uri in found]


def _joined(folder: Path, name: str, segments: list[str], path: Path) -> Path:
    path.write_bytes(
        b"".join((folder / part).read_bytes() for part in [f"{name}-init.mp4", *segments])
    )
    return path


def test_the_folder_holds_what_its_playlists_name_and_no_more(
    ladder_made: list[Delivered],
) -> None:
    folder = ladder_made[0].path.parent
    assert ladder_made[0].name == "stream/master.m3u8"
    assert {made.name for made in ladder_made} == {f"stream/{p.name}" for p in folder.iterdir()}
    named = {"master.m3u8"}
    for stem in ("240p", "144p", "sound"):
        text = (folder / f"{stem}.m3u8").read_text()
        named |= {f"{stem}.m3u8", *re.findall(r"^[^#\n].*$", text, re.MULTILINE)}
        named |= set(re.findall(r'URI="(.*)"', text))
        assert "/" not in text
        assert text.startswith("#EXTM3U\n")
        assert text.rstrip().endswith("#EXT-X-ENDLIST")
    assert named == {path.name for path in folder.iterdir()}
    types = {Path(made.name).suffix: made.media_type for made in ladder_made}
    assert types == {
        ".m3u8": "application/vnd.apple.mpegurl",
        ".m4s": "video/iso.segment",
        ".mp4": "video/mp4",
    }


def test_the_master_playlist_tells_the_truth_of_each_rung(ladder_made: list[Delivered]) -> None:
    folder = ladder_made[0].path.parent
    streams = _streams(ladder_made[0].path)
    assert [stream["RESOLUTION"] for stream in streams] == [f"{w}x{h}" for w, h in _RUNGS]
    sound = read_segments(folder / "sound.m3u8")
    for stream, size in zip(streams, _RUNGS, strict=True):
        assert stream["FRAME-RATE"] == "23.976"
        assert stream["AUDIO"] == '"sound"'
        with av.open(str(folder / stream["URI"].replace(".m3u8", "-init.mp4"))) as media:
            context = media.streams.video[0].codec_context
            assert (context.width, context.height) == size
            header = bytes(context.extradata or b"")
        assert stream["CODECS"] == f'"avc1.{header[1:4].hex()},mp4a.40.2"'
        assert header[1] == 100, "High"
        segments = read_segments(folder / stream["URI"])
        whole = [each for each in segments if each.seconds > 3]
        peak = max(each.size * 8 / each.seconds for each in whole)
        peak_sound = max(each.size * 8 / each.seconds for each in sound if each.seconds > 3)
        assert int(stream["BANDWIDTH"]) >= int(peak) + int(peak_sound)
        average = sum(each.size for each in [*segments, *sound]) * 8 / (_FRAMES / NTSC_FILM)
        assert int(stream["AVERAGE-BANDWIDTH"]) == pytest.approx(float(average), rel=0.01)
        assert int(stream["BANDWIDTH"]) >= int(stream["AVERAGE-BANDWIDTH"])


def test_every_segment_begins_with_a_key_frame_and_lasts_as_long_as_it_says(
    ladder_made: list[Delivered], tmp_path: Path
) -> None:
    folder = ladder_made[0].path.parent
    each = segment_frames(NTSC_FILM)
    assert each == 144
    for stem, (width, height) in (("240p", _RUNGS[0]), ("144p", _RUNGS[1])):
        segments = read_segments(folder / f"{stem}.m3u8")
        assert [segment.seconds for segment in segments] == [
            Fraction("6.006"),
            Fraction("6.006"),
            Fraction("0.5005"),
        ]
        first = 0
        for segment, frames in zip(segments, (each, each, 12), strict=True):
            alone = _joined(folder, stem, [segment.name], tmp_path / "segment.mp4")
            with av.open(str(alone)) as media:
                packets = [packet for packet in media.demux(video=0) if packet.size]
            assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == list(
                range(0, frames, 48)
            )
            with av.open(str(alone)) as media:
                shown = list(media.decode(video=0))
            assert {(frame.width, frame.height) for frame in shown} == {(width, height)}
            times = [(frame.pts or 0) * Fraction(frame.time_base or 1) for frame in shown]
            assert times == [(first + n) / NTSC_FILM for n in range(frames)]
            first += frames
        assert first == _FRAMES


def test_the_shared_sound_is_in_sync_with_the_picture(
    ladder_made: list[Delivered], tmp_path: Path
) -> None:
    folder = ladder_made[0].path.parent
    segments = [segment.name for segment in read_segments(folder / "sound.m3u8")]
    codec, begins, samples = listen_to(_joined(folder, "sound", segments, tmp_path / "sound.mp4"))
    assert (codec, begins) == ("aac", 0)
    assert beep_s(begins, samples) == pytest.approx(float(BEEP_FRAME / NTSC_FILM), abs=0.001)
    assert abs(len(samples) / 48_000 - float(_FRAMES / NTSC_FILM)) < 1024 / 48_000
    assert np.abs(samples[-48_000:]).max() > 0.3


def test_rungs_go_down_from_the_delivered_size_and_never_above_it() -> None:
    assert ladder(Size(1920, 1080)) == [
        Size(1920, 1080),
        Size(1280, 720),
        Size(854, 480),
        Size(640, 360),
        Size(426, 240),
    ]
    assert ladder(Size(720, 1280))[:2] == [Size(720, 1280), Size(480, 854)]
    assert ladder(Size(128, 72)) == [Size(128, 72)]
    assert ladder(Size(800, 500))[1] == Size(576, 360), "480 is too much like 500"


def _segments(*each: tuple[str, int]) -> list[Segment]:
    return [Segment(f"{n}", Fraction(seconds), size) for n, (seconds, size) in enumerate(each)]


@pytest.mark.parametrize(
    ("segments", "peak", "average"),
    [
        (_segments(("6", 6_000), ("6", 12_000)), 16_000, 12_000),
        (_segments(("6", 6_000), ("0.5", 6_000)), 14_770, 14_770),
        (_segments(("0.2", 1_000)), 40_000, 40_000),
    ],
)
def test_the_peak_is_over_runs_of_about_one_segment(
    segments: list[Segment], peak: int, average: int
) -> None:
    assert bit_rates(segments) == (peak, average)


async def test_the_same_film_gives_the_same_ladder(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=12)
    contents: list[dict[str, bytes]] = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made = await deliver(film, Delivery(format="hls", quality="draft"), tmp_path / name)
        contents.append({each.name: each.path.read_bytes() for each in made})
    assert contents[0] == contents[1]


async def test_made_again_the_folder_is_replaced(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=12)
    stale = tmp_path / "hls-draft" / "stale.m4s"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    made = await deliver(film, Delivery(format="hls", quality="draft"), tmp_path)
    assert "hls-draft/stale.m4s" not in {each.name for each in made}
    assert not stale.exists()
