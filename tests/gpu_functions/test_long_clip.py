from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from filmforge.errors import BadInput
from gpu_functions import long_clip
from gpu_functions.long_clip import Chunk
from gpu_functions.maker import Stopped
from gpu_functions.raster import Frames, Raster
from tests.gpu_functions.stage import a_picture, open_stage


@pytest.mark.parametrize("total", [1, 8, 9, 10, 97, 98, 120, 185, 186, 720])
@pytest.mark.parametrize(("most", "lead"), [(97, 9), (81, 5), (25, 9), (13, 5)])
def test_chunks_follow_each_other_and_none_is_too_long(total: int, most: int, lead: int) -> None:
    chunks = long_clip.plan(total, most, lead)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert chunks[0].start == 0
    assert chunks[0].lead == 0
    assert chunks[-1].end == total
    for before, after in pairwise(chunks):
        assert after.start == before.end
        assert after.lead == lead <= after.start
    for chunk in chunks:
        assert chunk.end > chunk.start
        assert chunk.lead + chunk.end - chunk.start <= chunk.made(4) <= most
        assert chunk.made(4) % 4 == 1


def test_no_chunk_is_a_short_rest() -> None:
    lengths = [chunk.end - chunk.start for chunk in long_clip.plan(100, 97, 9)]
    assert lengths == [55, 45]


def numbered(count: int) -> Frames:
    return np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def numbers(frames: Frames) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def test_what_is_too_much_is_cut_off_the_end() -> None:
    assert numbers(Chunk(0, 0, 6, 6, 0).cut(numbered(9), keep_end=False)) == [0, 1, 2, 3, 4, 5]
    assert numbers(Chunk(1, 6, 9, 9, 2).cut(numbered(9), keep_end=False)) == [2, 3, 4]


def test_with_a_last_frame_both_ends_stay() -> None:
    kept = numbers(Chunk(0, 0, 6, 6, 0).cut(numbered(9), keep_end=True))
    assert len(kept) == 6
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    assert kept[-1] == 8
    assert numbers(Chunk(0, 0, 1, 1, 0).cut(numbered(5), keep_end=True)) == [4]


def test_a_chunk_that_is_kept_is_not_made_again(tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage")
    chunks = long_clip.plan(20, 13, 5)
    made: list[tuple[int, list[int] | None]] = []

    def one(chunk: Chunk, lead: Frames | None) -> Frames:
        made.append((chunk.index, None if lead is None else numbers(lead)))
        return numbered(20)[chunk.start : chunk.end]

    stage.stop_at = 0.5
    with pytest.raises(Stopped):
        long_clip.make(chunks, stage.room, one)
    stage.stop_at = None
    frames = long_clip.make(chunks, stage.room, one)
    assert numbers(frames) == list(range(20))
    assert made == [(0, None), (1, [8, 9, 10, 11, 12])]
    assert stage.checkpoints.saved == [chunk.name for chunk in chunks]


def test_an_input_that_is_not_taken_is_refused_by_its_role(tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "stage", source=a_picture(tmp_path / "source.png"))
    with pytest.raises(BadInput) as refused:
        long_clip.frames_given(stage.room, Raster(64, 64, 32, 10_000))
    assert refused.value.field == "source"


def test_a_frame_that_is_no_picture_is_refused_by_its_role(tmp_path: Path) -> None:
    (tmp_path / "frame.png").write_text("no picture")
    stage = open_stage(tmp_path / "stage", last_frame=tmp_path / "frame.png")
    with pytest.raises(BadInput) as refused:
        long_clip.frames_given(stage.room, Raster(64, 64, 32, 10_000))
    assert refused.value.field == "last_frame"
