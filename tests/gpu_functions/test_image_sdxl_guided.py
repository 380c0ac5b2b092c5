"""What guides SDXL besides words: LoRAs, control pictures, and pictures as prompts."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from filmforge.errors import BadMedia
from gpu_functions.device import Device
from gpu_functions.image_sdxl import ImageSdxl
from gpu_functions.loras import KEPT
from tests.gpu_functions import tiny_image_sdxl as tiny
from tests.gpu_functions.stage import CPU
from tests.gpu_functions.studio import FILTERS, Studio, enter, furnish, weighed

pytestmark = [pytest.mark.filterwarnings(rule) for rule in FILTERS]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def sdxl(root: Path) -> ImageSdxl:
    return ImageSdxl(root / "image_sdxl", CPU)


@pytest.fixture
def studio(sdxl: ImageSdxl, tmp_path: Path) -> Studio:
    return Studio(sdxl, tmp_path)


# ## LoRAs


def test_a_lora_changes_the_picture_as_much_as_it_weighs(studio: Studio) -> None:
    plain, none, half, whole = (
        studio.make(prompt="a lighthouse, noir style", loras=loras)
        for loras in ([], weighed(noir=0), weighed(noir=0.5), weighed(noir=1))
    )
    assert plain == none
    assert len({plain, half, whole}) == 3


def test_a_work_without_loras_is_untouched_by_those_of_an_earlier_work(studio: Studio) -> None:
    before = studio.make()
    assert studio.make(loras=weighed(emma=1, noir=1)) != before
    assert studio.make() == before


def test_several_loras_work_together_each_with_its_weight(studio: Studio) -> None:
    prompt = "a lighthouse, emma style, noir style"
    made = {
        studio.make(prompt=prompt, loras=weighed(**weights))
        for weights in ({"emma": 1}, {"noir": 1}, {"emma": 1, "noir": 1}, {"emma": 1, "noir": 0.5})
    }
    assert len(made) == 4


def test_loras_of_an_earlier_work_do_not_work_on(studio: Studio, root: Path) -> None:
    prompt = "a lighthouse, noir style"
    fresh = studio.make(
        maker=ImageSdxl(root / "image_sdxl", CPU), prompt=prompt, loras=weighed(noir=1)
    )
    studio.make(loras=weighed(emma=1))
    assert studio.make(prompt=prompt, loras=weighed(noir=1)) == fresh


def test_loras_that_are_kept_too_long_are_unloaded(studio: Studio, root: Path) -> None:
    first = studio.make(loras=weighed(noir=1))
    for number in range(KEPT):
        name = f"more{number}"
        enter(root, name, tiny.build_lora(root / f"{name}.safetensors", 10 + number))
        studio.make(loras=weighed(**{name: 1}))
    adapters = studio.maker._base.get_list_adapters()["unet"]
    assert len(adapters) == KEPT
    assert not any(name.startswith("noir") for name in adapters)
    assert studio.make(loras=weighed(noir=1)) == first


def test_trigger_words_are_put_into_the_prompt(studio: Studio) -> None:
    studio.make(loras=weighed(emma=1))
    assert studio.facts["prompt"] == "emma style, a lighthouse"
    assert set(studio.facts["loras"]) == {"emma"}


def test_a_lora_that_was_changed_on_disk_is_not_loaded(studio: Studio, root: Path) -> None:
    enter(root, "forged", root / "ink.safetensors")
    (root / "loras" / "forged.safetensors").write_bytes(b"forged")
    with pytest.raises(BadMedia, match="forged"):
        studio.make(loras=weighed(forged=1))


def test_after_a_file_that_is_no_lora_the_model_is_as_it_was(studio: Studio, root: Path) -> None:
    before, noir = studio.make(), studio.make(loras=weighed(noir=1))
    save_file({"unet.nothing.lora_A.weight": torch.zeros(4, 4)}, root / "none.safetensors")
    enter(root, "none", root / "none.safetensors")
    with pytest.raises(BadMedia, match="none"):
        studio.make(loras=weighed(noir=1, none=1))
    assert studio.make(loras=weighed(noir=1)) == noir
    assert studio.make() == before


# ## Control pictures


@pytest.mark.parametrize("kind", ["pose", "depth", "canny", "segmentation", "normal"])
def test_a_picture_follows_its_control_picture(studio: Studio, kind: str) -> None:
    first, other = studio.picture("first"), studio.picture("other", angle=90)
    prepared: dict[str, Any] = {"controls": {kind: {"prepared": True}}}
    made = studio.make(**{kind: first}, **prepared)
    assert made != studio.make()
    assert made != studio.make(**{kind: other}, **prepared)
    assert made == studio.make(**{kind: first}, **prepared)


@pytest.mark.parametrize("kind", ["pose", "depth", "segmentation", "normal"])
def test_an_ordinary_picture_is_drawn_first(studio: Studio, kind: str) -> None:
    picture = studio.picture("first")
    with Image.open(picture) as opened:
        drawn = studio.folder / "drawn.png"
        studio.maker._drawing.draw(kind, opened).save(drawn)  # type: ignore[arg-type]
    made = studio.make(**{kind: picture})
    assert made == studio.make(**{kind: drawn}, controls={kind: {"prepared": True}})
    assert made != studio.make(**{kind: picture}, controls={kind: {"prepared": True}})


def test_the_same_drawing_means_something_else_as_another_kind(studio: Studio) -> None:
    drawing = studio.picture("drawing")
    made = {
        studio.make(**{kind: drawing}, controls={kind: {"prepared": True}})
        for kind in ("pose", "depth", "canny", "segmentation", "normal")
    }
    assert len(made) == 5


def test_a_control_weighs_what_is_asked_for(studio: Studio) -> None:
    edges = studio.picture("edges")
    light, heavy = (
        studio.make(canny=edges, controls={"canny": {"weight": weight, "prepared": True}})
        for weight in (0.2, 1.0)
    )
    assert light != heavy


def test_several_controls_are_followed_at_once(studio: Studio) -> None:
    edges, depth = studio.picture("edges"), studio.picture("depth", angle=90)
    prepared = {"canny": {"prepared": True}, "depth": {"prepared": True}}
    both = studio.make(canny=edges, depth=depth, controls=prepared)
    assert both != studio.make(canny=edges, controls={"canny": prepared["canny"]})
    assert both != studio.make(depth=depth, controls={"depth": prepared["depth"]})
    weighed = prepared | {"canny": {"prepared": True, "weight": 0.1}}
    assert both != studio.make(canny=edges, depth=depth, controls=weighed)


@pytest.mark.parametrize("also", ["source", "mask"])
def test_a_source_and_a_mask_go_with_controls(studio: Studio, also: str) -> None:
    inputs = {"source": studio.picture("source")}
    if also == "mask":
        inputs["mask"] = tiny.a_mask(studio.folder / "mask.png", (0, 0, 64, 64))
    prepared = {"canny": {"prepared": True}}
    without = studio.make(**inputs)
    one, other = (
        studio.make(**inputs, canny=studio.picture(f"edges{angle}", angle), controls=prepared)
        for angle in (0, 90)
    )
    assert len({without, one, other}) == 3


# ## Pictures as prompts


def test_a_style_picture_changes_the_picture_as_much_as_it_weighs(studio: Studio) -> None:
    style, other = studio.picture("style"), studio.picture("other", angle=90)
    made = [
        studio.make(style=style, style_weight=1.5),
        studio.make(style=style, style_weight=0.5),
        studio.make(style=other, style_weight=1.5),
        studio.make(),
    ]
    assert len(set(made)) == 4
    assert studio.make(style=style, style_weight=0) == made[-1]


def test_references_change_the_picture_one_by_one(studio: Studio) -> None:
    one, two = studio.picture("one"), studio.picture("two", angle=90)
    made = [
        studio.make(),
        studio.make(reference_1=one),
        studio.make(reference_1=one, reference_2=two),
        studio.make(reference_1=one, style=two),
        studio.make(reference_1=one, reference_weight=0.2),
    ]
    assert len(set(made)) == 5
    assert studio.make() == made[0]


def test_everything_goes_together(studio: Studio) -> None:
    asked: dict[str, Any] = {
        "source": studio.picture("source"),
        "canny": studio.picture("edges"),
        "style": studio.picture("style", angle=90),
        "reference_1": studio.picture("emma", angle=45),
        "loras": weighed(emma=0.8, noir=0.4),
    }
    made = studio.make(**asked)
    assert made == studio.make(**asked)
    assert all(
        studio.make(**{name: value for name, value in asked.items() if name != left}) != made
        for left in asked
    )


class Offloading(Device):
    """A device on which parts are offloaded, although it is the processor."""

    def place(self, pipeline: Any, whole_gib: float, part_gib: float) -> str:
        assert part_gib < whole_gib
        pipeline.enable_model_cpu_offload(device="cpu")
        return "offloaded"


def test_offloaded_parts_make_the_same_bytes_and_can_be_guided_anew(
    studio: Studio, root: Path
) -> None:
    maker = ImageSdxl(root / "image_sdxl", Offloading("cpu", "cpu", 64.0))
    picture = studio.picture("picture")
    guided: list[dict[str, Any]] = [
        {"loras": weighed(emma=1), "canny": picture},
        {"loras": weighed(noir=1), "source": picture},
        {"style": picture},
        {},
    ]
    for asked in guided:
        resident = studio.make(**asked)
        assert studio.make(maker=maker, **asked) == resident
        assert studio.facts["placed"] == "offloaded"
