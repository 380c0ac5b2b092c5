"""Stills of a finished film: its frames, its poster, its contact sheet and its storyboard."""

import asyncio
import re
from fractions import Fraction
from pathlib import Path

import justmytype_intl_rtl
import justmytype_western_core
import noto_cjk_sans_otc
import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from filmforge.delivery import Centre, Delivery, FilmFacts, Slate
from filmforge.errors import BadInput, BadMedia
from filmforge.media.deliver import deliver
from filmforge.media.master import read_master
from filmforge.media.stills import clock, pictures_at, telling_frame
from tests.media.finished import FIRST_GREY, GREY_STEP, NTSC_FILM, make_film

_WESTERN = Path(justmytype_western_core.__file__).parent / "fonts/ofl"
_RTL = Path(justmytype_intl_rtl.__file__).parent / "fonts/ofl"
LATIN = _WESTERN / "notosans/NotoSans[wdth,wght].ttf"
ARABIC = _RTL / "notosansarabic/NotoSansArabic[wdth,wght].ttf"
HEBREW = _RTL / "notosanshebrew/NotoSansHebrew[wdth,wght].ttf"
CJK = Path(str(noto_cjk_sans_otc.FONT_PATH))
FONTS = (LATIN, ARABIC, HEBREW, CJK)


def _grey(picture: Image.Image) -> float:
    return float(np.asarray(picture.convert("L")).mean()) * 219 / 255 + 16


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _slates(count: int, frames: int, **more: str) -> tuple[Slate, ...]:
    return tuple(
        Slate(shot_id=f"shot_{n:03}", start=n * frames, frames=frames, shot_number=n + 1, **more)
        for n in range(count)
    )


async def test_any_frame_is_found_exactly_in_any_order(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=48)
    wanted = [0, 1, 17, 47, 46, 5]
    master = read_master(film)
    found = [_grey(picture) for picture in pictures_at(master, wanted)]
    expected = [FIRST_GREY + GREY_STEP * frame for frame in wanted]
    assert found == pytest.approx(expected, abs=GREY_STEP / 2)
    (small,) = pictures_at(master, [3], width=64)
    assert small.size == (64, 36)
    with pytest.raises(BadMedia, match="no frame 48"):
        list(pictures_at(master, [48]))


async def test_the_most_telling_frame_is_neither_black_nor_plain(tmp_path: Path) -> None:
    # Black, then red, then a picture of many colours for four frames, then white.
    picture = (
        "format=rgb24,geq="
        "r='if(lt(N,10),0,if(lt(N,20),255,if(lt(N,24),255*X/W,255)))':"
        "g='if(lt(N,20),0,if(lt(N,24),255*Y/H,255))':"
        "b='if(lt(N,20),0,if(lt(N,24),255*abs(X-Y)/W,255))',"
        "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    )
    film = await make_film(tmp_path / "film.mp4", picture, frames=40)
    assert 20 <= telling_frame(read_master(film)) < 24


async def test_a_dark_frame_with_noise_is_left_for_a_plain_one_that_can_be_seen(
    tmp_path: Path,
) -> None:
    picture = "geq=lum='if(lt(N,6),16+8*mod(floor(X/16),4),if(lt(X,64),90,100))':cb=128:cr=128"
    film = await make_film(tmp_path / "film.mp4", picture, frames=8)
    assert telling_frame(read_master(film)) == 6


@pytest.mark.parametrize(("picture", "ending"), [("jpeg", "jpg"), ("png", "png")])
async def test_a_poster_is_the_frame_that_was_asked_for(
    tmp_path: Path, picture: str, ending: str
) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=48)
    wish = Delivery(format="poster", frame=31, picture=picture, aspect="1:1", name="poster")
    (made,) = await deliver(film, wish, tmp_path)
    assert (made.name, made.media_type) == (f"poster.{ending}", f"image/{picture}")
    with Image.open(made.path) as poster:
        assert (poster.format, poster.size) == (picture.upper(), (72, 72))
        assert _grey(poster) == pytest.approx(FIRST_GREY + GREY_STEP * 31, abs=GREY_STEP / 2)
    with pytest.raises(BadInput, match=r"no frame 48.*at most 47"):
        await deliver(film, Delivery(format="poster", frame=48), tmp_path)


async def test_a_poster_is_cropped_around_the_centre_of_its_shot(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", "geq=lum='16+219*X/W':cb=128:cr=128", frames=8)
    shots = (
        Slate(shot_id="a", start=0, frames=4, centre=Centre(x=0)),
        Slate(shot_id="b", start=4, frames=4, centre=Centre(x=1)),
    )
    greys = []
    for frame in (3, 4):
        wish = Delivery(format="poster", frame=frame, picture="png", aspect="1:1")
        (made,) = await deliver(film, wish, tmp_path, FilmFacts(shots=shots))
        with Image.open(made.path) as poster:
            greys.append(float(np.asarray(poster.convert("L")).mean()))
    assert greys == pytest.approx([255 * 36 / 128, 255 * 92 / 128], abs=5)


async def test_a_contact_sheet_has_a_cell_for_every_shot(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=40)
    facts = FilmFacts(shots=_slates(5, 8))
    (made,) = await deliver(
        film, Delivery(format="contact_sheet", width=800, name="sheet"), tmp_path, facts
    )
    assert (made.name, made.media_type) == ("sheet.png", "image/png")
    with Image.open(made.path) as sheet:
        assert (sheet.format, sheet.width) == ("PNG", 800)
        pixels = np.asarray(sheet.convert("L"), np.float32)
    cell = (800 - 2 * 20 - 3 * 10) // 4
    height = round(cell * 72 / 128)
    row = height + 10 * 5 // 2 + 10
    for index in range(5):
        left, top = 20 + index % 4 * (cell + 10), 20 + index // 4 * row
        shown = pixels[top + 20 : top + 80, left + 20 : left + 100].mean() * 219 / 255 + 16
        middle = FIRST_GREY + GREY_STEP * (index * 8 + 4)
        assert shown == pytest.approx(middle, abs=GREY_STEP / 2), "the middle of the shot"
        assert pixels[top + height + 3 : top + height + 20, left : left + cell].max() > 150
    assert pixels[20 + row + 20, 20 + cell + 30] < 30, "no cell without a shot"


async def test_a_long_film_has_several_sheets(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=41)
    wish = Delivery(format="contact_sheet", width=320, name="sheet")
    made = await deliver(film, wish, tmp_path, FilmFacts(shots=_slates(41, 1)))
    assert [each.name for each in made] == ["sheet/001.png", "sheet/002.png"]
    assert [each.path for each in made] == sorted((tmp_path / "sheet").iterdir())
    heights = []
    for each in made:
        with Image.open(each.path) as sheet:
            heights.append(sheet.height)
    assert heights[0] > heights[1] > heights[0] * 0.7, "21 shots and 20"
    assert _names(tmp_path) == {"film.mp4", "sheet"}


@pytest.mark.parametrize("kind", ["contact_sheet", "storyboard"])
async def test_without_shots_there_is_nothing_to_lay_out(tmp_path: Path, kind: str) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    with pytest.raises(BadInput, match="shots: none are told of"):
        await deliver(film, Delivery(format=kind), tmp_path, fonts=FONTS)


def _letters(text: str) -> set[str]:
    return {char for char in text if char.isalnum()}


async def test_a_storyboard_tells_every_shot_in_text_that_can_be_selected(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=42)
    said = (
        "The first office.",
        "مرحبا بالعالم",
        "שלום עולם",
        "你好世界 今日は",
        "Mixed مرحبا 你好",
        "",
        "End",
    )
    shots = tuple(
        slate.model_copy(update={"dialogue": line, "shot_type": "close-up"})
        for slate, line in zip(_slates(7, 6), said, strict=True)
    )
    facts = FilmFacts(title="The Attic", shots=shots)
    (made,) = await deliver(film, Delivery(format="storyboard"), tmp_path, facts, fonts=FONTS)
    assert (made.name, made.media_type) == ("storyboard.pdf", "application/pdf")
    pdf = PdfReader(made.path)
    assert len(pdf.pages) == 2, "six shots a page"
    assert [len(page.images) for page in pdf.pages] == [6, 1]
    assert {tuple(map(round, page.mediabox[2:])) for page in pdf.pages} == {(842, 595)}
    first, second = (page.extract_text() for page in pdf.pages)
    assert "The Attic" in first
    assert "1 / 2" in first
    assert "1 close-up" in " ".join(first.split())
    assert "0.25 s" in first
    assert "The first office." in first
    assert "End" in second
    for line in said[:6]:
        assert _letters(line) <= _letters(first)


async def test_arabic_letters_are_joined_and_its_lines_begin_at_the_right(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    glyphs: dict[str, set[bytes]] = {}
    starts: dict[str, float] = {}
    for name, line in (("latin", "babab"), ("joined", "ب" * 5), ("apart", "ب\u200cب\u200cب")):
        facts = FilmFacts(shots=(Slate(shot_id="s", start=0, frames=6, dialogue=line),))
        wish = Delivery(format="storyboard", name=name)
        (made,) = await deliver(film, wish, tmp_path, facts, fonts=FONTS)
        contents = PdfReader(made.path).pages[0].get_contents()
        assert contents is not None
        line_drawn = contents.get_data().rstrip().splitlines()[-1]
        found = re.match(rb"q BT ([0-9.]+) ", line_drawn)
        assert found
        starts[name] = float(found[1])
        glyphs[name] = set(re.findall(rb"Tm \((..)\) Tj", line_drawn))
    assert len(glyphs["joined"]) == 4, "the dot, and the letter at the end, inside and at the start"
    assert len(glyphs["apart"]) == 2, "the dot and the letter by itself"
    # A cell of 87 mm that begins 12 mm from the left.
    assert starts["latin"] == pytest.approx(12 * 72 / 25.4, abs=0.1)
    assert 240 < starts["joined"] < 99 * 72 / 25.4


async def test_long_dialogue_is_cut_at_the_end_of_its_cell(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    shots = (Slate(shot_id="s", start=0, frames=6, dialogue="words and words " * 400 + "END"),)
    wish = Delivery(format="storyboard")
    (made,) = await deliver(film, wish, tmp_path, FilmFacts(shots=shots), fonts=[LATIN])
    text = PdfReader(made.path).pages[0].extract_text()
    assert text.count("words") < 100
    assert "..." in text
    assert "END" not in text


async def test_only_the_glyphs_that_are_used_are_embedded_and_the_bytes_are_the_same(
    tmp_path: Path,
) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    facts = FilmFacts(shots=(Slate(shot_id="s", start=0, frames=6, dialogue="你好"),))
    made = [
        (
            await deliver(
                film, Delivery(format="storyboard", name=name), tmp_path, facts, fonts=FONTS
            )
        )[0]
        for name in ("a", "b")
    ]
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert made[0].path.stat().st_size < 60_000, "the font has 20 MB"


async def test_fonts_that_lack_a_character_or_are_none_are_refused(tmp_path: Path) -> None:
    film = await make_film(tmp_path / "film.mp4", frames=6)
    facts = FilmFacts(shots=(Slate(shot_id="s", start=0, frames=6, dialogue="你 and me"),))
    wish = Delivery(format="storyboard")
    with pytest.raises(BadInput, match=r"shots\[0\]: no font has 你 \(U\+4F60\). Give a font"):
        await deliver(film, wish, tmp_path, facts, fonts=[LATIN, ARABIC])
    with pytest.raises(BadInput, match="fonts: there are none"):
        await deliver(film, wish, tmp_path, facts)
    text = tmp_path / "no.ttf"
    text.write_text("no font at all")
    with pytest.raises(BadMedia, match=r"no\.ttf is no font"):
        await deliver(film, wish, tmp_path, facts, fonts=[text])
    assert _names(tmp_path) == {"film.mp4", "no.ttf"}


@pytest.mark.parametrize("kind", ["contact_sheet", "storyboard", "poster"])
async def test_cancelled_stills_stop_soon_and_leave_nothing(tmp_path: Path, kind: str) -> None:
    film = await make_film(tmp_path / "film.mp4", "noise=alls=50", size="320x180", frames=48)
    facts = FilmFacts(shots=_slates(48, 1))
    out = tmp_path / "out"
    out.mkdir()
    work = asyncio.create_task(deliver(film, Delivery(format=kind), out, facts, fonts=FONTS))
    await asyncio.sleep(0.15)
    work.cancel()
    began = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert asyncio.get_running_loop().time() - began < 5
    assert _names(out) == set()


def test_a_frame_is_told_as_hours_minutes_and_seconds() -> None:
    assert clock(0, Fraction(24)) == "0:00:00.000"
    assert clock(24, NTSC_FILM) == "0:00:01.001"
    assert clock(86_400 * 2, Fraction(24)) == "2:00:00.000"
    assert clock(24 * 3_661 + 1, Fraction(24)) == "1:01:01.041"
