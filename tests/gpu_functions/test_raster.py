from pathlib import Path

import numpy as np
import pytest

from filmforge.errors import BadInput
from gpu_functions.raster import Raster
from tests.gpu_functions.stage import a_picture


def test_sides_are_made_a_multiple_and_cut_to_what_was_asked() -> None:
    raster = Raster(1280, 720, 32, 10_000_000)
    assert (raster.made_width, raster.made_height) == (1280, 736)
    assert raster.made_pixels == 1280 * 736
    assert raster.cut(np.zeros((3, 736, 1280, 3))).shape == (3, 720, 1280, 3)


def test_a_picture_that_goes_in_comes_out_at_the_same_place() -> None:
    raster = Raster(50, 34, 16, 10_000)
    picture = np.random.default_rng(0).integers(0, 256, (34, 50, 3), dtype=np.uint8)
    large = np.asarray(raster.draw_out(picture))
    assert large.shape == (48, 64, 3)
    assert np.array_equal(raster.cut(large / 255), picture)
    assert np.array_equal(large[0, 7:57], picture[0])


def test_a_picture_of_another_shape_is_cropped_not_stretched(tmp_path: Path) -> None:
    wide = a_picture(tmp_path / "wide.png", size=(128, 32))
    assert Raster(32, 32, 16, 10_000).open(wide, "frame").size == (32, 32)


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(BadInput) as refused:
        Raster(200, 200, 16, 39_999)
    assert refused.value.field == "width"
