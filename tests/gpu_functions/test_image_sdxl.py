"""SDXL with tiny random networks, through the real loading and inference code."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from filmforge.errors import BadInput
from gpu_functions.device import Device
from gpu_functions.image_sdxl import ImageSdxl
from gpu_functions.maker import Stopped
from gpu_functions.sdxl_wishes import ImageWish
from tests.gpu_functions import tiny_image_sdxl as tiny
from tests.gpu_functions.stage import CPU, a_picture, a_work, open_stage
from tests.gpu_functions.studio import FILTERS, SMALL, Studio, furnish, pixels, weighed

pytestmark = [pytest.mark.filterwarnings(rule) for rule in FILTERS]

L40S = Device("cuda", "L40S", 43.0, "bfloat16")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return furnish(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def sdxl(root: Path) -> ImageSdxl:
    return ImageSdxl(root / "image_sdxl", CPU)


@pytest.fixture
def studio(sdxl: ImageSdxl, tmp_path: Path) -> Studio:
    return Studio(sdxl, tmp_path)


# ## From words


def test_it_makes_a_png_of_the_size_that_is_asked_for(studio: Studio) -> None:
    assert studio.pixels(width=96, height=64).shape == (64, 96, 3)
    assert studio.facts["steps"] == 3


def test_a_seed_makes_the_same_bytes_and_another_seed_others(studio: Studio) -> None:
    first = studio.make(seed=7)
    assert first == studio.make(seed=7)
    assert first != studio.make(seed=8)


def test_another_maker_makes_the_same_bytes(studio: Studio, root: Path) -> None:
    assert studio.make() == studio.make(maker=ImageSdxl(root / "image_sdxl", CPU))


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": "a ship"},
        {"negative_prompt": "blurred"},
        {"guidance": 3.0},
        {"guidance": 1.0},
        {"steps": 4},
        {"prompt": "a lighthouse, seen from far away, " * 4 + "at night"},
    ],
    ids=["prompt", "negative", "guidance", "without guidance", "steps", "long"],
)
def test_what_is_asked_for_changes_the_picture(studio: Studio, asked: dict[str, Any]) -> None:
    assert studio.make(**asked) != studio.make()


def test_the_end_of_a_long_prompt_is_read(studio: Studio) -> None:
    long = "a lighthouse, seen from far away, " * 4
    assert studio.make(prompt=f"{long} by day") != studio.make(prompt=f"{long} at night")


def test_a_short_prompt_is_read_as_diffusers_reads_it(sdxl: ImageSdxl) -> None:
    from gpu_functions.long_prompts import encoded

    theirs = sdxl._base.encode_prompt("a lighthouse", negative_prompt="blurred")
    ours = encoded(sdxl._base, "a lighthouse", "blurred")
    order = ("prompt", "negative_prompt", "pooled_prompt", "negative_pooled_prompt")
    for name, tensor in zip(order, theirs, strict=True):
        assert torch.equal(ours[f"{name}_embeds"], tensor)


def test_each_scheduler_makes_its_own_picture(studio: Studio) -> None:
    names = ("euler", "euler_a", "dpmpp_2m", "dpmpp_2m_karras", "dpmpp_2m_sde_karras", "ddim")
    made = {studio.make(scheduler=name, steps=5) for name in (*names, "unipc")}
    assert len(made) == len(names) + 1
    assert studio.make(scheduler="euler_a", steps=5) in made
    assert studio.make(scheduler="dpmpp_2m_sde_karras", steps=5) in made


def test_quality_presets_take_more_steps_the_better_they_are(studio: Studio) -> None:
    draft, standard, high = (
        ImageWish.model_validate({"prompt": "a", "quality": quality}).preset
        for quality in ("draft", "standard", "high")
    )
    assert draft.steps < standard.steps < high.steps
    studio.make(steps=None, quality="draft")
    assert studio.facts["steps"] == draft.steps
    assert studio.facts["guidance"] == draft.guidance


# ## From pictures


def test_a_source_is_kept_the_more_the_less_strength(studio: Studio) -> None:
    source = studio.picture("source")
    original = pixels(source).astype(int)
    little, much = (
        np.abs(studio.pixels(source=source, strength=strength, steps=10) - original).mean()
        for strength in (0.2, 0.9)
    )
    assert little < much


def test_without_a_size_the_source_gives_it(studio: Studio) -> None:
    source = studio.picture("source", size=(101, 70))
    assert studio.pixels(source=source, width=None, height=None).shape == (64, 96, 3)


def test_inpainting_changes_what_is_white_and_keeps_the_rest_pixel_by_pixel(
    studio: Studio,
) -> None:
    source = studio.picture("source", size=(128, 64))
    mask = tiny.a_mask(studio.folder / "mask.png", (0, 0, 32, 64), (128, 64))
    made = studio.pixels(source=source, mask=mask, width=128)
    original = pixels(source)
    assert (made[:, 64:] == original[:, 64:]).all()
    assert (made[:, :32] != original[:, :32]).mean() > 0.9


def test_outpainting_widens_a_source_and_keeps_it(studio: Studio) -> None:
    source = studio.picture("source", size=(64, 64))
    made = studio.pixels(source=source, outpaint={"left": 32, "up": 8})
    assert made.shape == (72, 96, 3)
    original = pixels(source)
    assert (made[8 + 24 :, 32 + 24 :] == original[24:, 24:]).all()
    edge = np.repeat(original[24:, :1], 16, axis=1)
    assert (made[8 + 24 :, :16] != edge).mean() > 0.9


# ## What it refuses


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"width": 100}, "width"),
        ({"height": 4096}, "height"),
        ({"steps": 0}, "steps"),
        ({"guidance": 0}, "guidance"),
        ({"scheduler": "best"}, "scheduler"),
        ({"quality": "best"}, "quality"),
        ({"strength": 0.5}, "strength"),
        ({"outpaint": {"left": 64}}, "outpaint"),
        ({"loras": [{"name": "nobody"}]}, "loras"),
        ({"loras": [{"name": "flux"}]}, "loras"),
        ({"loras": [{"name": "noir"}, {"name": "noir"}]}, "loras"),
        ({"loras": [{"name": "noir", "weight": 9}]}, "loras.0.weight"),
        ({"controls": {"canny": {}}}, "canny"),
        ({"controls": {"smell": {}}}, "controls.smell.[key]"),
        ({"refiner": True}, "refiner"),
    ],
)
def test_bad_parameters_are_named(studio: Studio, asked: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as refused:
        studio.make(**asked)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("outpaint", "problem"),
    [({}, "nothing"), ({"left": -8}, "nothing"), ({"left": 4}, "68x64"), ({"up": 2048}, "2112")],
)
def test_a_border_must_widen_within_the_limits(
    studio: Studio, outpaint: dict[str, int], problem: str
) -> None:
    with pytest.raises(BadInput, match=problem) as refused:
        studio.make(source=studio.picture("source"), outpaint=outpaint)
    assert refused.value.field == "outpaint"


def test_a_mask_needs_a_source(studio: Studio) -> None:
    with pytest.raises(BadInput) as refused:
        studio.make(mask=tiny.a_mask(studio.folder / "mask.png", (0, 0, 9, 9)))
    assert refused.value.field == "mask"


def test_a_strength_that_leaves_no_step_is_refused(studio: Studio) -> None:
    with pytest.raises(BadInput) as refused:
        studio.make(source=studio.picture("source"), strength=0.1)
    assert refused.value.field == "strength"


def test_an_input_that_is_no_picture_is_named(studio: Studio) -> None:
    (studio.folder / "style.png").write_bytes(b"no picture")
    with pytest.raises(BadInput) as refused:
        studio.make(style=studio.folder / "style.png")
    assert refused.value.field == "style"


# ## How it works


def test_large_pictures_are_decoded_in_tiles_and_small_ones_in_one(studio: Studio) -> None:
    vae = studio.maker._base.vae
    assert studio.pixels(width=1064, height=1000, steps=1, guidance=1).shape == (1000, 1064, 3)
    assert vae.use_tiling
    studio.make()
    assert not vae.use_tiling


def test_it_tells_every_step_and_stops_between_two(studio: Studio) -> None:
    stage = studio.stage()
    before = studio.make(steps=5)
    stage.stop_at = 0.5
    with pytest.raises(Stopped):
        studio.maker.make(a_work("image_sdxl", SMALL | {"steps": 5}), stage.room)
    assert stage.told == [pytest.approx(step / 6) for step in (1, 2, 3)]
    assert studio.make(steps=5) == before


def test_it_loads_its_weights_once_for_all_that_it_does(studio: Studio) -> None:
    unet = studio.maker._base.unet
    held = unet.conv_in.weight.data_ptr()
    source, edges = studio.picture("source"), studio.picture("edges")
    studio.make(source=source, canny=edges)
    studio.make(source=source, mask=tiny.a_mask(studio.folder / "mask.png", (0, 0, 9, 9)))
    assert studio.maker._base.unet is unet
    assert unet.conv_in.weight.data_ptr() == held


def test_it_needs_more_memory_the_more_is_asked_for(tmp_path: Path) -> None:
    picture = a_picture(tmp_path / "picture.png")

    def needs(device: Device = L40S, asked: dict[str, Any] | None = None, **roles: Path) -> float:
        wishes = {"prompt": "a", "width": 1024, "height": 1024} | (asked or {})
        return ImageSdxl.needs_gib(a_work("image_sdxl", wishes, **roles), device)

    plain = needs()
    assert 8 < plain < 10
    assert needs(asked={"width": 512}) < plain < needs(asked={"width": 2048, "height": 2048})
    assert plain < needs(canny=picture) < needs(canny=picture, style=picture)
    assert plain < needs(asked={"loras": weighed(emma=1)})
    assert needs(CPU) == pytest.approx(2 * plain)
    small = Device("cuda", "a small one", 8.0, "bfloat16")
    assert 5 < needs(small) < 8


def test_a_closed_maker_holds_nothing(root: Path, tmp_path: Path) -> None:
    import gc
    import weakref

    maker = ImageSdxl(root / "image_sdxl", CPU)
    Studio(maker, tmp_path).make(canny=a_picture(tmp_path / "edges.png"))
    held = [weakref.ref(maker._base.unet), weakref.ref(maker._controlnet)]
    maker.close()
    gc.collect()
    assert [ref() for ref in held] == [None, None]


def test_the_small_work_of_the_gpu_check_can_be_made(sdxl: ImageSdxl, tmp_path: Path) -> None:
    inputs = tiny.inputs(tmp_path / "inputs")
    work = a_work("image_sdxl", tiny.WORK_PARAMETERS, **inputs)
    made = sdxl.make(work, open_stage(tmp_path / "stage", **inputs).room)
    with Image.open(made.path) as picture:
        assert picture.size == (64, 64)
