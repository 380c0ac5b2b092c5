from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from subprocess import run

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from filmforge.errors import BadInput, BadMedia, MediaToolFailed
from filmforge.media.aac import (
    EncodedSpan,
    SpanSpec,
    add_sound,
    encode_span,
    span_spec,
    timed_sound,
)
from filmforge.media.ffmpeg import ffmpeg_path
from filmforge.media.sniff import open_media, sniff
from filmforge.media.sound_spans import (
    FRAME,
    Extract,
    SoundSpan,
    even_spans,
    film_frames,
    heard_in,
    interior,
    shot_spans,
)
from filmforge.media.wav import wav_writer

RATE = 48_000
Sound = NDArray[np.float32]
MakeSound = Callable[[int], Sound]


def _noise(samples: int, seed: int = 1) -> Sound:
    return np.random.default_rng(seed).standard_normal((samples, 2)).astype(np.float32)


def _sines(samples: int) -> Sound:
    seconds = np.arange(samples)[:, None] / RATE
    return (0.3 * np.sin(2 * np.pi * seconds * [440, 660])).astype(np.float32)


def _sweep(samples: int) -> Sound:
    seconds = np.arange(samples)[:, None] / RATE
    phase = 2 * np.pi * seconds * (50 + 3_000 * seconds)
    sweep: Sound = (0.4 * np.sin(phase + np.array([0, np.pi / 2]))).astype(np.float32)
    return sweep


def _attacks(samples: int) -> Sound:
    """Bursts out of near silence, ever more of a frame's length apart, so that seams cut some."""
    since = np.zeros(samples)
    starts = np.cumsum(np.arange(2_000, 9_000, 130))
    for start, stop in pairwise([*starts[starts < samples], samples]):
        since[start:stop] = np.arange(stop - start)
    envelope = np.where(np.arange(samples) < starts[0], 0, np.exp(-since / 700))[:, None]
    return ((0.25 * envelope + 0.0005) * _noise(samples)).astype(np.float32)


def _loud_after_silence(samples: int) -> Sound:
    loud = (np.arange(samples) // 20_011 % 2)[:, None]
    return (0.1 * loud * _noise(samples)).astype(np.float32)


SOUNDS = [_sines, _sweep, _attacks, _loud_after_silence]


def _wav(path: Path, sound: Sound) -> Path:
    with wav_writer(path) as write:
        write(sound)
    return path


def _mov(path: Path, sound: Sound) -> Path:
    with av.open(str(path), "w", format="mov") as media:
        stream = media.add_stream("pcm_s16le", rate=RATE, layout="stereo")
        packed = np.rint(sound * 32_767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout="stereo")
        frame.sample_rate = RATE
        media.mux(stream.encode(frame))
    return path


def _at(length: int, *frames: int) -> list[SoundSpan]:
    """A film in spans that begin at these frames."""
    edges = [0, *frames, film_frames(length)]
    return [SoundSpan(first=a, stop=b, length=length) for a, b in pairwise(edges)]


def _encoded(
    spans: Sequence[SoundSpan],
    sounds: Sequence[Extract],
    files: Mapping[str, Path],
    folder: Path,
) -> list[EncodedSpan]:
    made = []
    for span in spans:
        path = folder / f"{len(spans)}-{span.first}.aac"
        encode_span(span_spec(span, heard_in(span, sounds)), files, path)
        made.append(EncodedSpan(path=path, frames=span.frames))
    return made


def _film(path: Path, spans: Sequence[EncodedSpan], length: int) -> Path:
    options = {"fflags": "+bitexact", "movie_timescale": str(RATE)}
    with av.open(str(path), "w", format="mp4", container_options=options) as film:
        stream = add_sound(film)
        for _, batch in timed_sound(stream, spans, length):
            film.mux(batch)
    return path


def _heard(film: Path) -> Sound:
    command = [ffmpeg_path(), "-v", "error", "-i", str(film), "-f", "f32le", "-"]
    raw = run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.float32).reshape(-1, 2)


def _lost(heard: Sound, sound: Sound, spans: Sequence[SoundSpan]) -> Sound:
    """What coding lost in each 256 samples of the three frames that meet at every seam."""
    loss = ((heard - sound) ** 2).sum(axis=1)
    edges = [(span.first - 2) * FRAME for span in spans[1:]]
    return np.array([loss[edge : edge + 3 * FRAME].reshape(-1, 256).sum(axis=1) for edge in edges])


@pytest.mark.parametrize("make", SOUNDS)
def test_a_seam_sounds_no_worse_than_one_pass(make: MakeSound, tmp_path: Path) -> None:
    length = 2 * RATE + 777
    sound = make(length)
    files = {"mix": _wav(tmp_path / "mix.wav", sound)}
    sounds = [Extract(source="mix", samples=length)]
    heard = {}
    many = range(2, film_frames(length) - 1, 3)
    layouts = {count: _at(length, *frames) for count, frames in ((1, ()), (2, (47,)), (40, many))}
    for count, spans in layouts.items():
        encoded = _encoded(spans, sounds, files, tmp_path)
        heard[count] = _heard(_film(tmp_path / f"{count}.mp4", encoded, length))
        assert heard[count].shape == sound.shape
    for count in (2, 40):
        at_once = _lost(heard[1], sound, layouts[count])
        apart = _lost(heard[count], sound, layouts[count])
        assert apart.sum() <= 1.1 * at_once.sum()
        assert (apart <= 8 * at_once + 1e-6).all()


def test_one_span_is_what_one_pass_makes_byte_for_byte(tmp_path: Path) -> None:
    for length in (1, 1_023, 1_024, 1_025, 5_000):
        sound = _sweep(length)
        files = {"mix": _wav(tmp_path / "mix.wav", sound)}
        whole = _encoded(_at(length), [Extract(source="mix", samples=length)], files, tmp_path)
        joined = _film(tmp_path / "joined.mp4", whole, length)
        at_once = tmp_path / "once.mp4"
        options = {"fflags": "+bitexact", "movie_timescale": str(RATE)}
        with av.open(str(at_once), "w", format="mp4", container_options=options) as film:
            stream = add_sound(film)
            planes = np.ascontiguousarray(sound.T)
            frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            film.mux([*stream.encode(frame), *stream.encode(None)])
        assert joined.read_bytes() == at_once.read_bytes()
        assert len(_heard(joined)) == length


def test_half_an_hour_in_sound_is_at_its_very_sample(tmp_path: Path) -> None:
    repeats, frames = 1_800, 47
    click = np.zeros((frames * FRAME, 2), np.float32)
    place = 20 * FRAME + 345
    click[place : place + 64] = (np.hanning(64) * np.sin(np.arange(64)))[:, None]
    files = {"click": _wav(tmp_path / "click.wav", click)}
    spec = SpanSpec(
        extracts=(Extract(source="click", samples=len(click)),), skipped=0, frames=frames
    )
    encode_span(spec, files, tmp_path / "click.aac")
    span = EncodedSpan(path=tmp_path / "click.aac", frames=frames)
    length = (repeats * frames - 1) * FRAME
    film = _film(tmp_path / "film.mp4", [span] * repeats, length)
    with av.open(str(film)) as media:
        stream = media.streams.audio[0]
        assert (stream.start_time, stream.duration) == (0, length)
        last = (repeats - 1) * frames * FRAME
        media.seek(last, stream=stream)
        decoded = list(media.decode(stream))
    first = decoded[0].pts or 0
    heard = np.concatenate([frame.to_ndarray() for frame in decoded], axis=1)[0]
    found = np.correlate(heard[last - first :], click[place : place + 64, 0], "valid")
    assert 1_800 < first / RATE < 1_810
    assert int(found.argmax()) == place


@pytest.mark.parametrize("seed", range(20))
def test_spans_have_each_frame_once_and_interiors_hear_one_shot(seed: int) -> None:
    random = np.random.default_rng(seed)
    longest = int(random.choice([50, 5_000, 60_000]))
    shots = [int(length) for length in random.integers(1, longest, int(random.integers(1, 12)))]
    film = [Extract(source=str(n), offset=7, samples=length) for n, length in enumerate(shots)]
    spans = shot_spans(shots)
    assert [span.first for span in spans] == [0, *(span.stop for span in spans[:-1])]
    assert spans[-1].stop == film_frames(sum(shots))
    sources = [{extract.source for extract in heard_in(span, film)} for span in spans]
    assert len(spans) <= 2 * len(shots) - 1
    roomy = {extract.source for extract in film if extract.samples >= 8 * FRAME}
    assert {next(iter(one)) for one in sources if len(one) == 1} >= roomy
    for span in spans:
        span_spec(span, heard_in(span, film))


def test_a_new_shot_leaves_all_spans_alone_that_do_not_hear_it() -> None:
    shots = [50_000, 48_000, 60_000, 48_000]
    before = [Extract(source=name, samples=n) for name, n in zip("abcd", shots, strict=True)]
    after = [*before[:2], Extract(source="new", samples=60_000), before[3]]
    spans = shot_spans(shots)
    was, now = (
        [span_spec(span, heard_in(span, film)) for span in spans] for film in (before, after)
    )
    assert [old == new for old, new in zip(was, now, strict=True)] == [
        *(True, True, True),
        *(False, False, False),
        True,
    ]


def test_an_interior_is_known_before_the_film_is() -> None:
    alone = interior(100_000, 200_000, 10**9)
    placed = interior(100_000, 200_000, 300_001)
    assert alone is not None
    assert placed is not None
    shot = [Extract(source="before", samples=100_000), Extract(source="shot", samples=100_000)]
    assert span_spec(alone, heard_in(alone, shot)) == span_spec(placed, heard_in(placed, shot))
    moved = interior(100_000 + 3 * FRAME, 200_000 + 3 * FRAME, 10**9)
    assert moved is not None
    later = [Extract(source="before", samples=100_000 + 3 * FRAME), shot[1]]
    assert span_spec(moved, heard_in(moved, later)) == span_spec(alone, heard_in(alone, shot))
    assert interior(100_000, 104_000, 10**9) is None


def test_a_film_of_cuts_sounds_like_its_shots_one_after_the_other(tmp_path: Path) -> None:
    shots = [_sines(30_001), _attacks(40_003), _sweep(2_000), _sines(24_000)]
    files = {str(n): _mov(tmp_path / f"{n}.mov", shot) for n, shot in enumerate(shots)}
    sounds = [Extract(source=str(n), samples=len(shot)) for n, shot in enumerate(shots)]
    sound = np.concatenate(shots)
    spans = shot_spans([len(shot) for shot in shots])
    assert len(spans) == 5
    heard = {
        count: _heard(
            _film(tmp_path / f"{count}.mp4", _encoded(cut, sounds, files, tmp_path), len(sound))
        )
        for count, cut in ((5, spans), (1, _at(len(sound))))
    }
    assert heard[5].shape == sound.shape
    at_once, apart = (_lost(heard[count], sound, spans) for count in (1, 5))
    assert (apart <= 8 * at_once + 1e-6).all()


def test_the_same_recipe_makes_the_same_bytes_and_a_file_that_plays(tmp_path: Path) -> None:
    files = {"mix": _wav(tmp_path / "mix.wav", _sines(RATE))}
    sounds = [Extract(source="mix", samples=RATE)]
    (once,), (again,) = (
        _encoded(_at(RATE, 20)[1:], sounds, files, folder)
        for folder in (tmp_path, _folder(tmp_path))
    )
    assert once.path.read_bytes() == again.path.read_bytes()
    assert sniff(once.path).media_type == "audio/aac"
    with open_media(once.path) as media:
        context = media.streams.audio[0].codec_context
        assert (context.profile, context.sample_rate, context.channels) == ("LC", RATE, 2)
        assert sum(frame.samples for frame in media.decode(audio=0)) == once.frames * FRAME


def _folder(folder: Path) -> Path:
    made = folder / "again"
    made.mkdir()
    return made


def test_what_cannot_be_a_whole_film_is_refused(tmp_path: Path) -> None:
    files = {"mix": _wav(tmp_path / "mix.wav", _sines(RATE))}
    (span,) = even_spans(RATE)
    encoded = _encoded([span], [Extract(source="mix", samples=RATE)], files, tmp_path)
    with pytest.raises(BadInput, match="they have 48 frames, the film has 95"):
        _film(tmp_path / "film.mp4", encoded, 2 * RATE)
    with pytest.raises(BadInput, match="there are 9 samples, the span hears 48000"):
        span_spec(span, [Extract(source="mix", samples=9)])
    with pytest.raises(ValueError, match="the sounds make 48 frames, 49 are asked for"):
        SpanSpec(extracts=(Extract(source="mix", samples=RATE),), skipped=1, frames=48)
    with pytest.raises(ValueError, match="frames 3 to 49 are not in a film of 48"):
        SoundSpan(first=3, stop=49, length=RATE)
    whole = encoded[0].path.read_bytes()
    for damaged in (b"", whole[:-1], whole[9:], whole + b"x", whole[:-1] + b"\xff" * 9):
        encoded[0].path.write_bytes(damaged)
        with pytest.raises(BadMedia, match=r"0\.aac .*: mix it again"):
            _film(tmp_path / "film.mp4", encoded, RATE)


def test_sound_that_cannot_be_encoded_leaves_no_file(tmp_path: Path) -> None:
    holed = _sines(RATE)
    holed[30_000] = np.nan
    files = {"a": _wav(tmp_path / "a.wav", _sines(RATE)), "b": _wav(tmp_path / "b.wav", holed)}
    out = tmp_path / "out.aac"

    def spec(source: str, samples: int) -> SpanSpec:
        return SpanSpec(extracts=(Extract(source=source, samples=samples),), skipped=0, frames=48)

    def stopped(done: int) -> None:
        raise InterruptedError(done)

    with pytest.raises(BadMedia, match="a: its sound is 3 samples too short"):
        encode_span(spec("a", RATE + 3), files, out)
    with pytest.raises(BadMedia, match="beyond all measure"):
        encode_span(spec("b", RATE), files, out)
    with pytest.raises(MediaToolFailed, match="is to be encoded by another"):
        encode_span(spec("a", RATE).model_copy(update={"encoder": "another"}), files, out)
    with pytest.raises(InterruptedError, match="24000"):
        encode_span(spec("a", RATE), files, out, stopped)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".wav", ".wav"]
    encode_span(spec("a", RATE + 2), files, out)
    assert out.exists()
