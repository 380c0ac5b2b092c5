"""Control pictures, drawn by tiny random networks through the real loading code."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from filmforge.errors import BadInput
from gpu_functions.controls import ADE20K_COLOURS, Kind, Preprocessors, normals, paint
from tests.gpu_functions.stage import CPU, a_picture
from tests.gpu_functions.tiny_image_sdxl import build_drawing

RED, ORANGE = (255, 0, 0), (255, 85, 0)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Preprocessors:
    folder = tmp_path_factory.mktemp("weights")
    build_drawing(folder)
    return Preprocessors(folder, CPU)


@pytest.fixture
def picture(tmp_path: Path) -> Image.Image:
    return Image.open(a_picture(tmp_path / "picture.png", (96, 64)))


@pytest.mark.parametrize("kind", ["pose", "depth", "canny", "segmentation", "normal"])
def test_a_control_picture_has_the_size_of_its_picture_and_follows_it(
    drawing: Preprocessors, kind: Kind, tmp_path: Path
) -> None:
    first = Image.open(a_picture(tmp_path / "first.png", (96, 64)))
    ImageDraw.Draw(first).rectangle((20, 10, 60, 50), fill="white")
    other = Image.open(a_picture(tmp_path / "other.png", (96, 64), angle=90))
    ImageDraw.Draw(other).ellipse((40, 10, 80, 60), fill="black")
    drawn = drawing.draw(kind, first)
    assert (drawn.size, drawn.mode) == ((96, 64), "RGB")
    assert drawn.tobytes() == drawing.draw(kind, first).tobytes()
    assert drawn.tobytes() != drawing.draw(kind, other).tobytes()


def test_canny_is_white_at_edges_and_black_elsewhere(drawing: Preprocessors) -> None:
    picture = Image.new("RGB", (64, 64))
    ImageDraw.Draw(picture).rectangle((20, 20, 43, 43), fill="white")
    drawn = np.asarray(drawing.draw("canny", picture))
    assert set(np.unique(drawn)) == {0, 255}
    assert drawn[30:34, 18:23].any()
    assert not drawn[28:36, 28:36].any()
    assert not drawn[:15].any()


def test_depth_is_grey_from_black_to_white(drawing: Preprocessors, picture: Image.Image) -> None:
    drawn = np.asarray(drawing.draw("depth", picture))
    assert (drawn.min(), drawn.max()) == (0, 255)
    assert (drawn == drawn[..., :1]).all()


def test_segments_have_the_colours_of_ade20k(drawing: Preprocessors, picture: Image.Image) -> None:
    colours = {tuple(colour) for colour in np.frombuffer(ADE20K_COLOURS, np.uint8).reshape(150, 3)}
    drawn = np.asarray(drawing.draw("segmentation", picture)).reshape(-1, 3)
    assert {tuple(colour) for colour in drawn} <= colours


def test_what_is_beside_a_picture_leaves_its_segments_where_they_are(
    drawing: Preprocessors, tmp_path: Path
) -> None:
    wide = Image.open(a_picture(tmp_path / "wide.png", (96, 48)))
    square = Image.new("RGB", (96, 96))
    square.paste(wide)
    alone, beside = (np.asarray(drawing.draw("segmentation", one)) for one in (wide, square))
    assert len(np.unique(alone.reshape(-1, 3), axis=0)) > 1
    assert (alone[:36] == beside[:36]).all()


def test_a_flat_wall_faces_the_viewer() -> None:
    assert (normals(np.full((32, 32), 0.5, np.float32)) == (128, 128, 255)).all()


def test_what_comes_nearer_to_the_right_faces_left_and_to_the_bottom_up() -> None:
    ramp = np.tile(np.linspace(0, 1, 32, dtype=np.float32), (32, 1))
    right, down = normals(ramp)[16, 16], normals(ramp.T.copy())[16, 16]
    assert right[0] < 60
    assert right[1] == 128
    assert down[0] == 128
    assert down[1] > 200


def _person() -> tuple[np.ndarray, np.ndarray]:
    joints = np.full((17, 2), 5.0, np.float32)
    joints[0] = (50, 20)  # nose
    joints[5], joints[6] = (70, 40), (30, 40)  # left and right shoulder, seen from the front
    scores = np.zeros(17, np.float32)
    scores[[0, 5, 6]] = 0.9
    return joints, scores


def test_a_skeleton_has_its_joints_in_openpose_colours_and_a_neck() -> None:
    canvas = np.zeros((100, 100, 3), np.uint8)
    paint(canvas, *_person())
    assert tuple(canvas[20, 50]) == RED
    assert tuple(canvas[40, 50]) == ORANGE
    assert canvas[40, 40].any()  # the bone from the neck to the shoulder
    assert canvas[30, 50].any()  # and to the nose
    assert not canvas[80:].any()


def test_joints_that_are_not_seen_are_not_drawn() -> None:
    joints, scores = _person()
    scores[6] = 0.1
    canvas = np.zeros((100, 100, 3), np.uint8)
    paint(canvas, joints, scores)
    assert tuple(canvas[20, 50]) == RED
    assert not canvas[40, 30].any()
    assert not canvas[40, 50].any()  # without both shoulders there is no neck


def test_a_picture_without_people_has_no_pose(
    drawing: Preprocessors, picture: Image.Image, tmp_path: Path
) -> None:
    import torch
    from transformers import RTDetrForObjectDetection

    build_drawing(tmp_path)
    blind = RTDetrForObjectDetection.from_pretrained(tmp_path / "people")
    with torch.no_grad():
        for head in blind.model.decoder.class_embed:
            head.bias.fill_(-9.0)
    blind.save_pretrained(tmp_path / "people")
    with pytest.raises(BadInput, match="nobody") as refused:
        Preprocessors(tmp_path, CPU).draw("pose", picture)
    assert refused.value.field == "pose"
