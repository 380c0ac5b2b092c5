"""A film in another shape: cut around what matters, or whole before bars or a blur."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.delivery import Centre, Delivery, FilmFacts, Slate
from filmforge.errors import BadInput
from filmforge.media.deliver import deliver
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.reframe import (
    Focus,
    Size,
    crop_corner,
    crop_size,
    delivered_size,
    focus_of,
    reframed,
    seen_from,
)
from tests.media.finished import make_film

# Black at the left edge, white at the right: a column's grey says where it was.
_RAMP = "geq=lum='16+219*X/W':cb=128:cr=128"
_WHITE = "geq=lum=235:cb=128:cr=128"
HD = Size(1280, 720)


def _greys(path: Path) -> list[NDArray[np.float32]]:
    with av.open(str(path)) as media:
        return [
            np.asarray(frame.to_ndarray(format="gray"), np.float32)
            for frame in media.decode(video=0)
        ]


async def _delivered(
    tmp_path: Path, picture: str, facts: FilmFacts, frames: int = 6, **wish: Any
) -> list[NDArray[np.float32]]:
    film = await make_film(tmp_path / "film.mp4", picture, frames=frames, sound=False)
    wish = {"format": "h264", "quality": "draft", **wish}
    (made,) = await deliver(film, Delivery(**wish), tmp_path, facts)
    return _greys(made.path)


@pytest.mark.parametrize(
    ("wish", "size"),
    [
        ({}, (1280, 720)),
        ({"aspect": "16:9"}, (1280, 720)),
        ({"aspect": "9:16"}, (720, 1280)),
        ({"aspect": "1:1"}, (720, 720)),
        ({"aspect": "9:16", "width": 1080}, (1080, 1920)),
        ({"aspect": "16:9", "height": 480}, (854, 480)),
        ({"width": 640}, (640, 360)),
        ({"height": 1080}, (1920, 1080)),
        ({"width": 640, "height": 640}, (640, 640)),
        ({"aspect": "16:9", "width": 854, "height": 480}, (854, 480)),
    ],
)
def test_a_size_follows_from_what_is_said_of_it(
    wish: dict[str, Any], size: tuple[int, int]
) -> None:
    assert delivered_size(Delivery(format="h264", **wish), HD) == size


@pytest.mark.parametrize(
    "wish", [{"aspect": "9:16", "width": 3000}, {"width": 96, "aspect": "16:9"}]
)
def test_a_side_that_would_be_too_long_or_short_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="between 64 and 4096"):
        delivered_size(Delivery(format="h264", **wish), HD)


def test_the_part_kept_is_the_largest_of_its_shape_and_stays_inside() -> None:
    upright = crop_size(HD, Size(720, 1280))
    assert upright == (404, 720)
    assert crop_size(HD, Size(854, 480)) == HD, "854 x 480 is 16:9 but for rounding"
    assert crop_size(Size(720, 1280), Size(1280, 720)) == (720, 404)
    for x, left in ((0.5, 438), (0.0, 0), (1.0, 876), (0.25, 118)):
        corner = crop_corner(HD, upright, Centre(x=x, y=0.9))
        assert corner == (left, 0)


async def test_cropping_keeps_the_middle_unless_told_otherwise(tmp_path: Path) -> None:
    (first, *_) = await _delivered(tmp_path, _RAMP, FilmFacts(), aspect="1:1")
    assert first.shape == (72, 72)
    # Of 128 columns the middle 72 are 28 to 100.
    assert first[:, 2].mean() == pytest.approx(255 * 30 / 128, abs=4)
    assert first[:, -3].mean() == pytest.approx(255 * 97 / 128, abs=4)


async def test_each_shot_is_cropped_around_its_own_centre_to_the_frame(tmp_path: Path) -> None:
    facts = FilmFacts(
        shots=(
            Slate(shot_id="a", start=0, frames=4, centre=Centre(x=0)),
            Slate(shot_id="b", start=4, frames=3, centre=Centre(x=1)),
            Slate(shot_id="c", start=7, frames=5),
        )
    )
    shown = await _delivered(tmp_path, _RAMP, facts, 12, aspect="1:1")
    lefts = [round(float(frame[:, 4:8].mean()) * 128 / 255 - 6) for frame in shown]
    expected = [0] * 4 + [56] * 3 + [28] * 5
    assert max(abs(a - b) for a, b in zip(lefts, expected, strict=True)) <= 3


def test_the_centre_changes_in_the_middle_of_a_transition_and_only_when_it_differs() -> None:
    left, right = Centre(x=0.1), Centre(x=0.9)
    facts = FilmFacts(
        shots=(
            Slate(shot_id="a", start=0, frames=24, centre=left),
            Slate(shot_id="b", start=12, frames=24, centre=right),
            Slate(shot_id="c", start=36, frames=24, centre=right),
            Slate(shot_id="d", start=60, frames=24),
        )
    )
    focus = focus_of(facts)
    assert focus == (Focus(0, left), Focus(18, right), Focus(60, Centre()))
    assert seen_from(focus, 20) == (Focus(0, right), Focus(40, Centre()))
    assert focus_of(FilmFacts()) == (Focus(0, Centre()),)


async def test_padding_shows_the_whole_picture_between_black_bars(tmp_path: Path) -> None:
    (first, *_) = await _delivered(tmp_path, _WHITE, FilmFacts(), aspect="9:16", fit="pad")
    assert first.shape == (128, 72)
    white = np.flatnonzero(first.mean(axis=1) > 128)
    assert len(white) == pytest.approx(72 * 72 / 128, abs=2)
    assert abs((white[0] + white[-1]) / 2 - 63.5) <= 2
    assert first[:40].max() < 20
    assert first[:, 1].max() > 200, "it reaches both sides"


async def test_blurring_fills_the_rest_with_a_darker_copy(tmp_path: Path) -> None:
    (first, *_) = await _delivered(tmp_path, _WHITE, FilmFacts(), aspect="9:16", fit="blur")
    rows = first.mean(axis=1)
    assert rows[60:68].min() > 240, "the picture itself"
    assert rows[:36] == pytest.approx(0.7 * 255, abs=6)
    assert rows[-36:] == pytest.approx(0.7 * 255, abs=6)


async def test_blurring_leaves_no_detail_behind_the_picture(tmp_path: Path) -> None:
    stripes = "geq=lum='16+219*gt(mod(X,8),3)':cb=128:cr=128"
    (first, *_) = await _delivered(tmp_path, stripes, FilmFacts(), aspect="9:16", fit="blur")
    assert np.abs(np.diff(first[20])).max() < 10
    assert np.abs(np.diff(first[64])).max() > 60


async def test_the_centres_of_five_thousand_shots_fit_into_one_call(tmp_path: Path) -> None:
    shots = tuple(
        Slate(shot_id=f"s{n}", start=n * 120 + 2, frames=120, centre=Centre(x=n % 97 / 97))
        for n in range(5_000)
    )
    facts = FilmFacts(shots=shots)
    graph = reframed(Size(4096, 2160), Size(2160, 3840), "crop", focus_of(facts))
    assert len(graph) < 131_072, "what Linux takes in one argument"
    film = await make_film(tmp_path / "film.mp4", _RAMP, frames=6, sound=False)
    steps = reframed(Size(128, 72), Size(72, 72), "crop", focus_of(facts))
    await run_ffmpeg(["-i", str(film), "-vf", steps, str(tmp_path / "cut.mp4")], 20)
    assert len(_greys(tmp_path / "cut.mp4")) == 6


def test_a_film_of_the_same_shape_is_only_scaled() -> None:
    assert "crop" not in reframed(HD, Size(640, 360), "crop")
    assert "scale" not in reframed(HD, HD, "crop")
    assert Fraction(*crop_size(HD, Size(640, 360))) == Fraction(16, 9)
