"""Plates: how large a picture is to be, what is on it already, and what is to be painted."""

from dataclasses import dataclass

from PIL import Image, ImageFilter, ImageOps

from filmforge.errors import BadInput
from gpu_functions import pictures
from gpu_functions.maker import Room
from gpu_functions.wishes import Wish

DEFAULT_SIDE = 1024
MOST_SIDE = 2048
# A latent is 8 pixels wide.
GRID = 8
# What is painted reaches this far into what is kept, and fades out there, so that no seam shows.
SEAM_PX = 16


class Border(Wish):
    """How many pixels a picture is widened by at each side."""

    left: int = 0
    right: int = 0
    up: int = 0
    down: int = 0


@dataclass(frozen=True)
class Plate:
    """What is painted on: `source` is there already, `mask` is white where it is painted over."""

    width: int
    height: int
    source: Image.Image | None = None
    mask: Image.Image | None = None

    @property
    def painted(self) -> Image.Image:
        """Where new pixels are made: the mask and the seam around it."""
        assert self.mask is not None
        return _grown(self.mask, SEAM_PX)

    def fitted(self, picture: Image.Image) -> Image.Image:
        """Another picture, cropped to this size."""
        return ImageOps.fit(picture, (self.width, self.height), Image.Resampling.LANCZOS)

    def finish(self, made: Image.Image) -> Image.Image:
        """The made picture with what was to be kept as it was, pixel by pixel."""
        if self.source is None or self.mask is None:
            return made
        fading = _grown(self.mask, SEAM_PX // 2).filter(ImageFilter.GaussianBlur(SEAM_PX / 4))
        return Image.composite(made, self.source, fading)


def plate_of(
    room: Room, width: int | None, height: int | None, outpaint: Border | None = None
) -> Plate:
    """The plate of a work with the inputs `source` and `mask`, if it has them.

    A source is cropped to width and height, or keeps its own size as near as the grid allows; the
    border that outpaints it comes on top. Raises BadInput naming what does not fit.
    """
    if "source" not in room.inputs:
        for role, given in (("mask", "mask" in room.inputs), ("outpaint", outpaint is not None)):
            if given:
                raise BadInput(role, "has nothing to change", "Give a source, too.")
        return Plate(width or DEFAULT_SIDE, height or DEFAULT_SIDE)
    source = opened(room, "source")
    size = (width or _own(source.width), height or _own(source.height))
    mask = None
    if "mask" in room.inputs:
        white = opened(room, "mask").convert("L").resize(source.size)
        mask = ImageOps.fit(white, size, Image.Resampling.BILINEAR).point(_black_or_white)
    source = ImageOps.fit(source, size, Image.Resampling.LANCZOS)
    if outpaint is not None:
        source, mask = _widened(source, mask, outpaint)
    return Plate(source.width, source.height, source, mask)


def opened(room: Room, role: str) -> Image.Image:
    """An input as a picture, upright. Raises BadInput naming the role."""
    return Image.fromarray(pictures.read(room.input(role), role))


def _own(length: int) -> int:
    return min(MOST_SIDE, max(GRID, length // GRID * GRID))


def _black_or_white(level: int) -> int:
    return 255 if level >= 128 else 0


def _widened(
    source: Image.Image, mask: Image.Image | None, border: Border
) -> tuple[Image.Image, Image.Image]:
    """The source with its edges drawn out over the border, and the mask of what is new."""
    import cv2
    import numpy as np

    by = (border.up, border.down, border.left, border.right)
    width = source.width + border.left + border.right
    height = source.height + border.up + border.down
    if min(by) < 0 or not any(by):
        raise BadInput("outpaint", "widens nothing", "Give pixels for left, right, up or down.")
    if max(width, height) > MOST_SIDE or width % GRID or height % GRID:
        raise BadInput(
            "outpaint",
            f"makes {width}x{height} pixels",
            f"Make it a multiple of {GRID}, at most {MOST_SIDE} a side.",
        )
    wide = cv2.copyMakeBorder(np.asarray(source), *by, cv2.BORDER_REPLICATE)
    inner = np.zeros((source.height, source.width), np.uint8) if mask is None else np.asarray(mask)
    new = cv2.copyMakeBorder(inner, *by, cv2.BORDER_CONSTANT, value=255)
    return Image.fromarray(wide), Image.fromarray(new)


def _grown(mask: Image.Image, by_px: int) -> Image.Image:
    import cv2
    import numpy as np

    brush = np.ones((2 * by_px + 1, 2 * by_px + 1), np.uint8)
    return Image.fromarray(cv2.dilate(np.asarray(mask), brush))
