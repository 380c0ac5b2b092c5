"""Pictures and clips enlarged by a tiny network of the layout of Real-ESRGAN."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from filmforge.errors import BadInput
from gpu_functions.clip import read_clip, write_clip
from gpu_functions.device import Device
from gpu_functions.maker import Made, Stopped
from gpu_functions.networks.rrdb import RRDBNet
from gpu_functions.upscale import FRAMES_A_CHUNK, Upscale, spans
from tests.gpu_functions import tiny_upscale
from tests.gpu_functions.stage import CPU, Stage, a_picture, a_work, open_stage

FPS = Fraction(24000, 1001)
FRAMES = FRAMES_A_CHUNK + 3


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upscale]:
    weights = tmp_path_factory.mktemp("weights")
    tiny_upscale.build(weights)
    made = Upscale(weights, CPU)
    yield made
    made.close()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return open_stage(tmp_path / "stage", source=a_picture(tmp_path / "a.png", (150, 90), 30))


@pytest.fixture
def clip_stage(tmp_path: Path) -> Stage:
    frames = [np.full((16, 24, 3), 5 * number, np.uint8) for number in range(FRAMES)]
    write_clip(frames, tmp_path / "a.mp4", FPS)
    return open_stage(tmp_path / "stage", clip=tmp_path / "a.mp4")


def made(maker: Upscale, stage: Stage, **parameters: Any) -> Made:
    return maker.make(a_work("upscale", parameters, **stage.inputs), stage.room)


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path)).astype(int)


def coarse(picture: np.ndarray) -> np.ndarray:
    """Means of 8 by 8 pixels, which the encoder keeps."""
    height, width, _ = picture.shape
    return picture.reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3))


@pytest.mark.parametrize("scale", [2, 4])
def test_a_picture_becomes_as_many_times_as_large(maker: Upscale, stage: Stage, scale: int) -> None:
    result = made(maker, stage, scale=scale)
    assert result.media_type == "image/png"
    with Image.open(result.path) as picture:
        assert (picture.size, picture.mode) == ((150 * scale, 90 * scale), "RGB")


def test_the_same_work_gives_the_same_bytes_and_words_change_nothing(
    maker: Upscale, stage: Stage
) -> None:
    first, second, words = (
        made(maker, stage, prompt=prompt).path.read_bytes() for prompt in ("", "", "a red door")
    )
    assert first == second == words


def test_another_picture_gives_another_result(maker: Upscale, stage: Stage, tmp_path: Path) -> None:
    other = open_stage(tmp_path / "other", source=a_picture(tmp_path / "b.png", (150, 90), 120))
    one, two = pixels(made(maker, stage).path), pixels(made(maker, other).path)
    assert np.abs(one - two).mean() > 1


def test_tiles_give_what_the_whole_picture_gives(maker: Upscale, stage: Stage) -> None:
    whole = pixels(made(maker, stage, tile=150).path)
    tiled = pixels(made(maker, stage, tile=64).path)
    assert len(spans(150, 64)) > 1
    assert np.ptp(whole) > 5  # there is something to see
    assert np.abs(whole - tiled).max() <= 1


@pytest.mark.parametrize(("side", "tile"), [(64, 64), (65, 64), (96, 64), (97, 64), (1000, 128)])
def test_tiles_overlap_and_use_each_pixel_once(side: int, tile: int) -> None:
    tiles = spans(side, tile)
    used = [pixel for span in tiles for pixel in range(span.begin, span.end)]
    assert used == list(range(side))
    for span in tiles:
        assert span.start >= 0
        assert span.start + tile <= side
        assert span.begin >= span.start + (16 if span.begin else 0)
        assert span.end <= span.start + tile - (16 if span.end < side else 0)


def test_the_result_has_the_size_that_is_wished(maker: Upscale, stage: Stage) -> None:
    with Image.open(made(maker, stage, width=320, height=160).path) as picture:
        assert picture.size == (320, 160)
    with Image.open(made(maker, stage, height=180).path) as picture:
        assert picture.size == (300, 180)


def test_a_frame_is_taken_as_well(maker: Upscale, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage", frame=a_picture(tmp_path / "a.png", (20, 10)))
    with Image.open(made(maker, stage).path) as picture:
        assert picture.size == (80, 40)


def test_a_clip_keeps_its_frames_and_its_rate(maker: Upscale, clip_stage: Stage) -> None:
    result = made(maker, clip_stage, scale=2)
    frames, fps = read_clip(result.path)
    assert result.media_type == "video/mp4"
    assert fps == FPS
    assert [frame.shape for frame in frames] == [(32, 48, 3)] * FRAMES
    assert result.facts["frames"] == FRAMES


def test_frames_of_a_clip_are_enlarged_like_pictures(
    maker: Upscale, clip_stage: Stage, tmp_path: Path
) -> None:
    sources, _ = read_clip(clip_stage.inputs["clip"])
    frames, _ = read_clip(made(maker, clip_stage).path)
    for number, (source, frame) in enumerate(zip(sources, frames, strict=True)):
        if number % 9:
            continue
        Image.fromarray(source).save(tmp_path / "one.png")
        still = open_stage(tmp_path / f"still-{number}", source=tmp_path / "one.png")
        assert np.abs(coarse(pixels(made(maker, still).path)) - coarse(frame)).mean() < 4


def test_a_clip_begun_again_goes_on_after_the_chunks_it_has(
    maker: Upscale, clip_stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = open_stage(tmp_path / "whole", **clip_stage.inputs)
    expected = made(maker, whole).path.read_bytes()
    clip_stage.stop_at = (FRAMES_A_CHUNK + 1) / FRAMES
    with pytest.raises(Stopped):
        made(maker, clip_stage)
    assert clip_stage.checkpoints.saved == ["chunk-00000.mp4"]

    clip_stage.stop_at = None
    clip_stage.told.clear()
    looked_at = []
    forward = RRDBNet.forward
    monkeypatch.setattr(
        RRDBNet, "forward", lambda self, x: looked_at.append(len(x)) or forward(self, x)
    )
    assert made(maker, clip_stage).path.read_bytes() == expected
    assert sum(looked_at) == FRAMES - FRAMES_A_CHUNK
    assert clip_stage.checkpoints.saved == ["chunk-00000.mp4", "chunk-00001.mp4"]


def test_a_work_ends_between_tiles(maker: Upscale, stage: Stage) -> None:
    stage.stop_at = 0.01
    with pytest.raises(Stopped):
        made(maker, stage, tile=64)
    assert len(stage.told) == 1


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ("scale", {"scale": 3}),
        ("tile", {"tile": 8}),
        ("width", {"width": 9000}),
        ("sharpness", {"sharpness": 1}),
    ],
)
def test_a_wrong_parameter_is_named(
    maker: Upscale, stage: Stage, field: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(BadInput) as refused:
        made(maker, stage, **parameters)
    assert refused.value.field == field


def test_what_is_no_picture_or_missing_is_named(maker: Upscale, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no picture")
    for role in ("source", "frame", "clip"):
        with pytest.raises(BadInput) as refused:
            made(maker, open_stage(tmp_path / role, **{role: tmp_path / "a.txt"}))
        assert refused.value.field == role
    with pytest.raises(BadInput) as refused:
        made(maker, open_stage(tmp_path / "empty"))
    assert refused.value.field == "source"


def test_a_picture_that_would_be_too_large_is_refused(maker: Upscale, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage", source=a_picture(tmp_path / "a.png", (4000, 1200)))
    with pytest.raises(BadInput) as refused:
        made(maker, stage)
    assert refused.value.field == "scale"


def test_memory_grows_with_the_tile_and_stays_within_a_small_budget() -> None:
    def needs(device: Device, tile: int) -> float:
        return Upscale.needs_gib(a_work("upscale", {"tile": tile}), device)

    small, large = Device("cuda", "small", 4.0, "float16"), Device("cuda", "large", 80.0, "float16")
    assert needs(large, 128) < needs(large, 512) < needs(large, 1024)
    assert needs(small, 512) < needs(large, 512)
    assert needs(small, 512) < small.budget_gib
