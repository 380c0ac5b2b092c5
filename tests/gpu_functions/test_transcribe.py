import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from filmforge.errors import BadInput
from gpu_functions import sound
from gpu_functions.maker import Made, Stopped
from gpu_functions.transcribe import (
    LONGEST_SEGMENT_S,
    Transcribe,
    Word,
    pieces_of,
    segments_of,
    words_of,
)
from tests.gpu_functions import tiny_transcribe
from tests.gpu_functions.stage import CPU, Stage, a_work, open_stage
from tests.gpu_functions.tiny_transcribe import PIECE_S, RATE, a_voice


@pytest.fixture(scope="module")
def transcribe(tmp_path_factory: pytest.TempPathFactory) -> Transcribe:
    folder = tmp_path_factory.mktemp("weights")
    tiny_transcribe.build(folder)
    return Transcribe(folder, CPU)


def hear(transcribe: Transcribe, stage: Stage, **parameters: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(make(transcribe, stage, **parameters).path.read_text("utf-8"))
    return told


def make(transcribe: Transcribe, stage: Stage, **parameters: Any) -> Made:
    work = a_work("transcribe", parameters, **stage.inputs)
    return transcribe.make(work, stage.room)


def a_word(word: str, start_s: float, end_s: float) -> Word:
    return Word(word=word, start_s=start_s, end_s=end_s)


def a_clip(path: Path, seconds: int) -> Path:
    """A video of nothing with a tone; without seconds of it, with no sound at all."""
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        sounds = container.add_stream("aac", rate=RATE, layout="mono") if seconds else None
        for _ in range(10):
            container.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(video.encode(None))
        if sounds is not None:
            tone = np.sin(np.arange(seconds * RATE) / 10).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate = RATE
            container.mux(sounds.encode(frame))
            container.mux(sounds.encode(None))
    return path


def test_every_word_has_its_time(transcribe: Transcribe, tmp_path: Path) -> None:
    stage = open_stage(tmp_path, voice=a_voice(tmp_path / "voice.wav", 1.8))
    told = hear(transcribe, stage)
    assert told["duration_s"] == 1.8
    assert told["words"]
    assert told["text"] == "".join(word["word"] for word in told["words"]).strip()
    for word in told["words"]:
        assert 0 <= word["start_s"] <= word["end_s"] <= 1.8


def test_the_words_follow_the_sound(transcribe: Transcribe, tmp_path: Path) -> None:
    low = open_stage(tmp_path / "low", voice=a_voice(tmp_path / "low.wav", pitch_hz=150))
    high = open_stage(tmp_path / "high", voice=a_voice(tmp_path / "high.wav", pitch_hz=3000))
    assert hear(transcribe, low)["words"] != hear(transcribe, high)["words"]


def test_the_same_work_makes_the_same_bytes(transcribe: Transcribe, tmp_path: Path) -> None:
    voice = a_voice(tmp_path / "voice.wav", 3)
    first, second = (open_stage(tmp_path / name, voice=voice) for name in "ab")
    assert make(transcribe, first).path.read_bytes() == make(transcribe, second).path.read_bytes()


def test_the_language_is_the_wished_one(transcribe: Transcribe, tmp_path: Path) -> None:
    stage = open_stage(tmp_path, voice=a_voice(tmp_path / "voice.wav"))
    for language in tiny_transcribe.LANGUAGES:
        assert hear(transcribe, open_stage(tmp_path / language, **stage.inputs), language=language)[
            "language"
        ] == (language)
    made = make(transcribe, stage)
    assert made.media_type == "application/json"
    assert made.facts["language"] in tiny_transcribe.LANGUAGES


def test_the_sound_of_a_video_is_heard(transcribe: Transcribe, tmp_path: Path) -> None:
    stage = open_stage(tmp_path, clip=a_clip(tmp_path / "clip.mp4", 1))
    assert hear(transcribe, stage)["duration_s"] == pytest.approx(1, abs=0.1)


def test_a_long_sound_is_heard_to_its_end(transcribe: Transcribe, tmp_path: Path) -> None:
    stage = open_stage(tmp_path, voice=a_voice(tmp_path / "voice.wav", PIECE_S * 3))
    words = hear(transcribe, stage)["words"]
    assert max(word["start_s"] for word in words) > PIECE_S * 2
    assert len(stage.checkpoints.saved) > 3


def test_what_was_heard_before_is_not_heard_again(transcribe: Transcribe, tmp_path: Path) -> None:
    voice = a_voice(tmp_path / "voice.wav", PIECE_S * 2)
    stage = open_stage(tmp_path / "broken", voice=voice)
    stage.stop_at = 0.6
    with pytest.raises(Stopped):
        make(transcribe, stage)
    assert stage.checkpoints.saved == ["heard-0", "heard-1"]
    stage.stop_at = None
    resumed = make(transcribe, stage).path.read_bytes()
    assert stage.checkpoints.saved == ["heard-0", "heard-1", "heard-2"]
    whole = make(transcribe, open_stage(tmp_path / "whole", voice=voice)).path.read_bytes()
    assert resumed == whole


def test_it_ends_between_words(transcribe: Transcribe, tmp_path: Path) -> None:
    stage = open_stage(tmp_path, voice=a_voice(tmp_path / "voice.wav"))
    hear(transcribe, stage)
    assert len(stage.told) > 1
    assert set(stage.told) == {0}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"language": "elvish"}, "language"),
        ({"prompt": "x"}, "prompt"),
        ({"language": 3}, "language"),
    ],
)
def test_a_bad_parameter_is_refused(
    transcribe: Transcribe, tmp_path: Path, parameters: dict[str, Any], field: str
) -> None:
    stage = open_stage(tmp_path, voice=a_voice(tmp_path / "voice.wav"))
    with pytest.raises(BadInput) as refused:
        make(transcribe, stage, **parameters)
    assert refused.value.field == field


def test_nothing_to_hear_is_refused_by_its_role(transcribe: Transcribe, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"no sound")
    silent = a_clip(tmp_path / "silent.mp4", 0)
    for role, inputs in (("clip", {}), ("voice", {"voice": broken}), ("clip", {"clip": silent})):
        with pytest.raises(BadInput) as refused:
            make(transcribe, open_stage(tmp_path / "stage", **inputs))
        assert refused.value.field == role


def test_a_sound_longer_than_allowed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="At most 1 s"):
        sound.decode(a_voice(tmp_path / "voice.wav", 2), RATE, "voice", longest_s=1)


def test_a_sound_is_decoded_as_it_was_written(tmp_path: Path) -> None:
    tone = np.sin(np.arange(RATE) / 20).astype(np.float32) * 0.7
    sound.encode(tmp_path / "tone.wav", np.stack([tone, tone], axis=1), RATE)
    heard = sound.decode(tmp_path / "tone.wav", RATE, "voice")
    assert heard.dtype == np.float32
    assert heard == pytest.approx(tone, abs=1e-3)
    assert len(sound.decode(tmp_path / "tone.wav", RATE // 2, "voice")) == RATE // 2


def test_a_sound_is_cut_where_it_is_quietest() -> None:
    samples = np.ones(100 * 10, np.float32)
    samples[850:870] = 0
    pieces = pieces_of(samples, 100, 9)
    assert [begin for begin, _ in pieces] == [0, 8.6]
    assert sum(len(piece) for _, piece in pieces) == len(samples)


def test_tokens_become_words() -> None:
    text = {1: " Hel", 2: "lo", 3: ",", 4: " you", 9: "<|0.00|>"}
    tokens, times = [9, 1, 2, 3, 4, 9], [0.1, 0.3, 0.5, 0.6, 0.9, 0.9]
    words = words_of(tokens, times, lambda part: "".join(text[one] for one in part), spaced=True)
    assert words == [(" Hello,", 0.1, 0.6), (" you", 0.6, 0.9)]


def test_letters_of_several_tokens_become_words_of_their_own() -> None:
    def text_of(part: list[int]) -> str:
        return bytes(part).decode("utf-8", errors="replace")

    tokens = list("你好。".encode())
    words = words_of(tokens, [0.1 * step for step in range(1, 10)], text_of, spaced=False)
    assert [word for word, _, _ in words] == ["你", "好。"]
    assert words[1][1:] == (pytest.approx(0.3), pytest.approx(0.9))


def test_segments_end_with_sentences_pauses_and_before_they_are_long() -> None:
    words = [a_word(" One.", 0, 0.5), a_word(" Two", 0.6, 1), a_word(" three", 3, 3.5)]
    assert [segment["text"] for segment in segments_of(words)] == ["One.", "Two", "three"]
    assert segments_of(words)[1] == {"text": "Two", "start_s": 0.6, "end_s": 1}
    endless = [a_word(" and", float(step), step + 1.0) for step in range(20)]
    for segment in segments_of(endless):
        assert segment["end_s"] - segment["start_s"] <= LONGEST_SEGMENT_S
    assert segments_of([]) == []
