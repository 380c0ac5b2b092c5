"""Pictures as arrays of height by width by 3: from files, to sizes and to PNG."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from filmforge.errors import BadInput

Picture = npt.NDArray[np.uint8]

# What one work reads or makes at most; eight thousand by eight thousand.
MOST_PIXELS = 64_000_000


def read(path: Path, role: str) -> Picture:
    """A picture upright. Raises BadInput naming the role for what is no picture, or too large."""
    try:
        with Image.open(path) as picture:
            refuse_large(picture.width, picture.height, role)
            return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except (OSError, Image.DecompressionBombError):
        problem, remedy = "is no picture that can be read", "Give a PNG, JPEG or WebP file."
        raise BadInput(role, problem, remedy) from None


def refuse_large(width: int, height: int, field: str) -> None:
    """Raise BadInput above the most pixels."""
    if width * height > MOST_PIXELS:
        remedy = f"At most {MOST_PIXELS // 1_000_000} million."
        raise BadInput(field, f"makes {width} x {height}, too many pixels", remedy)


def fitted(picture: Picture, width: int, height: int) -> Picture:
    """Scaled to cover that size, and cropped in the middle, so that nothing is stretched."""
    if picture.shape[:2] == (height, width):
        return picture
    whole = Image.fromarray(picture)
    return np.array(ImageOps.fit(whole, (width, height), Image.Resampling.LANCZOS))


def size_for(
    natural: tuple[int, int], width: int | None, height: int | None, *, even: bool = False
) -> tuple[int, int]:
    """Width and height as wished; what is not wished follows from the natural size.

    A clip's sides are even: yuv420p has one colour for two by two pixels.
    """
    wide, high = natural
    if width is not None and height is None:
        wide, high = width, max(1, round(high * width / wide))
    elif height is not None:
        wide, high = width or max(1, round(wide * height / high)), height
    return (max(2, wide // 2 * 2), max(2, high // 2 * 2)) if even else (wide, high)


def save(picture: Picture, path: Path) -> Path:
    """Write a PNG."""
    Image.fromarray(picture).save(path)
    return path
