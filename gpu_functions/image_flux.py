"""FLUX.1 [schnell] by diffusers: a still from words, or from words and a picture.

Four steps make a picture, because the model was distilled to need no more: it is what to reach for
when a storyboard of sixty shots is wanted at once. It follows long prompts and writes legible words
into a picture; it knows no negative prompt and no guidance, so these are refused rather than
ignored. With a `source` it changes that picture as far as `strength` says: a rough sketch becomes
a frame, a frame becomes the same frame at night.

Licence: Apache-2.0; the repository wants its terms accepted, so the download needs a token.
GPU: L40S (48 GB), everything resident. About 4 s for a megapixel, 0.002 USD at 0.000542 USD a
second: reckoned from 115 TFLOP a step, not measured.
"""

from pathlib import Path
from typing import Annotated, Any, ClassVar

import modal
import numpy as np
from pydantic import Field

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import deployment, pictures
from gpu_functions.device import GIB, Device
from gpu_functions.maker import Made, Room
from gpu_functions.raster import Raster
from gpu_functions.weights import Repo, Source
from gpu_functions.wishes import Wish, read

app = modal.App("filmforge-image-flux")
image = deployment.image_of(
    "torch==2.13.0",
    "diffusers==0.42.1",
    "transformers==5.23.0",
    "accelerate==1.15.0",
    "sentencepiece==0.2.3",
    "protobuf==7.36.2",
    "numpy==2.4.6",
    "pillow==13.0.0",
)

SOURCE = Source(
    repos=(
        Repo(
            "black-forest-labs/FLUX.1-schnell",
            revision="741f7c3ce8b383c54771c7003378a50191e9efe9",
            licence="Apache-2.0",
            folder="base",
            # Without the same weights once more in one file.
            files=(
                "model_index.json",
                "scheduler/*",
                "text_encoder*/*",
                "tokenizer*/*",
                "transformer/*",
                "vae/*",
            ),
        ),
    ),
    gib=31.5,
)

# ## What it takes
#
# The model works on patches of 16 pixels. Other sides are made a little larger and cut.

MULTIPLE = 16
MOST_PIXELS = 2_100_000
# The pipeline's own strength leaves out whole steps. There are so few of them here that from three
# quarters on nothing would be left of the source; so it is the steps that are made smaller.
STRENGTH = 0.6
# The length the distillation was done with; longer prompts are cut there.
TOKENS = 256

Side = Annotated[int, Field(ge=64, le=2048)]


class FluxWish(Wish):
    """`strength` (above 0, to 1) is how far a source is changed: the share of noise put over it."""

    prompt: Annotated[str, Field(min_length=1, max_length=8000)]
    width: Side = 1024
    height: Side = 1024
    steps: Annotated[int, Field(ge=1, le=50)] = 4
    strength: Annotated[float, Field(gt=0, le=1)] | None = None


# ## What it weighs
#
# Parameters as the published configurations give them: the transformer 11.89 billion, T5-XXL 4.76,
# CLIP 0.12 and the autoencoder 0.08. At work a megapixel takes about 1.5 GiB more, nearly all of it
# in the autoencoder, whose widest layer holds 256 channels at full size.

TRANSFORMER_BILLIONS = 11.89
ALL_BILLIONS = 16.85
WORK_GIB_PER_MEGAPIXEL = 1.5
MOST_WORK_GIB = MOST_PIXELS / 1e6 * WORK_GIB_PER_MEGAPIXEL


def weights_gib(device: Device) -> tuple[float, float]:
    """GiB of all weights, and of the largest part alone."""
    gib = device.number_bytes * 1e9 / GIB
    return ALL_BILLIONS * gib, TRANSFORMER_BILLIONS * gib


class ImageFlux:
    """FLUX.1 [schnell]: text to image, and image to image from a `source`."""

    name: ClassVar[str] = "image_flux"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = True

    def __init__(self, weights: Path, device: Device) -> None:
        from diffusers import FluxImg2ImgPipeline, FluxPipeline

        self._device = device
        self._from_words = FluxPipeline.from_pretrained(
            weights / "base", local_files_only=True, dtype=device.torch_dtype
        )
        whole_gib, part_gib = weights_gib(device)
        self.placed = device.place(self._from_words, whole_gib + MOST_WORK_GIB, part_gib)
        # The same models once more under another recipe: it costs no memory.
        self._from_picture = FluxImg2ImgPipeline(**self._from_words.components)
        for pipeline in (self._from_words, self._from_picture):
            pipeline.set_progress_bar_config(disable=True)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """Its weights as they are placed, and what the picture takes."""
        raster = _raster(read(FluxWish, work))
        whole_gib, part_gib = weights_gib(device)
        weights = whole_gib if device.has_room(whole_gib + MOST_WORK_GIB) else part_gib
        return weights + raster.made_pixels / 1e6 * WORK_GIB_PER_MEGAPIXEL

    def make(self, work: Work, room: Room) -> Made:
        """Make a PNG. Raises BadInput naming a parameter, or Stopped."""
        wish = read(FluxWish, work)
        raster = _raster(wish)
        # Where the parts take turns on the GPU, a work that was stopped has left one there.
        self._from_words.maybe_free_model_hooks()
        asked = {
            "prompt": wish.prompt,
            "width": raster.made_width,
            "height": raster.made_height,
            "num_inference_steps": wish.steps,
            "sigmas": _sigmas(wish, room),
            "guidance_scale": 0.0,
            "max_sequence_length": TOKENS,
            "generator": self._device.generator(work.seed),
            "callback_on_step_end": _telling(room, wish.steps),
            "output_type": "np",
        }
        if "source" in room.inputs:
            picture = raster.open(room.input("source"), "source")
            made = self._from_picture(**asked, image=picture, strength=1.0)
        else:
            made = self._from_words(**asked)
        path = pictures.save(raster.cut(made.images[0]), room.folder / "picture.png")
        return Made(path, "image/png", {"seed": work.seed or 0, "steps": wish.steps})

    def close(self) -> None:
        """Give the memory back."""
        del self._from_words, self._from_picture


def _raster(wish: FluxWish) -> Raster:
    return Raster(wish.width, wish.height, MULTIPLE, MOST_PIXELS)


def _sigmas(wish: FluxWish, room: Room) -> Any:
    """The share of noise before each step. Raises BadInput for what would be without effect."""
    for role in room.inputs:
        if role != "source":
            raise BadInput(role, "is not taken", "The only input is: source.")
    if "source" in room.inputs:
        begin = wish.strength or STRENGTH
    elif wish.strength is None:
        begin = 1.0
    else:
        raise BadInput("strength", "is given without a source", "Give a source, or leave it out.")
    return np.linspace(begin, begin / wish.steps, wish.steps)


def _telling(room: Room, steps: int) -> Any:
    def told(_pipeline: Any, step: int, _timestep: Any, kept: dict[str, Any]) -> dict[str, Any]:
        room.tell((step + 1) / (steps + 1))
        return kept

    return told


# ## On Modal
#
# `modal run gpu_functions/image_flux.py::download` once, then `modal deploy`. The token is the
# secret "huggingface-secret" with HF_TOKEN.

LIMIT_S = 120
START_LIMIT_S = 300


@app.function(
    image=image,
    volumes=deployment.volumes(),
    secrets=[modal.Secret.from_name("huggingface-secret", required_keys=["HF_TOKEN"])],
    timeout=deployment.DOWNLOAD_TIMEOUT_S,
)
def download() -> str:
    """Fill the volume with the weights."""
    return deployment.fetch_weights(ImageFlux)


@app.cls(
    image=image,
    gpu="L40S",
    volumes=deployment.volumes(),
    secrets=deployment.bucket(),
    timeout=LIMIT_S,
    startup_timeout=START_LIMIT_S,
    scaledown_window=deployment.SCALEDOWN_S,
    enable_memory_snapshot=True,
)
class Worker:
    """FLUX.1 [schnell] in a container of its own."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """Import what takes long, before the snapshot."""
        from diffusers import FluxImg2ImgPipeline, FluxPipeline  # noqa: F401

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights from the volume."""
        self.seat = deployment.Seat(ImageFlux)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work; the receipt as JSON."""
        return self.seat.serve(work)
