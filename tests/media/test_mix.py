"""Mixing the sounds of a film: places, levels, fades, ducking, loops, stems and spans."""

import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadMedia
from filmforge.media.listen import SoundReader, sound_samples
from filmforge.media.mix import mix
from filmforge.media.score import Ducking, Entry, Score
from filmforge.media.wav import join_sound, wav_writer

RATE = 48_000
MakeClip = Callable[..., Awaitable[Path]]
Sound = NDArray[np.float32]


def tone(seconds: float, hertz: float = 1_000.0, level: float = 0.5) -> Sound:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.repeat(wave[:, None], 2, axis=1).astype(np.float32)


def noise(seconds: float, seed: int = 1) -> Sound:
    values = np.random.default_rng(seed).uniform(-0.3, 0.3, (round(seconds * RATE), 2))
    return values.astype(np.float32)


def level_db(sound: Sound) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))))


class Studio:
    """A folder of sounds and what was mixed of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}

    def record(self, name: str, sound: Sound) -> Path:
        path = self.files[name] = self.folder / f"{name}.wav"
        with wav_writer(path) as write:
            write(sound)
        return path

    def mixed(self, score: Score) -> Sound:
        path = self.folder / "mixed.wav"
        mix(score, self.files, {"mix": path})
        return read(path)


def read(path: Path) -> Sound:
    with SoundReader(path) as reader:
        return np.concatenate([*reader.blocks(), np.zeros((0, 2), np.float32)])


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_a_sound_is_heard_from_its_start_and_offset_on_to_the_sample(studio: Studio) -> None:
    source = noise(1)
    studio.record("shot", source)
    entry = Entry(role="effects", source="shot", start=30_001, offset=777, length=20_003)
    heard = studio.mixed(Score.of([entry], 60_000))
    assert len(heard) == 60_000
    assert not heard[:30_001].any()
    assert np.array_equal(heard[30_001:50_004], source[777:20_780])
    assert not heard[50_004:].any()


def test_a_gain_of_minus_six_decibels_halves_a_sound(studio: Studio) -> None:
    studio.record("tone", source := tone(1))
    entry = Entry(role="music", source="tone", start=0, length=RATE, gain_db=-6.0206)
    assert np.allclose(studio.mixed(Score.of([entry], RATE)), source / 2, atol=1e-6)


def test_two_sounds_that_fade_over_each_other_keep_their_power(studio: Studio) -> None:
    studio.record("leaving", noise(2, seed=1))
    studio.record("coming", noise(2, seed=2))
    heard = studio.mixed(
        Score.of(
            [
                Entry(role="production", source="leaving", start=0, length=RATE, fade_out=RATE),
                Entry(role="production", source="coming", start=0, length=RATE, fade_in=RATE),
            ],
            RATE,
        )
    )
    alone = level_db(noise(1))
    for tenth in np.split(heard, 10):
        assert level_db(tenth) == pytest.approx(alone, abs=0.2)
    assert np.abs(heard[:20] - noise(1, seed=1)[:20]).max() < 0.001
    assert np.abs(heard[-20:] - noise(1, seed=2)[-20:]).max() < 0.001


async def test_one_channel_is_as_loud_on_both_sides(
    studio: Studio, make_clip: MakeClip, tmp_path: Path
) -> None:
    for name, arguments in (("mono.wav", ()), ("mono.flac", ("-ar", "44100"))):
        sine = "aevalsrc=0.5*sin(2*PI*1000*t):s=48000:d=1"
        studio.files[name] = await make_clip(name, None, sine, *arguments)
        entry = Entry(role="dialogue", source=name, start=0, length=RATE)
        heard = studio.mixed(Score.of([entry], RATE))[4_800:-4_800]
        assert np.array_equal(heard[:, 0], heard[:, 1])
        assert level_db(heard) == pytest.approx(level_db(tone(1)), abs=0.02)


async def test_surround_sound_is_folded_down_with_its_centre_three_decibels_lower(
    studio: Studio, make_clip: MakeClip
) -> None:
    sine = "0.25*sin(2*PI*1000*t)"
    for name, channels in (("front", f"{sine}|0|0|0|0|0"), ("centre", f"0|0|{sine}|0|0|0")):
        lavfi = f"aevalsrc={channels}:c=5.1:s=48000:d=1"
        studio.files[name] = await make_clip(f"{name}.flac", None, lavfi)
    heard = {
        name: studio.mixed(
            Score.of([Entry(role="effects", source=name, start=0, length=RATE)], RATE)
        )
        for name in studio.files
    }
    assert level_db(heard["front"][:, 0]) == pytest.approx(level_db(tone(1, level=0.25)), abs=0.02)
    assert not heard["front"][:, 1].any()
    assert np.array_equal(heard["centre"][:, 0], heard["centre"][:, 1])
    fallen = level_db(heard["front"][:, 0]) - level_db(heard["centre"])
    assert fallen == pytest.approx(3.01, abs=0.02)


async def test_the_sound_of_a_film_stays_in_step_with_its_picture(
    studio: Studio, make_clip: MakeClip
) -> None:
    """A click 0.5 s into an AAC track of 44.1 kHz that begins 0.25 s after the picture."""
    click = "aevalsrc=0.9*between(t\\,0.5\\,0.51)*sin(2*PI*2000*t):s=44100:d=1"
    made = await make_clip("click.mp4", None, click, "-c:a", "aac", "-b:a", "192k")
    late = ("-itsoffset", "0.25", "-i", str(made), "-map", "0:v", "-map", "1:a", "-c:a", "copy")
    studio.files["clip"] = await make_clip("late.mp4", "color=s=64x64:r=25:d=2", None, *late)
    heard = read(studio.files["clip"])
    assert np.argmax(np.abs(heard[:, 0]) > 0.3) == pytest.approx(0.75 * RATE, abs=48)
    assert len(heard) == sound_samples(studio.files["clip"])


@pytest.mark.parametrize("role", ["music", "ambience", "production"])
def test_sounds_are_lowered_under_dialogue_smoothly_and_before_it_begins(
    studio: Studio, role: str
) -> None:
    studio.record("line", np.zeros((RATE, 2), np.float32))
    studio.record("bed", np.ones((6 * RATE, 2), np.float32))
    ducking = Ducking(music_db=-12, ambience_db=-12, production_db=-12)
    bed = Entry.model_validate({"role": role, "source": "bed", "start": 0, "length": 6 * RATE})
    line = Entry(role="dialogue", source="line", start=2 * RATE, length=RATE)
    gain = studio.mixed(Score.of([bed, line], 6 * RATE, ducking))[:, 0]
    assert np.all(gain[: 2 * RATE - ducking.attack] == 1)
    assert gain[2 * RATE : 3 * RATE] == pytest.approx(10 ** (-12 / 20), abs=1e-6)
    assert np.all(gain[3 * RATE + ducking.release :] == 1)
    assert np.abs(np.diff(gain)).max() < 2 * (1 - gain.min()) / ducking.attack
    assert np.all(np.diff(gain[: 3 * RATE]) <= 0)


def test_the_level_does_not_pump_between_lines_that_follow_each_other(studio: Studio) -> None:
    studio.record("line", np.zeros((RATE, 2), np.float32))
    studio.record("bed", np.ones((12 * RATE, 2), np.float32))
    starts = [RATE, round(3.5 * RATE), 8 * RATE]
    lines = [Entry(role="dialogue", source="line", start=at, length=RATE) for at in starts]
    bed = Entry(role="music", source="bed", start=0, length=12 * RATE)
    gain = studio.mixed(Score.of([bed, *lines], 12 * RATE))[:, 0]
    assert np.ptp(gain[RATE : round(4.5 * RATE)]) == 0
    assert gain[6 * RATE] == 1


def test_dialogue_and_effects_are_never_ducked(studio: Studio) -> None:
    studio.record("tone", source := tone(1))
    for role in ("dialogue", "effects"):
        entries = [
            Entry.model_validate({"role": role, "source": "tone", "start": 0, "length": RATE}),
            Entry(role="dialogue", source="tone", start=0, length=RATE, gain_db=-100),
        ]
        assert studio.mixed(Score.of(entries, RATE)) == pytest.approx(source, abs=1e-4)


def test_a_loop_goes_on_without_a_gap_or_a_click(studio: Studio) -> None:
    """Ten periods of a loop whose seam overlaps by whole waves sound like one long tone."""
    seam, source = 480, tone(0.6, hertz=100)
    studio.record("hum", source)
    entry = Entry(role="ambience", source="hum", start=0, length=5 * RATE, loop=True, seam=seam)
    heard = studio.mixed(Score.of([entry], 5 * RATE))
    assert np.abs(np.diff(heard[:, 0])).max() < 1.5 * np.abs(np.diff(source[:, 0])).max()
    for tenth in np.split(heard, 50):
        assert level_db(tenth) == pytest.approx(level_db(source), abs=0.7)
    period = len(source) - seam
    assert np.array_equal(heard[seam:period], heard[period + seam : 2 * period])


def test_stems_add_up_to_the_mix_exactly(studio: Studio) -> None:
    score = film(studio)
    paths = {name: studio.folder / f"{name}-stem.wav" for name in ("dialogue", "effects", "music")}
    whole = studio.folder / "whole.wav"
    mix(score, studio.files, {"mix": whole, **paths})  # type: ignore[dict-item]  # names of buses
    dialogue, effects, music = (read(path) for path in paths.values())
    assert all(stem.any() for stem in (dialogue, effects, music))
    assert np.array_equal(dialogue + effects + music, read(whole))
    alone = studio.folder / "alone.wav"
    mix(score, studio.files, {"music": alone})
    assert alone.read_bytes() == paths["music"].read_bytes()


def film(studio: Studio) -> Score:
    """Three shots that crossfade, lines, a looped ambience and music that began before."""
    for name, seed in (("a", 1), ("b", 2), ("c", 3), ("line", 4), ("room", 5), ("song", 6)):
        studio.record(name, noise(2.5, seed))
    fade = RATE // 2
    return Score.of(
        [
            Entry(role="production", source="a", start=0, length=2 * RATE, fade_out=fade),
            Entry(
                role="production",
                source="b",
                start=2 * RATE - fade,
                length=2 * RATE,
                fade_in=fade,
                fade_out=fade,
            ),
            Entry(role="production", source="c", start=3 * RATE, length=2 * RATE, fade_in=fade),
            Entry(role="dialogue", source="line", start=70_001, offset=333, length=50_000),
            Entry(role="effects", source="a", start=200_000, length=9_999, gain_db=-3),
            Entry(
                role="ambience",
                source="room",
                start=10_000,
                offset=400_000,
                length=200_000,
                fade_in=20_000,
                fade_out=30_000,
                loop=True,
                seam=4_800,
            ),
            Entry(role="music", source="song", start=-5_000, length=110_000, fade_in=60_000),
        ],
        5 * RATE,
    )


def test_spans_mixed_one_by_one_are_the_whole_mix_to_the_last_bit(studio: Studio) -> None:
    score = film(studio)
    whole = studio.folder / "whole.wav"
    mix(score, studio.files, {"mix": whole})
    boundaries = [0, 1, 4_801, 47_999, 76_543, 120_000, 199_001, 205_000, 205_007, score.length]
    spans = []
    for index, part in enumerate(score.parts(boundaries)):
        spans.append(studio.folder / f"span-{index}.wav")
        mix(part, studio.files, {"mix": spans[-1]})
    joined = studio.folder / "joined.wav"
    join_sound(spans, joined)
    assert joined.read_bytes() == whole.read_bytes()


async def test_a_span_of_compressed_sound_is_that_of_the_whole_mix(
    studio: Studio, make_clip: MakeClip
) -> None:
    noises = "anoisesrc=r=44100:d=2:seed=3:a=0.3"
    studio.files["song"] = await make_clip("song.m4a", None, noises, "-ac", "2")
    score = Score.of([Entry(role="music", source="song", start=100, length=80_000)], 90_000)
    whole = studio.mixed(score)
    assert np.array_equal(studio.mixed(score.part(40_001, 60_000)), whole[40_001:60_000])


def test_a_part_of_a_score_names_only_what_touches_it(studio: Studio) -> None:
    score = film(studio)
    assert [entry.source for entry in score.part(0, 60_000).entries] == ["a", "room", "song"]
    assert [entry.source for entry in score.part(205_000, 205_010).entries] == ["c", "a", "room"]
    with_line = score.part(125_000, 126_000)
    assert "line" not in [entry.source for entry in with_line.entries]
    assert with_line.speech == ((-4_999, -4_999),)


def test_equal_parts_have_equal_recipes_wherever_they_lie(studio: Studio) -> None:
    def score(before: int) -> Score:
        return Score.of(
            [
                Entry(role="production", source="a", start=before, length=RATE, fade_out=RATE // 2),
                Entry(role="dialogue", source="line", start=before, length=RATE),
            ],
            before + 3 * RATE,
        )

    early, late = score(RATE), score(7 * RATE)
    assert early.part(RATE, 2 * RATE) == late.part(7 * RATE, 8 * RATE)


def test_music_that_goes_on_for_longer_leaves_earlier_parts_as_they_are() -> None:
    def score(length: int) -> Score:
        entry = Entry(role="music", source="song", start=0, length=length, fade_out=RATE)
        return Score.of([entry], length)

    assert score(9 * RATE).part(RATE, 2 * RATE) == score(8 * RATE).part(RATE, 2 * RATE)


def test_a_source_that_ends_early_is_named(studio: Studio) -> None:
    studio.record("short", tone(1))
    score = Score.of([Entry(role="music", source="short", start=0, length=2 * RATE)], 2 * RATE)
    with pytest.raises(BadMedia, match=r"^short: its sound ends before 2\.00 s"):
        studio.mixed(score)
    assert not (studio.folder / "mixed.wav").exists()
    assert not list(studio.folder.glob("*.part"))


async def test_a_file_without_sound_and_a_playlist_are_refused(
    studio: Studio, make_clip: MakeClip
) -> None:
    studio.files["mute"] = await make_clip("mute.mp4")
    studio.files["list"] = studio.folder / "list.wav"
    studio.files["list"].write_text("ffconcat version 1.0\nfile mute.mp4\n")
    for name, problem in (("mute", "holds no sound"), ("list", "is text")):
        score = Score.of([Entry(role="music", source=name, start=0, length=RATE)], RATE)
        with pytest.raises(BadMedia, match=f"{name}: .*{problem}"):
            studio.mixed(score)


def test_a_sound_of_no_numbers_is_refused(studio: Studio) -> None:
    for name, value in (("nothing", np.nan), ("everything", np.inf)):
        sound = tone(1)
        sound[30_000] = value
        studio.record(name, sound)
        score = Score.of([Entry(role="music", source=name, start=0, length=RATE)], RATE)
        with pytest.raises(BadMedia, match=f"{name}: .*beyond all measure"):
            studio.mixed(score)


async def test_a_damaged_sound_is_refused_and_not_taken_for_silence(
    studio: Studio, make_clip: MakeClip
) -> None:
    """The second half of a FLAC file is cut off, or overwritten."""
    whole = await make_clip("whole.flac", None, "anoisesrc=r=48000:d=2:seed=1", "-ac", "2")
    content = whole.read_bytes()
    half = len(content) // 2
    for name, damaged in (("cut", content[:half]), ("over", content[:half] + bytes(half))):
        studio.files[name] = studio.folder / f"{name}.flac"
        studio.files[name].write_bytes(damaged)
        score = Score.of([Entry(role="music", source=name, start=0, length=2 * RATE)], 2 * RATE)
        with pytest.raises(BadMedia, match=f"^{name}: "):
            studio.mixed(score)


@pytest.mark.parametrize(("rate", "layout"), [(8_000, "mono"), (96_000, "7.1"), (11_025, "stereo")])
async def test_any_rate_and_layout_is_played_at_its_own_pace(
    studio: Studio, make_clip: MakeClip, rate: int, layout: str
) -> None:
    channels = {"mono": 1, "stereo": 2, "7.1": 8}[layout]
    lavfi = f"aevalsrc={'|'.join(['0.1*sin(2*PI*500*t)'] * channels)}:c={layout}:s={rate}:d=1"
    studio.files["tone"] = await make_clip("tone.wav", None, lavfi)
    entry = Entry(role="effects", source="tone", start=0, length=RATE)
    heard = studio.mixed(Score.of([entry], RATE))[:, 0]
    strongest = np.argmax(np.abs(np.fft.rfft(heard)))
    assert strongest == 500
    assert sound_samples(studio.files["tone"]) == pytest.approx(RATE, abs=4)


def test_what_progress_raises_ends_the_mix_and_leaves_nothing(studio: Studio) -> None:
    studio.record("tone", tone(5))
    score = Score.of([Entry(role="music", source="tone", start=0, length=5 * RATE)], 5 * RATE)
    told = []

    def stop(samples: int) -> None:
        told.append(samples)
        if samples >= RATE:
            raise InterruptedError

    out = studio.folder / "out.wav"
    with pytest.raises(InterruptedError):
        mix(score, studio.files, {"mix": out}, stop)
    assert told == [RATE // 2, RATE]
    assert not list(studio.folder.glob("out*"))


def test_memory_does_not_grow_with_the_film(studio: Studio) -> None:
    studio.record("clip", noise(1))

    def peak(shots: int) -> int:
        shot = [
            Entry(role="production", source="clip", start=index * RATE, length=RATE)
            for index in range(shots)
        ]
        song = Entry(role="music", source="clip", start=0, length=shots * RATE, loop=True)
        score = Score.of([*shot, song], shots * RATE)
        tracemalloc.start()
        mix(score, studio.files, {"mix": studio.folder / "long.wav"})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # What it knows of each shot is kept, its samples (384 kB a second) are not.
    short, long = peak(10), peak(100)
    assert long - short < 90 * 4_000
