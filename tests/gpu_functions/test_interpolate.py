"""Clips of a higher rate by a tiny network of the layout of RIFE 4.13."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from filmforge.errors import BadInput
from gpu_functions.clip import keep, read_clip, write_clip
from gpu_functions.device import Device
from gpu_functions.interpolate import PAIRS_A_CHUNK, Interpolate, is_cut
from gpu_functions.maker import Made, Stopped, TooLarge
from gpu_functions.networks.ifnet import IFNet
from tests.gpu_functions import tiny_interpolate
from tests.gpu_functions.stage import CPU, Stage, a_work, open_stage
from tests.gpu_functions.tiny_interpolate import square

FPS = Fraction(24000, 1001)
# One gap more than a chunk has; the last frame makes one gap, too.
MANY = PAIRS_A_CHUNK + 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    tiny_interpolate.build(folder)
    return folder


@pytest.fixture(scope="module")
def maker(weights: Path) -> Iterator[Interpolate]:
    made = Interpolate(weights, CPU)
    yield made
    made.close()


def staged(folder: Path, frames: list[np.ndarray], fps: Fraction = FPS) -> Stage:
    folder.mkdir(parents=True, exist_ok=True)
    write_clip(frames, folder / "a.mp4", fps)
    return open_stage(folder / "stage", clip=folder / "a.mp4")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return staged(tmp_path, [square(0), square(9), square(20), square(28), square(40)])


def made(maker: Interpolate, stage: Stage, **parameters: Any) -> Made:
    return maker.make(a_work("interpolate", parameters, **stage.inputs), stage.room)


def frames_of(path: Path) -> list[np.ndarray]:
    return [frame.astype(int) for frame in read_clip(path)[0]]


def far(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - two).mean())


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_clip_has_as_many_times_the_frames_and_lasts_as_long(
    maker: Interpolate, stage: Stage, factor: int
) -> None:
    result = made(maker, stage, factor=factor)
    assert result.media_type == "video/mp4"
    assert read_clip(result.path)[1] == FPS * factor
    assert len(frames_of(result.path)) == 5 * factor == result.facts["frames"]


def test_a_rate_may_be_named(maker: Interpolate, stage: Stage) -> None:
    result = made(maker, stage, fps="60")
    assert read_clip(result.path)[1] == 60
    assert len(frames_of(result.path)) == round(5 / FPS * 60)


def test_the_rate_of_the_clip_itself_keeps_each_frame(maker: Interpolate, stage: Stage) -> None:
    result = frames_of(made(maker, stage, fps="24000/1001").path)
    source = frames_of(stage.inputs["clip"])
    assert len(result) == 5
    assert all(far(*pair) < 1 for pair in zip(source, result, strict=True))


def test_frames_of_the_clip_stay_where_they_were(maker: Interpolate, stage: Stage) -> None:
    result = frames_of(made(maker, stage, factor=4).path)
    source = frames_of(stage.inputs["clip"])
    assert all(far(one, two) < 1 for one, two in zip(source, result[::4], strict=True))
    assert all(far(source[-1], repeated) < 1 for repeated in result[-4:])


def test_frames_between_are_of_both_sides_and_of_their_own_time(
    maker: Interpolate, stage: Stage
) -> None:
    result = frames_of(made(maker, stage, factor=4).path)
    for between in result[1:4]:
        assert far(between, result[0]) > 1
        assert far(between, result[4]) > 1
    assert far(result[1], result[3]) > 0


def test_a_flow_says_where_in_the_frames_a_pixel_is_from() -> None:
    network = IFNet((8, 8, 8, 8), hidden=8, features=4).eval()
    for values in network.parameters():
        torch.nn.init.zeros_(values)
    # Six numbers a pixel, each made of four channels: three pixels to the right in the frame
    # before, two down in the one after, and which of them to show.
    bias = network.block3.lastconv[0].bias.data.view(6, 4)
    bias[0], bias[3], bias[4] = 3, 2, 100
    before, after = torch.rand(2, 1, 3, 32, 64)
    with torch.inference_mode():
        shown = network(before, after, torch.tensor([0.5]))
        bias[4] = -100
        other = network(before, after, torch.tensor([0.5]))
    assert torch.allclose(shown[..., :-3], before[..., 3:], atol=1e-4)
    assert torch.allclose(other[..., :-2, :], after[..., 2:, :], atol=1e-4)


def test_the_network_is_told_the_time(weights: Path, maker: Interpolate) -> None:
    torch.manual_seed(1)
    before, after = torch.rand(2, 1, 3, 32, 64)
    with torch.inference_mode():
        early, late = (maker._network(before, after, torch.tensor([t])) for t in (0.25, 0.75))
    assert early.shape == before.shape
    assert not torch.equal(early, late)


def test_the_same_work_gives_the_same_bytes(maker: Interpolate, stage: Stage) -> None:
    one, two = (made(maker, stage, factor=2).path.read_bytes() for _ in range(2))
    assert one == two


def test_frames_that_are_the_same_stay_the_same(
    maker: Interpolate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IFNet, "forward", lambda *_: pytest.fail("there is nothing to find"))
    result = frames_of(made(maker, staged(tmp_path, [square(8)] * 3), factor=4).path)
    assert len(result) == 12
    assert all(far(result[0], frame) < 0.5 for frame in result)


def test_a_cut_is_not_blended(maker: Interpolate, tmp_path: Path) -> None:
    left = np.tile(np.linspace(0, 255, 96, dtype=np.uint8)[None, :, None], (64, 1, 3))
    shots = [left, left, 255 - left, 255 - left]
    keep(np.stack(shots), tmp_path / "a.mkv")  # what is the same stays so only without loss
    stage = open_stage(tmp_path / "stage", clip=tmp_path / "a.mkv")
    result = frames_of(made(maker, stage, factor=4).path)
    assert is_cut(left, 255 - left)
    assert all(far(left, frame) < 3 for frame in result[:8])
    assert all(far(255 - left, frame) < 3 for frame in result[8:])


def test_a_move_is_no_cut() -> None:
    assert not is_cut(square(8), square(16))
    assert not is_cut(square(8), square(8, level=220))


def test_a_single_frame_is_repeated(maker: Interpolate, tmp_path: Path) -> None:
    assert len(frames_of(made(maker, staged(tmp_path, [square(8)]), factor=2).path)) == 2


def test_a_clip_begun_again_goes_on_after_the_chunks_it_has(
    maker: Interpolate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [square(2 * number) for number in range(MANY)]
    expected = made(maker, staged(tmp_path / "whole", frames)).path.read_bytes()
    stage = staged(tmp_path / "again", frames)
    stage.stop_at = (PAIRS_A_CHUNK + 1) / MANY
    with pytest.raises(Stopped):
        made(maker, stage)
    assert stage.checkpoints.saved == ["chunk-00000.mp4"]

    stage.stop_at = None
    asked = []
    forward = IFNet.forward
    monkeypatch.setattr(
        IFNet, "forward", lambda *seen: asked.append(len(seen[1])) or forward(*seen)
    )
    assert made(maker, stage).path.read_bytes() == expected
    assert sum(asked) == 1
    assert stage.checkpoints.saved == ["chunk-00000.mp4", "chunk-00001.mp4"]


@pytest.mark.parametrize(
    ("field", "parameters"),
    [
        ("factor", {"factor": 3}),
        ("factor", {"factor": 16}),
        ("fps", {"fps": "12"}),
        ("fps", {"fps": "1000"}),
        ("fps", {"fps": "fast"}),
        ("fps", {"fps": "1/0"}),
        ("fps", {"fps": "48", "factor": 2}),
        ("speed", {"speed": 1}),
    ],
)
def test_a_wrong_parameter_is_named(
    maker: Interpolate, stage: Stage, field: str, parameters: dict[str, Any]
) -> None:
    with pytest.raises(BadInput) as refused:
        made(maker, stage, **parameters)
    assert refused.value.field == field


def test_what_is_no_clip_is_named(maker: Interpolate, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no clip")
    for inputs in ({}, {"clip": tmp_path / "a.txt"}):
        with pytest.raises(BadInput) as refused:
            made(maker, open_stage(tmp_path / f"stage-{len(inputs)}", **inputs))
        assert refused.value.field == "clip"


def test_a_frame_that_does_not_fit_into_the_budget_is_refused(weights: Path, stage: Stage) -> None:
    with pytest.raises(TooLarge):
        made(Interpolate(weights, Device("cpu", "small", 0.021)), stage)


def test_memory_grows_with_the_factor() -> None:
    needs = [Interpolate.needs_gib(a_work("interpolate", {"factor": n}), CPU) for n in (2, 4, 8)]
    assert needs == sorted(set(needs))
