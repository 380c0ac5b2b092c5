"""Faces restored by a tiny network of the layout of GFPGAN, behind a tiny YuNet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from filmforge.errors import BadInput
from gpu_functions.face_restore import TEMPLATE, FaceRestore, cut_out, paste, similarity
from gpu_functions.maker import Made, Stopped
from gpu_functions.networks import gfpgan
from tests.gpu_functions import tiny_face_restore
from tests.gpu_functions.stage import CPU, Stage, a_picture, a_work, open_stage
from tests.gpu_functions.tiny_face_restore import SIZE, faces_at

ONE, OTHER = (44, 36), (116, 76)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaceRestore]:
    weights = tmp_path_factory.mktemp("weights")
    tiny_face_restore.build(weights)
    made = FaceRestore(weights, CPU)
    yield made
    made.close()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return open_stage(tmp_path / "stage", source=faces_at(tmp_path / "a.png", ONE))


def made(maker: FaceRestore, stage: Stage, **parameters: Any) -> Made:
    return maker.make(a_work("face_restore", parameters, **stage.inputs), stage.room)


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path)).astype(int)


def change(result: Made, stage: Stage) -> np.ndarray:
    """How much each pixel has changed."""
    return np.abs(pixels(result.path) - pixels(stage.inputs["source"])).max(-1)


def a_face(x: float, y: float, side: float = 20) -> list[float]:
    """A face in that corner as fourteen numbers, its points as in the template."""
    points = (np.array(TEMPLATE) / 512 * side + (x, y)).ravel().tolist()
    return [x, y, side, side, *points]


def test_a_face_changes_and_the_rest_of_the_picture_does_not(
    maker: FaceRestore, stage: Stage
) -> None:
    result = made(maker, stage)
    changed = change(result, stage)
    x, y = ONE
    assert result.facts["faces"] == 1
    assert changed[y - 4 : y + 4, x - 4 : x + 4].mean() > 5
    changed[y - 20 : y + 20, x - 20 : x + 20] = 0
    assert changed.max() == 0
    with Image.open(result.path) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", SIZE, "RGB")


def test_each_face_is_restored(maker: FaceRestore, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage", source=faces_at(tmp_path / "a.png", ONE, OTHER))
    result = made(maker, stage)
    assert result.facts["faces"] == 2
    for x, y in (ONE, OTHER):
        assert change(result, stage)[y - 4 : y + 4, x - 4 : x + 4].mean() > 5


def test_a_picture_without_a_face_comes_back_unchanged(maker: FaceRestore, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage", source=faces_at(tmp_path / "a.png"))
    result = made(maker, stage)
    assert result.facts["faces"] == 0
    assert change(result, stage).max() == 0


def test_strength_is_how_much_is_taken(maker: FaceRestore, stage: Stage) -> None:
    none, half, whole = (
        change(made(maker, stage, strength=strength), stage).sum() for strength in (0, 0.5, 1)
    )
    assert none == 0
    assert half == pytest.approx(whole / 2, rel=0.1)


def test_faces_may_be_given(maker: FaceRestore, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage", source=a_picture(tmp_path / "a.png", SIZE))
    result = made(maker, stage, faces=[a_face(100, 50), a_face(10, 10)])
    changed = change(result, stage)
    assert result.facts["faces"] == 2
    assert changed[55:65, 105:115].mean() > 1
    assert changed[15:25, 15:25].mean() > 1
    assert changed[90:, :90].max() == 0


def test_no_faces_may_be_given(maker: FaceRestore, stage: Stage) -> None:
    result = made(maker, stage, faces=[])
    assert result.facts["faces"] == 0
    assert change(result, stage).max() == 0


def test_the_same_work_gives_the_same_bytes(maker: FaceRestore, stage: Stage) -> None:
    one, two = (made(maker, stage, prompt=prompt).path.read_bytes() for prompt in ("", "a face"))
    assert one == two


def test_a_turned_face_is_set_upright(tmp_path: Path) -> None:
    angle, scale = np.deg2rad(30), 0.25
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array(TEMPLATE) @ turn.T + (200, 100)
    matrix = similarity(points, 512)
    placed = points @ matrix[:, :2].T + matrix[:, 2]
    assert np.allclose(placed, TEMPLATE, atol=1e-6)


def test_a_face_that_is_cut_out_and_pasted_is_the_same_face(tmp_path: Path) -> None:
    picture = np.array(Image.open(a_picture(tmp_path / "a.png", (300, 200))))
    points = np.array(TEMPLATE) / 512 * 100 + (90, 40)
    matrix = similarity(points, 512)
    face = cut_out(picture, matrix, 512)
    back = paste(picture.astype(np.float32), face, matrix, 1.0)
    assert np.abs(back - picture).max() <= 2


def test_all_parts_of_the_network_have_their_say() -> None:
    torch.manual_seed(4)
    network = gfpgan.Gfpgan(narrow=(8, 8, 4), wide=(16, 16, 8), style=12)
    loss = network(torch.rand(2, 3, 16, 16)).square().mean()
    loss.backward()
    still = [name for name, values in network.named_parameters() if not values.grad.abs().sum()]
    assert still == []


def test_faces_of_a_batch_do_not_see_each_other() -> None:
    torch.manual_seed(4)
    network = gfpgan.Gfpgan(narrow=(8, 8, 4), wide=(16, 16, 8), style=12)
    faces = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(network(faces)[1:], network(faces[1:]), atol=1e-5)


def test_a_work_ends_between_faces(maker: FaceRestore, stage: Stage) -> None:
    stage.stop_at = 0.5
    with pytest.raises(Stopped):
        made(maker, stage, faces=[a_face(20 * number, 10) for number in range(6)])
    assert stage.told == [pytest.approx(4 / 6)]


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ("strength", {"strength": 1.5}),
        ("faces.0", {"faces": [[1, 2, 3]]}),
        ("faces", {"faces": [[0.0] * 14]}),
        ("fidelity", {"fidelity": 1}),
    ],
)
def test_a_wrong_parameter_is_named(
    maker: FaceRestore, stage: Stage, field: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(BadInput) as refused:
        made(maker, stage, **parameters)
    assert refused.value.field == field


def test_what_is_no_picture_is_named(maker: FaceRestore, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no picture")
    with pytest.raises(BadInput) as refused:
        made(maker, open_stage(tmp_path / "stage", source=tmp_path / "a.txt"))
    assert refused.value.field == "source"


def test_memory_grows_with_the_faces() -> None:
    needs = [
        FaceRestore.needs_gib(a_work("face_restore", {"faces": [a_face(0, 0)] * count}), CPU)
        for count in (1, 2, 4)
    ]
    assert needs == sorted(set(needs))
    assert FaceRestore.needs_gib(a_work("face_restore"), CPU) == needs[-1]
