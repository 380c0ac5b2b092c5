"""A tiny Real-ESRGAN: one block of eight channels with random weights, seeded."""

from pathlib import Path
from typing import Any

import torch

from gpu_functions.networks.rrdb import RRDBNet
from gpu_functions.upscale import CHECKPOINT
from tests.gpu_functions.stage import a_picture

WORK_PARAMETERS: dict[str, Any] = {"prompt": "a door", "scale": 4, "tile": 64}


def build(folder: Path) -> None:
    """Write the weights as the authors' release file holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    network = RRDBNet(features=8, growth=4, blocks=1)
    with torch.no_grad():  # so that pictures come through it with contrast, around the middle
        for name, values in network.named_parameters():
            if name.endswith("weight"):
                torch.nn.init.kaiming_normal_(values)
        network.conv_last.bias.fill_(0.5)
    torch.save({"params_ema": network.state_dict()}, folder / CHECKPOINT)


def inputs(folder: Path) -> dict[str, Path]:
    """A picture."""
    return {"source": a_picture(folder / "source.png", (96, 64))}
