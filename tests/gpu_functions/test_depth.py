"""Depth by a tiny network of the layout of Depth Anything, and what a camera makes of it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from filmforge.errors import BadInput
from gpu_functions.clip import read_clip
from gpu_functions.depth import FRAMES_AT_ONCE, Depth
from gpu_functions.maker import Made, Stopped
from gpu_functions.parallax import Scene, View, path
from tests.gpu_functions import tiny_depth
from tests.gpu_functions.stage import CPU, Stage, a_picture, a_work, open_stage
from tests.gpu_functions.tiny_depth import stripes

SHORT = {"duration": "1", "fps": "12"}
CAMERAS = ("push_in", "pull_out", "pan_left", "pan_right", "tilt_up", "tilt_down", "orbit")
RED = (220, 30, 30)


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Depth]:
    weights = tmp_path_factory.mktemp("weights")
    tiny_depth.build(weights)
    made = Depth(weights, CPU)
    yield made
    made.close()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return open_stage(tmp_path / "stage", **tiny_depth.inputs(tmp_path))


def made(maker: Depth, stage: Stage, **parameters: Any) -> Made:
    return maker.make(a_work("depth", parameters, **stage.inputs), stage.room)


def frames_of(path: Path) -> list[np.ndarray]:
    return [frame.astype(int) for frame in read_clip(path)[0]]


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Stripes, and before them a red square of 40 pixels with its corner at (60, 40)."""
    made = stripes(160, 120)
    made[40:80, 60:100] = RED
    return made


@pytest.fixture(scope="module")
def nearness() -> torch.Tensor:
    near = torch.zeros(120, 160)
    near[40:80, 60:100] = 1.0
    return near


def seen(picture: np.ndarray, nearness: torch.Tensor, *views: View) -> list[np.ndarray]:
    return list(Scene(picture, nearness, views, "cpu").seen(views))


def red(frame: np.ndarray) -> np.ndarray:
    """Where the square is."""
    return np.abs(frame.astype(int) - RED).max(-1) < 30


def test_a_clip_has_exactly_the_frames_that_its_seconds_have(maker: Depth, stage: Stage) -> None:
    result = made(maker, stage, duration="1.5", fps="24000/1001", width=96, height=64)
    frames = frames_of(result.path)
    assert result.media_type == "video/mp4"
    assert read_clip(result.path)[1] == Fraction(24000, 1001)
    assert [frame.shape for frame in frames] == [(64, 96, 3)] * 36
    assert result.facts["frames"] == 36


def test_a_map_is_a_picture_of_sixteen_bits_that_follows_the_frame(
    maker: Depth, stage: Stage, tmp_path: Path
) -> None:
    result = made(maker, stage, output="map")
    other = open_stage(tmp_path / "other", source=a_picture(tmp_path / "a.png", (128, 96), 45))
    with Image.open(result.path) as depth:
        assert (depth.format, depth.mode, depth.size) == ("PNG", "I;16", (128, 96))
        shades = np.array(depth)
    assert (shades.min(), shades.max()) == (0, 65535)
    assert len(np.unique(shades)) > 256
    with Image.open(made(maker, other, output="map").path) as depth:
        assert not np.array_equal(shades, np.array(depth))


def test_the_same_work_gives_the_same_bytes_and_words_change_nothing(
    maker: Depth, stage: Stage
) -> None:
    one, two, words = (
        made(maker, stage, prompt=prompt, **SHORT).path.read_bytes()
        for prompt in ("", "", "a door")
    )
    assert one == two == words


def test_each_camera_makes_a_clip_of_its_own(maker: Depth, stage: Stage) -> None:
    clips = [made(maker, stage, camera=camera, **SHORT).path.read_bytes() for camera in CAMERAS]
    assert len(set(clips)) == len(CAMERAS)


def test_a_larger_amount_moves_more(maker: Depth, stage: Stage) -> None:
    moves = []
    for amount in (0.02, 0.2):
        frames = frames_of(made(maker, stage, camera="pan_left", amount=amount, **SHORT).path)
        moves.append(np.abs(frames[0] - frames[-1]).mean())
    assert moves[0] < moves[1]


def test_a_camera_that_stands_where_the_picture_was_taken_sees_the_picture(
    picture: np.ndarray, nearness: torch.Tensor
) -> None:
    (frame,) = seen(picture, nearness, View())
    assert np.array_equal(frame, picture)


def test_what_is_near_moves_more_than_what_is_far(
    picture: np.ndarray, nearness: torch.Tensor
) -> None:
    left, right = seen(picture, nearness, View(right=-0.05), View(right=0.05))
    columns = [np.flatnonzero(red(frame)[60]) for frame in (left, right)]
    moved = columns[0].min() - columns[1].min()
    assert moved == pytest.approx(0.1 * 160, abs=3)
    # The stripes at the top, all far, line up again once they are moved back.
    far = min(
        range(1, 12),
        key=lambda by: np.abs(left[10, 20 + by : 140 + by].astype(int) - right[10, 20:140]).mean(),
    )
    assert far < moved / 2


@pytest.mark.parametrize(
    ("view", "enlarged"),
    [
        (View(right=0.06), 1 / (1 - 2 * 0.06)),
        (View(right=-0.06), 1 / (1 - 2 * 0.06)),
        (View(down=0.06), 1 / (1 - 2 * 0.06 * 160 / 120)),
        (View(forward=0.2), 1 / (1 - 0.2)),
    ],
)
def test_what_comes_into_view_is_background(
    picture: np.ndarray, nearness: torch.Tensor, view: View, enlarged: float
) -> None:
    (frame,) = seen(picture, nearness, view)
    rows, columns = np.flatnonzero(red(frame).any(1)), np.flatnonzero(red(frame).any(0))
    square = red(frame)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert square.mean() > 0.97
    assert len(rows) == pytest.approx(40 * enlarged, abs=3)
    assert len(columns) == pytest.approx(40 * enlarged, abs=3)


def test_a_slope_that_the_network_draws_at_an_edge_tears_nothing(
    picture: np.ndarray, nearness: torch.Tensor
) -> None:
    soft = torch.nn.functional.avg_pool2d(nearness[None], 3, 1, 1)[0]
    for view in (View(right=0.06), View(down=-0.06)):
        (one,), (two,) = seen(picture, nearness, view), seen(picture, soft, view)
        assert (red(one) != red(two)).mean() < 0.002


def test_no_frame_shows_what_lies_beside_the_picture(picture: np.ndarray) -> None:
    framed = picture.copy()
    framed[:, 0] = framed[:, -1] = framed[0] = framed[-1] = 255
    everything_near = torch.ones(120, 160)
    for camera in CAMERAS:
        views = path(camera, 0.1, 5)
        for frame in Scene(framed, everything_near, views, "cpu").seen(views):
            # Beside the picture its white border would be drawn out.
            assert (frame[3:-3, 3:-3].min(-1) < 200).all(), camera


def test_a_way_is_slow_at_both_ends_and_an_orbit_ends_where_it_began() -> None:
    steps = np.diff([view.forward for view in path("push_in", 0.1, 21)])
    assert steps[0] < steps[10] / 3
    assert steps[-1] < steps[10] / 3
    assert [view.forward for view in path("pull_out", 0.1, 5)] == pytest.approx(
        [view.forward for view in path("push_in", 0.1, 5)][::-1]
    )
    orbit = path("orbit", 0.1, 9)
    assert orbit[-1] == pytest.approx(orbit[0], abs=1e-9)
    assert path("pan_left", 0.1, 1) == [View(right=0.05)]


def test_a_picture_without_depth_still_moves(maker: Depth, tmp_path: Path) -> None:
    flat = Image.new("RGB", (64, 64), (90, 90, 90))
    flat.save(tmp_path / "flat.png")
    stage = open_stage(tmp_path / "stage", frame=tmp_path / "flat.png")
    frames = frames_of(made(maker, stage, **SHORT).path)
    assert len(frames) == 12
    assert all(np.abs(frame - 90).max() <= 2 for frame in frames)


def test_a_work_ends_between_batches_of_frames(maker: Depth, stage: Stage) -> None:
    stage.stop_at = 0.1
    with pytest.raises(Stopped):
        made(maker, stage, **SHORT)
    assert stage.told == [FRAMES_AT_ONCE / 12]


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ("camera", {"camera": "upside_down"}),
        ("amount", {"amount": 0.5}),
        ("duration", {"duration": "long"}),
        ("duration", {"duration": "3600"}),
        ("fps", {"fps": "0"}),
        ("width", {"width": 8}),
        ("output", {"output": "mesh"}),
    ],
)
def test_a_wrong_parameter_is_named(
    maker: Depth, stage: Stage, field: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(BadInput) as refused:
        made(maker, stage, **parameters)
    assert refused.value.field == field


def test_a_missing_frame_is_named(maker: Depth, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        made(maker, open_stage(tmp_path / "stage"))
    assert refused.value.field == "frame"


def test_memory_grows_with_the_size_and_not_with_the_seconds() -> None:
    def needs(**parameters: Any) -> float:
        return Depth.needs_gib(a_work("depth", parameters), CPU)

    assert needs(width=1280, height=720) < needs(width=1920, height=1080)
    assert needs(width=1920, height=1080) < needs(width=3840, height=2160)
    assert needs(duration="1") == needs(duration="60")
    assert needs(output="map") < needs()
