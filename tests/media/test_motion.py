"""Camera moves: exact length, real and smooth movement, honest colours."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from filmforge.errors import BadMedia
from filmforge.media.motion import render_motion
from filmforge.media.panel import PanelBrief, draw_panel


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frame") / "frame.png"
    draw_panel(PanelBrief("a city street", width=320, height=180, shot_type="wide"), path)
    return path


def clip(
    frame: Path,
    path: Path,
    camera: str | None = None,
    seed: int = 1,
    shot_type: str = "wide",
    fps: Fraction = Fraction(24),
    duration_s: str = "1",
    size: tuple[int, int] = (320, 180),
) -> Path:
    render_motion(
        frame,
        path,
        width=size[0],
        height=size[1],
        fps=fps,
        duration_s=Decimal(duration_s),
        camera=camera,
        shot_type=shot_type,
        seed=seed,
    )
    return path


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as opened:
        return [p.to_ndarray(format="gray").astype(np.float32) for p in opened.decode(video=0)]


@pytest.mark.parametrize(
    ("fps", "duration_s", "count"),
    [(Fraction(24), "1.5", 36), (Fraction(24000, 1001), "1", 24), (Fraction(25), "0.001", 1)],
)
def test_a_clip_has_exactly_the_pictures_it_should(
    frame: Path, tmp_path: Path, fps: Fraction, duration_s: str, count: int
) -> None:
    assert len(pictures(clip(frame, tmp_path / "a.mp4", fps=fps, duration_s=duration_s))) == count


def test_a_clip_is_bt709_h264_at_the_rate_asked_for(frame: Path, tmp_path: Path) -> None:
    with av.open(str(clip(frame, tmp_path / "a.mp4", fps=Fraction(30)))) as opened:
        stream = opened.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == (320, 180)
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert stream.average_rate == 30


@pytest.mark.parametrize(
    "camera",
    [
        "push in",
        "zoom out",
        "pan left",
        "tilt up",
        "tilt down",
        "orbit",
        "handheld",
        "static",
        "do as you like",
    ],
)
def test_every_move_moves_smoothly(frame: Path, tmp_path: Path, camera: str) -> None:
    seen = pictures(clip(frame, tmp_path / "a.mp4", camera, duration_s="2"))
    steps = [float(np.abs(b - a).mean()) for a, b in pairwise(seen)]
    assert float(np.abs(seen[-1] - seen[0]).mean()) > 0.5 or camera in ("orbit", "handheld")
    assert max(abs(b - a) for a, b in pairwise(steps)) < 2.5


def test_the_same_wish_gives_the_same_bytes(frame: Path, tmp_path: Path) -> None:
    a, b = clip(frame, tmp_path / "a.mp4"), clip(frame, tmp_path / "b.mp4")
    assert a.read_bytes() == b.read_bytes()


def test_the_seed_chooses_the_move_where_nobody_did(frame: Path, tmp_path: Path) -> None:
    a, b = clip(frame, tmp_path / "a.mp4", seed=0), clip(frame, tmp_path / "b.mp4", seed=1)
    assert a.read_bytes() != b.read_bytes()


def test_a_frame_of_another_shape_is_cropped_not_stretched(tmp_path: Path) -> None:
    wide = np.zeros((100, 400, 3), np.uint8)
    wide[:, 150:250] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    seen = pictures(clip(tmp_path / "wide.png", tmp_path / "a.mp4", "static", size=(100, 100)))
    assert seen[0].mean() > 225


def test_the_brightness_of_the_frame_is_kept(tmp_path: Path) -> None:
    Image.new("RGB", (128, 128), (200, 90, 40)).save(tmp_path / "flat.png")
    path = clip(tmp_path / "flat.png", tmp_path / "a.mp4", "static", size=(128, 128))
    with av.open(str(path)) as opened:
        first = next(opened.decode(video=0)).to_ndarray(format="yuv420p")
    expected = 16 + (0.2126 * 200 + 0.7152 * 90 + 0.0722 * 40) * 219 / 255
    assert abs(float(first[:128].mean()) - expected) < 2


def test_a_file_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "frame.png").write_text("no picture")
    with pytest.raises(BadMedia, match="frame"):
        clip(tmp_path / "frame.png", tmp_path / "a.mp4")
