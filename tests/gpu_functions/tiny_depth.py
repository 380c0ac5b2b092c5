"""A tiny Depth Anything: four layers of a DINOv2 of 32 numbers with random weights, seeded."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTImageProcessorPil,
)

WORK_PARAMETERS: dict[str, Any] = {
    "prompt": "a door",
    "width": 128,
    "height": 96,
    "duration": "1",
    "fps": "12",
    "camera": "orbit",
}


def build(folder: Path) -> None:
    """Write model and processor as the published repository has them."""
    torch.manual_seed(6)
    backbone = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=16,
        head_hidden_size=8,
    )
    model = DepthAnythingForDepthEstimation(config)
    with torch.no_grad():  # so that what it sees comes through the ReLU at its end
        for values in model.head.parameters():
            values.abs_()
    model.save_pretrained(folder / "depth")
    DPTImageProcessorPil(
        size={"height": 56, "width": 56},
        ensure_multiple_of=14,
        keep_aspect_ratio=True,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder / "depth")


def inputs(folder: Path) -> dict[str, Path]:
    """A frame with a red square on stripes."""
    picture = stripes(128, 96)
    picture[30:66, 46:82] = (220, 30, 30)
    Image.fromarray(picture).save(folder / "frame.png")
    return {"frame": folder / "frame.png"}


def stripes(width: int, height: int) -> np.ndarray:
    """Upright stripes of blue and green."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, np.arange(width) // 8 % 2 == 0] = (20, 40, 200)
    picture[:, np.arange(width) // 8 % 2 == 1] = (20, 160, 60)
    return picture
