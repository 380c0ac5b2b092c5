"""What every maker of clips from words and frames does; a test class of its own says with what."""

from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import av
import numpy as np
import pytest

from filmforge.domain import Work
from filmforge.errors import BadInput
from gpu_functions import clip, long_clip
from gpu_functions.device import Device
from gpu_functions.maker import Maker, Stopped
from gpu_functions.raster import Frames
from tests.gpu_functions.stage import CPU, Stage, a_picture, a_work, open_stage

CARD = Device("cuda", "a card", 80.0, "bfloat16")


class VideoContract:
    """`maker` is a class whose chunks are short; two of them make LONG seconds."""

    maker: ClassVar[Any]
    tiny: ClassVar[ModuleType]
    LONG: ClassVar[str]
    small_card: ClassVar[Device]

    @pytest.fixture(scope="class")
    @classmethod
    def video(cls, tmp_path_factory: pytest.TempPathFactory) -> Any:
        folder = tmp_path_factory.mktemp(cls.maker.name)
        cls.tiny.build(folder)
        return cls.maker(folder, CPU)

    def work(self, seed: int = 7, inputs: dict[str, Path] | None = None, **changes: Any) -> Work:
        parameters = {**self.tiny.WORK_PARAMETERS, **changes}
        return a_work(self.maker.name, parameters, seed, **(inputs or {}))

    def make(
        self,
        video: Maker,
        folder: Path,
        seed: int = 7,
        inputs: dict[str, Path] | None = None,
        **changes: Any,
    ) -> bytes:
        stage = open_stage(folder, **(inputs or {}))
        return video.make(self.work(seed, inputs, **changes), stage.room).path.read_bytes()

    def chunks(self, video: Maker, folder: Path, **inputs: Path) -> list[Frames]:
        """The chunks of a long clip, as they were kept."""
        stage = open_stage(folder, **inputs)
        video.make(self.work(inputs=inputs, duration=self.LONG), stage.room)
        return [clip.kept(stage.checkpoints.folder / name) for name in stage.checkpoints.saved]

    @pytest.mark.parametrize(
        ("duration", "fps", "frames"), [("0.5", "24", 12), ("0.3", "24000/1001", 7), ("0", "16", 1)]
    )
    def test_a_clip_has_exactly_the_frames_the_rate_and_the_size(
        self, video: Maker, tmp_path: Path, duration: str, fps: str, frames: int
    ) -> None:
        work = self.work(duration=duration, fps=fps, width=66, height=70)
        made = video.make(work, open_stage(tmp_path).room)
        assert made.media_type == "video/mp4"
        assert made.facts["frames"] == frames
        with av.open(str(made.path)) as file:
            stream = file.streams.video[0]
            assert (stream.width, stream.height, stream.frames) == (66, 70, frames)
            assert stream.average_rate == Fraction(fps)
            assert sum(1 for _ in file.decode(stream)) == frames

    def test_the_same_work_makes_the_same_bytes_and_another_seed_others(
        self, video: Maker, tmp_path: Path
    ) -> None:
        first = self.make(video, tmp_path)
        assert self.make(video, tmp_path / "again") == first
        assert self.make(video, tmp_path / "other", seed=8) != first

    @pytest.mark.parametrize(
        "changes",
        [{"prompt": "snow at night"}, {"negative_prompt": "rain"}, {"guidance": 9}, {"steps": 3}],
    )
    def test_every_wish_changes_the_clip(
        self, video: Maker, tmp_path: Path, changes: dict[str, Any]
    ) -> None:
        plain = self.make(video, tmp_path / "plain")
        assert self.make(video, tmp_path / "changed", **changes) != plain

    def test_a_clip_follows_its_first_frame(self, video: Maker, tmp_path: Path) -> None:
        one = a_picture(tmp_path / "one.png")
        other = a_picture(tmp_path / "other.png", angle=90)
        words = self.make(video, tmp_path / "0")
        made = self.make(video, tmp_path / "1", inputs={"frame": one})
        assert made != words
        assert made != self.make(video, tmp_path / "2", inputs={"frame": other})

    def test_a_last_frame_changes_the_end_alone(self, video: Maker, tmp_path: Path) -> None:
        frame = a_picture(tmp_path / "frame.png")
        one = a_picture(tmp_path / "one.png", angle=90)
        other = a_picture(tmp_path / "other.png", angle=180)
        free = self.chunks(video, tmp_path / "0", frame=frame)
        to_one = self.chunks(video, tmp_path / "1", frame=frame, last_frame=one)
        to_other = self.chunks(video, tmp_path / "2", frame=frame, last_frame=other)
        assert len(free) == len(to_one) == len(to_other) == 2
        assert np.array_equal(free[0], to_one[0])
        assert np.array_equal(to_one[0], to_other[0])
        assert not np.array_equal(free[1][-1], to_one[1][-1])
        assert not np.array_equal(to_one[1][-1], to_other[1][-1])

    def test_the_next_chunk_goes_on_from_the_one_before(self, video: Maker, tmp_path: Path) -> None:
        one = a_picture(tmp_path / "one.png")
        other = a_picture(tmp_path / "other.png", angle=90)
        first = self.chunks(video, tmp_path / "1", frame=one)
        second = self.chunks(video, tmp_path / "2", frame=other)
        assert not np.array_equal(first[1], second[1])

    def test_a_work_that_was_stopped_goes_on_after_the_chunk_it_has(
        self, video: Maker, tmp_path: Path
    ) -> None:
        inputs = {"frame": a_picture(tmp_path / "frame.png")}
        work = self.work(inputs=inputs, duration=self.LONG)
        whole = open_stage(tmp_path / "whole", **inputs)
        stage = open_stage(tmp_path / "stage", **inputs)
        expected = video.make(work, whole.room).path.read_bytes()
        first, second = whole.checkpoints.saved
        half = self._share_of_first(work)
        stage.stop_at = half
        with pytest.raises(Stopped):
            video.make(work, stage.room)
        assert stage.checkpoints.saved == [first]
        stage.stop_at = None
        stage.told.clear()
        assert video.make(work, stage.room).path.read_bytes() == expected
        assert stage.checkpoints.saved == [first, second]
        assert self._steps_told(stage, half) == work.parameters["steps"]

    def test_it_stops_between_steps(self, video: Maker, tmp_path: Path) -> None:
        stage = open_stage(tmp_path)
        stage.stop_at = 0.1
        with pytest.raises(Stopped):
            video.make(self.work(), stage.room)
        assert len(stage.told) == 1
        assert stage.checkpoints.saved == []

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"prompt": ""}, "prompt"),
            ({"width": 65}, "width"),
            ({"height": 32}, "height"),
            ({"width": 1280, "height": 1280}, "width"),
            ({"duration": "100000"}, "duration"),
            ({"duration": "-1"}, "duration"),
            ({"fps": "0"}, "fps"),
            ({"fps": "film"}, "fps"),
            ({"steps": 0}, "steps"),
            ({"guidance": 0}, "guidance"),
            ({"strength": 0.5}, "strength"),
        ],
    )
    def test_a_bad_parameter_is_refused_by_its_name(
        self, video: Maker, tmp_path: Path, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(BadInput) as refused:
            self.make(video, tmp_path, **changes)
        assert refused.value.field == field

    def test_a_larger_and_a_longer_clip_need_more_memory(self) -> None:
        large = self.maker.needs_gib(self.work(width=1280, height=704), CARD)
        longer = self.maker.needs_gib(self.work(duration=self.LONG), CARD)
        assert self.maker.needs_gib(self.work(), CARD) < min(large, longer)

    def test_a_small_card_needs_to_hold_the_largest_part_only(self) -> None:
        card = self.small_card
        assert self.maker.needs_gib(self.work(), card) < card.budget_gib
        assert self.maker.needs_gib(self.work(), card) < self.maker.needs_gib(self.work(), CARD)

    def _share_of_first(self, work: Work) -> float:
        rate = Fraction(str(work.parameters["fps"]))
        frames = round(Fraction(str(work.parameters["duration"])) * rate)
        return long_clip.plan(frames, self.maker.CHUNK, self.maker.LEAD)[0].end / frames

    def _steps_told(self, stage: Stage, after: float) -> int:
        return sum(1 for share in stage.told if after < share < 1)
