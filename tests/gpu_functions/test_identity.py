import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from filmforge.errors import BadInput
from gpu_functions.faces import Faces
from gpu_functions.identity import RECOGNIZER, SAME_PERSON, Identity, face_score, score
from gpu_functions.maker import Made, Stopped
from tests.gpu_functions import tiny_identity
from tests.gpu_functions.stage import CPU, a_picture, a_work, open_stage
from tests.gpu_functions.tiny_identity import a_face


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    tiny_identity.build(folder)
    return folder


@pytest.fixture(scope="module")
def identity(weights: Path) -> Identity:
    return Identity(weights, CPU)


@pytest.fixture(scope="module")
def finder(weights: Path) -> Faces:
    return Faces(weights / RECOGNIZER.folder)


def measure(identity: Identity, folder: Path, **inputs: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(made(identity, folder, **inputs).path.read_text("utf-8"))
    return told


def made(identity: Identity, folder: Path, **inputs: Path) -> Made:
    return identity.make(a_work("identity", **inputs), open_stage(folder / "stage", **inputs).room)


def test_a_face_is_found_where_it_is(finder: Faces, tmp_path: Path) -> None:
    for corner in ((144, 144), (304, 176)):
        found = finder.find(cv2.imread(str(a_face(tmp_path / "face.png", corner))))
        assert [(face.x, face.y, face.width, face.height) for face in found] == [(*corner, 64, 64)]


def test_a_picture_without_a_face_has_none(finder: Faces) -> None:
    assert finder.find(np.zeros((480, 640, 3), np.uint8)) == []


def test_a_face_is_told_in_pixels_of_its_own_picture(finder: Faces, tmp_path: Path) -> None:
    small = cv2.imread(str(a_face(tmp_path / "face.png")))
    large = cv2.resize(small, (1280, 1280), interpolation=cv2.INTER_NEAREST)
    [one], [other] = finder.find(small), finder.find(large)
    assert other.row[:-1] == pytest.approx([2 * number for number in one.row[:-1]], abs=0.5)


def test_a_face_too_large_for_the_first_look_is_found_by_the_second(finder: Faces) -> None:
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[96:224, 160:288] = 255
    [face] = finder.find(picture)
    assert (face.x, face.y, face.width, face.height) == (160, 96, 128, 128)


def test_a_wide_picture_is_not_distorted(finder: Faces, tmp_path: Path) -> None:
    square = cv2.imread(str(a_face(tmp_path / "face.png")))
    [face] = finder.find(square[:320])
    assert (face.x, face.y, face.width, face.height) == (144, 144, 64, 64)


def test_the_largest_face_comes_first(finder: Faces, tmp_path: Path) -> None:
    picture = cv2.imread(str(a_face(tmp_path / "face.png")))
    picture[304:368, 304:368] = 255
    found = finder.find(picture)
    assert len(found) == 2
    assert found[0].width * found[0].height >= found[1].width * found[1].height


def test_the_same_face_elsewhere_is_the_same_person(identity: Identity, tmp_path: Path) -> None:
    frame = a_face(tmp_path / "frame.png")
    told = measure(
        identity, tmp_path, frame=frame, reference_1=a_face(tmp_path / "one.png", (304, 176))
    )
    [reference] = told["references"]
    assert reference["face_similarity"] == pytest.approx(1, abs=1e-3)
    assert told["same_person"] is True
    assert told["judged_by"] == "face and image"
    assert told["faces"] == [
        {"x": 144, "y": 144, "width": 64, "height": 64, "sure": pytest.approx(1, abs=0.05)}
    ]


def test_another_face_is_less_alike(identity: Identity, tmp_path: Path) -> None:
    frame = a_face(tmp_path / "frame.png")
    other = a_face(tmp_path / "other.png", marks=3)
    told = measure(identity, tmp_path, frame=frame, reference_1=frame, reference_2=other)
    same, different = told["references"]
    assert different["face_similarity"] < same["face_similarity"]
    assert different["score"] < same["score"]
    assert told["score"] == same["score"]


def test_the_pictures_count_where_there_is_no_face(identity: Identity, tmp_path: Path) -> None:
    frame = a_picture(tmp_path / "frame.png")
    other = a_picture(tmp_path / "other.png", angle=90)
    told = measure(identity, tmp_path, frame=frame, reference_1=frame, reference_2=other)
    same, different = told["references"]
    assert same["face_similarity"] is None
    assert same["image_similarity"] == pytest.approx(1, abs=1e-5)
    assert different["image_similarity"] < 0.99
    assert (told["same_person"], told["judged_by"]) == (None, "image")


def test_many_references_are_measured_as_each_alone(identity: Identity, tmp_path: Path) -> None:
    frame = a_face(tmp_path / "frame.png")
    one, two = a_face(tmp_path / "one.png", marks=2), a_picture(tmp_path / "two.png")
    both = measure(identity, tmp_path, frame=frame, reference_1=one, reference_2=two)
    alone = measure(identity, tmp_path / "alone", frame=frame, reference_1=two)
    assert both["references"][1]["image_similarity"] == pytest.approx(
        alone["references"][0]["image_similarity"], abs=1e-5
    )


def test_the_facts_are_the_score(identity: Identity, tmp_path: Path) -> None:
    frame = a_face(tmp_path / "frame.png")
    result = made(identity, tmp_path, frame=frame, reference_1=frame)
    assert result.media_type == "application/json"
    assert result.facts["score"] == pytest.approx(1, abs=1e-3)


def test_the_same_work_makes_the_same_bytes(identity: Identity, tmp_path: Path) -> None:
    inputs = tiny_identity.inputs(tmp_path)
    first = made(identity, tmp_path / "first", **inputs).path.read_bytes()
    assert made(identity, tmp_path / "second", **inputs).path.read_bytes() == first


def test_the_score_of_faces_turns_at_the_threshold() -> None:
    assert [face_score(cosine) for cosine in (-1, 0, SAME_PERSON, 1)] == [0, 0, 0.5, 1]
    assert score(None, 0.7) == 0.7
    assert score(None, -0.2) == 0
    assert score(SAME_PERSON, 1.0) == pytest.approx(0.8 * 0.5 + 0.2)


@pytest.mark.parametrize(
    ("names", "field"), [(("reference_1",), "frame"), (("frame",), "reference_1")]
)
def test_a_missing_picture_is_refused(
    identity: Identity, tmp_path: Path, names: tuple[str, ...], field: str
) -> None:
    picture = a_picture(tmp_path / "picture.png")
    with pytest.raises(BadInput) as refused:
        made(identity, tmp_path, **dict.fromkeys(names, picture))
    assert refused.value.field == field


def test_what_is_no_picture_is_refused_by_its_role(identity: Identity, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    with pytest.raises(BadInput) as refused:
        made(identity, tmp_path, frame=a_picture(tmp_path / "frame.png"), reference_2=broken)
    assert refused.value.field == "reference_2"


def test_a_parameter_is_refused(identity: Identity, tmp_path: Path) -> None:
    picture = a_picture(tmp_path / "picture.png")
    work = a_work("identity", {"prompt": "a face"}, frame=picture, reference_1=picture)
    with pytest.raises(BadInput) as refused:
        identity.make(work, open_stage(tmp_path / "stage", frame=picture).room)
    assert refused.value.field == "prompt"


def test_a_picture_that_lies_on_its_side_is_turned(identity: Identity, tmp_path: Path) -> None:
    upright = a_face(tmp_path / "upright.png", (144, 304))
    lying = Image.open(upright).transpose(Image.Transpose.ROTATE_90)
    turned = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    lying.save(turned, exif=exif)
    told = measure(identity, tmp_path, frame=turned, reference_1=upright)
    assert told["references"][0]["image_similarity"] == pytest.approx(1, abs=1e-5)


def test_it_ends_when_it_is_told(identity: Identity, tmp_path: Path) -> None:
    inputs = tiny_identity.inputs(tmp_path)
    stage = open_stage(tmp_path / "stage", **inputs)
    stage.stop_at = 0.5
    with pytest.raises(Stopped):
        identity.make(a_work("identity", **inputs), stage.room)


def test_more_pictures_need_more_memory(tmp_path: Path) -> None:
    picture = a_picture(tmp_path / "picture.png")
    few = a_work("identity", frame=picture, reference_1=picture)
    more = a_work("identity", frame=picture, reference_1=picture, reference_2=picture)
    assert Identity.needs_gib(few, CPU) < Identity.needs_gib(more, CPU)
