"""The pictures that a LoRA learns from: read with care, and checked before any time is spent."""

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from filmforge.errors import BadInput
from gpu_functions.maker import Room
from gpu_functions.pictures import MOST_PIXELS

LEAST_PICTURES = 3
USUAL_PICTURES = 10
MOST_PICTURES = 200
MOST_BYTES = 64 << 20
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}

# A picture is cropped to its middle square: of one twice as long as wide, half is left.
LONGEST_RATIO = 2.0
LONG_RATIO = 1.5
# A picture may be enlarged twofold; one more blurred than that teaches the blur.
MOST_ENLARGED = 2.0
# Of 128 bits: JPEG at another quality or another size changes up to three or four of them.
SAME_BITS = 4


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture; `caption` is the text beside it, empty when there is none."""

    name: str
    image: Image.Image
    caption: str = ""


@dataclass(frozen=True)
class Square:
    """The middle square of a picture at the size of training, and what it was cut from.

    `original` is height and width in pixels, `corner` top and left of the cut after scaling: SDXL
    is told both (arXiv 2307.01952, section 2.2).
    """

    image: Image.Image
    original: tuple[int, int]
    corner: tuple[int, int]


def gather(room: Room) -> list[Picture]:
    """The pictures of a work: its `dataset`, a zip file, or its references. Raises BadInput."""
    references = room.all("reference")
    if not references:
        return list(_unpacked(room.input("dataset")))
    if "dataset" in room.inputs:
        raise BadInput("dataset", "is given beside references", "Give one or the other.")
    return [_picture(path.name, path.read_bytes()) for path in references]


def check(pictures: list[Picture], resolution: int) -> list[str]:
    """Refuse what cannot teach anything; returns what could be better. Raises BadInput."""
    count = len(pictures)
    if not LEAST_PICTURES <= count <= MOST_PICTURES:
        bounds = f"Give {LEAST_PICTURES} to {MOST_PICTURES}."
        raise BadInput("dataset", f"has {count} pictures", f"{bounds} 10 to 30 are usual.")
    _refuse_repeated(pictures)
    warnings = [] if count >= USUAL_PICTURES else [f"{count} pictures are few: 10 to 30 are usual"]
    for picture in pictures:
        warnings += _measured(picture, resolution)
    return warnings


def squared(picture: Picture, resolution: int) -> Square:
    """The middle of a picture, as wide and high as training takes it."""
    width, height = picture.image.size
    scale = resolution / min(width, height)
    size = (max(resolution, round(width * scale)), max(resolution, round(height * scale)))
    left, top = (size[0] - resolution) // 2, (size[1] - resolution) // 2
    scaled = picture.image.resize(size, Image.Resampling.LANCZOS)
    cut = scaled.crop((left, top, left + resolution, top + resolution))
    return Square(cut, (height, width), (top, left))


def _unpacked(path: Path) -> Iterator[Picture]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if _counts(member)]
            members.sort(key=lambda member: member.filename)
            bodies = {member.filename: _read(archive, member) for member in members}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise BadInput("dataset", f"is no whole zip file ({error})", "Pack it again.") from None
    for name, body in bodies.items():
        if PurePosixPath(name).suffix.lower() != ".txt":
            beside = str(PurePosixPath(name).with_suffix(".txt"))
            yield _picture(name, body, _text(beside, bodies.get(beside, b"")))


def _counts(member: zipfile.ZipInfo) -> bool:
    """Whether it is more than a folder or what an operating system leaves behind."""
    path = PurePosixPath(member.filename)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not member.is_dir() and not hidden


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    name = member.filename
    if PurePosixPath(name).suffix.lower() not in SUFFIXES | {".txt"}:
        kinds = ", ".join(sorted(SUFFIXES))
        raise BadInput("dataset", f"{name} is no picture and no caption", f"Pack {kinds}, .txt.")
    if member.file_size > MOST_BYTES:
        raise BadInput("dataset", f"{name} has {member.file_size} bytes", "64 MiB is the most.")
    if member.flag_bits & 1:
        raise BadInput("dataset", f"{name} is encrypted", "Pack it without a password.")
    return archive.read(member)


def _text(name: str, body: bytes) -> str:
    try:
        return " ".join(body.decode("utf-8-sig").split())
    except UnicodeDecodeError:
        raise BadInput("dataset", f"{name} is not UTF-8", "Save it as UTF-8.") from None


def _picture(name: str, body: bytes, caption: str = "") -> Picture:
    """A picture turned upright, transparency on white. Raises BadInput naming it."""
    remedy = "Give PNG, JPEG or WebP of at most 64 megapixels."
    try:
        with Image.open(io.BytesIO(body), formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise BadInput("dataset", f"{name} has {opened.width}x{opened.height}", remedy)
            upright = ImageOps.exif_transpose(opened).convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError):
        raise BadInput("dataset", f"{name} cannot be read as a picture", remedy) from None
    white = Image.new("RGBA", upright.size, "white")
    return Picture(name, Image.alpha_composite(white, upright).convert("RGB"), caption)


def _measured(picture: Picture, resolution: int) -> Iterable[str]:
    width, height = picture.image.size
    ratio = max(width, height) / min(width, height)
    shown = f"{picture.name} is {width}x{height}"
    if min(width, height) * MOST_ENLARGED < resolution:
        remedy = f"Give at least {round(resolution / MOST_ENLARGED)} pixels on the shorter side."
        raise BadInput("dataset", f"{shown}: too small", remedy)
    if ratio > LONGEST_RATIO:
        kept = f"only {100 / ratio:.0f} % of it are in its middle square"
        raise BadInput("dataset", f"{shown}: {kept}", "Crop it to what is to be learnt.")
    if min(width, height) < resolution:
        yield f"{shown}: it is enlarged to {resolution}"
    if ratio > LONG_RATIO:
        yield f"{shown}: {100 - 100 / ratio:.0f} % of it are cut off"


def _refuse_repeated(pictures: list[Picture]) -> None:
    bits = [(picture.name, _fingerprint(picture.image)) for picture in pictures]
    for (first, one), (second, other) in combinations(bits, 2):
        if (one ^ other).bit_count() <= SAME_BITS:
            remedy = "Leave one out: what is shown twice is learnt by heart."
            raise BadInput("dataset", f"{second} is the same picture as {first}", remedy)


def _fingerprint(image: Image.Image) -> int:
    """A difference hash: whether each of 8 x 8 places is brighter than its right and lower one."""
    grey = np.asarray(image.convert("L").resize((9, 9), Image.Resampling.LANCZOS), np.int16)
    right = grey[:8, :8] > grey[:8, 1:]
    below = grey[:8, :8] > grey[1:, :8]
    return int.from_bytes(np.packbits(np.concatenate([right, below])).tobytes(), "big")
