"""A contact sheet: the frames of a film on one dark page, each with its caption."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from filmforge.errors import BadInput, BadMedia
from filmforge.media.probe import open_picture

_PAGE = (17, 18, 21)
_MAT = (30, 32, 37)
_INK = (206, 209, 214)
_MAX_HEIGHT = 30_000

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_sheet(
    frames: Sequence[tuple[Path, str]], path: Path, *, columns: int = 3, width: int = 1280
) -> None:
    """Draw pictures with their captions, row by row, as a PNG `width` pixels wide.

    Every cell has the shape of the first picture; others are fitted inside it. Raises BadInput
    for a page that can't be laid out, BadMedia for a picture that can't be read.
    """
    if not frames:
        raise BadInput("frames", "there are none", "Give at least one picture.")
    page = _Page(width, columns, _shape(frames[0][0]), len(frames))
    sheet = Image.new("RGB", page.size, _PAGE)
    draw = ImageDraw.Draw(sheet)
    for index, (frame, caption) in enumerate(frames):
        left, top = page.corner(index)
        sheet.paste(_fitted(frame, page.cell), (left, top))
        line = _shortened(" ".join(caption.split()), page.cell[0], page.font)
        draw.text((left, top + page.cell[1] + page.font_px // 2), line, _INK, font=page.font)
    sheet.save(path, format="PNG", optimize=True)


class _Page:
    """The layout: everything follows from the width of the page and the shape of a cell."""

    def __init__(self, width: int, columns: int, shape: float, frames: int) -> None:
        self._columns = max(1, min(columns, frames))
        self._margin = max(8, width // 40)
        self._gap = max(4, width // 80)
        inner = width - 2 * self._margin - (self._columns - 1) * self._gap
        cell_width = inner // self._columns
        if cell_width < 16:
            raise BadInput("width", "leaves no room for a picture", "Use fewer columns.")
        self.cell = (cell_width, max(1, round(cell_width / shape)))
        self.font_px = max(10, min(16, cell_width // 18))
        self.font: Font = ImageFont.load_default(self.font_px)
        self._row = self.cell[1] + self.font_px * 5 // 2
        rows = -(-frames // self._columns)
        self.size = (width, 2 * self._margin + rows * self._row + (rows - 1) * self._gap)
        if self.size[1] > _MAX_HEIGHT:
            raise BadInput("frames", "make too tall a page", "Draw fewer, or use more columns.")

    def corner(self, index: int) -> tuple[int, int]:
        """The left and top of a cell, in pixels."""
        row, column = divmod(index, self._columns)
        return (
            self._margin + column * (self.cell[0] + self._gap),
            self._margin + row * (self._row + self._gap),
        )


def _shape(path: Path) -> float:
    with open_picture(path) as picture:
        return picture.width / picture.height


def _fitted(path: Path, cell: tuple[int, int]) -> Image.Image:
    try:
        with open_picture(path) as picture:
            picture.draft("RGB", (cell[0] * 2, cell[1] * 2))
            return ImageOps.pad(picture.convert("RGB"), cell, Image.Resampling.LANCZOS, color=_MAT)
    except (OSError, SyntaxError, ValueError) as error:
        raise BadMedia(f"the picture is damaged or cut short: {error}") from None


def _shortened(text: str, width: int, font: Font) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text.rstrip()}..."
