"""SDXL by diffusers: pictures from words, from pictures, and from drawings that they must follow.

One set of weights serves six pipelines: text to image, image to image (input `source`) and
inpainting (`source` and `mask`, or `outpaint`), each with or without a ControlNet. On top come
LoRAs by name, and pictures as prompts (`style`, `reference_1` …) through an IP-Adapter.

Licences: SDXL CreativeML Open RAIL++-M (use-based restrictions; the output is yours), ControlNet,
IP-Adapter and the networks that draw control pictures Apache-2.0 or MIT. GPU: L40S (48 GB),
everything resident. A standard picture of one megapixel takes about 6 s, 0.003 USD at 0.000542 USD
a second: reckoned from 24 TFLOP a guided step at a third of the GPU's rate, not measured.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import modal
from pydantic import JsonValue

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import controls, deployment, loras
from gpu_functions.controls import Kind
from gpu_functions.device import GIB, Device
from gpu_functions.image_work import (
    DEFAULT_SIDE,
    MOST_SIDE,
    Border,
    Plate,
    opened,
    plate_of,
)
from gpu_functions.long_prompts import encoded
from gpu_functions.maker import Made, Room
from gpu_functions.sdxl_wishes import SCHEDULERS, ControlWish, ImageWish
from gpu_functions.weights import Repo, Source
from gpu_functions.wishes import read

LIMIT_S = 90
START_LIMIT_S = 150

app = modal.App("filmforge-image-sdxl")
image = deployment.image_of(
    "accelerate==1.15.0",
    "diffusers==0.42.1",
    "numpy==2.4.6",
    "opencv-python-headless==5.0.0.93",
    "peft==0.21.2",
    "pillow==13.0.0",
    "safetensors==0.8.0",
    "scipy==1.17.1",
    "torch==2.13.0",
    "transformers==5.23.0",
)

# ## What it loads
#
# SDXL itself lies in 16-bit files. One ControlNet of the union kind knows all five kinds of
# control picture and takes several at once, in place of five networks of its own size. The
# IP-Adapter of the "plus" kind sees a picture through the smaller of CLIP's two encoders.

ADAPTER = "ip-adapter-plus_sdxl_vit-h.safetensors"
SOURCE = Source(
    repos=(
        Repo(
            id=loras.SDXL,
            revision="462165984030d82259a11f4367a4eed129e94a7b",
            licence="CreativeML Open RAIL++-M",
            folder="base",
            files=(
                "model_index.json",
                "scheduler/*.json",
                "tokenizer*/*",
                *(
                    f"{part}/{file}"
                    for part in ("text_encoder", "text_encoder_2", "unet", "vae")
                    for file in ("config.json", "*.fp16.safetensors")
                ),
            ),
        ),
        Repo(
            id="xinsir/controlnet-union-sdxl-1.0",
            revision="801a4a3fa3d4c936f4feea95b98607bc6726f80c",
            licence="Apache-2.0",
            folder="controlnet",
            files=("config.json", "diffusion_pytorch_model.safetensors"),
        ),
        Repo(
            id="h94/IP-Adapter",
            revision="018e402774aeeddd60609b4ecdb7e298259dc729",
            licence="Apache-2.0",
            folder="ip_adapter",
            files=(
                f"sdxl_models/{ADAPTER}",
                "models/image_encoder/config.json",
                "models/image_encoder/model.safetensors",
            ),
        ),
        *controls.REPOS,
    ),
    gib=13.8,
)

# ## What it takes of a GPU
#
# Billions of parameters, counted from the sizes of the files above.

UNET_B = 2.567
TEXT_B = 0.818
VAE_B = 0.084
CONTROLNET_B = 1.257
ADAPTER_B = 0.424
ENCODER_B = 0.632
# A LoRA of rank 64 in all attention layers.
LORA_B = 0.1
# Four of the VAE's largest maps (256 numbers a pixel) are alive while it decodes a tile; the
# UNet's own maps are a quarter of that, but it sees all of a picture, twice.
DECODE_B_PER_MEGAPIXEL = 1.0
DENOISE_B_PER_MEGAPIXEL = 0.25
TILE_MEGAPIXELS = 1.05


# ## Making a picture

# A repainted part may be all new; a whole picture that is changed should be known again.
STRENGTH_OF_CHANGE = 0.6
STRENGTH_OF_PAINTING = 1.0
# The order of the union ControlNet's kinds; 2 is soft edges, which are not offered.
CONTROL_MODES: dict[Kind, int] = {"pose": 0, "depth": 1, "canny": 3, "normal": 4, "segmentation": 5}


class ImageSdxl:
    """SDXL, resident once for all of its pipelines."""

    name: ClassVar[str] = "image_sdxl"
    source: ClassVar[Source] = SOURCE
    heavy: ClassVar[bool] = True

    def __init__(self, weights: Path, device: Device) -> None:
        import diffusers

        self._weights = weights
        self._device = device
        self._base = diffusers.StableDiffusionXLPipeline.from_pretrained(
            weights / "base",
            dtype=device.torch_dtype,
            variant="fp16",
            use_safetensors=True,
            local_files_only=True,
            add_watermarker=False,
        )
        self._schedule = self._base.scheduler.config
        self._drawing = controls.Preprocessors(weights, device)
        self._controlnet: Any = None
        self._adapters: tuple[str, ...] = ()
        self._loras = loras.Loaded(self._base, weights.parent / "loras", loras.SDXL)

    @classmethod
    def needs_gib(cls, work: Work, device: Device) -> float:
        """GiB with everything resident if that fits, otherwise with parts offloaded."""
        whole, part = _sizes_gib(read(ImageWish, work), {one.role for one in work.inputs}, device)
        return whole if device.has_room(whole) else part

    def make(self, work: Work, room: Room) -> Made:
        """A PNG. Raises BadInput naming a parameter or an input, Stopped between steps."""
        wish = read(ImageWish, work)
        plate = plate_of(room, wish.width, wish.height, wish.outpaint)
        followed = self._controls(wish, room, plate)
        prompts = self._picture_prompts(room)
        chosen = self._loras.use({lora.name: lora.weight for lora in wish.loras})
        self._set_adapters(tuple(prompts), wish)
        pipeline = self._pipeline(plate, wish, bool(followed))
        prompt = loras.with_triggers(wish.prompt, chosen)
        with self._placed(pipeline, wish, room) as placed:
            made = pipeline(
                **encoded(pipeline, prompt, wish.negative_prompt),
                **_changes(plate, wish),
                **followed,
                ip_adapter_image=list(prompts.values()) or None,
                num_inference_steps=wish.preset.steps,
                guidance_scale=wish.preset.guidance,
                generator=self._device.generator(work.seed),
                callback_on_step_end=_telling(room.tell),
            ).images[0]
        path = room.folder / "picture.png"
        plate.finish(made).save(path)
        facts: dict[str, JsonValue] = {
            "prompt": prompt,
            "steps": wish.preset.steps,
            "guidance": wish.preset.guidance,
            "scheduler": wish.scheduler,
            "loras": {lora.name: lora.sha256 for lora in chosen},
            "placed": placed,
        }
        return Made(path, "image/png", facts)

    def close(self) -> None:
        """Give the memory back."""
        self._base = self._controlnet = None
        del self._loras, self._drawing
        self._device.forget()

    # A pipeline is no more than its parts put together, so one is put together for every work.

    def _pipeline(self, plate: Plate, wish: ImageWish, controlled: bool) -> Any:
        import diffusers

        kind, more = "StableDiffusionXL", {}
        if controlled:
            kind, more = "StableDiffusionXLControlNetUnion", {"controlnet": self._controlnet}
        if plate.mask is not None:
            kind += "Inpaint"
        elif plate.source is not None:
            kind += "Img2Img"
        scheduler, told = SCHEDULERS[wish.scheduler]
        parts = dict(self._base.components)
        parts["scheduler"] = getattr(diffusers, scheduler).from_config(self._schedule, **told)
        pipeline = getattr(diffusers, f"{kind}Pipeline")(**parts, **more, add_watermarker=False)
        pipeline.set_progress_bar_config(disable=True)
        if plate.width * plate.height > TILE_MEGAPIXELS * 1e6:
            pipeline.vae.enable_tiling()
        else:
            pipeline.vae.disable_tiling()
        return pipeline

    @contextmanager
    def _placed(self, pipeline: Any, wish: ImageWish, room: Room) -> Iterator[str]:
        """Have a pipeline on the device; what its placement hung onto its parts goes again."""
        try:
            yield self._device.place(pipeline, *_sizes_gib(wish, set(room.inputs), self._device))
        finally:
            pipeline.remove_all_hooks()

    # A ControlNet is given drawings; an ordinary picture is drawn first.

    def _controls(self, wish: ImageWish, room: Room, plate: Plate) -> dict[str, Any]:
        import diffusers

        for kind in wish.controls:
            room.input(kind)
        wishes = {
            kind: wish.controls.get(kind, ControlWish())
            for kind in CONTROL_MODES
            if kind in room.inputs
        }
        if not wishes:
            if self._controlnet is not None:
                # Its place on the GPU is not among what this work needs.
                self._controlnet.to("cpu")
            return {}
        pictures = []
        for kind, asked in wishes.items():
            picture = plate.fitted(opened(room, kind))
            pictures.append(picture if asked.prepared else self._drawing.draw(kind, picture))
        if self._controlnet is None:
            self._controlnet = diffusers.ControlNetUnionModel.from_pretrained(
                self._weights / "controlnet",
                dtype=self._device.torch_dtype,
                local_files_only=True,
            )
        return {
            "control_image": pictures,
            "control_mode": [CONTROL_MODES[kind] for kind in wishes],
            "controlnet_conditioning_scale": [asked.weight for asked in wishes.values()],
        }

    # A style goes only into the layers that decide on style (Wang et al. 2024, "InstantStyle"),
    # so that what is shown in its picture does not come along; a reference goes into all.

    def _picture_prompts(self, room: Room) -> dict[str, list[Any]]:
        found = {
            "style": [role for role in room.inputs if role == "style"],
            "reference": sorted(role for role in room.inputs if role.startswith("reference_")),
        }
        return {
            use: [opened(room, role) for role in roles] for use, roles in found.items() if roles
        }

    def _set_adapters(self, uses: tuple[str, ...], wish: ImageWish) -> None:
        if self._adapters != uses:
            if self._adapters:
                self._adapters = ()
                self._base.unload_ip_adapter()
            if uses:
                self._base.load_ip_adapter(
                    str(self._weights / "ip_adapter"),
                    subfolder="sdxl_models",
                    weight_name=[ADAPTER] * len(uses),
                    image_encoder_folder="models/image_encoder",
                    local_files_only=True,
                )
                self._adapters = uses
        scales = {
            "style": {"up": {"block_0": [0.0, wish.style_weight, 0.0]}},
            "reference": wish.reference_weight,
        }
        if uses:
            self._base.set_ip_adapter_scale([scales[use] for use in uses])


def _sizes_gib(wish: ImageWish, roles: set[str], device: Device) -> tuple[float, float]:
    """GiB with everything resident, and with one part after the other."""
    uses = ("style" in roles) + any(role.startswith("reference_") for role in roles)
    kept = max(loras.KEPT, len(wish.loras)) if wish.loras else 0
    denoiser = UNET_B + uses * ADAPTER_B + kept * LORA_B
    drawn = roles & set(CONTROL_MODES)
    denoiser += CONTROLNET_B if drawn else 0
    # The size of a source is not known before it is here.
    side = MOST_SIDE if "source" in roles else DEFAULT_SIDE
    border = wish.outpaint or Border()
    width = (wish.width or side) + border.left + border.right
    height = (wish.height or side) + border.up + border.down
    megapixels = width * height / 1e6
    gib = device.number_bytes * 1e9 / GIB
    # Only bfloat16 has the range that the VAE needs; of float16 it is told to go to 32 bits.
    vae_gib = gib if device.dtype == "bfloat16" else 4e9 / GIB
    decoding = DECODE_B_PER_MEGAPIXEL * min(megapixels, TILE_MEGAPIXELS) * vae_gib
    denoising = DENOISE_B_PER_MEGAPIXEL * megapixels * gib
    drawing = controls.DRAWING_GIB if drawn else 0.0
    rest = TEXT_B + VAE_B + (ENCODER_B if uses else 0)
    whole = (denoiser + rest) * gib + max(decoding, denoising, drawing)
    part = max(denoiser * gib + denoising, VAE_B * vae_gib + decoding, drawing)
    return whole, part


def _changes(plate: Plate, wish: ImageWish) -> dict[str, Any]:
    """What the pipeline is told about the plate. Raises BadInput."""
    if plate.source is None:
        if wish.strength is not None:
            raise BadInput("strength", "has nothing to change", "Give a source, too.")
        return {"width": plate.width, "height": plate.height}
    usual = STRENGTH_OF_CHANGE if plate.mask is None else STRENGTH_OF_PAINTING
    strength = wish.strength or usual
    if int(wish.preset.steps * strength) < 1:
        remedy = f"Of {wish.preset.steps} steps, a strength from {1 / wish.preset.steps:.2f} does."
        raise BadInput("strength", "leaves no step to make", remedy)
    told = {"image": plate.source, "strength": strength}
    if plate.mask is None:
        return told
    return told | {"mask_image": plate.painted, "width": plate.width, "height": plate.height}


def _telling(tell: Callable[[float], None]) -> Callable[..., dict[str, Any]]:
    """A callback for diffusers that tells how far the steps are."""

    def told(pipeline: Any, step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
        tell((step + 1) / (pipeline.num_timesteps + 1))
        return values

    return told


# ## On Modal


@app.function(image=image, volumes=deployment.volumes(), timeout=deployment.DOWNLOAD_TIMEOUT_S)
def download() -> str:
    """Fill the volume."""
    return deployment.fetch_weights(ImageSdxl)


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
    """One GPU that makes pictures."""

    @modal.enter(snap=True)
    def warm(self) -> None:
        """The imports are in the snapshot; the weights come from the volume."""
        import cv2  # noqa: F401
        import diffusers
        import transformers

        # Both import lazily: name what is wanted.
        _ = diffusers.StableDiffusionXLPipeline, transformers.CLIPTextModelWithProjection

    @modal.enter(snap=False)
    def load(self) -> None:
        """Load the weights; the first work puts them onto the GPU."""
        self.seat = deployment.Seat(ImageSdxl)

    @modal.method()
    def make(self, work: dict[str, Any]) -> dict[str, Any]:
        """Make a work; the receipt as JSON."""
        return self.seat.serve(work)
