"""A tiny GFPGAN for faces of 32 pixels with random weights, seeded, and a detector of squares.

A face is what tiny_faces.build_detector takes for one: a white square.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from gpu_functions.face_restore import CHECKPOINT
from gpu_functions.networks.gfpgan import Gfpgan
from tests.gpu_functions import tiny_faces

WORK_PARAMETERS: dict[str, Any] = {"prompt": "a door", "strength": 0.8}
# The sizes of a picture with faces, and where the detector sees best: half a cell from the corner.
SIZE = (160, 120)
SQUARE = 16


def build(folder: Path) -> None:
    """Write the weights, with parts that only training uses, as the release file has them."""
    (folder / "restorer").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(4)
    network = Gfpgan(narrow=(8, 8, 4, 4), wide=(16, 16, 8, 8), style=12)
    state = network.state_dict()
    state["stylegan_decoder.style_mlp.1.weight"] = torch.zeros(12, 12)
    state["toRGB.0.bias"] = torch.zeros(3)
    torch.save({"params_ema": state}, folder / "restorer" / CHECKPOINT)
    tiny_faces.build_detector(folder / "faces")


def inputs(folder: Path) -> dict[str, Path]:
    """A picture with one face."""
    return {"source": faces_at(folder / "source.png", (84, 60))}


def faces_at(path: Path, *middles: tuple[int, int]) -> Path:
    """A dark picture with faces around these points (x, y)."""
    picture = np.full((SIZE[1], SIZE[0], 3), (40, 60, 50), np.uint8)
    for x, y in middles:
        half = SQUARE // 2
        picture[y - half : y + half, x - half : x + half] = 255
    Image.fromarray(picture).save(path)
    return path
