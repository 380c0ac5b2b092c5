"""Speech: audible, steady per name, and a clear error where nothing can be said."""

import wave
from pathlib import Path

import numpy as np
import pytest

from filmforge.errors import BadInput
from filmforge.media.speech import RATE_HZ, speak, voice_of


def said(
    text: str, path: Path, *, voice: str = "emma", mood: str | None = None, seed: int = 0
) -> bytes:
    speak(text, path, voice=voice, mood=mood, seed=seed)
    return path.read_bytes()


def test_speech_is_audible_48_khz_mono_16_bit(tmp_path: Path) -> None:
    said("I never knew this room was here.", tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert 1.0 < len(sound) / RATE_HZ < 5.0
    assert 15_000 < np.abs(sound.astype(np.int32)).max() < 30_000
    assert sound.astype(np.float64).std() > 800


def test_the_same_words_are_said_the_same_way(tmp_path: Path) -> None:
    first, again = (
        said("Hello there.", tmp_path / "a.wav"),
        said("Hello there.", tmp_path / "b.wav"),
    )
    assert abs(len(first) - len(again)) < 0.02 * len(
        first
    )  # eSpeak's flutter goes on between calls


def test_names_moods_and_seeds_sound_different(tmp_path: Path) -> None:
    words = "Who left all of this behind?"
    versions = [
        said(words, tmp_path / "a.wav"),
        said(words, tmp_path / "b.wav", voice="marcus"),
        said(words, tmp_path / "c.wav", mood="sad"),
        said(words, tmp_path / "d.wav", seed=1),
    ]
    assert len(set(versions)) == 4


def test_a_name_keeps_its_voice_however_it_is_written() -> None:
    assert voice_of("Emma") == voice_of(" EMMA")


@pytest.mark.parametrize(
    "text",
    [
        "Привет, как дела?",
        "你好世界",
        "こんにちは",
        "مرحبا",
        "Ελλάδα",
        "naïve café — “yes”",
        "42",
    ],
)
def test_other_languages_and_numbers_are_spoken(tmp_path: Path, text: str) -> None:
    said(text, tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getnframes() > RATE_HZ // 2


def test_a_long_text_is_spoken_to_its_end(tmp_path: Path) -> None:
    said("The quick brown fox jumps over the lazy dog. " * 40, tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert file.getnframes() > 60 * RATE_HZ


@pytest.mark.parametrize("text", ["", "   ", "…!?", "🎬🎬", "\u200b"])
def test_a_text_with_nothing_to_say_is_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match="text"):
        said(text, tmp_path / "a.wav")


def test_a_text_that_is_too_long_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="text"):
        said("a" * 8_001, tmp_path / "a.wav")
