"""What comes of a training: sheets of samples on the way, and the file that says what it is."""

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from pydantic import JsonValue

if TYPE_CHECKING:
    from gpu_functions.training.loop import Said

STEPS = 20
GUIDANCE = 5.0
SHEET_SIDE = 512
THUMBNAIL = (1024, 256)
# A loss is mostly the noise that was drawn: only the mean of many says something.
TOLD_SHARE = 0.1


def sample_sheet(
    pipeline: Any,
    prompts: Sequence["Said"],
    nothing: "Said",
    resolution: int,
    dice: Callable[[], Any],
) -> Image.Image:
    """The prompts drawn side by side, each from the same noise; `nothing` is the empty prompt."""
    side = min(SHEET_SIDE, resolution)
    sheet = Image.new("RGB", (side * len(prompts), side))
    for number, said in enumerate(prompts):
        drawn = pipeline(
            prompt_embeds=said.tokens,
            pooled_prompt_embeds=said.pooled,
            negative_prompt_embeds=nothing.tokens,
            negative_pooled_prompt_embeds=nothing.pooled,
            width=resolution,
            height=resolution,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE,
            generator=dice(),
            output_type="latent",
        )
        picture = _decoded(pipeline, drawn.images)
        sheet.paste(picture.resize((side, side)), (side * number, 0))
    return sheet


def write_lora(path: Path, weights: dict[str, Any], about: Mapping[str, str], sheet: Path) -> None:
    """Write a LoRA for SDXL; the same weights, words and samples give the same bytes.

    `about` are the keys of the ModelSpec standard without their prefix; the samples become its
    thumbnail.
    """
    from safetensors.torch import save

    spec = {
        "sai_model_spec": "1.0.0",
        "architecture": "stable-diffusion-xl-v1-base/lora",
        "implementation": "diffusers",
        "thumbnail": _thumbnail(sheet),
        **about,
    }
    metadata = {"format": "pt"} | {f"modelspec.{key}": value for key, value in spec.items()}
    # safetensors would write the metadata in an order of chance.
    plain = save(weights)
    begins = 8 + int.from_bytes(plain[:8], "little")
    head = json.dumps({"__metadata__": metadata, **json.loads(plain[8:begins])}).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(len(head).to_bytes(8, "little") + head + plain[begins:])


def losses_told(losses: Sequence[float]) -> dict[str, JsonValue]:
    """The mean loss of the first steps and of the last, a tenth of all each."""
    some = max(1, round(len(losses) * TOLD_SHARE))
    return {
        "steps": len(losses),
        "first_loss": sum(losses[:some]) / some,
        "final_loss": sum(losses[-some:]) / some,
    }


def _decoded(pipeline: Any, latents: Any) -> Image.Image:
    """The picture of latents; the VAE counts in numbers of its own, which the pipeline does not."""
    import torch

    vae = pipeline.vae
    scaled = latents.to(vae.device, vae.dtype) / vae.config.scaling_factor
    with torch.inference_mode():
        pixels = vae.decode(scaled).sample
    pictures: list[Image.Image] = pipeline.image_processor.postprocess(pixels, "pil")
    return pictures[0]


def _thumbnail(sheet: Path) -> str:
    """A small JPEG of a picture as a data URI."""
    with Image.open(sheet) as picture:
        picture.thumbnail(THUMBNAIL)
        body = io.BytesIO()
        picture.save(body, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(body.getvalue()).decode()}"
