"""Still pictures of a finished film: single frames, its poster, its contact sheet."""

import asyncio
import math
import shutil
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import av
import numpy as np
from av.container import InputContainer
from PIL import Image

from filmforge.delivery import Delivery, FilmFacts, Slate
from filmforge.errors import BadInput, BadMedia
from filmforge.media.master import Delivered, Master
from filmforge.media.picture import BITEXACT
from filmforge.media.progress import run_with_progress
from filmforge.media.reframe import Size, delivered_size, even, focus_of, reframed, seen_from
from filmforge.media.sheet import draw_sheet
from filmforge.media.sniff import input_arguments, open_media

SHEET_WIDTH = 1920
_COLUMNS = 4
_CELLS_A_PAGE = 40
_JPEG_QUALITY = 92

_CANDIDATES = 60
_JUDGED = (96, 54)
_LEVELS = 32
_DARK = 32
_BLACK = 0.98

_TO_RGB = "scale=in_color_matrix=bt709:in_range=tv:out_range=pc,format=rgb24"


def pictures_at(
    master: Master, frames: Sequence[int], width: int | None = None, stop: Event | None = None
) -> Iterator[Image.Image]:
    """The frames with these numbers, as RGB, scaled to `width` pixels if given.

    Reads from the key frame before each, so ascending numbers are quickest. Ends early when
    `stop` is set. Raises BadMedia for a film that is damaged or has no such frame.
    """
    with open_media(master.path) as media:
        for frame in frames:
            if stop and stop.is_set():
                return
            yield _picture_at(media, master, frame, width)


def telling_frame(master: Master, stop: Event | None = None) -> int:
    """The number of the most telling frame: of 60 spread over the film, the one of most detail.

    A picture is judged at 96 x 54 pixels, by the entropy of its luma and of both chroma planes
    in 32 levels each, in bits, added: a plain or faded picture scores little, one of many tones
    and colours much. A black one, 98 % of it darker than 32 of 255, is taken only when all are.
    Of equals, the first.
    """
    count = min(_CANDIDATES, master.frames)
    frames = [(2 * index + 1) * master.frames // (2 * count) for index in range(count)]
    pictures = pictures_at(master, frames, _JUDGED[0], stop)
    scores = [_score(picture) for picture in pictures]
    return frames[scores.index(max(scores))] if scores else frames[0]


async def make_poster(
    master: Master, delivery: Delivery, folder: Path, facts: FilmFacts
) -> list[Delivered]:
    """Write one frame as JPEG or PNG, in the delivery's shape and size.

    Raises BadInput for a frame the film does not have, BadMedia and MediaToolFailed; then
    nothing is left behind.
    """
    if delivery.frame is not None and delivery.frame >= master.frames:
        raise BadInput(
            "frame",
            f"there is no frame {delivery.frame:,}: the film has {master.frames:,}, counted from 0",
            f"Give at most {master.frames - 1}, or none to have one chosen.",
        )
    frame = delivery.frame
    if frame is None:
        stop = Event()
        try:
            frame = await asyncio.to_thread(telling_frame, master, stop)
        finally:
            stop.set()
    size = delivered_size(delivery, master.size)
    name = f"{delivery.stem}.{'jpg' if delivery.picture == 'jpeg' else 'png'}"
    partial, path = folder / f"{name}.part", folder / name
    try:
        await run_with_progress(
            _poster(master, delivery, size, facts, frame, partial), 1 / master.fps
        )
        if delivery.picture == "jpeg":
            await asyncio.to_thread(_to_jpeg, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return [Delivered(name, path, f"image/{delivery.picture}")]


async def make_contact_sheet(
    master: Master, delivery: Delivery, folder: Path, facts: FilmFacts
) -> list[Delivered]:
    """Write PNG pages of the middle frame of every shot, with its id and when it begins.

    A page takes up to 40 shots; of several pages a folder is made. Raises BadInput without
    shots and for a width too small, BadMedia; then nothing is left behind.
    """
    shots = require_shots(facts)
    width = delivery.width or SHEET_WIDTH
    stop = Event()
    with TemporaryDirectory(dir=folder, prefix=".sheet-") as work:
        drawing = asyncio.ensure_future(
            asyncio.to_thread(_draw_pages, master, shots, width, Path(work), stop)
        )
        try:
            pages = await asyncio.shield(drawing)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([drawing])
            raise
        return _placed(pages, delivery.stem, folder)


def require_shots(facts: FilmFacts) -> tuple[Slate, ...]:
    """The film's shots. Raises BadInput when none are told of."""
    if not facts.shots:
        raise BadInput("shots", "none are told of", "Say which shots the film has, and where.")
    return facts.shots


def clock(frame: int, fps: Fraction) -> str:
    """When a frame is shown, as H:MM:SS.mmm, cut to whole milliseconds."""
    milliseconds = int(frame / fps * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def _picture_at(
    media: InputContainer, master: Master, number: int, width: int | None
) -> Image.Image:
    stream = media.streams.video[0]
    assert stream.time_base is not None
    # Half a frame early, so that no rounding of a time passes the frame by.
    at = (number - Fraction(1, 2)) / master.fps / stream.time_base
    height = even(Fraction(width * master.size.height, master.size.width)) if width else None
    try:
        media.seek(max(0, int(at)), stream=stream)
        for frame in media.decode(stream):
            if frame.pts is not None and frame.pts >= at:
                scaled = frame.reformat(width, height, "rgb24", interpolation="AREA")
                return Image.fromarray(np.asarray(scaled.to_ndarray(), np.uint8))
    except av.FFmpegError as error:
        raise BadMedia(f"the film is damaged: {error.strerror}") from None
    raise BadMedia(f"the film has no frame {number:,}, though it says so: assemble it again")


def _score(picture: Image.Image) -> float:
    small = picture.resize(_JUDGED, Image.Resampling.BOX).convert("YCbCr")
    planes = np.asarray(small).reshape(-1, 3)
    if np.mean(planes[:, 0] < _DARK) >= _BLACK:
        return 0.0
    return sum(_entropy(planes[:, plane] // (256 // _LEVELS)) for plane in range(3))


def _entropy(levels: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> float:
    counts = [int(count) for count in np.bincount(levels) if count]
    return -sum(count / len(levels) * math.log2(count / len(levels)) for count in counts)


def _poster(
    master: Master, delivery: Delivery, size: Size, facts: FilmFacts, frame: int, path: Path
) -> list[str]:
    focus = seen_from(focus_of(facts), frame)
    graph = f"{reframed(master.size, size, delivery.fit, focus)},{_TO_RGB}"
    seek = f"{float(max(Fraction(0), (frame - Fraction(1, 2)) / master.fps)):.6f}"
    return [
        *("-ss", seek, *input_arguments(master.path)),
        *("-filter_complex", f"[0:v:0]{graph}[picture]", "-map", "[picture]"),
        *("-frames:v", "1", "-c:v", "png", *BITEXACT),
        *("-f", "image2pipe", f"file:{path}"),
    ]


def _to_jpeg(path: Path) -> None:
    with Image.open(path, formats=["PNG"]) as picture:
        picture.load()
        picture.save(path, format="JPEG", quality=_JPEG_QUALITY, subsampling=0, optimize=True)


def _draw_pages(
    master: Master, shots: Sequence[Slate], width: int, work: Path, stop: Event
) -> list[Path]:
    pages: list[Path] = []
    # Pages of about as many shots: one left over would fill a page of its own.
    a_page = math.ceil(len(shots) / math.ceil(len(shots) / _CELLS_A_PAGE))
    cell_width = max(16, min(master.size.width, width // min(_COLUMNS, len(shots))))
    for first in range(0, len(shots), a_page):
        shown = shots[first : first + a_page]
        pictures = pictures_at(master, [shot.middle for shot in shown], cell_width, stop)
        cells: list[tuple[Path, str]] = []
        for shot, picture in zip(shown, pictures, strict=False):
            cell = work / f"cell-{len(cells):02}.png"
            picture.save(cell, compress_level=1)
            cells.append((cell, f"{shot.shot_id} · {clock(shot.start, master.fps)}"))
        if stop.is_set():
            break
        pages.append(work / f"{len(pages) + 1:03}.png")
        draw_sheet(cells, pages[-1], columns=_COLUMNS, width=width)
    return pages


def _placed(pages: Sequence[Path], stem: str, folder: Path) -> list[Delivered]:
    if len(pages) == 1:
        path = pages[0].replace(folder / f"{stem}.png")
        return [Delivered(path.name, path, "image/png")]
    final = folder / stem
    shutil.rmtree(final, ignore_errors=True)
    final.mkdir()
    moved = [page.replace(final / page.name) for page in pages]
    return [Delivered(f"{stem}/{path.name}", path, "image/png") for path in moved]
