"""A small moving picture of the film, for pages and chats that play no video."""

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from filmforge.delivery import Delivery, FilmFacts, Quality
from filmforge.errors import BadInput
from filmforge.media.master import Delivered, Master
from filmforge.media.picture import BITEXACT
from filmforge.media.progress import Progress, run_with_progress
from filmforge.media.reframe import Size, delivered_size, even, focus_of, reframed, seen_from
from filmforge.media.sniff import input_arguments

MAX_BYTES = 5_000_000
_EXCERPTS = 6
_SECONDS = 6
_LEAST_SIDE = 64


class _Level(NamedTuple):
    """`side` is the longer one in pixels; rates are whole centiseconds a frame, as GIF counts."""

    side: int
    fps: Fraction
    webp_quality: int


_LEVELS: dict[Quality, _Level] = {
    "draft": _Level(240, Fraction(10), 50),
    "standard": _Level(480, Fraction(25, 2), 65),
    "high": _Level(640, Fraction(50, 3), 80),
}


async def make_preview(
    master: Master,
    delivery: Delivery,
    folder: Path,
    facts: FilmFacts,
    progress: Progress | None = None,
) -> list[Delivered]:
    """Write an animated WebP or GIF that plays for ever, of at most 5 MB.

    A film of up to 6 s is shown whole, of a longer one six seconds from all over it. Without a
    size the picture becomes as small as the bound asks. Raises BadInput when the size that was
    asked for can't keep the bound, MediaToolFailed; then nothing is left behind.
    """
    level = _LEVELS[delivery.quality]
    size = _size(delivery, master, level)
    name = f"{delivery.stem}.{delivery.format}"
    partial, path = folder / f"{name}.part", folder / name
    try:
        while True:
            arguments = _arguments(master, delivery, size, level, facts)
            await run_with_progress(
                [*arguments, f"file:{partial}"],
                min(master.duration_s, Fraction(_SECONDS)),
                progress,
            )
            if (written := partial.stat().st_size) <= MAX_BYTES:
                break
            size = _smaller(delivery, size, written)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return [Delivered(name, path, f"image/{delivery.format}")]


def _size(delivery: Delivery, master: Master, level: _Level) -> Size:
    size = delivered_size(delivery, master.size)
    if delivery.width or delivery.height or max(size) <= level.side:
        return size
    return _scaled(size, Fraction(level.side, max(size)))


def _scaled(size: Size, scale: Fraction) -> Size:
    return Size(even(size.width * scale), even(size.height * scale))


def _smaller(delivery: Delivery, size: Size, written: int) -> Size:
    smaller = _scaled(size, Fraction(3, 4))
    if delivery.width or delivery.height or max(smaller) < _LEAST_SIDE:
        raise BadInput(
            delivery.stem,
            f"at {size.width} x {size.height} it takes {written:,} bytes; {MAX_BYTES:,} are "
            "allowed in a preview",
            "Make it smaller, or take a lower quality or webp.",
        )
    return smaller


def _arguments(
    master: Master, delivery: Delivery, size: Size, level: _Level, facts: FilmFacts
) -> list[str]:
    excerpts = _excerpts(master)
    focus = focus_of(facts)
    inputs, graph = [], []
    for index, (start, frames) in enumerate(excerpts):
        # Half a frame early, so that rounding never skips one.
        seek = ["-ss", f"{float((start - Fraction(1, 2)) / master.fps):.6f}"] if start else []
        inputs += [*seek, "-threads", "1", *input_arguments(master.path)]
        filters = reframed(master.size, size, delivery.fit, seen_from(focus, start), str(index))
        graph.append(
            f"[{index}:v:0]trim=end_frame={frames},setpts=N/({master.fps})/TB,{filters}[v{index}]"
        )
    joined = "".join(f"[v{index}]" for index in range(len(excerpts)))
    graph.append(
        f"{joined}concat=n={len(excerpts)},fps={level.fps}:round=near{_coloured(delivery)}"
    )
    return [
        *(*inputs, "-filter_complex", ";".join(graph), "-an", "-sn"),
        *_encoder(delivery, level),
        *(*BITEXACT, "-loop", "0", "-f", delivery.format),
    ]


def _excerpts(master: Master) -> list[tuple[int, int]]:
    """First frame and number of frames of each part that is shown."""
    if master.duration_s <= _SECONDS:
        return [(0, master.frames)]
    frames = round(master.fps * _SECONDS / _EXCERPTS)
    return [
        ((2 * index + 1) * master.frames // (2 * _EXCERPTS) - frames // 2, frames)
        for index in range(_EXCERPTS)
    ]


def _coloured(delivery: Delivery) -> str:
    if delivery.format == "webp":
        # WebP knows no other matrix (RFC 6386, 9.2).
        return ",scale=in_color_matrix=bt709:out_color_matrix=bt601,format=yuv420p"
    return (
        ",split[seen][counted];[counted]palettegen=stats_mode=diff[palette];"
        "[seen][palette]paletteuse=dither=bayer:bayer_scale=3:diff_mode=rectangle"
    )


def _encoder(delivery: Delivery, level: _Level) -> list[str]:
    if delivery.format == "gif":
        return ["-c:v", "gif"]
    return [
        *("-c:v", "libwebp_anim", "-quality", str(level.webp_quality)),
        *("-compression_level", "4"),
    ]
