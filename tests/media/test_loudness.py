"""Measuring and normalising loudness, judged by an independent meter."""

import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadMedia
from filmforge.media.listen import SoundReader
from filmforge.media.loudness import normalise
from filmforge.media.meter import measure
from filmforge.media.wav import wav_writer

RATE = 48_000
MakeClip = Callable[..., Awaitable[Path]]
Sound = NDArray[np.float32]


def write(path: Path, sound: Sound) -> Path:
    with wav_writer(path) as put:
        put(sound)
    return path


def read(path: Path) -> Sound:
    with SoundReader(path) as reader:
        return np.concatenate(list(reader.blocks()))


def lufs(sound: Sound) -> float:
    """The oracle: pyloudnorm's BS.1770-4 meter."""
    return float(pyloudnorm.Meter(RATE).integrated_loudness(sound.astype(np.float64)))


def peak_dbtp(sound: Sound) -> float:
    """The oracle: sixteen times the rate by the Fourier transform, exact for what it is given."""
    spectrum = np.fft.rfft(sound.astype(np.float64), axis=0)
    finer = np.fft.irfft(spectrum, 16 * len(sound), axis=0) * 16
    return float(20 * np.log10(np.abs(finer).max()))


def speech(seconds: float, level: float = 0.1, seed: int = 5) -> Sound:
    """Noise in syllables, unlike on both sides, with pauses."""
    length = round(seconds * RATE)
    voice = np.random.default_rng(seed).normal(0, level, (length, 2))
    time = np.arange(length) / RATE
    syllables = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) * (time % 2 < 1.5)
    quiet_ends = np.clip(np.minimum(time, seconds - time) * 4, 0, 1)
    return (voice * (syllables * quiet_ends)[:, None]).astype(np.float32)


@pytest.mark.parametrize(("level", "hertz"), [(0.5, 997), (0.02, 100), (0.2, 9_000)])
def test_a_tone_measures_as_the_oracle_says(tmp_path: Path, level: float, hertz: float) -> None:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(5 * RATE) / RATE)
    wave *= np.clip(np.minimum(np.arange(5 * RATE), np.arange(5 * RATE)[::-1]) / 2_400, 0, 1)
    sound = np.repeat(wave[:, None], 2, axis=1).astype(np.float32)
    measured = measure(write(tmp_path / "tone.wav", sound))
    assert measured.integrated_lufs == pytest.approx(lufs(sound), abs=0.1)
    assert measured.true_peak_dbtp == pytest.approx(20 * np.log10(level), abs=0.1)


def test_a_peak_between_two_samples_is_seen_also_in_the_last_tenth_of_a_second(
    tmp_path: Path,
) -> None:
    """A quarter of the sample rate, 45 degrees off: samples at 0.707 of the wave's height."""
    sound = speech(2.03)
    burst = 0.8 * np.sin(np.pi / 2 * np.arange(960) + np.pi / 4) * np.hanning(960)
    sound[-960:] += burst[:, None].astype(np.float32)
    measured = measure(write(tmp_path / "burst.wav", sound))
    assert np.abs(sound[-960:]).max() < 0.7
    assert measured.true_peak_dbtp == pytest.approx(peak_dbtp(sound), abs=0.3)
    assert measured.true_peak_dbtp == pytest.approx(20 * np.log10(0.8), abs=0.6)


def test_the_range_between_two_levels_is_measured(tmp_path: Path) -> None:
    """EBU Tech 3342, the first of its minimum requirements: 20 s at -20, 20 s at -30 LUFS."""
    wave = np.sin(2 * np.pi * 1_000 * np.arange(40 * RATE) / RATE)
    wave *= np.repeat([0.1, 0.1 * 10**-0.5], 20 * RATE)
    sound = np.repeat(wave[:, None], 2, axis=1).astype(np.float32)
    assert measure(write(tmp_path / "two.wav", sound)).range_lu == pytest.approx(10, abs=1)
    assert measure(write(tmp_path / "short.wav", sound[: 20 * RATE])).range_lu is None


@pytest.mark.parametrize(("target", "wanted"), [("web", -16), ("broadcast", -23), (-27.5, -27.5)])
def test_a_sound_is_brought_to_its_target(tmp_path: Path, target: float, wanted: float) -> None:
    path, out = write(tmp_path / "mix.wav", speech(4, level=0.03)), tmp_path / "out.wav"
    facts = normalise(path, out, target)
    sound = read(out)
    assert lufs(sound) == pytest.approx(wanted, abs=0.5)
    assert facts.after.integrated_lufs == pytest.approx(lufs(sound), abs=0.1)
    assert peak_dbtp(sound) <= -0.9
    assert facts.target_lufs == wanted
    assert len(sound) == 4 * RATE


def test_a_sound_with_room_for_it_is_made_louder_and_nothing_else(tmp_path: Path) -> None:
    source = speech(3, level=0.03)
    path, out = write(tmp_path / "mix.wav", source), tmp_path / "out.wav"
    facts = normalise(path, out, "broadcast")
    assert facts.limited_db == 0
    factor = np.float32(10 ** (facts.gain_db / 20))
    assert np.allclose(read(out), source * factor, atol=1e-4)


def peaky(seconds: float) -> Sound:
    """Speech with a blow each second that stands 20 dB above it."""
    sound = speech(seconds, level=0.05)
    blow = np.sin(2 * np.pi * 700 * np.arange(480) / RATE) * np.hanning(480)
    for second in range(int(seconds)):
        at = round((second + 0.4) * RATE)
        sound[at : at + 480] += blow[:, None].astype(np.float32)
    return sound


def test_peaks_are_limited_smoothly_and_only_where_they_are(tmp_path: Path) -> None:
    source = peaky(5)
    path, out = write(tmp_path / "mix.wav", source), tmp_path / "out.wav"
    facts = normalise(path, out, "web")
    sound = read(out)
    assert lufs(sound) == pytest.approx(-16, abs=0.5)
    assert peak_dbtp(sound) <= -1
    assert facts.limited_db > 3
    factor = np.float32(10 ** (facts.gain_db / 20))
    near = np.zeros(len(source), bool)
    for second in range(5):
        near[round((second + 0.4) * RATE) - 5_000 : round((second + 0.4) * RATE) + 5_500] = True
    assert np.allclose(sound[~near], source[~near] * factor, atol=1e-5)
    heard = np.abs(source) > 0.01
    gains = (sound[heard] / source[heard]).reshape(-1)
    assert gains.max() <= factor * 1.001
    assert np.abs(np.diff(gains)).max() < 0.02 * factor


def test_stems_are_changed_as_the_mix_is_and_still_add_up_to_it(tmp_path: Path) -> None:
    voice, blows = speech(3, level=0.05), peaky(3) - speech(3, level=0.05)
    mixed = write(tmp_path / "mix.wav", voice + blows)
    stems = {
        write(tmp_path / "voice.wav", voice): tmp_path / "voice-out.wav",
        write(tmp_path / "blows.wav", blows): tmp_path / "blows-out.wav",
    }
    facts = normalise(mixed, tmp_path / "out.wav", "web", stems=stems)
    assert facts.limited_db > 1
    together = sum(read(path) for path in stems.values())
    assert np.abs(together - read(tmp_path / "out.wav")).max() < 1 / 32_768


def test_silence_stays_as_it_is_and_is_said_to_be(tmp_path: Path) -> None:
    for name, sound in (
        ("silence", np.zeros((RATE, 2), np.float32)),
        ("hiss", speech(1, level=0.0002)),
    ):
        path, out = write(tmp_path / f"{name}.wav", sound), tmp_path / f"{name}-out.wav"
        facts = normalise(path, out)
        assert facts.left_alone == "nothing in it is louder than -60 LUFS"
        assert facts.gain_db == 0
        assert np.array_equal(read(out), sound)


def test_a_target_out_of_reach_is_refused_with_what_was_measured(tmp_path: Path) -> None:
    """One click in ten seconds cannot be as loud as speech under a ceiling of -1 dBTP."""
    sound = np.zeros((10 * RATE, 2), np.float32)
    sound[5 * RATE : 5 * RATE + 24] = 0.9
    path = write(tmp_path / "click.wav", sound)
    with pytest.raises(
        BadMedia,
        match=r"-8 LUFS .* it has -\d+\.\d LUFS and peaks of .* dBTP, and with those limited -",
    ):
        normalise(path, tmp_path / "out.wav", -8)


async def test_any_file_can_be_normalised_and_the_same_bytes_come_of_it(
    tmp_path: Path, make_clip: MakeClip
) -> None:
    sound = "anoisesrc=d=2:r=44100:a=0.05:seed=1"
    clip = await make_clip("clip.mp4", "color=s=64x64:r=25:d=2", sound, "-c:a", "aac")
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    normalise(clip, first, "web")
    normalise(clip, second, "web")
    assert lufs(read(first)) == pytest.approx(-16, abs=0.5)
    assert first.read_bytes() == second.read_bytes()


def test_memory_does_not_grow_with_the_sound(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        path = tmp_path / f"{seconds}.wav"
        with wav_writer(path) as put:
            for _ in range(seconds // 2):
                put(peaky(2))
        tracemalloc.start()
        facts = normalise(path, tmp_path / "out.wav")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert facts.limited_db
        return most

    assert peak(20) < peak(4) + 200_000
