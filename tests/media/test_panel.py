"""Panels: the same brief gives the same bytes, other wishes give another picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from filmforge.media.panel import PanelBrief, draw_panel
from filmforge.media.panel.stage import stage_for
from filmforge.media.panel.wardrobe import look_of
from filmforge.media.panel.words import SETTINGS, framing_of

SMALL = PanelBrief(
    "Emma opens the attic door in dusty light",
    width=320,
    height=180,
    mood="curious",
    time_of_day="afternoon",
    characters=("emma",),
    landscapes=("attic",),
    seed=7,
)


def drawn(brief: PanelBrief, path: Path) -> np.ndarray:
    draw_panel(brief, path)
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (brief.width, brief.height)
        return np.asarray(picture.convert("RGB"), np.float32)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).mean())


def test_the_same_brief_gives_the_same_bytes(tmp_path: Path) -> None:
    draw_panel(SMALL, tmp_path / "a.png")
    draw_panel(replace(SMALL), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"mood": "tense"},
        {"time_of_day": "night"},
        {"shot_type": "wide"},
        {"landscapes": ("forest",)},
        {"characters": ("marcus",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_wish_gives_a_visibly_different_picture(
    tmp_path: Path, change: dict[str, object]
) -> None:
    before = drawn(SMALL, tmp_path / "a.png")
    after = drawn(replace(SMALL, **change), tmp_path / "b.png")  # type: ignore[arg-type] # a field
    assert difference(before, after) > 2.5


@pytest.mark.parametrize("setting", sorted(SETTINGS))
@pytest.mark.parametrize("hour", ["noon", "night"])
def test_no_place_is_nearly_uniform_at_any_hour(tmp_path: Path, setting: str, hour: str) -> None:
    brief = PanelBrief(f"a {setting}", width=192, height=108, shot_type="wide", time_of_day=hour)
    assert drawn(brief, tmp_path / "a.png").std() > 9


@pytest.mark.parametrize(
    "shot_type",
    [
        "extreme wide",
        "aerial",
        "wide",
        "full",
        "two shot",
        "medium",
        "medium close-up",
        "close-up",
        "extreme close-up",
        "over-the-shoulder",
        "low angle",
        "high angle",
        "POV",
        "insert",
        "??",
    ],
)
def test_every_framing_is_drawn_with_people_and_things(tmp_path: Path, shot_type: str) -> None:
    brief = PanelBrief(
        "Emma and Marcus hold a letter beside the open chest",
        width=160,
        height=90,
        shot_type=shot_type,
        characters=("emma", "marcus"),
        landscapes=("room",),
    )
    assert drawn(brief, tmp_path / "a.png").std() > 9


@pytest.mark.parametrize("size", [(64, 64), (64, 128), (128, 64), (180, 320), (66, 640)])
def test_small_upright_and_narrow_pictures_work(tmp_path: Path, size: tuple[int, int]) -> None:
    drawn(replace(SMALL, width=size[0], height=size[1]), tmp_path / "a.png")


@pytest.mark.parametrize(
    "word",
    ["", "xyzzy " * 900, "🎬🐉", "снег", "\n\t", "' OR 1=1 --", "door door door key rain snow"],
)
def test_words_without_meaning_never_stop_the_drawing(tmp_path: Path, word: str) -> None:
    drawn(
        PanelBrief(word, word, 96, 64, word, word, word, (word,), (word,), (word,), 2**31 - 1),
        tmp_path / "a.png",
    )


def test_a_name_has_one_look_however_it_is_written() -> None:
    assert look_of("Emma") == look_of(" EMMA ")
    assert look_of("Emma") != look_of("Marcus")


def test_a_close_up_of_a_thing_shows_the_thing_and_of_a_person_shows_the_face() -> None:
    thing = PanelBrief("close-up on an old wooden chest", shot_type="close-up")
    face = PanelBrief("Emma's face, reading a letter", shot_type="close-up", characters=("emma",))
    assert stage_for(thing).framing == "insert"
    assert stage_for(face).framing == "close"


def test_a_word_in_the_negative_prompt_is_not_drawn() -> None:
    assert stage_for(PanelBrief("a forest, a lake", negative_prompt="forest")).setting == "sea"


@pytest.mark.parametrize(
    ("said", "framing"),
    [
        ("Extreme Close-Up", "extreme_close"),
        ("extreme_wide", "extreme_wide"),
        ("OTS", "shoulder"),
        ("close up", "close"),
        ("low-angle", "low"),
        ("nonsense", "medium"),
    ],
)
def test_shot_types_are_understood_however_they_are_written(said: str, framing: str) -> None:
    assert framing_of(said) == framing
