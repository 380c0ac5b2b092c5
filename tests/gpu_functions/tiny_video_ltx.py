"""A tiny random LTX-Video of the 0.9.5 shape: 32 x 32 x 8 pixels to a token."""

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    FlowMatchEulerDiscreteScheduler,
    LTXConditionPipeline,
    LTXVideoTransformer3DModel,
)

from tests.gpu_functions import tiny_text
from tests.gpu_functions.stage import a_picture

WORK_PARAMETERS: dict[str, Any] = {
    "prompt": "a man walks over a bridge",
    "width": 64,
    "height": 64,
    "duration": "0.5",
    "fps": "24",
    "steps": 2,
}


def build(folder: Path) -> None:
    """Write the weights as the function expects them."""
    torch.manual_seed(0)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=4,
        attention_head_dim=8,
        cross_attention_dim=32,
        num_layers=1,
        caption_channels=tiny_text.WIDTH,
    )
    vae = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8, 8),
        down_block_types=("LTXVideo095DownBlock3D",) * 4,
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatio_temporal_scaling=(True, True, True, True),
        decoder_spatio_temporal_scaling=(True, True, True),
        decoder_inject_noise=(False, False, False, False),
        downsample_type=("spatial", "temporal", "spatiotemporal", "spatiotemporal"),
        upsample_residual=(True, True, True),
        upsample_factor=(2, 2, 2),
        timestep_conditioning=True,
        patch_size=4,
        patch_size_t=1,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    words = folder / "base" / "tokenizer"
    tokenizer = tiny_text.t5_tokenizer(folder / "words")
    LTXConditionPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        text_encoder=tiny_text.t5(),
        tokenizer=tokenizer,
        transformer=transformer,
    ).save_pretrained(folder / "base")
    # The published tokenizer is a SentencePiece file and nothing else.
    for file in words.iterdir():
        file.unlink()
    tiny_text.t5_tokenizer(words)


def inputs(folder: Path) -> dict[str, Path]:
    """What a clip begins and ends with."""
    return {
        "frame": a_picture(folder / "frame.png"),
        "last_frame": a_picture(folder / "last_frame.png", angle=90),
    }
