"""A tiny RIFE: the layout of version 4.13 with narrow blocks and random weights, seeded."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from gpu_functions.clip import write_clip
from gpu_functions.interpolate import CHECKPOINT
from gpu_functions.networks.ifnet import IFNet

WORK_PARAMETERS: dict[str, Any] = {"prompt": "a door", "factor": 2}
FPS = Fraction(24)


def build(folder: Path) -> None:
    """Write the weights under the name of the published file."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(2)
    network = IFNet((16, 12, 8, 8), hidden=8, features=4)
    with torch.no_grad():  # so that what it sees shows in the flow
        for values in network.parameters():
            if values.ndim == 4 and values.shape[0] > 1:
                torch.nn.init.kaiming_normal_(values)
    save_file(network.state_dict(), folder / CHECKPOINT)


def inputs(folder: Path) -> dict[str, Path]:
    """A clip of half a second."""
    write_clip([square(4 * number) for number in range(12)], folder / "clip.mp4", FPS)
    return {"clip": folder / "clip.mp4"}


def square(left: int, level: int = 250) -> np.ndarray:
    """A frame of 96 by 64 with a light square."""
    frame = np.full((64, 96, 3), 60, np.uint8)
    frame[20:44, left : left + 24] = level
    return frame
