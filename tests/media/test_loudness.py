"""Measuring and normalising loudness, judged by an independent meter."""

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray

from filmforge.media.listen import SoundReader, sound_samples
from filmforge.media.loudness import Level, Normalised, Way, integrated_lufs
from filmforge.media.loudness import normalise as find_way
from filmforge.media.meter import measure
from filmforge.media.mix import Bus
from filmforge.media.score import Ducking, Entry, Role, Score
from filmforge.media.soundtrack import MixedSpan, measure_span, mixed_spans, write_sound
from filmforge.media.wav import wav_writer
from filmforge.sound import Target
from tests.media.joined import sound_of

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


def score_of(roles: Mapping[Path, Role]) -> tuple[Score, dict[str, Path]]:
    """Sounds from the beginning on, over each other, none lowered."""
    entries = [
        Entry(role=role, source=path.name, start=0, length=sound_samples(path))
        for path, role in roles.items()
    ]
    flat = Ducking(music_db=0, ambience_db=0, production_db=0)
    score = Score.of(entries, max(entry.stop for entry in entries), flat)
    return score, {path.name: path for path in roles}


def level(span: MixedSpan, files: Mapping[str, Path], way: Way) -> Level:
    return measure_span(span, files, way, lambda: None)


async def way_of(
    score: Score, files: Mapping[str, Path], target: Target, usual_db: float | None = None
) -> Normalised:
    """What is to be done to bring a film to a loudness, measured span by span."""
    spans = mixed_spans(score)

    async def measured(way: Way, places: Sequence[int]) -> list[Level]:
        return [level(spans[place], files, way) for place in places]

    plain = await measured(Way(), range(len(spans)))
    return await find_way(plain, target, measured, usual_db)


def normalise(path: Path, out: Path, target: Target = "web") -> Normalised:
    """Bring a sound to a loudness as a film is."""
    score, files = score_of({path: "production"})
    facts = asyncio.run(way_of(score, files, target))
    write_sound(score, files, facts.way, {"mix": out}, lambda: None)
    return facts


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
    assert facts.after_lufs == pytest.approx(lufs(sound), abs=0.1)
    assert peak_dbtp(sound) <= -1
    assert facts.target_lufs == wanted
    assert facts.reached
    assert len(sound) == 4 * RATE


def test_a_sound_with_room_for_it_is_made_louder_and_nothing_else(tmp_path: Path) -> None:
    source = speech(3, level=0.03)
    path, out = write(tmp_path / "mix.wav", source), tmp_path / "out.wav"
    facts = normalise(path, out, "broadcast")
    factor = np.float32(10 ** (facts.way.gain_db / 20))
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
    factor = np.float32(10 ** (facts.way.gain_db / 20))
    assert np.abs(source).max() * factor > 1.2
    near = np.zeros(len(source), bool)
    for second in range(5):
        near[round((second + 0.4) * RATE) - 5_000 : round((second + 0.4) * RATE) + 5_500] = True
    assert np.allclose(sound[~near], source[~near] * factor, atol=1e-5)
    heard = np.abs(source) > 0.01
    gains = (sound[heard] / source[heard]).reshape(-1)
    assert gains.max() <= factor * 1.001
    assert np.abs(np.diff(gains)).max() < 0.02 * factor


def test_stems_are_changed_as_the_mix_is_and_still_add_up_to_it(tmp_path: Path) -> None:
    voice, blows = speech(11, level=0.05), peaky(11) - speech(11, level=0.05)
    score, files = score_of(
        {
            write(tmp_path / "voice.wav", voice): "dialogue",
            write(tmp_path / "blows.wav", blows): "effects",
        }
    )
    facts = asyncio.run(way_of(score, files, "web"))
    stems: tuple[Bus, ...] = ("dialogue", "effects", "music")
    outputs: dict[Bus, Path] = {bus: tmp_path / f"{bus}-out.wav" for bus in ("mix", *stems)}
    write_sound(score, files, facts.way, outputs, lambda: None)
    together = sum(read(outputs[stem]) for stem in stems)
    mixed = read(outputs["mix"])
    assert np.abs(together - mixed).max() < 1 / 32_768
    assert lufs(mixed) == pytest.approx(-16, abs=0.5)
    assert np.abs(blows).max() * 10 ** (facts.way.gain_db / 20) > 1.2
    assert not read(outputs["music"]).any()


def test_silence_stays_as_it_is_and_is_said_to_be(tmp_path: Path) -> None:
    for name, sound in (
        ("silence", np.zeros((RATE, 2), np.float32)),
        ("hiss", speech(1, level=0.0002)),
    ):
        path, out = write(tmp_path / f"{name}.wav", sound), tmp_path / f"{name}-out.wav"
        facts = normalise(path, out)
        assert facts.left_alone == "nothing in it is louder than -60 LUFS"
        assert facts.way == Way()
        assert np.array_equal(read(out), sound)


def test_a_target_out_of_reach_is_come_as_near_to_as_limiting_goes(tmp_path: Path) -> None:
    """One click in ten seconds cannot be as loud as speech under a ceiling of -1 dBTP."""
    sound = np.zeros((10 * RATE, 2), np.float32)
    sound[5 * RATE : 5 * RATE + 24] = 0.9
    path, out = write(tmp_path / "click.wav", sound), tmp_path / "out.wav"
    facts = normalise(path, out, -8)
    assert not facts.reached
    assert facts.after_lufs is not None
    assert facts.before_lufs is not None
    assert peak_dbtp(read(out)) <= -1
    assert facts.before_lufs - 3 < facts.after_lufs < -8.5


def film(seconds: int, shot: int | None = None) -> Sound:
    """Speech of which one second, if any, is another."""
    sound = speech(seconds, level=0.04)
    if shot is not None:
        sound[shot * RATE : (shot + 1) * RATE] = speech(1, level=0.06, seed=shot)
    return sound


def test_spans_measure_together_what_the_film_measures(tmp_path: Path) -> None:
    sound = film(31)
    path = write(tmp_path / "film.wav", sound)
    score, files = score_of({path: "production"})
    levels = [level(span, files, Way()) for span in mixed_spans(score)]
    assert len(levels) == 4
    assert integrated_lufs(levels) == pytest.approx(lufs(sound), abs=0.1)
    peaks = [each.true_peak_dbtp for each in levels]
    whole = measure(path).true_peak_dbtp
    assert max(peak for peak in peaks if peak) == pytest.approx(whole, abs=0.01)


async def test_a_film_that_changes_a_little_keeps_its_gain(tmp_path: Path) -> None:
    gains, fresh = set(), set()
    usual = None
    for shot in (None, 3, 11, 17):
        score, files = score_of({write(tmp_path / f"{shot}.wav", film(20, shot)): "production"})
        found = await way_of(score, files, "web", usual)
        assert found.reached
        usual = found.way.gain_db
        gains.add(usual)
        fresh.add(found.before_lufs)
    assert len(fresh) == 4
    assert len(gains) == 1


async def test_a_gain_that_is_too_far_off_is_given_up(tmp_path: Path) -> None:
    score, files = score_of({write(tmp_path / "film.wav", film(6)): "production"})
    first = await way_of(score, files, "web")
    again = await way_of(score, files, "web", first.way.gain_db - 3)
    assert again.way.gain_db == pytest.approx(first.way.gain_db, abs=0.4)
    assert again.reached


def test_no_peak_passes_the_most_once_it_is_encoded(tmp_path: Path) -> None:
    """Noise and clicks, whose peaks AAC raises, some of them beside the edges of spans."""
    sound = peaky(21)
    sound[9 * RATE : 11 * RATE] *= 3
    score, files = score_of({write(tmp_path / "film.wav", sound): "production"})
    found = asyncio.run(way_of(score, files, "web"))
    spans = sound_of(score, files, tmp_path, found.way)
    joined = tmp_path / "film.aac"
    joined.write_bytes(b"".join(span.path.read_bytes() for span in spans))
    assert peak_dbtp(read(joined)) <= -1
    rough = sound * np.float32(10 ** (found.way.gain_db / 20))
    assert peak_dbtp(rough) > 5


async def test_any_file_can_be_normalised_and_the_same_bytes_come_of_it(
    tmp_path: Path, make_clip: MakeClip
) -> None:
    sound = "anoisesrc=d=2:r=44100:a=0.05:seed=1"
    clip = await make_clip("clip.mp4", "color=s=64x64:r=25:d=2", sound, "-c:a", "aac")
    first, second = tmp_path / "first.wav", tmp_path / "second.wav"
    for out in (first, second):
        await asyncio.to_thread(normalise, clip, out)
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
        assert facts.reached
        return most

    assert peak(40) < peak(20) + 1_000_000
