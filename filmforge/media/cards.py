"""Title and end cards: a page of text as a piece of the film."""

import asyncio
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from filmforge.errors import BadInput
from filmforge.media.conform import ConformSpec
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.fonts import Lettering, choose_fonts
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments
from filmforge.media.sample_clock import SAMPLE_RATE, samples_at
from filmforge.media.typeset import Event, Style, drawing_filter, drawing_rate, marked_up, script
from filmforge.media.wrapping import WORD, Piece, filled, joined, pieces
from filmforge.subtitles import Card

_SAFE_WIDTH, _SAFE_HEIGHT = 0.8, 0.72
_TITLE_WEIGHT, _SUBTEXT_WEIGHT = 600, 400
# The largest title that is tried, in heights and widths of the picture, and the smallest em.
_HIGH, _WIDE = 0.115, 0.1
_LEAST_PX = 8.0
_STEP = 0.93
_SUBTEXT_EM = 0.42
_TITLE_LINE, _SUBTEXT_LINE = 1.28, 1.5
_GAP = 0.55
# How much of the background shows through the subtext.
_SUBDUED = 0.28
_PIECE_LIMIT = 200
_TRIES = 16
# What a break inside a word costs, in widths of the page.
_BAD_BREAK = 0.25


async def draw_card(
    card: Card, path: Path, spec: ConformSpec, work_dir: Path, font: Path | None = None
) -> None:
    """Write a silent .mov of exactly `spec.frames` frames that joins the film's other pieces.

    The text is centred, as large as the safe part of the picture allows. Raises BadInput for
    text that can't be drawn or is too long, BadMedia for a font that can't be used,
    MediaToolFailed; what is at `path` after a failure is of no use.
    """
    drawn = await asyncio.to_thread(card_filter, card, spec, work_dir, font)
    await _draw(card.background.replace("#", "0x"), drawn, path, spec)


async def draw_plate(colour: str, path: Path, spec: ConformSpec) -> None:
    """Write a silent .mov of one colour, of exactly `spec.frames` frames, as a piece of the film.

    Raises MediaToolFailed; what is at `path` after a failure is of no use.
    """
    await _draw(colour, f"scale=out_color_matrix=bt709:out_range=tv,{TAGGED},setsar=1", path, spec)


async def _draw(colour: str, drawn: str, path: Path, spec: ConformSpec) -> None:
    samples = samples_at(spec.frames, spec.fps)
    page = f"color=c={colour}:s={spec.width}x{spec.height}:r={spec.fps}"
    await run_ffmpeg(
        [
            *("-f", "lavfi", "-i", page),
            *("-f", "lavfi", "-i", f"anullsrc=r={SAMPLE_RATE}:cl=stereo"),
            *("-filter_complex", f"[0:v]{drawn}[picture];[1:a]atrim=end_sample={samples}[sound]"),
            *("-map", "[picture]", "-map", "[sound]", "-frames:v", str(spec.frames)),
            *encoder_arguments(spec.fps, spec.key_frames),
            *("-c:a", "pcm_s16le", "-ar", str(SAMPLE_RATE)),
            *BITEXACT,
            *("-f", "mov", f"file:{path}"),
        ]
    )


def card_filter(card: Card, spec: ConformSpec, work_dir: Path, font: Path | None = None) -> str:
    """Write a card's script and fonts into `work_dir`; the filter that draws it on its colour.

    Blocking. Raises as `draw_card` does.
    """
    page = _laid_out(card, spec, font)
    fonts = work_dir / "fonts"
    fonts.mkdir(parents=True, exist_ok=True)
    for block in page.blocks:
        block.style.lettering.save(fonts, block.lines)
    path = work_dir / "card.ass"
    styles = [block.style for block in page.blocks]
    size = (spec.width, spec.height)
    events = list(_events(page, card, spec))
    rate = drawing_rate(spec.fps)
    path.write_text(script(size, rate, styles, events, card.language), encoding="utf-8")
    fades = [
        f"fade=in:0:{frames}" if begins else f"fade=out:{spec.frames - frames}:{frames}"
        for begins, seconds in ((True, card.fade_in), (False, card.fade_out))
        if (frames := min(spec.frames, round(Fraction(seconds) * spec.fps)))
    ]
    yuv = "scale=out_color_matrix=bt709:out_range=tv"
    drawn = drawing_filter(path, fonts, spec.fps)
    return ",".join(["format=gbrp", drawn, *fades, yuv, TAGGED, "setsar=1"])


def check_card(card: Card, width: int, height: int, font: Path | None = None) -> None:
    """Make sure that a card can be drawn in a picture of this size. Raises as `draw_card` does."""
    _laid_out(card, ConformSpec(width=width, height=height, fps=Fraction(24), frames=1), font)


class _Block(NamedTuple):
    """Lines of one look, `step` pixels from one to the next."""

    style: Style
    lines: list[str]
    step: float


class _Page(NamedTuple):
    """Blocks one below the other, `gap` pixels between them."""

    blocks: list[_Block]
    gap: float

    @property
    def height(self) -> float:
        """The height of all that is on the page, in pixels."""
        text = sum(len(block.lines) * block.step for block in self.blocks)
        return text + self.gap * (len(self.blocks) - 1)


def _laid_out(card: Card, spec: ConformSpec, font: Path | None) -> _Page:
    """The page with the largest text that fits."""
    title = _lettering(card, card.text, font, "text", _TITLE_WEIGHT)
    subtext = _lettering(card, card.subtext, font, "subtext", _SUBTEXT_WEIGHT)
    em = min(spec.height * _HIGH, spec.width * _WIDE)
    while em >= min(_LEAST_PX, spec.height * _HIGH / 2):
        blocks = [_block(title, card.text, "text", em, card.colour, _TITLE_LINE, spec)]
        if card.subtext:
            ink = _mixed(card.colour, card.background)
            small = max(em * _SUBTEXT_EM, _LEAST_PX)
            blocks.append(_block(subtext, card.subtext, "subtext", small, ink, _SUBTEXT_LINE, spec))
        page = _Page(blocks, em * _GAP)
        if page.height <= spec.height * _SAFE_HEIGHT and all(_is_inside(b, spec) for b in blocks):
            return page
        em *= _STEP
    raise BadInput(
        "card", f"its text does not fit a picture of {spec.width} x {spec.height}", "Shorten it."
    )


def _lettering(card: Card, text: str, font: Path | None, name: str, weight: int) -> Lettering:
    return choose_fonts([text], card.language, font, field=f"card.{name}", weight=weight, name=name)


def _block(
    lettering: Lettering,
    text: str,
    name: str,
    em: float,
    colour: str,
    line_height: float,
    spec: ConformSpec,
) -> _Block:
    room = spec.width * _SAFE_WIDTH / em
    most = int(spec.height / em) + 1
    lines = [line for part in text.splitlines() for line in _wrapped(part, lettering, room, most)]
    style = Style(name=name, lettering=lettering, em=em, colour=colour, place=5)
    return _Block(style, lines, em * line_height)


def _wrapped(text: str, lettering: Lettering, room: float, most: int) -> list[str]:
    """As few lines as the room in ems allows, of about one length if they are at most `most`."""
    parts = pieces(text, _PIECE_LIMIT)
    if not parts:
        return []
    full = filled(parts, lettering.width, room)
    if (fewest := len(full)) > most:
        return [joined(line) for line in full]
    rooms = (room * (1 - step / _TRIES * (1 - 1 / fewest)) for step in range(_TRIES + 1))
    ways = [filled(parts, lettering.width, narrower) for narrower in rooms]
    best = min(
        (way for way in ways if len(way) == fewest),
        key=lambda way: _widest(way, lettering) / room + _BAD_BREAK * _bad_breaks(way),
    )
    return [joined(line) for line in best]


def _bad_breaks(lines: Sequence[Sequence[Piece]]) -> int:
    return sum(line[-1].rank < WORD for line in lines[:-1])


def _widest(lines: Sequence[Sequence[Piece]], lettering: Lettering) -> float:
    return max(lettering.width(joined(line)) for line in lines)


def _is_inside(block: _Block, spec: ConformSpec) -> bool:
    widest = max((block.style.lettering.width(line) for line in block.lines), default=0.0)
    return widest * block.style.em <= spec.width * _SAFE_WIDTH


def _events(page: _Page, card: Card, spec: ConformSpec) -> Iterator[Event]:
    """One event a line, each at its place, around the middle of the picture."""
    top = (spec.height - page.height) / 2
    for block in page.blocks:
        for index, line in enumerate(block.lines):
            middle = top + (index + 0.5) * block.step
            text = marked_up([line], block.style.lettering, card.language)
            place = rf"{{\pos({spec.width / 2:.1f},{middle:.1f})}}"
            yield Event(0, spec.frames + 1, block.style.name, place + text)
        top += len(block.lines) * block.step + page.gap


def _mixed(colour: str, background: str) -> str:
    pairs = zip(bytes.fromhex(colour[1:]), bytes.fromhex(background[1:]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * _SUBDUED):02x}" for a, b in pairs)
