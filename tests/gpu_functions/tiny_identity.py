"""A tiny Identity: a DINOv2 of random numbers and the networks of tiny_faces."""

from pathlib import Path
from typing import Any

from PIL import Image

from gpu_functions.identity import PICTURES, RECOGNIZER
from tests.gpu_functions.tiny_faces import build_detector, build_recognizer

WORK_PARAMETERS: dict[str, Any] = {}


def build(folder: Path) -> None:
    import torch
    from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model

    build_detector(folder / RECOGNIZER.folder)
    build_recognizer(folder / RECOGNIZER.folder / RECOGNIZER.files[0])
    torch.manual_seed(5)
    config = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=28,
        patch_size=14,
        initializer_range=0.5,
    )
    Dinov2Model(config).save_pretrained(folder / PICTURES.folder)
    # The sizes of the real one's preprocessor_config.json, an eighth of them.
    BitImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}
    ).save_pretrained(folder / PICTURES.folder)


def a_face(path: Path, at: tuple[int, int] = (144, 144), marks: int = 0) -> Path:
    """A picture of 640 by 640 with a face as tiny_faces sees it; `marks` make it another person's.

    Its left upper corner must be at 16 + 32 n.
    """
    picture = Image.new("RGB", (640, 640), (8, 12, 4))
    face = Image.new("RGB", (64, 64), (255, 255, 255))
    for mark in range(marks):
        face.paste((215 - 5 * mark, 235, 255), (20 + 8 * mark, 26, 26 + 8 * mark, 36 + 4 * mark))
    picture.paste(face, at)
    picture.save(path, "PNG")
    return path


def inputs(folder: Path) -> dict[str, Path]:
    return {
        "frame": a_face(folder / "frame.png"),
        "reference_1": a_face(folder / "one.png", (304, 176)),
        "reference_2": a_face(folder / "two.png", marks=3),
    }
