"""A look changes pictures by the amounts it says, scene over film, the same way every time."""

from collections.abc import Awaitable, Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from filmforge.errors import BadInput, BadMedia
from filmforge.look import Look
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.look import grade, is_graded

MakeClip = Callable[..., Awaitable[Path]]
Frames = NDArray[np.float64]
DIGEST = "a" * 64
PicturesOf = Callable[[Path], list[NDArray[np.uint8]]]
FPS = Fraction(24)
INVERSE = "LUT_1D_SIZE 2\n1 1 1\n0 0 0\n"


def test_a_scene_says_what_differs_and_inherits_the_rest() -> None:
    film = Look(exposure=1, letterbox="2.39:1", lut=DIGEST, grain=0.5)
    scene = Look(exposure=0, letterbox="off", lut_strength=0.0)
    assert scene.over(film) == Look(
        exposure=0, letterbox="off", lut=DIGEST, lut_strength=0, grain=0.5
    )
    assert Look().over(film) == film == film.over(Look())


@pytest.mark.parametrize("written", ["2.39:1", "2.39", 2.39, "239:100", " 23.9:10 "])
def test_one_shape_written_in_many_ways_is_one_recipe(written: Any) -> None:
    look = Look.model_validate({"letterbox": written})
    assert look.model_dump(mode="json")["letterbox"] == "239:100"
    assert Look.model_validate(look.model_dump(mode="json")) == look
    assert Look.model_validate_json(look.model_dump_json()) == look


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"exposure": 4.1}, "from -4 to 4: these are stops, 0 changes nothing"),
        ({"exposure": "1"}, "valid number"),
        ({"contrast": -0.1}, "from 0 to 3: 1 changes nothing"),
        ({"contrast": True}, "valid number"),
        ({"saturation": 3.1}, "from 0 to 3: 1 changes nothing"),
        ({"temperature": 1_999}, "from 2000 to 12000: this is in kelvin"),
        ({"grain": float("nan")}, "from 0 to 1: 0 is clean"),
        ({"lut_strength": float("inf")}, "from 0 to 1: 0 leaves the LUT out"),
        ({"lut": "/etc/passwd"}, "should match pattern"),
        ({"letterbox": "0:1"}, "from 0.4"),
        ({"letterbox": "1:0"}, "width to height"),
        ({"letterbox": "1e9"}, "width to height"),
        ({"letterbox": True}, "width to height"),
        ({"scaler": "nearest"}, "'bicubic', 'lanczos' or 'spline'"),
        ({"glow": 1}, "not permitted"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_what_to_write(
    written: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Look.model_validate(written)


def test_a_look_that_changes_nothing_costs_nothing() -> None:
    for look in (Look(), Look(exposure=0, contrast=1, saturation=1, temperature=6500), NO_LUT):
        assert not is_graded(look)
        assert grade(look, None) == []


NO_LUT = Look(lut=DIGEST, lut_strength=0)


def _rgb(planar: NDArray[np.uint8], height: int) -> Frames:
    """BT.709 by its own formula, because ffmpeg's quick one is off by 4."""
    luma = (planar[:height].astype(float) - 16) / 219
    parts = planar[height:].reshape(2, height // 2, -1).repeat(2, axis=1).repeat(2, axis=2)
    blue_less, red_less = (parts.astype(float) - 128) / 224
    red, blue = luma + 1.5748 * red_less, luma + 1.8556 * blue_less
    green = (luma - 0.2126 * red - 0.0722 * blue) / 0.7152
    frame: Frames = 255 * np.stack([red, green, blue], axis=2).clip(0, 1)
    return frame


@pytest.fixture
def shown(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> Callable[..., Awaitable[Frames]]:
    """Conform a card of one colour under a look; its frames as RGB, 64 x 96 pixels."""

    async def show(
        look: Look, colour: str = "0x808080", *, lut: Path | None = None, frames: int = 2
    ) -> Frames:
        exact = "scale=out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int"
        tagged = f"format=gbrp,{exact},format=yuv420p,setparams=colorspace=bt709"
        clip = await make_clip(
            "card.mkv", f"color={colour}:s=96x64:r=24:d=0.2", None, "-vf", tagged, "-qp", "0"
        )
        path = tmp_path / "piece.mov"
        spec = ConformSpec(width=96, height=64, fps=FPS, frames=frames, look=look)
        await conform(clip, path, spec, lut)
        assert not path.with_name(f"{path.name}.cube").exists(), "what was baked is gone"
        return np.stack([_rgb(picture, 64) for picture in pictures_of(path)])

    return show


def _mean(frames: Frames) -> list[float]:
    return [float(value) for value in frames[:, 8:-8, 8:-8].mean(axis=(0, 1, 2))]


STOP = 2 ** (1 / 2.4)
MID = 255 * 0.18 ** (1 / 2.4)


@pytest.mark.parametrize(
    ("look", "colour", "expected"),
    [
        (Look(), "0x808080", (128, 128, 128)),
        (Look(exposure=1), "0x406080", (64 * STOP, 96 * STOP, 128 * STOP)),
        (Look(exposure=-2), "0x406080", (64 / STOP**2, 96 / STOP**2, 128 / STOP**2)),
        (Look(exposure=4), "0x808080", (255, 255, 255)),
        (Look(contrast=1.5), "0x6080a0", [MID + 1.5 * (v - MID) for v in (96, 128, 160)]),
        (Look(contrast=0), "0x20c040", (MID, MID, MID)),
        (Look(saturation=0), "0xc04020", [0.2126 * 192 + 0.7152 * 64 + 0.0722 * 32] * 3),
        (Look(saturation=3), "0x808880", [134 + 3 * (v - 134) for v in (128, 136, 128)]),
    ],
)
async def test_a_grade_moves_colours_by_what_it_says(
    shown: Callable[..., Awaitable[Frames]], look: Look, colour: str, expected: tuple[float, ...]
) -> None:
    assert _mean(await shown(look, colour)) == pytest.approx(list(expected), abs=3)


async def test_a_low_temperature_is_warm_a_high_one_cool_and_grey_keeps_its_light(
    shown: Callable[..., Awaitable[Frames]],
) -> None:
    warm = _mean(await shown(Look(temperature=3_200)))
    cool = _mean(await shown(Look(temperature=10_000)))
    assert warm[0] > 128 + 20 > 128 - 40 > warm[2]
    assert cool[2] > 128 + 10 > 128 - 5 > cool[0]
    for red, green, blue in (warm, cool):
        light = 0.2126 * red**2.4 + 0.7152 * green**2.4 + 0.0722 * blue**2.4
        assert light ** (1 / 2.4) == pytest.approx(128, abs=2)


@pytest.mark.parametrize(("strength", "expected"), [(None, 191), (0.5, 127.5), (0, 64)])
async def test_a_lut_is_mixed_in_at_its_strength(
    shown: Callable[..., Awaitable[Frames]],
    tmp_path: Path,
    strength: float | None,
    expected: float,
) -> None:
    lut = tmp_path / "it's [a] lut, no?.cube"
    lut.write_text(INVERSE)
    look = Look(lut=DIGEST, lut_strength=strength)
    assert _mean(await shown(look, "0x404040", lut=lut)) == pytest.approx([expected] * 3, abs=2)


async def test_a_lut_sees_the_picture_that_was_set_right_before(
    shown: Callable[..., Awaitable[Frames]], tmp_path: Path
) -> None:
    lut = tmp_path / "a.cube"
    lut.write_text(INVERSE)
    seen = _mean(await shown(Look(lut=DIGEST, exposure=1), "0x404040", lut=lut))
    assert seen == pytest.approx([255 - 64 * STOP] * 3, abs=2)


async def test_a_lut_that_is_missing_or_wrong_is_refused(
    shown: Callable[..., Awaitable[Frames]], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=r"look\.lut.*missing"):
        await shown(Look(lut=DIGEST))
    lut = tmp_path / "a.cube"
    lut.write_text("LUT_3D_SIZE 2\n0 0 nan\n")
    with pytest.raises(BadMedia, match="line 2"):
        await shown(Look(lut=DIGEST), lut=lut)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [("2.39:1", 40, 96), ("4:1", 24, 96), ("1:1", 64, 64), ("3:2", 64, 96), ("off", 64, 96)],
)
async def test_bars_leave_the_shape_and_stay_black_under_grain_and_low_contrast(
    shown: Callable[..., Awaitable[Frames]], shape: str, rows: int, columns: int
) -> None:
    look = Look.model_validate({"letterbox": shape, "grain": 0.5, "contrast": 0.8})
    frames = await shown(look, "white")
    bright = frames.max(axis=(0, 3)) > 100
    assert (bright.any(axis=1).sum(), bright.any(axis=0).sum()) == (rows, columns)
    top = (64 - rows) // 2
    assert frames[:, : max(0, top - 2)].max(initial=0) <= 4
    assert frames[:, 64 - max(0, top - 2) :].max(initial=0) <= 4


async def test_a_narrow_clip_stays_in_black_when_it_is_graded_flat(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    clip = await make_clip("clip.mp4", "color=white:s=64x64:r=24:d=0.2")
    spec = ConformSpec(width=128, height=64, fps=FPS, frames=2, look=Look(contrast=0))
    await conform(clip, tmp_path / "piece.mov", spec)
    line = pictures_of(tmp_path / "piece.mov")[0][32]
    assert line[:28].max() <= 18
    assert line[64] > 100


async def test_grain_moves_also_on_a_held_frame_and_is_the_same_every_time(
    shown: Callable[..., Awaitable[Frames]],
) -> None:
    first, again = [await shown(Look(grain=0.4), frames=9) for _ in range(2)]
    assert np.array_equal(first, again)
    plain, weak = await shown(Look(), frames=9), await shown(Look(grain=0.1), frames=9)
    assert first.std() > 2 * weak.std() > 4 * plain.std()
    assert first.mean() == pytest.approx(plain.mean(), abs=1)
    for one, other in pairwise(first):
        alike = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(alike) < 0.5, "each frame has grain of its own"


def _moving(rate: str) -> str:
    """A bar crosses the frame in a second, dark: a bright one would be taken for a cut."""
    return f"color=black:s=128x64:r={rate}:d=1[b];color=0x404040:s=16x64:r={rate}:d=1[w];" + (
        "[b][w]overlay=x=t*112:eval=frame"
    )


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(60000, 1001)])
@pytest.mark.parametrize("rate", ["repeat", "blend", "motion"])
async def test_every_way_to_another_rate_gives_the_exact_frames(
    make_clip: MakeClip,
    tmp_path: Path,
    pictures_of: PicturesOf,
    rate: str,
    fps: Fraction,
) -> None:
    clip = await make_clip("clip.mp4", _moving("12"))
    look = Look.model_validate({"rate": rate})
    frames = round(fps)
    spec = ConformSpec(width=128, height=64, fps=fps, frames=frames, look=look)
    await conform(clip, tmp_path / "piece.mov", spec)
    shown = [picture[:64].astype(np.int64) for picture in pictures_of(tmp_path / "piece.mov")]
    assert len(shown) == frames
    same = sum(bool(np.abs(a - b).mean() < 0.5) for a, b in pairwise(shown))
    # A twelfth of a second is left at the end, after the last frame of the clip.
    held = frames // 12 + 2
    assert same >= frames // 2 - 2 if rate == "repeat" else same <= held


async def test_a_single_frame_has_nothing_between_it_and_is_held(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    clip = await make_clip("clip.mp4", "color=white:s=64x64:r=24", None, "-frames:v", "1")
    for rate in ("blend", "motion"):
        look = Look.model_validate({"rate": rate})
        spec = ConformSpec(width=64, height=64, fps=Fraction(30), frames=5, look=look)
        await conform(clip, tmp_path / "piece.mov", spec)
        assert min(int(picture[:64].min()) for picture in pictures_of(tmp_path / "piece.mov")) > 200


async def test_a_scaler_is_heard_of(
    make_clip: MakeClip, tmp_path: Path, pictures_of: PicturesOf
) -> None:
    clip = await make_clip("clip.mp4", "testsrc2=s=64x64:r=24:d=0.2")
    seen = []
    for scaler in ("bicubic", "lanczos", "spline"):
        look = Look.model_validate({"scaler": scaler})
        spec = ConformSpec(width=128, height=128, fps=FPS, frames=2, look=look)
        await conform(clip, tmp_path / "piece.mov", spec)
        seen.append(pictures_of(tmp_path / "piece.mov")[0].astype(np.int64))
    assert 0 < np.abs(seen[0] - seen[1]).mean() < 6
    assert 0 < np.abs(seen[0] - seen[2]).mean() < 6
