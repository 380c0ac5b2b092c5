"""A tiny random FLUX, its parts as large against each other as the weights expect them."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
)

from tests.gpu_functions import tiny_text
from tests.gpu_functions.stage import a_picture

WORK_PARAMETERS: dict[str, Any] = {
    "prompt": "a red house by the sea",
    "width": 64,
    "height": 64,
    "steps": 2,
}


def build(folder: Path) -> None:
    """Write the weights as the function expects them."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=tiny_text.WIDTH,
        pooled_projection_dim=tiny_text.WIDTH,
        axes_dims_rope=[4, 4, 8],
    )
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4),
        layers_per_block=1,
        latent_channels=1,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0609,
        scaling_factor=1.5035,
    )
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=tiny_text.clip_text(),
        tokenizer=tiny_text.clip_tokenizer(),
        text_encoder_2=tiny_text.t5(),
        tokenizer_2=tiny_text.t5_tokenizer(folder / "words"),
        transformer=transformer,
    ).save_pretrained(folder / "base")


def inputs(folder: Path) -> dict[str, Path]:
    """A picture to work from."""
    return {"source": a_picture(folder / "source.png")}
