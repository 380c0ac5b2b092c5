import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filmforge.errors import BadInput
from gpu_functions.device import Device
from gpu_functions.image_flux import ImageFlux
from gpu_functions.maker import Stopped
from tests.gpu_functions import tiny_image_flux
from tests.gpu_functions.stage import CPU, a_picture, a_work, open_stage

CARD = Device("cuda", "a card", 80.0, "bfloat16")
SMALL_CARD = Device("cuda", "a small card", 24.0, "bfloat16")


@pytest.fixture(scope="module")
def flux(tmp_path_factory: pytest.TempPathFactory) -> ImageFlux:
    folder = tmp_path_factory.mktemp("image_flux")
    tiny_image_flux.build(folder)
    return ImageFlux(folder, CPU)


def picture(
    flux: ImageFlux, folder: Path, seed: int = 7, source: Path | None = None, **changes: Any
) -> bytes:
    parameters = {**tiny_image_flux.WORK_PARAMETERS, **changes}
    inputs = {} if source is None else {"source": source}
    work = a_work("image_flux", parameters, seed, **inputs)
    made = flux.make(work, open_stage(folder, **inputs).room)
    assert made.media_type == "image/png"
    return made.path.read_bytes()


def test_words_make_a_picture_of_exactly_the_size(flux: ImageFlux, tmp_path: Path) -> None:
    work = a_work("image_flux", {"prompt": "a house", "width": 70, "height": 66, "steps": 1})
    made = flux.make(work, open_stage(tmp_path).room)
    with Image.open(made.path) as image:
        assert image.format == "PNG"
        assert image.size == (70, 66)
        assert image.mode == "RGB"
        assert np.asarray(image).std() > 0


def test_the_same_work_makes_the_same_bytes_and_another_seed_others(
    flux: ImageFlux, tmp_path: Path
) -> None:
    first = picture(flux, tmp_path)
    assert picture(flux, tmp_path) == first
    assert picture(flux, tmp_path, seed=8) != first


def test_other_words_make_another_picture(flux: ImageFlux, tmp_path: Path) -> None:
    assert picture(flux, tmp_path) != picture(flux, tmp_path, prompt="snow at night")


def test_a_picture_follows_its_source(flux: ImageFlux, tmp_path: Path) -> None:
    one = a_picture(tmp_path / "one.png")
    other = a_picture(tmp_path / "other.png", angle=90)
    made = picture(flux, tmp_path, source=one)
    assert made != picture(flux, tmp_path)
    assert made != picture(flux, tmp_path, source=other)


def test_strength_says_how_far_the_source_is_changed(flux: ImageFlux, tmp_path: Path) -> None:
    one = a_picture(tmp_path / "one.png")
    other = a_picture(tmp_path / "other.png", angle=90)

    def apart(strength: float) -> float:
        """How much of the difference between two sources is left."""
        files = [picture(flux, tmp_path, source=path, strength=strength) for path in (one, other)]
        first, second = (np.asarray(Image.open(io.BytesIO(file))).astype(float) for file in files)
        return float(np.abs(first - second).mean())

    assert apart(0.1) > apart(0.5) > apart(0.95) > apart(1.0) == 0


def test_all_steps_are_taken_whatever_the_strength(flux: ImageFlux, tmp_path: Path) -> None:
    source = a_picture(tmp_path / "source.png")
    parameters = {**tiny_image_flux.WORK_PARAMETERS, "steps": 4, "strength": 0.1}
    stage = open_stage(tmp_path / "stage", source=source)
    flux.make(a_work("image_flux", parameters, source=source), stage.room)
    assert len(stage.told) == 4


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"width": 8}, "width"),
        ({"width": 2048, "height": 2048}, "width"),
        ({"steps": 0}, "steps"),
        ({"strength": 0.5}, "strength"),
        ({"strength": 0}, "strength"),
        ({"guidance": 3.5}, "guidance"),
        ({"negative_prompt": "rain"}, "negative_prompt"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(
    flux: ImageFlux, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        picture(flux, tmp_path, **changes)
    assert refused.value.field == field


def test_a_source_that_is_no_picture_is_refused(flux: ImageFlux, tmp_path: Path) -> None:
    (tmp_path / "source.png").write_text("no picture")
    with pytest.raises(BadInput) as refused:
        picture(flux, tmp_path, source=tmp_path / "source.png")
    assert refused.value.field == "source"


def test_an_input_that_is_not_taken_is_refused_by_its_role(flux: ImageFlux, tmp_path: Path) -> None:
    frame = a_picture(tmp_path / "frame.png")
    work = a_work("image_flux", tiny_image_flux.WORK_PARAMETERS, frame=frame)
    with pytest.raises(BadInput) as refused:
        flux.make(work, open_stage(tmp_path / "stage", frame=frame).room)
    assert refused.value.field == "frame"


def test_it_stops_between_steps_and_works_on_afterwards(flux: ImageFlux, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage")
    stage.stop_at = 0.3
    work = a_work("image_flux", tiny_image_flux.WORK_PARAMETERS)
    with pytest.raises(Stopped):
        flux.make(work, stage.room)
    assert len(stage.told) == 1
    stage.stop_at = None
    assert flux.make(work, stage.room).path.read_bytes() == picture(flux, tmp_path / "again")


def test_a_larger_picture_needs_more_memory_and_a_small_card_only_the_largest_part() -> None:
    small = a_work("image_flux", {"prompt": "a house", "width": 512, "height": 512})
    large = a_work("image_flux", {"prompt": "a house", "width": 1024, "height": 1024})
    assert ImageFlux.needs_gib(large, CARD) > ImageFlux.needs_gib(small, CARD) > 31
    assert 22 < ImageFlux.needs_gib(small, SMALL_CARD) < 24
