"""Fonts that cover a text, and private copies of them for those who draw it.

A copy holds only the glyphs of the text, under a family name of its own, so that no font of the
machine can stand in for it; all copies share one set of vertical metrics, so that scripts mixed
in a line stand on one baseline and have one size.
"""

import io
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import uharfbuzz as hb
from fontTools.ttLib import TTFont, TTLibError

from filmforge.errors import BadInput, BadMedia

# The em is 1 / LINE_HEIGHT of what libass takes for a font's size: ascent and descent together.
ASCENT, DESCENT = 1.06, 0.34
LINE_HEIGHT = ASCENT + DESCENT

_MAX_BYTES = 64 * 1024 * 1024
_MAX_NAMED = 8
_SIGNATURES = (b"\x00\x01\x00\x00", b"OTTO", b"true", b"ttcf")
_OUTLINES = {"glyf", "CFF ", "CFF2"}
_NEEDED = {"cmap", "head", "hhea", "hmtx", "maxp"}
_NOT_DRAWN = ("DSIG", "SVG ", "CBDT", "CBLC", "sbix", "EBDT", "EBLC", "COLR", "CPAL", "meta")
_BROKEN = (TTLibError, hb.HarfBuzzError, struct.error, KeyError, ValueError, AssertionError)
_UNITS = range(16, 16_385)
_ZERO_WIDTH_JOINER = "\u200d"
# What says how text is laid out and is never drawn: marks of direction, joiners, selectors.
_UNSEEN = frozenset(
    map(chr, (0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)))
) | frozenset(map(chr, range(0xFE00, 0xFE10)))

# The fonts of the Noto Sans CJK collection, in its order.
_JP, _KR, _SC, _TC, _HK = range(5)
_ZH_FACES = {"Hans": _SC, "CN": _SC, "Hant": _TC, "TW": _TC, "HK": _HK, "MO": _HK}


class Face:
    """One font of a file, at one weight where it has several."""

    def __init__(self, path: Path, index: int = 0, weight: int = 400) -> None:
        self._face = hb.Face(hb.Blob.from_file_path(str(path)), index)
        self._covered = self._face.unicodes
        self._pinned = {
            axis.tag: _within(weight, axis) if axis.tag == "wght" else axis.default_value
            for axis in self._face.axis_infos
        }
        self._font = hb.Font(self._face)
        self._font.set_variations(self._pinned)

    def covers(self, text: str) -> bool:
        """Whether every character that is seen has a glyph."""
        return all(ord(char) in self._covered or char in _UNSEEN for char in text)

    def width(self, text: str, language: str) -> float:
        """The width of a shaped text, in ems."""
        buffer = hb.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        buffer.language = language
        hb.shape(self._font, buffer)
        units = sum(place.x_advance for place in buffer.glyph_positions)
        return float(units / self._face.upem)

    def save(self, path: Path, family: str, text: Iterable[str]) -> None:
        """Write a copy named `family` that draws `text`. Raises BadMedia for a damaged font."""
        try:
            font = TTFont(io.BytesIO(self._subset(set(text))), recalcTimestamp=False)
            _rename(font, family)
            _level(font)
            _map_unseen(font)
            font.save(path)
        except _BROKEN as error:
            raise BadMedia(f"the font is damaged: {error}") from None

    def _subset(self, text: set[str]) -> bytes:
        wanted = hb.SubsetInput()
        for char in sorted({" "} | text):
            wanted.unicode_set.add(ord(char))
        for kept in (wanted.layout_feature_tag_set, wanted.layout_script_tag_set):
            kept.clear()
            kept.invert()
        wanted.flags = hb.SubsetFlags.NO_HINTING | hb.SubsetFlags.NOTDEF_OUTLINE
        for tag in _NOT_DRAWN:
            wanted.drop_table_tag_set.add(int.from_bytes(tag.encode()))
        for tag, value in self._pinned.items():
            wanted.pin_axis_location(self._face, tag, value)
        return bytes(wanted.subset(self._face).blob.data)


class Run(NamedTuple):
    """A part of a line that one font draws: `font` counts the fonts of a lettering."""

    font: int
    text: str


class Lettering:
    """The fonts that texts in one language are drawn with, in the order they are tried."""

    def __init__(self, faces: Sequence[Face], language: str, name: str) -> None:
        self._faces = faces
        self._language = language
        self._name = name

    def family(self, font: int) -> str:
        """The name under which a font is saved."""
        return f"{self._name}-{font}"

    def runs(self, line: str) -> list[Run]:
        """Divide a line among the fonts, never inside a character and its marks.

        What is neither letter nor sign of one script stays with what comes before it.
        """
        runs: list[Run] = []
        for cluster in _clusters(line):
            font = self._font(cluster, runs[-1].font if runs else None)
            if runs and runs[-1].font == font:
                runs[-1] = Run(font, runs[-1].text + cluster)
            else:
                runs.append(Run(font, cluster))
        return runs

    def width(self, line: str) -> float:
        """How wide a line is drawn, in ems."""
        return sum(self._faces[run.font].width(run.text, self._language) for run in self.runs(line))

    def save(self, directory: Path, lines: Iterable[str]) -> None:
        """Write the fonts that the lines need into a directory, with their glyphs only."""
        texts: dict[int, set[str]] = {}
        for line in lines:
            for run in self.runs(line):
                texts.setdefault(run.font, set()).update(run.text)
        for font, text in texts.items():
            self._faces[font].save(directory / f"{self.family(font)}.otf", self.family(font), text)

    def lacking(self, text: str) -> list[str]:
        """The characters that no font has, in order."""
        return sorted({char for char in text if not any(f.covers(char) for f in self._faces)})

    def _font(self, cluster: str, before: int | None) -> int:
        is_neutral = not unicodedata.category(cluster[0]).startswith("L")
        if is_neutral and before is not None and self._faces[before].covers(cluster):
            return before
        covering = (i for i, face in enumerate(self._faces) if face.covers(cluster))
        return next(covering, before or 0)


def choose_fonts(
    texts: Sequence[str],
    language: str = "und",
    own: Path | None = None,
    *,
    field: str = "text",
    weight: int = 400,
    name: str = "lettering",
) -> Lettering:
    """The fonts for these texts: the user's own first, then those that come with FilmForge.

    `weight` is that of the strokes (400 regular, 700 bold) where a font has several; `name` begins
    the names of their families. Raises BadInput naming `field` and the characters that no font
    has, BadMedia for a file that is no font.
    """
    whole = "".join({char for text in texts for char in text if char not in "\r\n\t"})
    faces = [*_own(own, weight), *_built_in(_cjk_face(language, whole), weight)]
    if language.partition("-")[0] in ("ja", "ko", "zh"):
        faces.insert(1 if own else 0, faces.pop())
    lettering = Lettering(faces, language, name)
    if missing := lettering.lacking(whole):
        named = ", ".join(f"U+{ord(char):04X}{_shown(char)}" for char in missing[:_MAX_NAMED])
        more = f" and {len(missing) - _MAX_NAMED} more" if len(missing) > _MAX_NAMED else ""
        raise BadInput(
            field,
            f"no font has the characters {named}{more}",
            "Upload a font that has them and name it as font, or leave them out.",
        )
    return lettering


def document_fonts() -> tuple[Path, ...]:
    """The fonts that come with FilmForge for documents, in the order they are tried."""
    western, eastern, cjk = _packaged()
    return (
        western / "notosans/NotoSans[wdth,wght].ttf",
        eastern / "notosansarabic/NotoSansArabic[wdth,wght].ttf",
        eastern / "notosanshebrew/NotoSansHebrew[wdth,wght].ttf",
        cjk,
    )


def fonts_edition() -> str:
    """What tells one set of the fonts that come with FilmForge from a later one."""
    packages = ("justmytype-western-core", "justmytype-intl-rtl", "noto-cjk-sans-otc")
    return " ".join(f"{package} {version(package)}" for package in packages)


def check_font(path: Path) -> None:
    """Make sure that a file is a font that can be drawn with. Raises BadMedia saying why not."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            signature = file.read(4)
    except OSError as error:
        raise BadMedia(f"the font cannot be read: {error.strerror}") from None
    if signature not in _SIGNATURES:
        raise BadMedia("the file is no font: give a .ttf, .otf or .ttc")
    if size > _MAX_BYTES:
        raise BadMedia(f"the font has {size:,} bytes; {_MAX_BYTES:,} are allowed")
    try:
        # Opened here, because a font that fails to open leaves its file open.
        with path.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            _check_tables(font, size)
    except _BROKEN as error:
        raise BadMedia(f"the font is damaged: {error}") from None


def _check_tables(font: TTFont, size: int) -> None:
    tables = font.reader.tables
    if lacking := sorted(_NEEDED - set(tables)):
        raise BadMedia(f"the font lacks the tables {', '.join(lacking)}")
    if not _OUTLINES & set(tables):
        raise BadMedia("the font has pictures and no outlines: give one with outlines")
    if any(entry.offset + entry.length > size for entry in tables.values()):
        raise BadMedia("the font is cut short")
    if font["head"].unitsPerEm not in _UNITS:
        raise BadMedia(f"the font's em has {font['head'].unitsPerEm} units: 16 to 16384 are valid")


def _own(path: Path | None, weight: int) -> list[Face]:
    if path is None:
        return []
    check_font(path)
    try:
        return [Face(path, 0, weight)]
    except _BROKEN as error:
        raise BadMedia(f"the font is damaged: {error}") from None


@cache
def _built_in(cjk_face: int, weight: int) -> tuple[Face, ...]:
    western, eastern, cjk = _packaged()
    return (
        Face(western / "notosans/NotoSans[wdth,wght].ttf", weight=weight),
        Face(eastern / "notosansarabic/NotoSansArabic[wdth,wght].ttf", weight=weight),
        Face(eastern / "notosanshebrew/NotoSansHebrew[wdth,wght].ttf", weight=weight),
        Face(western / "notosanssymbols2/NotoSansSymbols2-Regular.ttf"),
        Face(cjk, cjk_face),
    )


def _packaged() -> tuple[Path, Path, Path]:
    """Where the western and the right-to-left fonts lie, and the Chinese, Japanese and Korean."""
    return (
        Path(str(files("justmytype_western_core"))) / "fonts/ofl",
        Path(str(files("justmytype_intl_rtl"))) / "fonts/ofl",
        Path(str(files("noto_cjk_sans_otc"))) / "NotoSansCJK-Regular.ttc",
    )


def _cjk_face(language: str, text: str) -> int:
    """Which regional forms of the ideographs to draw; from the text where no language says."""
    base, *parts = language.split("-")
    if base == "zh":
        return next((_ZH_FACES[part] for part in parts[::-1] if part in _ZH_FACES), _SC)
    if base in ("ja", "ko"):
        return _JP if base == "ja" else _KR
    if any("\u3041" <= char <= "\u30ff" for char in text):
        return _JP
    return _KR if any("\uac00" <= char <= "\ud7a3" for char in text) else _SC


def _clusters(line: str) -> list[str]:
    """Characters, each with the marks that stand on it and what is joined to it."""
    clusters: list[str] = []
    for char in line:
        joins = unicodedata.category(char).startswith("M") or char in _UNSEEN
        if clusters and (joins or clusters[-1].endswith(_ZERO_WIDTH_JOINER)):
            clusters[-1] += char
        else:
            clusters.append(char)
    return clusters


def _shown(char: str) -> str:
    return f" {char}" if char.isprintable() and not unicodedata.combining(char) else ""


def _within(value: float, axis: "hb.OTVarAxisInfo") -> float:
    return float(min(max(value, axis.min_value), axis.max_value))


def _rename(font: TTFont, family: str) -> None:
    names = font["name"]
    names.names = []
    for number, text in {1: family, 2: "Regular", 4: family, 6: family}.items():
        names.setName(text, number, 3, 1, 0x409)


def _level(font: TTFont) -> None:
    """Give a font the metrics that all copies have."""
    units = font["head"].unitsPerEm
    ascent, descent = round(ASCENT * units), round(DESCENT * units)
    line = font["hhea"]
    line.ascent, line.descent, line.lineGap = ascent, -descent, 0
    if "OS/2" in font:
        metrics = font["OS/2"]
        metrics.usWinAscent, metrics.usWinDescent = ascent, descent
        metrics.sTypoAscender, metrics.sTypoDescender, metrics.sTypoLineGap = ascent, -descent, 0


def _map_unseen(font: TTFont) -> None:
    """Give marks that are never drawn the blank glyph, so that nobody looks for another font."""
    blank = font.getBestCmap().get(ord(" "), ".notdef")
    for table in font["cmap"].tables:
        if table.isUnicode() and table.format != 14:
            for char in _UNSEEN:
                table.cmap.setdefault(ord(char), blank)
