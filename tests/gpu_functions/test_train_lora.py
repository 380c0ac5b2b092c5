"""gpu_functions/train_lora.py on a tiny SDXL: what it refuses, learns, keeps and registers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import loras
from gpu_functions.device import Device
from gpu_functions.maker import Made, Stopped
from gpu_functions.train_lora import TrainLora
from tests.gpu_functions import tiny_train_lora as tiny
from tests.gpu_functions.stage import CPU, Stage, a_work, open_stage

# diffusers' schedulers hand tensors to a numpy that would rather be asked another way.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "train_lora"
    tiny.build(folder)
    return folder


@pytest.fixture(scope="module")
def maker(weights: Path) -> TrainLora:
    return TrainLora(weights, CPU)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.inputs(tmp_path_factory.mktemp("dataset"))["dataset"]


@pytest.fixture
def stage(tmp_path: Path, dataset: Path) -> Stage:
    return open_stage(tmp_path / "stage", dataset=dataset)


def wish(name: str, **more: Any) -> Work:
    return a_work("train_lora", {**tiny.WORK_PARAMETERS, "name": name, **more})


@pytest.fixture(scope="module")
def trained(
    maker: TrainLora, dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Made, Stage]:
    stage = open_stage(tmp_path_factory.mktemp("trained"), dataset=dataset)
    return maker.make(wish("trained"), stage.room), stage


def test_the_lora_is_registered_with_digest_licence_trigger_and_base(
    trained: tuple[Made, Stage], weights: Path
) -> None:
    made, _ = trained
    entry = loras.registered(weights.parent / "loras")["trained"]
    assert entry.sha256 == made.facts["sha256"]
    assert entry.licence == "all rights reserved"
    assert entry.triggers == ("mara",)
    assert entry.base == loras.SDXL
    file = loras.verified(weights.parent / "loras", entry)
    assert file.read_bytes() == made.path.read_bytes()


def test_the_facts_tell_steps_pictures_and_losses(trained: tuple[Made, Stage]) -> None:
    facts = trained[0].facts
    assert facts["steps"] == 6
    assert facts["pictures"] == 10
    assert facts["final_loss"] > 0
    assert facts["warnings"] == []
    json.dumps(facts)


def test_the_file_says_by_itself_what_it_is(trained: tuple[Made, Stage]) -> None:
    with safe_open(trained[0].path, "pt") as file:
        about = file.metadata()
    assert about["modelspec.title"] == "trained"
    assert about["modelspec.trigger_phrase"] == "mara"
    assert about["modelspec.license"] == "all rights reserved"
    assert about["modelspec.thumbnail"].startswith("data:image/jpeg;base64,")


def test_samples_come_as_scheduled_one_beside_the_other(trained: tuple[Made, Stage]) -> None:
    _, stage = trained
    sheets = [name for name in stage.checkpoints.saved if name.startswith("samples")]
    assert sheets == ["samples-3.png", "samples-6.png"]
    with Image.open(stage.checkpoints.folder / "samples-6.png") as sheet:
        assert sheet.size == (512, 256)


def test_every_step_is_told(trained: tuple[Made, Stage]) -> None:
    assert trained[1].told == pytest.approx([step / 6 for step in range(1, 7)])


def test_the_lora_changes_what_sdxl_draws(weights: Path, trained: tuple[Made, Stage]) -> None:
    draw = _drawing(weights)
    plain = draw("mara")
    draw.pipeline.load_lora_weights(trained[0].path.parent, weight_name="trained.safetensors")
    changed = draw("mara")
    draw.pipeline.unload_lora_weights()
    assert not torch.equal(plain, changed)
    assert torch.equal(plain, draw("mara"))


class _drawing:  # noqa: N801 - used as a function
    def __init__(self, weights: Path) -> None:
        from diffusers import StableDiffusionXLPipeline

        self.pipeline = StableDiffusionXLPipeline.from_pretrained(
            weights / "base", variant="fp16", local_files_only=True, add_watermarker=False
        )
        self.pipeline.set_progress_bar_config(disable=True)

    def __call__(self, prompt: str) -> torch.Tensor:
        drawn = self.pipeline(
            prompt,
            width=64,
            height=64,
            num_inference_steps=2,
            generator=torch.Generator().manual_seed(1),
            output_type="pt",
        )
        return drawn.images[0]


def test_the_loss_falls(maker: TrainLora, stage: Stage) -> None:
    long = wish("long", steps=60, learning_rate=0.01, sample_every=60, checkpoint_every=60)
    facts = maker.make(long, stage.room).facts
    assert facts["final_loss"] < 0.9 * facts["first_loss"]


def test_a_picture_that_is_shown_again_is_shown_with_other_noise(
    maker: TrainLora, tmp_path: Path
) -> None:
    references = {f"reference_{number}": tmp_path / str(number) for number in range(1, 4)}
    for number, path in enumerate(references.values()):
        tiny.a_scene(number).save(path, "PNG")
    stage = open_stage(tmp_path / "stage", **references)
    maker.make(wish("still", learning_rate=1e-9), stage.room)
    kept = torch.load(stage.checkpoints.folder / "training.pt", weights_only=True)
    assert len({round(loss, 5) for loss in kept["losses"]}) == 6


def test_a_stopped_training_goes_on_to_the_same_lora(
    maker: TrainLora, dataset: Path, tmp_path: Path
) -> None:
    whole = maker.make(wish("whole"), open_stage(tmp_path / "whole", dataset=dataset).room)
    stage = open_stage(tmp_path / "broken", dataset=dataset)
    stage.stop_at = 5 / 6
    with pytest.raises(Stopped):
        maker.make(wish("broken"), stage.room)
    stage.stop_at, told = None, len(stage.told)
    broken = maker.make(wish("broken"), stage.room)
    assert len(stage.told) - told == 2  # of six steps, four were kept
    one, other = load_file(whole.path), load_file(broken.path)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert broken.facts["final_loss"] == whole.facts["final_loss"]


def test_a_training_that_was_done_makes_the_same_file_again(
    maker: TrainLora, trained: tuple[Made, Stage]
) -> None:
    made, stage = trained
    again = maker.make(wish("trained"), stage.room)
    assert again.path.read_bytes() == made.path.read_bytes()


def test_the_same_work_makes_the_same_lora_and_another_seed_another(
    maker: TrainLora, stage: Stage, trained: tuple[Made, Stage]
) -> None:
    parameters = {**tiny.WORK_PARAMETERS, "name": "seeded"}
    other = maker.make(a_work("train_lora", parameters, seed=8), stage.room)
    assert other.facts["final_loss"] != trained[0].facts["final_loss"]


def test_the_model_is_unchanged_after_a_training_that_was_stopped(
    maker: TrainLora, stage: Stage
) -> None:
    unet = maker._pipeline.unet
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    stage.stop_at = 0.5
    with pytest.raises(Stopped):
        maker.make(wish("stopped"), stage.room)
    after = unet.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_name_that_another_lora_has_is_refused_before_training(
    maker: TrainLora, stage: Stage, trained: tuple[Made, Stage]
) -> None:
    with pytest.raises(BadInput) as refused:
        maker.make(wish("trained", steps=7), stage.room)
    assert refused.value.field == "name"
    assert stage.told == []


def test_a_training_that_diverges_is_ended_naming_the_learning_rate(
    weights: Path, stage: Stage
) -> None:
    broken = TrainLora(weights, CPU)
    with torch.no_grad():
        broken._pipeline.unet.conv_out.bias.fill_(torch.inf)
    with pytest.raises(BadInput) as refused:
        broken.make(wish("diverging"), stage.room)
    assert refused.value.field == "learning_rate"


def test_references_batches_and_a_captioner_do_as_well(maker: TrainLora, tmp_path: Path) -> None:
    references = {f"reference_{number}": tmp_path / str(number) for number in range(1, 5)}
    for number, path in enumerate(references.values()):
        tiny.a_scene(number).save(path, "PNG")
    two = {"kind": "style", "steps": 2, "batch": 2, "sample_every": 2}
    losses = set()
    for number, more in enumerate(({}, {"captions": "auto"}, {"min_snr": None})):
        stage = open_stage(tmp_path / f"stage-{number}", **references)
        made = maker.make(wish(f"style-{number}", **two, **more), stage.room)
        assert made.facts["pictures"] == 4
        assert made.facts["warnings"] == ["4 pictures are few: 10 to 30 are usual"]
        losses.add(made.facts["final_loss"])
    assert len(losses) == 3


def test_in_bfloat16_the_lora_learns_in_float32(weights: Path, stage: Stage) -> None:
    half = TrainLora(weights, Device("cpu", "cpu", 64.0, "bfloat16"))
    assert half._pipeline.unet.dtype == torch.bfloat16
    made = half.make(wish("half", steps=2, checkpoint_every=1), stage.room)
    kept = torch.load(stage.checkpoints.folder / "training.pt", weights_only=True)
    assert {value.dtype for value in kept["adapter"].values()} == {torch.float32}
    assert {value.dtype for value in load_file(made.path).values()} == {torch.float16}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rank", 0),
        ("steps", 0),
        ("resolution", 300),
        ("kind", "animal"),
        ("licence", ""),
        ("name", "../mara"),
        ("name", "m" * 101),
        ("trigger", "m" * 101),
        ("learning_rate", 1),
        ("sample_prompts", ["a", "b", "c", "d", "e"]),
        ("epochs", 3),
    ],
)
def test_a_parameter_that_cannot_be_is_named(
    maker: TrainLora, stage: Stage, field: str, value: Any
) -> None:
    with pytest.raises(BadInput) as refused:
        maker.make(a_work("train_lora", {**tiny.WORK_PARAMETERS, field: value}), stage.room)
    assert refused.value.field == field


def test_memory_grows_with_resolution_batch_and_rank_and_without_bfloat16() -> None:
    gpu = Device("cuda", "a GPU", 48.0, "bfloat16")

    def needs(device: Device = gpu, **more: Any) -> float:
        return TrainLora.needs_gib(wish("sized", **more), device)

    small = needs(resolution=512)
    assert needs(resolution=1024) > small
    assert needs(resolution=1024, batch=4) > needs(resolution=1024)
    assert needs(resolution=512, rank=64) > small
    assert needs(Device("cuda", "an older GPU", 48.0, "float16"), resolution=512) > 1.5 * small
    assert 6 < needs(resolution=1024) < 12  # a card of 16 GB is enough
