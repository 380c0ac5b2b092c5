"""A storyboard to print: six shots on an A4 page, each with its frame and what is said in it."""

import asyncio
import io
import struct
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Literal

from fontTools.ttLib import TTFont, TTLibError
from fpdf import FPDF
from fpdf.fonts import TTFFont
from PIL import Image

from filmforge.delivery import Delivery, FilmFacts, Slate
from filmforge.errors import BadInput, BadMedia
from filmforge.media.master import Delivered, Master
from filmforge.media.stills import pictures_at, require_shots

# A fixed day, because the time of day would make every copy another file.
_MADE = datetime(2000, 1, 1, tzinfo=UTC)

# Millimetres, on A4 lying on its side.
_PAGE = (297.0, 210.0)
_MARGIN = 12.0
_GAP = 6.0
_COLUMNS, _ROWS = 3, 2
_TOP = 22.0
_CELL = (
    (_PAGE[0] - 2 * _MARGIN - (_COLUMNS - 1) * _GAP) / _COLUMNS,
    (_PAGE[1] - _TOP - _MARGIN - _GAP) / _ROWS,
)
_PICTURE_HEIGHT = _CELL[0] * 9 / 16
_LINE = 4.4
_LINES = 5

_TITLE_PT, _HEAD_PT, _TEXT_PT = 14, 9, 9
_INK, _SOFT, _MAT = 25, 110, 238
_PICTURE_PX = 640
_JPEG_QUALITY = 80
_MOST_CHARS = 600
_BROKEN = (TTLibError, struct.error, OSError, KeyError, NotImplementedError, ValueError)
_UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs", "Mn")


async def make_storyboard(
    master: Master, delivery: Delivery, folder: Path, facts: FilmFacts, fonts: Sequence[Path]
) -> list[Delivered]:
    """Write a PDF of every shot's middle frame, number, type, length and dialogue.

    Text is shaped and can be selected and searched; only the glyphs it needs are embedded. The
    first font that has a character draws it. Raises BadInput without shots or fonts and for
    characters that no font has, BadMedia for a file that is no font; then nothing is left behind.
    """
    require_shots(facts)
    path = folder / f"{delivery.stem}.pdf"
    partial = folder / f"{path.name}.part"
    stop = Event()
    drawing = asyncio.ensure_future(
        asyncio.to_thread(_draw, master, facts, tuple(fonts), partial, stop)
    )
    try:
        await asyncio.shield(drawing)
        partial.replace(path)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([drawing])
        raise
    finally:
        partial.unlink(missing_ok=True)
    return [Delivered(path.name, path, "application/pdf")]


def _draw(master: Master, facts: FilmFacts, fonts: Sequence[Path], path: Path, stop: Event) -> None:
    pdf = FPDF(orientation="landscape", unit="mm", format="A4")
    pdf.set_creation_date(_MADE)
    pdf.set_auto_page_break(False)
    pdf.set_margin(0)
    pdf.c_margin = 0
    pdf.set_title(facts.title or "Storyboard")
    try:
        _take_fonts(pdf, fonts)
        _check_glyphs(pdf, facts)
        _draw_pages(pdf, master, facts, stop)
        if not stop.is_set():
            pdf.output(str(path))
    finally:
        for font in _embedded(pdf):
            font.ttfont.close()


def _draw_pages(pdf: FPDF, master: Master, facts: FilmFacts, stop: Event) -> None:
    shots = zip(facts.shots, _frames(master, facts, stop), strict=False)
    for index, (shot, picture) in enumerate(shots):
        place = index % (_COLUMNS * _ROWS)
        if place == 0:
            _begin_page(pdf, facts)
        row, column = divmod(place, _COLUMNS)
        left, top = _MARGIN + column * (_CELL[0] + _GAP), _TOP + row * (_CELL[1] + _GAP)
        _draw_shot(pdf, shot, picture, master.fps, left, top)


def _take_fonts(pdf: FPDF, fonts: Sequence[Path]) -> None:
    if not fonts:
        raise BadInput("fonts", "there are none", "Give at least one TrueType or OpenType font.")
    for index, font in enumerate(fonts):
        try:
            _check_font(font)
            pdf.add_font(f"font{index}", fname=str(font))
        except _BROKEN as error:
            raise BadMedia(f"{font.name} is no font that can be embedded: {error}") from None
    pdf.set_font("font0", size=_TEXT_PT)
    pdf.set_fallback_fonts([f"font{index}" for index in range(1, len(fonts))], exact_match=False)
    pdf.set_text_shaping(True)


def _check_font(path: Path) -> None:
    """Read what a PDF needs of a font: what is found broken later would leave its file open."""
    with path.open("rb") as file:
        font = TTFont(file, fontNumber=0, lazy=True)
        for table in ("cmap", "head", "hhea", "hmtx", "name", "OS/2", "post"):
            font[table]


def _embedded(pdf: FPDF) -> list[TTFFont]:
    return [font for font in pdf.fonts.values() if isinstance(font, TTFFont)]


def _check_glyphs(pdf: FPDF, facts: FilmFacts) -> None:
    drawn = {code for font in _embedded(pdf) for code in font.cmap}
    for index, shot in enumerate(facts.shots):
        text = _head(shot) + shot.dialogue
        if lacking := sorted({c for c in text if ord(c) not in drawn and _is_seen(c)}):
            raise BadInput(
                f"shots[{index}]",
                f"no font has {', '.join(f'{c} (U+{ord(c):04X})' for c in lacking[:8])}",
                "Give a font that has it too, or leave it out.",
            )


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in _UNSEEN


def _frames(master: Master, facts: FilmFacts, stop: Event) -> Iterator[Image.Image]:
    width = min(_PICTURE_PX, master.size.width)
    return pictures_at(master, [shot.middle for shot in facts.shots], width, stop)


def _begin_page(pdf: FPDF, facts: FilmFacts) -> None:
    pdf.add_page()
    pdf.set_text_color(_INK)
    title = _cut(pdf, facts.title or "Storyboard", 200, _TITLE_PT, 1)[0]
    pdf.set_xy(_MARGIN, 9)
    pdf.cell(_PAGE[0] - 2 * _MARGIN, 8, title, align=_side(title))
    pdf.set_font("font0", size=_HEAD_PT)
    pdf.set_text_color(_SOFT)
    pages = -(-len(facts.shots) // (_COLUMNS * _ROWS))
    # Opposite to where a title in its script begins.
    other: Literal["L", "R"] = "L" if _side(title) == "R" else "R"
    pdf.set_xy(_MARGIN, 9)
    pdf.cell(_PAGE[0] - 2 * _MARGIN, 8, f"{pdf.page_no()} / {pages}", align=other)


def _draw_shot(
    pdf: FPDF, shot: Slate, picture: Image.Image, fps: Fraction, left: float, top: float
) -> None:
    pdf.set_fill_color(_MAT)
    pdf.rect(left, top, _CELL[0], _PICTURE_HEIGHT, style="F")
    scale = min(_CELL[0] / picture.width, _PICTURE_HEIGHT / picture.height)
    width, height = picture.width * scale, picture.height * scale
    pdf.image(
        _jpeg(picture),
        x=left + (_CELL[0] - width) / 2,
        y=top + (_PICTURE_HEIGHT - height) / 2,
        w=width,
        h=height,
    )
    below = top + _PICTURE_HEIGHT + 1.2
    length = f"{float(shot.seconds(fps)):.2f} s"
    pdf.set_text_color(_INK)
    head = _cut(pdf, _head(shot), _CELL[0] - 18, _HEAD_PT, 1)[0]
    pdf.set_xy(left, below)
    pdf.cell(_CELL[0] - 18, _LINE, head)
    pdf.set_text_color(_SOFT)
    pdf.set_xy(left + _CELL[0] - 18, below)
    pdf.cell(18, _LINE, length, align="R")
    _draw_dialogue(pdf, shot.dialogue, left, below + _LINE + 0.4)


def _draw_dialogue(pdf: FPDF, dialogue: str, left: float, top: float) -> None:
    if not dialogue.strip():
        return
    pdf.set_text_color(_INK)
    lines = _cut(pdf, dialogue, _CELL[0], _TEXT_PT, _LINES)
    for number, line in enumerate(lines):
        pdf.set_xy(left, top + number * _LINE)
        pdf.cell(_CELL[0], _LINE, line, align=_side(dialogue))


def _head(shot: Slate) -> str:
    number = str(shot.shot_number) if shot.shot_number is not None else shot.shot_id
    return f"{number}  {shot.shot_type}".strip()


def _cut(pdf: FPDF, text: str, width: float, points: int, most: int) -> list[str]:
    """The text in lines no wider than `width` mm, at most so many; what is left out shows as ..."""
    pdf.set_font("font0", size=points)
    text = " ".join(text[:_MOST_CHARS].split())
    lines = pdf.multi_cell(width, _LINE, text, dry_run=True, output="LINES", align="L")
    assert isinstance(lines, list)
    if len(lines) <= most:
        return lines or [""]
    last = lines[most - 1]
    while last and pdf.get_string_width(f"{last}...") > width:
        last = last[:-1]
    return [*lines[: most - 1], f"{last.rstrip()}..."]


def _side(text: str) -> Literal["L", "R"]:
    """Where a line begins: the first letter that has a direction decides (UAX #9, P2 and P3)."""
    directions = (unicodedata.bidirectional(char) for char in text)
    strong = next((each for each in directions if each in ("L", "R", "AL")), "L")
    return "L" if strong == "L" else "R"


def _jpeg(picture: Image.Image) -> io.BytesIO:
    stored = io.BytesIO()
    picture.save(stored, format="JPEG", quality=_JPEG_QUALITY)
    stored.seek(0)
    return stored
