"""Make a finished film into what people play, stream, edit, send and print."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from filmforge.delivery import Delivery, FilmFacts, Quality
from filmforge.media.hls import make_ladder
from filmforge.media.master import Delivered, Master, check_facts, read_master
from filmforge.media.picture import BITEXACT, timescale
from filmforge.media.preview import make_preview
from filmforge.media.progress import Progress, run_with_progress
from filmforge.media.reframe import Size, delivered_size, focus_of, reframed
from filmforge.media.sample_clock import SAMPLE_RATE
from filmforge.media.sniff import input_arguments
from filmforge.media.stills import make_contact_sheet, make_poster
from filmforge.media.storyboard import make_storyboard

_KEY_FRAME_EVERY_S = 4


class _Codec(NamedTuple):
    """How a film is written in one format; `qualities` are the encoder's arguments for each."""

    suffix: str
    media_type: str
    muxer: tuple[str, ...]
    picture: tuple[str, ...]
    qualities: dict[Quality, tuple[str, ...]]
    sound: tuple[str, ...]


_MP4 = ("-movflags", "+faststart", "-f", "mp4")
_COPIED = ("-c:a", "copy")

# The number of frame threads is part of what x264 and x265 write, so it is not left to the
# machine; SVT-AV1 writes the same with any number, libvpx without row-mt.
_CODECS: dict[str, _Codec] = {
    "h264": _Codec(
        suffix="mp4",
        media_type="video/mp4",
        muxer=_MP4,
        picture=("-c:v", "libx264", "-profile:v", "high", "-threads", "4"),
        qualities={
            "draft": ("-preset", "veryfast", "-crf", "28"),
            "standard": ("-preset", "medium", "-crf", "19"),
            "high": ("-preset", "slow", "-crf", "16"),
        },
        sound=_COPIED,
    ),
    "hevc": _Codec(
        suffix="mp4",
        media_type="video/mp4",
        muxer=("-tag:v", "hvc1", *_MP4),
        picture=(
            *("-c:v", "libx265", "-profile:v", "main"),
            *("-x265-params", "log-level=error:info=0:open-gop=0:frame-threads=2"),
        ),
        qualities={
            "draft": ("-preset", "ultrafast", "-crf", "30"),
            "standard": ("-preset", "fast", "-crf", "22"),
            "high": ("-preset", "slow", "-crf", "18"),
        },
        sound=_COPIED,
    ),
    "av1": _Codec(
        suffix="mp4",
        media_type="video/mp4",
        muxer=_MP4,
        picture=("-c:v", "libsvtav1"),
        qualities={
            "draft": ("-preset", "12", "-crf", "45"),
            "standard": ("-preset", "8", "-crf", "30"),
            "high": ("-preset", "5", "-crf", "22"),
        },
        sound=_COPIED,
    ),
    "vp9": _Codec(
        suffix="webm",
        media_type="video/webm",
        muxer=("-f", "webm"),
        picture=(
            *("-c:v", "libvpx-vp9", "-profile:v", "0", "-b:v", "0"),
            *("-tile-columns", "2", "-threads", "4"),
        ),
        qualities={
            "draft": ("-deadline", "realtime", "-cpu-used", "8", "-crf", "42"),
            "standard": ("-deadline", "good", "-cpu-used", "4", "-crf", "31"),
            "high": ("-deadline", "good", "-cpu-used", "2", "-crf", "22"),
        },
        sound=("-c:a", "libopus", "-b:a", "160k"),
    ),
    "prores": _Codec(
        suffix="mov",
        media_type="video/quicktime",
        muxer=("-movflags", "+faststart", "-f", "mov"),
        picture=("-c:v", "prores_ks", "-profile:v", "hq", "-vendor", "apl0"),
        qualities={"standard": ()},
        sound=("-c:a", "pcm_s24le"),
    ),
}


async def deliver(
    film: Path,
    delivery: Delivery,
    folder: Path,
    facts: FilmFacts | None = None,
    *,
    fonts: Sequence[Path] = (),
    progress: Progress | None = None,
) -> list[Delivered]:
    """Make one delivery of a film in `folder`; the file to open comes first in the list.

    Names are the delivery's stem with an ending, or, for many files, a folder of that name.
    `facts` place the shots; `fonts`, in order of preference, are for storyboards. The same
    film, delivery, facts and fonts give the same bytes. Raises BadInput, BadMedia and
    MediaToolFailed; then, and when cancelled, nothing of the delivery is left in `folder`.
    """
    facts = facts or FilmFacts()
    master = await asyncio.to_thread(read_master, film)
    check_facts(facts, master)
    match delivery.format:
        case "hls":
            return await make_ladder(master, delivery, folder, facts, progress)
        case "webp" | "gif":
            return await make_preview(master, delivery, folder, facts, progress)
        case "poster":
            return await make_poster(master, delivery, folder, facts)
        case "contact_sheet":
            return await make_contact_sheet(master, delivery, folder, facts)
        case "storyboard":
            return await make_storyboard(master, delivery, folder, facts, fonts)
    return await _make_film(master, delivery, folder, facts, progress)


async def _make_film(
    master: Master,
    delivery: Delivery,
    folder: Path,
    facts: FilmFacts,
    progress: Progress | None,
) -> list[Delivered]:
    codec = _CODECS[delivery.format]
    size = delivered_size(delivery, master.size)
    name = f"{delivery.stem}.{codec.suffix}"
    partial, path = folder / f"{name}.part", folder / name
    # What was encoded once already can only lose by being encoded again.
    copied = delivery.format == "h264" and size == master.size and delivery.quality != "draft"
    arguments = (
        ["-map", "0:v:0", "-c:v", "copy"]
        if copied
        else _encoded(master, delivery, size, facts, codec)
    )
    try:
        await run_with_progress(
            [
                *input_arguments(master.path),
                *arguments,
                *_sound(master, codec),
                *BITEXACT,
                *("-map_chapters", "-1", *codec.muxer, f"file:{partial}"),
            ],
            master.duration_s,
            progress,
        )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return [Delivered(name, path, codec.media_type)]


def _encoded(
    master: Master, delivery: Delivery, size: Size, facts: FilmFacts, codec: _Codec
) -> list[str]:
    deep = ",format=yuv422p10le" if delivery.format == "prores" else ""
    graph = reframed(master.size, size, delivery.fit, focus_of(facts))
    return [
        *("-filter_complex", f"[0:v:0]{graph}{deep}[picture]", "-map", "[picture]"),
        *(*codec.picture, *codec.qualities[delivery.quality]),
        *("-g", str(round(master.fps * _KEY_FRAME_EVERY_S)), "-fps_mode", "passthrough"),
        *("-video_track_timescale", str(timescale(master.fps))),
    ]


def _sound(master: Master, codec: _Codec) -> list[str]:
    if not master.has_sound:
        return ["-an"]
    if codec.sound == _COPIED:
        return ["-map", "0:a:0", *_COPIED]
    # AAC comes in blocks of 1,024, so its last one says more than the film lasts.
    exact = f"aresample={SAMPLE_RATE},apad=whole_len={master.samples}"
    return [
        *("-map", "0:a:0", "-af", f"{exact},atrim=end_sample={master.samples}"),
        *codec.sound,
    ]
