"""An HLS ladder (RFC 8216): the film in several sizes, cut into segments a player picks from."""

import asyncio
import re
import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from filmforge.delivery import Delivery, FilmFacts, Quality
from filmforge.errors import MediaToolFailed
from filmforge.media.master import Delivered, Master
from filmforge.media.picture import BITEXACT
from filmforge.media.progress import Progress, part, run_with_progress
from filmforge.media.reframe import Size, delivered_size, even, focus_of, reframed
from filmforge.media.sniff import input_arguments, open_media

_GOP_S = 2
_GOPS_A_SEGMENT = 3
_MOST_RUNGS = 5
# A rung much like the one above it helps no player.
_STEP = Fraction(9, 10)
_SHORT_SIDES = (2160, 1440, 1080, 720, 480, 360, 240, 144)
_LEAST_BITS_S = 150_000
_MEDIA_TYPES = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
}


class _Level(NamedTuple):
    """How a quality is encoded; `bits` bounds the rate, in bits for each pixel of each frame."""

    preset: str
    crf: int
    bits: float


_LEVELS: dict[Quality, _Level] = {
    "draft": _Level("veryfast", 28, 0.08),
    "standard": _Level("medium", 21, 0.12),
    "high": _Level("slow", 18, 0.2),
}


class Segment(NamedTuple):
    """One file of a playlist, how many seconds it plays and how many bytes it has."""

    name: str
    seconds: Fraction
    size: int


async def make_ladder(
    master: Master,
    delivery: Delivery,
    folder: Path,
    facts: FilmFacts,
    progress: Progress | None = None,
) -> list[Delivered]:
    """Write a folder of playlists and fragmented MP4 segments; master.m3u8 comes first.

    The sizes go down from the delivered one. Key frames stand at the same frames in all of them,
    every 2 s, and segments are three times as long. The sound is one AAC stream that all share,
    copied. Raises BadInput and MediaToolFailed; then nothing is left behind.
    """
    rungs = ladder(delivered_size(delivery, master.size))
    partial, final = folder / f"{delivery.stem}.part", folder / delivery.stem
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        for index, size in enumerate(rungs):
            heard = part(progress, index, len(rungs))
            await run_with_progress(
                _picture(master, delivery, size, facts, partial), master.duration_s, heard
            )
        if master.has_sound:
            await run_with_progress(_sound(master, partial), master.duration_s)
        await asyncio.to_thread(_write_master, master, rungs, partial)
        shutil.rmtree(final, ignore_errors=True)
        partial.rename(final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    names = sorted(path.name for path in final.iterdir())
    names.sort(key=lambda name: name != "master.m3u8")
    return [
        Delivered(f"{final.name}/{name}", final / name, _MEDIA_TYPES[Path(name).suffix])
        for name in names
    ]


def ladder(top: Size) -> list[Size]:
    """The sizes of the rungs, largest first: the top and the usual sizes below it, at most 5."""
    short = min(top)
    below = [side for side in _SHORT_SIDES if side < short * _STEP][: _MOST_RUNGS - 1]
    return [top, *(_shortened(top, side) for side in below)]


def segment_frames(fps: Fraction) -> int:
    """How many frames every segment but the last has."""
    return _gop_frames(fps) * _GOPS_A_SEGMENT


def read_segments(playlist: Path) -> list[Segment]:
    """The segments that a media playlist names. Raises MediaToolFailed when there are none."""
    text = playlist.read_text(encoding="utf-8")
    found = re.findall(r"^#EXTINF:([0-9.]+),.*\n([^#\n]+)$", text, re.MULTILINE)
    if not found:
        raise MediaToolFailed(f"ffmpeg wrote no segments into {playlist.name}")
    return [
        Segment(name, Fraction(seconds), (playlist.parent / name).stat().st_size)
        for seconds, name in found
    ]


def bit_rates(segments: Sequence[Segment]) -> tuple[int, int]:
    """The peak and the average rate in bits a second, rounded up.

    RFC 8216, 4.3.4.2: the peak is over any run of segments that together last between half and
    one and a half of the target duration, the longest segment rounded.
    """
    target = max(1, round(max(segment.seconds for segment in segments)))
    rates = []
    for start in range(len(segments)):
        size, seconds = 0, Fraction(0)
        for segment in segments[start:]:
            size, seconds = size + segment.size, seconds + segment.seconds
            if seconds * 2 > target * 3:
                break
            if seconds * 2 >= target:
                rates.append(size * 8 / seconds)
    average = _rate(segments)
    return _up(max(rates, default=average)), _up(average)


def _rate(segments: Sequence[Segment]) -> Fraction:
    return Fraction(sum(each.size for each in segments) * 8) / sum(
        each.seconds for each in segments
    )


def _up(rate: Fraction) -> int:
    return -int(-rate // 1)


def _shortened(top: Size, side: int) -> Size:
    scale = Fraction(side, min(top))
    return Size(even(top.width * scale), even(top.height * scale))


def _name(size: Size) -> str:
    return f"{min(size)}p"


def _gop_frames(fps: Fraction) -> int:
    return round(fps * _GOP_S)


def _picture(
    master: Master, delivery: Delivery, size: Size, facts: FilmFacts, folder: Path
) -> list[str]:
    level = _LEVELS[delivery.quality]
    graph = reframed(master.size, size, delivery.fit, focus_of(facts))
    gop = str(_gop_frames(master.fps))
    bits_s = max(_LEAST_BITS_S, round(size.width * size.height * master.fps * level.bits))
    return [
        *input_arguments(master.path),
        *("-filter_complex", f"[0:v:0]{graph}[picture]", "-map", "[picture]"),
        *("-c:v", "libx264", "-profile:v", "high", "-threads", "4"),
        *("-preset", level.preset, "-crf", str(level.crf)),
        *("-maxrate", str(bits_s), "-bufsize", str(bits_s * 2)),
        *("-g", gop, "-keyint_min", gop, "-x264-params", "scenecut=0:open-gop=0"),
        *("-fps_mode", "passthrough"),
        *_segmented(_name(size), master.fps, folder),
    ]


def _sound(master: Master, folder: Path) -> list[str]:
    return [
        *(*input_arguments(master.path), "-map", "0:a:0", "-c:a", "copy"),
        *_segmented("sound", master.fps, folder),
    ]


def _segmented(name: str, fps: Fraction, folder: Path) -> list[str]:
    # Rounded down, so that hundreds of roundings never put a cut behind its key frame.
    microseconds = int(segment_frames(fps) / fps * 1_000_000)
    return [
        *(*BITEXACT, "-map_chapters", "-1"),
        # Encoder delay goes into an edit list; else picture and sound would be moved apart.
        *("-avoid_negative_ts", "disabled"),
        *("-f", "hls", "-hls_time", f"{microseconds}us", "-hls_playlist_type", "vod"),
        *("-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", f"{name}-init.mp4"),
        *("-hls_flags", "independent_segments"),
        *("-hls_segment_filename", f"file:{folder}/{name}-%05d.m4s", f"file:{folder}/{name}.m3u8"),
    ]


def _write_master(master: Master, rungs: Sequence[Size], folder: Path) -> None:
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    peak, average, codecs, group = 0, 0, "", ""
    if master.has_sound:
        peak, average = bit_rates(read_segments(folder / "sound.m3u8"))
        codecs, group = ",mp4a.40.2", ',AUDIO="sound"'
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            'CHANNELS="2",URI="sound.m3u8"'
        )
    for size in rungs:
        playlist = folder / f"{_name(size)}.m3u8"
        rates = bit_rates(read_segments(playlist))
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={rates[0] + peak},AVERAGE-BANDWIDTH={rates[1] + average}"
            f',CODECS="{_avc_codec(folder / f"{_name(size)}-init.mp4")}{codecs}"'
            f",RESOLUTION={size.width}x{size.height},FRAME-RATE={float(master.fps):.3f}{group}",
            playlist.name,
        ]
    (folder / "master.m3u8").write_text("\n".join([*lines, ""]), encoding="utf-8")


def _avc_codec(init: Path) -> str:
    """RFC 6381: profile, constraints and level, which follow the version in the avcC box."""
    with open_media(init) as media:
        header = media.streams.video[0].codec_context.extradata
    if not header:
        raise MediaToolFailed(f"ffmpeg wrote no codec configuration into {init.name}")
    return f"avc1.{header[1:4].hex()}"
