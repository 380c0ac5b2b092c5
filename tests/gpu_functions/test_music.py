import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filmforge.errors import BadInput
from gpu_functions import sound
from gpu_functions.device import Device
from gpu_functions.maker import Made, Stopped
from gpu_functions.music import LONGEST_S, STEPS, Music
from tests.gpu_functions import tiny_music
from tests.gpu_functions.stage import CPU, Stage, a_work, open_stage
from tests.gpu_functions.tiny_music import RATE

# The codec of diffusers uses the older of torch's two weight norms.
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning:torch.*")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Music:
    folder = tmp_path_factory.mktemp("weights")
    tiny_music.build(folder)
    return Music(folder, CPU)


def make(music: Music, stage: Stage, seed: int = 7, **parameters: Any) -> Made:
    wished = {"prompt": "slow piano", "duration": "10", **parameters}
    return music.make(a_work("music", wished, seed), stage.room)


def piece(music: Music, folder: Path, seed: int = 7, **parameters: Any) -> bytes:
    """The bytes of a WAV."""
    stage = open_stage(folder / f"stage-{len(list(folder.iterdir()))}")
    return make(music, stage, seed, **parameters).path.read_bytes()


@pytest.mark.parametrize("duration", ["0.5", "4.37", "10", "12.345"])
def test_a_piece_is_as_long_as_wished_to_the_sample(
    music: Music, tmp_path: Path, duration: str
) -> None:
    made = make(music, open_stage(tmp_path), duration=duration)
    assert made.media_type == "audio/wav"
    with wave.open(str(made.path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        assert file.getnframes() == round(float(duration) * RATE)
    assert made.facts["duration_s"] == pytest.approx(float(duration), abs=1 / RATE)


def test_the_end_is_faded_out(music: Music, tmp_path: Path) -> None:
    made = make(music, open_stage(tmp_path))
    samples = np.abs(sound.decode(made.path, RATE, "music"))
    last, before = samples[-RATE // 10 :], samples[-3 * RATE : -2 * RATE]
    assert samples[-1] == 0
    assert last.mean() < before.mean() / 5
    assert made.facts["fade_out_s"] == 1.5


def test_a_short_piece_is_faded_out_in_its_last_quarter(music: Music, tmp_path: Path) -> None:
    assert make(music, open_stage(tmp_path), duration="2").facts["fade_out_s"] == 0.5


def test_the_seed_decides(music: Music, tmp_path: Path) -> None:
    first = piece(music, tmp_path)
    assert piece(music, tmp_path) == first
    assert piece(music, tmp_path, seed=8) != first


@pytest.mark.parametrize(
    "parameters",
    [
        {"prompt": "fast drums"},
        {"lyrics": "[verse]\nHome again"},
        {"lyrics": "[verse]\nHome again", "language": "de"},
        {"bpm": 90},
        {"key": "A minor"},
    ],
)
def test_every_wish_is_heard(music: Music, tmp_path: Path, parameters: dict[str, Any]) -> None:
    others = {name: value for name, value in parameters.items() if name != "language"}
    without = piece(music, tmp_path, **(others if "language" in parameters else {}))
    assert piece(music, tmp_path, **parameters) != without


def test_it_tells_how_far_it_is_and_ends_between_steps(music: Music, tmp_path: Path) -> None:
    stage = open_stage(tmp_path)
    make(music, stage)
    assert stage.told == sorted(stage.told)
    assert len(stage.told) == STEPS + 1
    stopped = open_stage(tmp_path / "stopped")
    stopped.stop_at = 0.4
    with pytest.raises(Stopped):
        make(music, stopped)
    assert len(stopped.told) < STEPS


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"duration": "0"}, "duration"),
        ({"duration": "601"}, "duration"),
        ({"duration": "soon"}, "duration"),
        ({"duration": "NaN"}, "duration"),
        ({"bpm": 5}, "bpm"),
        ({"language": "German"}, "language"),
        ({"text": "la"}, "text"),
    ],
)
def test_a_bad_parameter_is_refused(
    music: Music, tmp_path: Path, parameters: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        make(music, open_stage(tmp_path), **parameters)
    assert refused.value.field == field


def test_a_longer_piece_needs_more_memory() -> None:
    needs = [
        Music.needs_gib(a_work("music", {"prompt": "piano", "duration": duration}), CPU)
        for duration in ("10", str(LONGEST_S))
    ]
    assert needs[0] < needs[1]


def test_on_a_small_gpu_its_largest_part_must_fit() -> None:
    work = a_work("music", {"prompt": "piano", "duration": "60"})
    large, small = (Device("cuda", "a GPU", budget, "bfloat16") for budget in (44.0, 12.0))
    assert Music.needs_gib(work, small) < 12 < Music.needs_gib(work, large)
