"""A LoRA of one's own for SDXL: the lead of a film, or the look of it, from a few pictures.

Three pictures are the least, ten to thirty are usual: as a zip file (`dataset`), each with a .txt
of the same name beside it if there are captions, or as `reference_1` to `reference_4`. They are
checked first, so that a blurred, repeated or broken picture costs seconds and not an hour.

What is trained is a low-rank change of the UNet's attention (peft), on noise prediction as SDXL
itself was. The pictures are cut to their middle square, and encoded once, as are the captions.
Every `checkpoint_every` steps the LoRA and its optimizer are kept: a training that was broken off,
because a GPU was taken back or somebody stopped it, goes on and ends with the same LoRA. Every
`sample_every` steps the sample prompts are drawn, into `samples-STEP.png` beside the checkpoints;
the last sheet is also the thumbnail in the file itself.

The file is in diffusers' format, says by itself what it is (the keys are those of the ModelSpec
standard), and is entered into the registry of LoRAs with its digest, licence and trigger.

Licence: SDXL's is CreativeML Open RAIL++-M and holds for LoRAs of it too; yours, which you name,
comes on top. GPU: L40S (48 GB), some 0.6 s a step at 1024 x 1024: 1,000 steps take ten minutes and
0.35 USD at 0.000542 USD a second. The seconds are reckoned from other cards, not measured.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import modal
from pydantic import Field, JsonValue, StringConstraints

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import deployment, loras
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Room
from gpu_functions.training import dataset, outcome
from gpu_functions.training.captions import Captions, Kind, captions_of
from gpu_functions.weights import Repo, Source
from gpu_functions.wishes import Wish, read

if TYPE_CHECKING:
    from gpu_functions.training.loop import Said, Training

app = modal.App("filmforge-train-lora")
image = deployment.image_of(
    "torch==2.13.0",
    "diffusers==0.42.1",
    "transformers==5.23.0",
    "peft==0.21.2",
    "accelerate==1.15.0",
    "safetensors==0.8.0",
    "numpy==2.4.6",
    "pillow==13.0.0",
)

SOURCE = Source(
    repos=(
        Repo(
            loras.SDXL,
            revision="462165984030d82259a11f4367a4eed129e94a7b",
            licence="CreativeML Open RAIL++-M",
            folder="base",
            # Half precision, and without the same weights once more in one file.
            files=(
                "model_index.json",
                "scheduler/*",
                "tokenizer*/*",
                "*/config.json",
                "text_encoder/*.fp16.safetensors",
                "text_encoder_2/*.fp16.safetensors",
                "unet/*.fp16.safetensors",
                "vae/*.fp16.safetensors",
            ),
        ),
        Repo(
            "Salesforce/blip-image-captioning-base",
            revision="82a37760796d32b1411fe092ab5d4e227313294b",
            licence="BSD-3-Clause",
            folder="captioner",
            files=("*.json", "vocab.txt", "pytorch_model.bin"),
        ),
    ),
    gib=7.4,
)

# ## What may be wished
#
# The learning rate is that of diffusers' own script for SDXL, and 5 the gamma that the paper on
# min-SNR recommends. A rank of 16 makes a file of 46 MB.

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
SCENES = {
    "character": ("a portrait of {}", "{} walking down a street, full length"),
    "style": ("a lighthouse at dusk in the style of {}", "a kitchen in the style of {}"),
}


class LoraWish(Wish):
    """What a LoRA is to be; `min_snr` is the gamma of min-SNR, null for a plain mean of errors.

    `batch` is pictures a step; `resolution` is in pixels; a prompt of `sample_prompts` is drawn as
    it stands.
    """

    name: Annotated[loras.Name, Field(max_length=100)]
    kind: Kind
    trigger: Annotated[Words, Field(max_length=100)]
    licence: Words
    captions: Captions = "trigger"
    rank: Annotated[int, Field(ge=1, le=128)] = 16
    steps: Annotated[int, Field(ge=1, le=10_000)] = 1000
    learning_rate: Annotated[float, Field(gt=0, le=0.01)] = 1e-4
    resolution: Annotated[int, Field(ge=256, le=1024, multiple_of=64)] = 1024
    batch: Annotated[int, Field(ge=1, le=8)] = 1
    min_snr: Annotated[float, Field(gt=0)] | None = 5.0
    checkpoint_every: Annotated[int, Field(ge=1)] = 100
    sample_every: Annotated[int, Field(ge=1)] = 250
    sample_prompts: Annotated[tuple[Words, ...], Field(max_length=4)] = ()

    @property
    def prompts(self) -> tuple[str, ...]:
        """What samples are drawn of."""
        scenes = SCENES[self.kind]
        return self.sample_prompts or tuple(scene.format(self.trigger) for scene in scenes)

    @property
    def about(self) -> dict[str, str]:
        """What the file says of itself."""
        return {
            "title": self.name,
            "trigger_phrase": self.trigger,
            "license": self.licence,
            "resolution": f"{self.resolution}x{self.resolution}",
        }


# ## What it takes
#
# Counted, not measured: from SDXL's own configuration on the meta device, with every storage that
# lives during a step of one picture at 1024 x 1024 under gradient checkpointing. Smaller pictures
# take less than their share. Each of the LoRA's numbers is there four times in float32: itself, its
# gradient, and two of the optimizer's. The text encoders only visit, before there are gradients.

UNET_B = 2.567
VAE_B = 0.084
TEXT_B = 0.818
LORA_B_PER_RANK = 0.00145
STEP_GIB_PER_MEGAPIXEL = 2.3
# Drawing a sample, both its sides at once, and decoding it in float32.
SAMPLE_GIB_PER_MEGAPIXEL = 3.0

MEDIA_TYPE = "application/octet-stream"
STATE = "training.pt"


class TrainLora:
    """Trains one LoRA after another on the same SDXL, which stays as it was."""

    name: ClassVar[str] = "train_lora"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = True

    def __init__(self, weights: Path, device: Device) -> None:
        import torch
        from diffusers import AutoencoderKL, StableDiffusionXLPipeline

        base = weights / "base"
        # SDXL's VAE overflows in half precision (its own configuration says so).
        vae = AutoencoderKL.from_pretrained(
            base / "vae", variant="fp16", dtype=torch.float32, local_files_only=True
        )
        self._pipeline = StableDiffusionXLPipeline.from_pretrained(
            base,
            vae=vae.to(device.kind),
            variant="fp16",
            dtype=_dtype(device),
            local_files_only=True,
            add_watermarker=False,
        )
        self._pipeline.unet.to(device.kind)
        self._pipeline.set_progress_bar_config(disable=True)
        self._weights = weights
        self._device = device

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """GiB of GPU memory that training takes at its peak."""
        wish = read(LoraWish, work)
        size = 2 if device.dtype == "bfloat16" else 4
        megapixels = wish.resolution**2 / 2**20
        stays = UNET_B * size + VAE_B * 4 + LORA_B_PER_RANK * wish.rank * 16
        visits = max(
            TEXT_B * size * 1e9 / GIB,
            STEP_GIB_PER_MEGAPIXEL * megapixels * wish.batch * size / 2,
            SAMPLE_GIB_PER_MEGAPIXEL * megapixels * size / 2,
        )
        return stays * 1e9 / GIB + visits

    def make(self, work: Work, room: Room) -> Made:
        """Train a LoRA and enter it into the registry; what is made is its file."""
        wish = read(LoraWish, work)
        pictures = dataset.gather(room)
        warnings = dataset.check(pictures, wish.resolution)
        with self._training(wish, pictures, work.seed or 0) as training:
            self._resume(training, wish, room)
            self._train(training, wish, work, room)
            path = room.folder / f"{wish.name}.safetensors"
            outcome.write_lora(path, training.weights(), wish.about, _last_sheet(wish, room))
        facts: dict[str, JsonValue] = {"pictures": len(pictures), "warnings": [*warnings]}
        facts |= self._registered(wish, path) | outcome.losses_told(training.losses)
        return Made(path, MEDIA_TYPE, facts)

    def _train(self, training: "Training", wish: LoraWish, work: Work, room: Room) -> None:
        """Take the steps that are left; a step's samples are kept before the step is."""
        prompts = self._said((*wish.prompts, ""))
        while training.steps < wish.steps:
            training.advance()
            step, last = training.steps, training.steps == wish.steps
            if last or step % wish.sample_every == 0:
                self._sample(step, prompts, work, room)
            if last or step % wish.checkpoint_every == 0:
                training.save(room.folder / STATE)
                room.checkpoints.save(STATE, room.folder / STATE)
            room.tell(step / wish.steps)

    def close(self) -> None:
        """Give the memory back."""
        del self._pipeline

    @contextmanager
    def _training(
        self, wish: LoraWish, pictures: list[dataset.Picture], seed: int
    ) -> Iterator["Training"]:
        """A training of these pictures; the UNet is as it was afterwards."""
        from gpu_functions.training.loop import Training, encode_picture

        texts = captions_of(
            pictures,
            wish.captions,
            wish.kind,
            wish.trigger,
            self._weights / "captioner",
            self._device,
        )
        squares = [dataset.squared(picture, wish.resolution) for picture in pictures]
        examples = [
            encode_picture(self._pipeline, square, said)
            for square, said in zip(squares, self._said(texts), strict=True)
        ]
        training = Training(
            self._pipeline,
            examples,
            rank=wish.rank,
            learning_rate=wish.learning_rate,
            batch=wish.batch,
            min_snr=wish.min_snr,
            seed=seed,
        )
        try:
            yield training
        finally:
            training.close()

    def _said(self, texts: Sequence[str]) -> list["Said"]:
        from gpu_functions.training.loop import encode_words

        return encode_words(self._pipeline, texts, self._device.kind)

    def _resume(self, training: "Training", wish: LoraWish, room: Room) -> None:
        """Go on from the last checkpoint. Raises BadInput when the name is another LoRA's."""
        if room.checkpoints.load(STATE, room.folder / STATE):
            training.load(room.folder / STATE)
        if training.steps < wish.steps and wish.name in loras.registered(self._loras):
            raise BadInput("name", f"{wish.name!r} is a LoRA already", "Choose another name.")

    def _sample(self, step: int, prompts: Sequence["Said"], work: Work, room: Room) -> None:
        """Draw the prompts into a picture beside the checkpoints; the last of them is empty."""
        *shown, nothing = prompts
        path = room.folder / _sheet_name(step)
        resolution = read(LoraWish, work).resolution
        outcome.sample_sheet(
            self._pipeline,
            shown,
            nothing,
            resolution,
            lambda: self._device.generator(work.seed),
        ).save(path)
        room.checkpoints.save(path.name, path)

    def _registered(self, wish: LoraWish, path: Path) -> dict[str, JsonValue]:
        """Enter the file into the registry of LoRAs; returns what it is."""
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        entry = loras.Lora(
            name=wish.name,
            file=path.name,
            sha256=digest,
            triggers=(wish.trigger,),
            licence=wish.licence,
            created=datetime.now(UTC),
        )
        loras.register(self._loras, entry, path)
        return {
            "name": entry.name,
            "sha256": digest,
            "licence": entry.licence,
            "base": entry.base,
            "trigger": wish.trigger,
        }

    @property
    def _loras(self) -> Path:
        return self._weights.parent / "loras"


def _dtype(device: Device) -> Any:
    """What SDXL is loaded in: without bfloat16 in float32, for gradients vanish in float16."""
    import torch

    return torch.bfloat16 if device.dtype == "bfloat16" else torch.float32


def _sheet_name(step: int) -> str:
    return f"samples-{step}.png"


def _last_sheet(wish: LoraWish, room: Room) -> Path:
    """The samples of the last step, from wherever it was taken."""
    path = room.folder / _sheet_name(wish.steps)
    found = room.checkpoints.load(path.name, path)
    assert found, "the last step has a sheet, and it is kept before the step is"
    return path


# ## On Modal
#
# A GPU may be taken back at any time; Modal then begins the call again, which goes on from the last
# checkpoint. What the registry got is told to the volume at once, not only when the container ends.

# What takes longer goes on from its last checkpoint when it is asked for again.
LIMIT_S = 2 * 3600
START_LIMIT_S = 600


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(TrainLora)


@app.cls(
    image=image,
    gpu="L40S",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=LIMIT_S,
    startup_timeout=START_LIMIT_S,
    max_containers=1,  # two could not enter their LoRAs into one registry
    scaledown_window=deployment.SCALEDOWN_S,
    enable_memory_snapshot=True,
)
class Worker:
    """The maker in its container."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """Import what takes seconds, before the snapshot."""
        import diffusers  # noqa: F401
        import peft  # noqa: F401
        import transformers  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights from the volume."""
        self.seat = deployment.Seat(TrainLora)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work; the receipt as JSON."""
        receipt = self.seat.serve(work)
        modal.Volume.from_name(deployment.WEIGHTS_VOLUME).commit()
        return receipt
