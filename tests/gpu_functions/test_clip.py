import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from filmforge.errors import BadMedia
from gpu_functions import clip


def noise(frames: int, height: int = 48, width: int = 66) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("fps", ["16", "24", "24000/1001", "30000/1001"])
def test_a_clip_has_exactly_its_frames_its_rate_and_its_size(tmp_path: Path, fps: str) -> None:
    rate = Fraction(fps)
    clip.write_clip(noise(7), tmp_path / "clip.mp4", rate)
    with av.open(str(tmp_path / "clip.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (66, 48, 7)
        assert stream.average_rate == rate
        assert stream.time_base is not None
        assert stream.duration is not None
        assert stream.duration * stream.time_base == 7 / rate
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.codec_context.colorspace == clip.BT709


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    clip.write_clip(noise(5), tmp_path / "a.mp4", Fraction(24))
    clip.write_clip(iter(noise(5)), tmp_path / "b.mp4", Fraction(24))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


ENCODE = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from gpu_functions import clip
blocks = np.random.default_rng(1).integers(0, 256, (40, 40, 3)).repeat(8, 0).repeat(8, 1)
frames = [blocks[2 * n : 2 * n + 180, 3 * n : 3 * n + 240].astype(np.uint8) for n in range(20)]
clip.write_clip(frames, Path(sys.argv[1]), Fraction(24))
"""


def test_what_was_in_memory_before_does_not_show_in_the_bytes(tmp_path: Path) -> None:
    """Glibc fills memory it gives out with a byte of one's choice."""
    made = set()
    for byte in ("0", "1", "77", "128"):
        path = tmp_path / f"{byte}.mp4"
        environment = {**os.environ, "MALLOC_PERTURB_": byte}
        subprocess.run([sys.executable, "-c", ENCODE, str(path)], env=environment, check=True)
        made.add(path.read_bytes())
    assert len(made) == 1


def test_colours_come_back_as_they_were_written(tmp_path: Path) -> None:
    plain = np.empty((3, 64, 64, 3), np.uint8)
    plain[:] = (200, 30, 90)
    clip.write_clip(plain, tmp_path / "clip.mp4", Fraction(24))
    frames, fps = clip.read_clip(tmp_path / "clip.mp4")
    read = np.stack(list(frames)).astype(int)
    assert fps == 24
    assert read.shape == plain.shape
    assert np.abs(read - plain).max() <= 2


def test_frames_that_are_kept_come_back_to_the_last_bit(tmp_path: Path) -> None:
    frames = noise(4)
    clip.keep(frames, tmp_path / "kept")
    assert np.array_equal(clip.kept(tmp_path / "kept"), frames)


def test_what_is_no_clip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("no clip at all")
    with pytest.raises(BadMedia, match="is no clip"):
        clip.read_clip(tmp_path / "words.mp4")


def test_a_clip_without_pictures_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        file.mux(stream.encode(silence))
        file.mux(stream.encode(None))
    with pytest.raises(BadMedia, match="is no clip"):
        clip.read_clip(tmp_path / "sound.wav")
