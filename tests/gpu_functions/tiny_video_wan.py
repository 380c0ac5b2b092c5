"""A tiny random Wan VACE: 8 x 8 x 4 pixels to a latent, as the weights have it."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    UniPCMultistepScheduler,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)

from tests.gpu_functions import tiny_text
from tests.gpu_functions.stage import a_picture

WORK_PARAMETERS: dict[str, Any] = {
    "prompt": "a man walks over a bridge",
    "width": 64,
    "height": 64,
    "duration": "0.5",
    "fps": "16",
    "steps": 2,
}

LOUDER = 2.0


def build(folder: Path) -> None:
    """Write the weights as the function expects them."""
    torch.manual_seed(0)
    vae = AutoencoderKLWan(
        base_dim=3,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    transformer = WanVACETransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=tiny_text.WIDTH,
        freq_dim=32,
        ffn_dim=32,
        num_layers=3,
        rope_max_seq_len=32,
        vace_layers=[0, 2],
        vace_in_channels=96,
    )
    # So few random layers would hardly hear what they are told of the frames.
    with torch.no_grad():
        for layer in (transformer.vace_patch_embedding, *_layers_out(transformer), vae.encoder):
            for weight in layer.parameters():
                weight.mul_(LOUDER)
    WanVACEPipeline(
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
        vae=vae,
        text_encoder=tiny_text.umt5(),
        tokenizer=tiny_text.t5_tokenizer(folder / "words"),
        transformer=transformer,
    ).save_pretrained(folder / "base")


def _layers_out(transformer: Any) -> list[Any]:
    return [transformer.proj_out, *(block.proj_out for block in transformer.vace_blocks)]


def inputs(folder: Path) -> dict[str, Path]:
    """What a clip begins and ends with."""
    return {
        "frame": a_picture(folder / "frame.png"),
        "last_frame": a_picture(folder / "last_frame.png", angle=90),
    }
