"""Rasters: a model makes sides of its own multiple; what is asked for is cut out of the middle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from filmforge.errors import BadInput
from gpu_functions import pictures

# Red, green and blue of 8 bits: (frames, rows, columns, 3).
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Raster:
    """`width` x `height` pixels are asked for; the model makes sides that are a `multiple`.

    Raises BadInput for more than `most_pixels`.
    """

    width: int
    height: int
    multiple: int
    most_pixels: int

    def __post_init__(self) -> None:
        if self.width * self.height > self.most_pixels:
            problem = f"{self.width} x {self.height} is too large"
            raise BadInput("width", problem, f"At most {self.most_pixels} pixels in all.")

    @property
    def made_width(self) -> int:
        """Pixels across that the model makes."""
        return self.width + -self.width % self.multiple

    @property
    def made_height(self) -> int:
        """Pixels down that the model makes."""
        return self.height + -self.height % self.multiple

    @property
    def made_pixels(self) -> int:
        """Pixels in all that the model makes."""
        return self.made_width * self.made_height

    def open(self, path: Path, role: str) -> Image.Image:
        """A picture as the model takes it, cropped to what is asked for. Raises BadInput."""
        picture = pictures.fitted(pictures.read(path, role), self.width, self.height)
        return self.draw_out(picture)

    def draw_out(self, picture: npt.NDArray[np.uint8]) -> Image.Image:
        """A picture of the size asked for as large as the model makes it, its edges drawn out."""
        top, left = self._margin
        below = self.made_height - self.height - top
        beyond = self.made_width - self.width - left
        return Image.fromarray(np.pad(picture, ((top, below), (left, beyond), (0, 0)), "edge"))

    def cut(self, made: npt.NDArray[Any]) -> Frames:
        """What is asked for of pictures (…, rows, columns, 3) that the model made, from 0 to 1."""
        top, left = self._margin
        asked = made[..., top : top + self.height, left : left + self.width, :]
        return (asked * 255).round().astype(np.uint8)

    @property
    def _margin(self) -> tuple[int, int]:
        """Rows above and columns to the left that are cut away."""
        return (self.made_height - self.height) // 2, (self.made_width - self.width) // 2
