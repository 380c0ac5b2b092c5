"""A studio: makes small pictures with the tiny networks of image_sdxl, and LoRAs for them."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpu_functions.image_sdxl import ImageSdxl
from gpu_functions.loras import SDXL, Lora, register
from tests.gpu_functions import tiny_image_sdxl as tiny
from tests.gpu_functions.stage import Stage, a_picture, a_work, open_stage

SMALL = {"prompt": "a lighthouse", "width": 64, "height": 64, "steps": 3}
FILTERS = (
    # diffusers' schedulers turn tensors into arrays as numpy 1 did.
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
    # peft is told of a second LoRA, which is what is wanted.
    "ignore:Already found a `peft_config` attribute:UserWarning",
)


def furnish(root: Path) -> Path:
    """Weights and LoRAs below a folder; returns it."""
    tiny.build(root / "image_sdxl")
    for number, (name, text) in enumerate({"emma": True, "noir": False, "ink": False}.items()):
        enter(root, name, tiny.build_lora(root / f"{name}.safetensors", number, text=text))
    enter(root, "flux", root / "emma.safetensors", base="org/another-model")
    return root


def enter(root: Path, name: str, file: Path, base: str = SDXL) -> None:
    """Register a file as a LoRA."""
    entry = Lora(
        name=name,
        file=f"{name}.safetensors",
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        triggers=(f"{name} style",),
        base=base,
        licence="CC0-1.0",
        created=datetime(2026, 11, 21, tzinfo=UTC),
    )
    register(root / "loras", entry, file)


def weighed(**weights: float) -> list[dict[str, Any]]:
    """The parameter `loras`."""
    return [{"name": name, "weight": weight} for name, weight in weights.items()]


def pixels(path: Path) -> np.ndarray:
    """A picture as rows, columns and colours."""
    with Image.open(path) as picture:
        return np.asarray(picture)


class Studio:
    """Makes pictures of small works; the same works give the same pictures."""

    def __init__(self, maker: ImageSdxl, folder: Path) -> None:
        self.maker = maker
        self.folder = folder
        self.facts: dict[str, Any] = {}
        self.last = folder

    def stage(self, **inputs: Path) -> Stage:
        return open_stage(self.folder / "stage", **inputs)

    def make(self, seed: int | None = 7, maker: ImageSdxl | None = None, **asked: Any) -> bytes:
        """Inputs are the paths among what is asked; the rest are parameters."""
        inputs = {name: path for name, path in asked.items() if isinstance(path, Path)}
        wishes = {name: value for name, value in asked.items() if name not in inputs}
        work = a_work("image_sdxl", SMALL | wishes, seed, **inputs)
        made = (maker or self.maker).make(work, self.stage(**inputs).room)
        assert made.media_type == "image/png"
        self.facts, self.last = dict(made.facts), made.path
        return made.path.read_bytes()

    def pixels(self, **asked: Any) -> np.ndarray:
        self.make(**asked)
        return pixels(self.last)

    def picture(self, name: str, angle: int = 0, size: tuple[int, int] = (64, 64)) -> Path:
        return a_picture(self.folder / f"{name}.png", size, angle)
