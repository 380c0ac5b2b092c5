import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from filmforge.errors import BadInput
from gpu_functions import sound
from gpu_functions.maker import Made, Stopped
from gpu_functions.speech import (
    EMOTIONS,
    LONGEST_VOICE_S,
    MOODS,
    MOST_LETTERS,
    PAUSE_S,
    Speech,
    Wish,
    lines_of,
)
from tests.gpu_functions import tiny_speech
from tests.gpu_functions.stage import CPU, Stage, a_work, open_stage
from tests.gpu_functions.tiny_speech import RATE, a_voice

TWO_LINES = f"{'a' * (MOST_LETTERS - 3)}. Go."


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Speech:
    folder = tmp_path_factory.mktemp("weights")
    tiny_speech.build(folder)
    return Speech(folder, CPU)


def make(speech: Speech, stage: Stage, seed: int = 7, **parameters: Any) -> Made:
    return speech.make(a_work("speech", parameters, seed, **stage.inputs), stage.room)


def said(speech: Speech, folder: Path, seed: int = 7, **given: Any) -> bytes:
    """The bytes of a WAV; a Path is an input, everything else a parameter."""
    inputs = {name: value for name, value in given.items() if isinstance(value, Path)}
    parameters = {name: value for name, value in given.items() if name not in inputs}
    stage = open_stage(folder / f"stage-{len(list(folder.iterdir()))}", **inputs)
    return make(speech, stage, seed, **parameters).path.read_bytes()


def test_a_line_is_spoken(speech: Speech, tmp_path: Path) -> None:
    made = make(speech, open_stage(tmp_path), text="Go.")
    assert made.media_type == "audio/wav"
    with wave.open(str(made.path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)
        assert file.getnframes() / RATE == pytest.approx(made.facts["duration_s"], abs=1e-3)
    assert made.facts["lines"] == 1
    assert np.ptp(sound.decode(made.path, RATE, "speech")) > 0


def test_the_seed_decides(speech: Speech, tmp_path: Path) -> None:
    first = said(speech, tmp_path, text="Go.")
    assert said(speech, tmp_path, text="Go.") == first
    assert said(speech, tmp_path, seed=8, text="Go.") != first


def test_the_text_decides(speech: Speech, tmp_path: Path) -> None:
    assert said(speech, tmp_path, text="Go.") != said(speech, tmp_path, text="No.")


def test_the_reference_is_heard_and_not_repeated(speech: Speech, tmp_path: Path) -> None:
    low, high = a_voice(tmp_path / "low.wav", 120), a_voice(tmp_path / "high.wav", 2500)
    told = {"text": "Go.", "voice_text": "I know."}
    spoken = said(speech, tmp_path, voice=low, **told)
    assert spoken != said(speech, tmp_path, voice=high, **told)
    assert spoken != said(speech, tmp_path, text="Go.")
    assert spoken != said(speech, tmp_path, voice=low, text="Go.", voice_text="You know.")
    lengths = []
    for seconds in (0.5, 1.5):
        stage = open_stage(tmp_path / f"{seconds}", voice=a_voice(tmp_path / "v.wav", 120, seconds))
        lengths.append(make(speech, stage, **told).facts["duration_s"])
    assert lengths[0] == lengths[1]


def test_another_speaker_of_the_same_seed_has_another_voice(speech: Speech, tmp_path: Path) -> None:
    parameters = {"text": "Go."}
    ada, bob = (open_stage(tmp_path / name) for name in ("ada", "bob"))
    first = make(speech, ada, **parameters, voice="Ada").path.read_bytes()
    assert make(speech, bob, **parameters, voice="Bob").path.read_bytes() != first


def test_every_emotion_sounds_different(speech: Speech, tmp_path: Path) -> None:
    spoken = {said(speech, tmp_path, text="Go.", emotion=emotion) for emotion in EMOTIONS}
    assert len(spoken) == len(EMOTIONS)


def test_how_freely_it_chooses_changes_the_line(speech: Speech, tmp_path: Path) -> None:
    calm, tense = EMOTIONS["calm"], EMOTIONS["tense"]
    assert (calm.temperature, calm.guidance) != (tense.temperature, tense.guidance)
    for emotion in EMOTIONS.values():
        assert emotion.temperature >= 1  # Dia knows no less
        assert emotion.guidance > 1


@pytest.mark.parametrize(
    ("parameters", "emotion"),
    [
        ({"mood": "tense"}, "tense"),
        ({"mood": "Melancholic, slow"}, "sad"),
        ({"mood": "baroque"}, "neutral"),
        ({}, "neutral"),
        ({"mood": "tense", "emotion": "joyful"}, "joyful"),
    ],
)
def test_the_mood_of_a_shot_becomes_an_emotion(parameters: dict[str, Any], emotion: str) -> None:
    assert Wish(text="Go.", **parameters).spoken == emotion
    assert set(MOODS.values()) < set(EMOTIONS)


def test_the_facts_say_the_emotion(speech: Speech, tmp_path: Path) -> None:
    made = make(speech, open_stage(tmp_path), text="Go.", mood="gloomy but hopeful")
    assert made.facts["emotion"] == "joyful"


def test_a_long_text_is_spoken_in_lines_with_pauses(speech: Speech, tmp_path: Path) -> None:
    stage = open_stage(tmp_path)
    made = make(speech, stage, text=TWO_LINES)
    assert stage.checkpoints.saved == ["line-0.npy", "line-1.npy"]
    parts = [np.load(tmp_path / "checkpoints" / name) for name in stage.checkpoints.saved]
    samples = sum(len(part) for part in parts) + round(PAUSE_S * RATE)
    assert made.facts == {
        "emotion": "neutral",
        "lines": 2,
        "duration_s": round(samples / RATE, 3),
    }


def test_what_was_spoken_before_is_not_spoken_again(speech: Speech, tmp_path: Path) -> None:
    stage = open_stage(tmp_path / "broken")
    stage.stop_at = 0.5
    with pytest.raises(Stopped):
        make(speech, stage, text=TWO_LINES)
    assert stage.checkpoints.saved == ["line-0.npy"]
    stage.stop_at = None
    resumed = make(speech, stage, text=TWO_LINES).path.read_bytes()
    assert stage.checkpoints.saved == ["line-0.npy", "line-1.npy"]
    assert said(speech, tmp_path, text=TWO_LINES) == resumed


def test_it_ends_within_a_line(speech: Speech, tmp_path: Path) -> None:
    stage = open_stage(tmp_path)
    make(speech, stage, text="Go.")
    assert len(stage.told) > 2


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": "..."}, "text"),
        ({"text": "Go.", "emotion": "hungry"}, "emotion"),
        ({"text": "Go.", "pitch": 2}, "pitch"),
        ({"text": "Go.", "voice_text": "I know."}, "voice"),
    ],
)
def test_a_bad_parameter_is_refused(
    speech: Speech, tmp_path: Path, parameters: dict[str, Any], field: str
) -> None:
    with pytest.raises(BadInput) as refused:
        make(speech, open_stage(tmp_path), **parameters)
    assert refused.value.field == field


@pytest.mark.parametrize("voice_text", ["", "   ", "word " * 70])
def test_a_reference_needs_its_words(speech: Speech, tmp_path: Path, voice_text: str) -> None:
    stage = open_stage(tmp_path, voice=a_voice(tmp_path / "voice.wav"))
    with pytest.raises(BadInput) as refused:
        make(speech, stage, text="Go.", voice_text=voice_text)
    assert refused.value.field == "voice_text"


def test_a_reference_that_is_too_long_is_refused(speech: Speech, tmp_path: Path) -> None:
    voice = a_voice(tmp_path / "voice.wav", seconds=LONGEST_VOICE_S + 0.5)
    with pytest.raises(BadInput) as refused:
        make(speech, open_stage(tmp_path, voice=voice), text="Go.", voice_text="I know.")
    assert refused.value.field == "voice"


def test_lines_end_with_sentences_clauses_or_words() -> None:
    assert lines_of("One two. Three four. Five.", 20) == ["One two. Three four.", "Five."]
    assert lines_of("One two three, four five six seven.", 20) == [
        "One two three,",
        "four five six seven.",
    ]
    assert lines_of("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]
    text = "Nobody said a word; nobody had to. It was late, and " * 20
    assert " ".join(lines_of(text)) == text.strip()
    assert max(len(line) for line in lines_of(text)) <= MOST_LETTERS


def test_more_exact_numbers_need_more_memory() -> None:
    work = a_work("speech", {"text": "Go."})
    half = type(CPU)("cuda", "a GPU", 24.0, "bfloat16")
    assert Speech.needs_gib(work, half) < 5
    assert Speech.needs_gib(work, CPU) > Speech.needs_gib(work, half)
