"""The finish: colour grade, vignette, paper and grain, at the final size."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from filmforge.media.panel.palette import Grade

Picture = npt.NDArray[np.float32]
LUMA = np.array((0.2126, 0.7152, 0.0722), np.float32)  # ITU-R BT.709


def finish(image: Image.Image, size: tuple[int, int], grade: Grade, seed: int) -> Image.Image:
    """The picture at its final (width, height), graded, darkened at its edges and grained."""
    small = image.resize(size, Image.Resampling.BOX)
    picture: Picture = np.asarray(small, np.float32) / np.float32(255)
    picture = _graded(picture * np.float32(_exposure(picture, grade)), grade)
    picture *= _vignette(size, grade.vignette)
    picture += _grain(size, seed)[..., None]
    return Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))


def _exposure(picture: Picture, grade: Grade) -> float:
    """The mood's exposure, opened by up to a third where the set came out dim."""
    bright = float(np.percentile(picture[::4, ::4] @ LUMA, 97))
    return grade.exposure * min(1.34, max(1.0, 0.80 / max(0.01, bright)))


def _graded(picture: Picture, grade: Grade) -> Picture:
    luma: Picture = (picture @ LUMA)[..., None]
    picture = luma + (picture - luma) * np.float32(grade.saturation)
    picture = (picture - np.float32(0.44)) * np.float32(grade.contrast) + np.float32(0.44)
    luma = np.asarray(np.clip(luma, 0, 1), np.float32)
    shadows: Picture = np.array(grade.shadows, np.float32) / np.float32(255)
    lights: Picture = np.array(grade.lights, np.float32) / np.float32(255)
    picture = picture * (1 + (lights - 1) * luma)
    graded: Picture = picture + shadows * (1 - luma) ** 3 * np.float32(0.55)
    return graded


def _vignette(size: tuple[int, int], strength: float) -> Picture:
    width, height = size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fall = np.clip((x * x + y * y - np.float32(0.35)) / np.float32(1.65), 0, 1)
    dark: Picture = (1 - np.float32(strength) * fall)[..., None].astype(np.float32)
    return dark


def _grain(size: tuple[int, int], seed: int) -> Picture:
    width, height = size
    random = np.random.default_rng(seed)
    fine = random.standard_normal((height, width), np.float32) * np.float32(0.011)
    coarse = random.standard_normal((height // 3 + 2, width // 3 + 2), np.float32)
    paper = Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)
    return fine + np.asarray(paper, np.float32) * np.float32(0.010)
