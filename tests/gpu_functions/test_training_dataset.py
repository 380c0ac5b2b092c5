"""The pictures and captions that a LoRA learns from: what is refused, said and made of them."""

import io
from pathlib import Path

import pytest
from PIL import Image

from filmforge.errors import BadInput, NotConfigured
from gpu_functions.training.captions import captions_of
from gpu_functions.training.dataset import Picture, check, gather, squared
from tests.gpu_functions.stage import CPU, open_stage
from tests.gpu_functions.tiny_train_lora import a_dataset, a_scene, build_captioner


def scenes(count: int, size: tuple[int, int] = (300, 280)) -> list[Image.Image]:
    return [a_scene(seed, size) for seed in range(count)]


def pictures(*images: Image.Image) -> list[Picture]:
    return [Picture(f"{number}.png", image) for number, image in enumerate(images)]


def gathered(path: Path) -> list[Picture]:
    return gather(open_stage(path.with_name("stage"), dataset=path).room)


def refusal(path: Path) -> str:
    with pytest.raises(BadInput) as refused:
        gathered(path)
    assert refused.value.field == "dataset"
    return str(refused.value)


def test_a_zip_file_gives_pictures_in_the_order_of_names_with_their_captions(
    tmp_path: Path,
) -> None:
    path = a_dataset(tmp_path / "set.zip", scenes(3), __MACOSX="", **{"__hidden": b"x"})
    found = gathered(path)
    assert [picture.name for picture in found] == [f"set/picture-0{n}.png" for n in range(3)]
    assert [picture.caption for picture in found] == [f"shapes, number {n}" for n in range(3)]


def test_references_do_instead_of_a_zip_file_and_not_beside_one(tmp_path: Path) -> None:
    references = {}
    for number, image in enumerate(scenes(3), 1):
        references[f"reference_{number}"] = tmp_path / str(number)
        image.save(references[f"reference_{number}"], "JPEG")
    stage = open_stage(tmp_path / "stage", **references)
    assert [picture.image.size for picture in gather(stage.room)] == [(300, 280)] * 3
    stage.inputs["dataset"] = a_dataset(tmp_path / "set.zip", scenes(3))
    with pytest.raises(BadInput, match="beside references"):
        gather(stage.room)


def test_no_pictures_at_all_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="dataset: is missing"):
        gather(open_stage(tmp_path).room)


def test_what_is_no_zip_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    assert "no whole zip file" in refusal(path)


def test_a_broken_picture_is_named(tmp_path: Path) -> None:
    path = a_dataset(tmp_path / "set.zip", scenes(3), broken__png=b"\x89PNG\r\n\x1a\n no more")
    assert "broken.png cannot be read" in refusal(path)


def test_a_file_that_is_neither_picture_nor_caption_is_named(tmp_path: Path) -> None:
    assert "notes.pdf" in refusal(a_dataset(tmp_path / "set.zip", scenes(3), notes__pdf=b"%PDF"))


def test_a_caption_in_another_coding_is_named(tmp_path: Path) -> None:
    whole = io.BytesIO()
    a_scene(9).save(whole, "PNG")
    body = {"more__png": whole.getvalue(), "more__txt": "Tür".encode("latin-1")}
    assert "more.txt is not UTF-8" in refusal(a_dataset(tmp_path / "set.zip", scenes(3), **body))


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    large = io.BytesIO()
    Image.new("1", (9000, 9000)).save(large, "PNG")
    path = a_dataset(tmp_path / "set.zip", scenes(3), large__png=large.getvalue())
    assert "large.png has 9000x9000" in refusal(path)


def test_transparency_becomes_white_and_a_turned_picture_upright(tmp_path: Path) -> None:
    clear, turned = io.BytesIO(), io.BytesIO()
    Image.new("RGBA", (300, 300), (255, 0, 0, 0)).save(clear, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    a_scene(1, (400, 300)).save(turned, "JPEG", exif=exif)
    body = {"clear__png": clear.getvalue(), "turned__jpg": turned.getvalue()}
    found = {
        picture.name: picture.image
        for picture in gathered(a_dataset(tmp_path / "set.zip", [], **body))
    }
    assert found["clear.png"].getpixel((5, 5)) == (255, 255, 255)
    assert found["turned.jpg"].size == (300, 400)


def test_two_pictures_are_too_few_and_three_are_few() -> None:
    with pytest.raises(BadInput, match="has 2 pictures"):
        check(pictures(*scenes(2)), 256)
    assert check(pictures(*scenes(3)), 256) == ["3 pictures are few: 10 to 30 are usual"]
    assert check(pictures(*scenes(10)), 256) == []


def test_the_same_picture_saved_smaller_and_worse_is_known_again() -> None:
    body = io.BytesIO()
    a_scene(0).resize((270, 252)).save(body, "JPEG", quality=60)
    again = Image.open(body).convert("RGB")
    with pytest.raises(BadInput, match=r"3\.png is the same picture as 0\.png"):
        check(pictures(*scenes(3), again), 256)


def test_small_pictures_are_refused_or_told_of() -> None:
    with pytest.raises(BadInput, match=r"0\.png is 300x280: too small"):
        check(pictures(*scenes(3)), 1024)
    assert "0.png is 300x280: it is enlarged to 512" in check(pictures(*scenes(3)), 512)


def test_long_pictures_are_refused_or_told_of() -> None:
    with pytest.raises(BadInput, match=r"3\.png is 900x300: only 33 %"):
        check(pictures(*scenes(3), a_scene(7, (900, 300))), 256)
    warnings = check(pictures(*scenes(10), a_scene(11, (520, 300))), 256)
    assert warnings == ["10.png is 520x300: 42 % of it are cut off"]


def test_the_middle_square_tells_what_it_was_cut_from() -> None:
    image = Image.new("RGB", (600, 300), "red")
    image.paste("blue", (150, 0, 450, 300))
    square = squared(Picture("wide.png", image), 256)
    assert square.image.size == (256, 256)
    assert square.image.getpixel((4, 128)) == (0, 0, 255)
    assert square.original == (300, 600)
    assert square.corner == (0, 128)


def test_captions_of_files_get_the_trigger_once(tmp_path: Path) -> None:
    given = [
        Picture("a.png", a_scene(0), "a woman at a door"),
        Picture("b.png", a_scene(1), "mara at sea"),
    ]
    said = captions_of(given, "files", "character", "mara", tmp_path, CPU)
    assert said == ["mara, a woman at a door", "mara at sea"]


def test_a_picture_without_its_caption_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"captions: 0\.png has none"):
        captions_of(pictures(a_scene(0)), "files", "character", "mara", tmp_path, CPU)


def test_the_trigger_alone_says_character_or_style(tmp_path: Path) -> None:
    shown = pictures(a_scene(0))
    assert captions_of(shown, "trigger", "character", "mara", tmp_path, CPU) == [
        "a picture of mara"
    ]
    assert captions_of(shown, "trigger", "style", "inkwash", tmp_path, CPU) == [
        "a picture in the style of inkwash"
    ]


def test_the_captioner_says_the_same_of_the_same_picture(tmp_path: Path) -> None:
    build_captioner(tmp_path / "captioner")
    shown = pictures(a_scene(0), a_scene(0))
    said = captions_of(shown, "auto", "character", "mara", tmp_path / "captioner", CPU)
    assert said[0] == said[1]
    assert said[0].startswith("mara, ")
    assert len(said[0]) > len("mara, ")


def test_without_weights_the_captioner_is_not_configured(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="filmforge gpu download train_lora"):
        captions_of(pictures(a_scene(0)), "auto", "style", "inkwash", tmp_path / "none", CPU)
