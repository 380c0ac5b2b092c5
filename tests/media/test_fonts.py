"""Fonts cover a text or it is refused; private copies shape as the fonts they come from."""

from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import pytest
import uharfbuzz as hb

from filmforge.errors import BadInput, BadMedia
from filmforge.media.fonts import check_font, choose_fonts

WESTERN = Path(str(files("justmytype_western_core"))) / "fonts/ofl"


def _shaped(path: Path, text: str) -> tuple[list[int], int]:
    """The glyphs of a text and its width in a font."""
    font = hb.Font(hb.Face(hb.Blob.from_file_path(str(path))))
    buffer = hb.Buffer()
    buffer.add_str(text)
    buffer.guess_segment_properties()
    hb.shape(font, buffer)
    glyphs = [info.codepoint for info in buffer.glyph_infos]
    return glyphs, sum(place.x_advance for place in buffer.glyph_positions)


def _outline(path: Path, text: str) -> str:
    font = hb.Font(hb.Face(hb.Blob.from_file_path(str(path))))
    glyph = font.get_nominal_glyph(ord(text))
    assert glyph
    commands: list[str] = []
    draw = hb.DrawFuncs()
    draw.set_move_to_func(lambda x, y, c: c.append(f"M{x},{y}"))
    draw.set_line_to_func(lambda x, y, c: c.append(f"L{x},{y}"))
    draw.set_cubic_to_func(lambda a, b, d, e, x, y, c: c.append(f"C{x},{y}"))
    draw.set_quadratic_to_func(lambda a, b, x, y, c: c.append(f"Q{x},{y}"))
    font.draw_glyph(glyph, draw, commands)
    return "".join(commands)


def test_each_part_of_a_mixed_line_has_a_font_that_covers_it() -> None:
    lettering = choose_fonts(["FilmForge في باريس 2024 你好 שלום e\u0301!"])
    runs = lettering.runs("FilmForge في باريس 2024 你好 שלום e\u0301!")
    texts = [run.text for run in runs]
    assert texts == ["FilmForge ", "في باريس 2024 ", "你好 ", "שלום ", "e\u0301!"]
    assert len({run.font for run in runs}) == 4


def test_characters_that_no_font_has_are_named_with_the_remedy() -> None:
    with pytest.raises(BadInput, match=r"subtitles: .*U\+0E17 ท, U\+1F600 😀.*Upload a font"):
        choose_fonts(["Hello 😀 ท"], field="subtitles")


def test_arabic_letters_are_joined_by_the_private_copy(tmp_path: Path) -> None:
    lettering = choose_fonts(["سلام لا"], "ar", name="x")
    lettering.save(tmp_path, ["سلام لا"])
    (copy,) = tmp_path.iterdir()
    joined, joined_width = _shaped(copy, "سلم")
    apart, apart_width = _shaped(copy, "س\u200cل\u200cم")
    assert not set(joined) & set(apart)
    assert joined_width < 0.8 * apart_width
    lam_alef = _shaped(copy, "لا")[0]
    assert not set(lam_alef) & set(_shaped(copy, "\u0644\u200c\u0627")[0]), (
        "the obligatory ligature"
    )


def test_a_copy_holds_the_glyphs_of_the_text_only_and_no_name_of_the_original(
    tmp_path: Path,
) -> None:
    choose_fonts(["漢字"], "ja", name="mine").save(tmp_path, ["漢字"])
    (copy,) = tmp_path.iterdir()
    assert copy.stat().st_size < 20_000
    face = hb.Face(hb.Blob.from_file_path(str(copy)))
    assert face.get_name(hb.OTNameIdPredefined.FONT_FAMILY) == copy.stem
    assert ord("漢") in face.unicodes
    assert ord("海") not in face.unicodes


def test_ideographs_take_the_forms_of_the_language(tmp_path: Path) -> None:
    drawn = {}
    for language in ("ja", "zh-Hans", "zh-Hant", "ko"):
        directory = tmp_path / language
        directory.mkdir()
        choose_fonts(["骨"], language).save(directory, ["骨"])
        drawn[language] = _outline(next(directory.iterdir()), "骨")
    assert drawn["ja"] != drawn["zh-Hans"] != drawn["zh-Hant"]


def test_strokes_are_as_heavy_as_asked_for(tmp_path: Path) -> None:
    widths = []
    for weight in (400, 700):
        choose_fonts(["שלום"], "he", weight=weight, name=str(weight)).save(tmp_path, ["שלום"])
        copy = next(tmp_path.glob(f"{weight}-*"))
        widths.append(_shaped(copy, "שלום")[1])
        assert choose_fonts(["שלום"], "he", weight=weight).width("שלום") == pytest.approx(
            widths[-1] / 1000, abs=0.01
        )
    assert widths[0] < widths[1]


def test_the_users_font_comes_first_and_others_fill_in() -> None:
    own = WESTERN / "notoserif/NotoSerif[wdth,wght].ttf"
    lettering = choose_fonts(["Hello 你好"], own=own)
    assert [(run.font, run.text) for run in lettering.runs("Hello 你好")] == [
        (0, "Hello "),
        (len(choose_fonts(["a"])._faces), "你好"),
    ]
    assert lettering.width("Hello") != choose_fonts(["Hello"]).width("Hello")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no font"),
        (b"<svg/>", "no font"),
        (b"\x00\x01\x00\x00" + b"\xff" * 40, "damaged"),
        (b"ttcf" + b"\xff" * 40, "damaged"),
        (b"OTTO\x00\x00\x00\x00\x00\x00\x00\x00", "lacks the tables"),
    ],
)
def test_what_is_no_font_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "font.ttf"
    path.write_bytes(content)
    with pytest.raises(BadMedia, match=reason):
        check_font(path)


def test_a_font_that_is_cut_short_or_spoilt_is_refused_or_drawn_never_worse(
    tmp_path: Path,
) -> None:
    whole = (WESTERN / "notosanssymbols2/NotoSansSymbols2-Regular.ttf").read_bytes()
    path = tmp_path / "font.ttf"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadMedia, match="cut short"):
        check_font(path)
    for place in range(300, len(whole), len(whole) // 12):
        path.write_bytes(whole[:place] + b"\xff" * 64 + whole[place + 64 :])
        with suppress(BadMedia):
            choose_fonts(["☀ a"], own=path).save(tmp_path, ["☀ a"])
