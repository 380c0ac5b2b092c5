"""The rhythm of a reference film is found to the frame, and fitted to a film's own shots."""

from collections.abc import Awaitable, Callable, Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from threading import Event

import pytest

from filmforge.errors import BadInput, BadMedia
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.probe import Limits
from filmforge.media.rhythm import REFERENCE_LIMITS, rhythm
from filmforge.media.tempo import Beat, Material, Rhythm, apply_rhythm

MakeClip = Callable[..., Awaitable[Path]]

SCENES = (
    "testsrc2=s=128x72",
    "mandelbrot=s=128x72",
    "smptehdbars=s=128x72",
    "cellauto=s=128x72:rule=110",
    "rgbtestsrc=s=128x72",
    "gradients=s=128x72:c0=0x402010:c1=0xd0e0ff:seed=3",
)


async def _film(path: Path, lengths: Sequence[int], fps: str = "24", *more: str) -> Path:
    """Scenes one after another, each of so many frames."""
    inputs = [
        word
        for index in range(len(lengths))
        for word in ("-f", "lavfi", "-i", f"{SCENES[index % len(SCENES)]}:r={fps}")
    ]
    parts = ";".join(
        f"[{index}]trim=end_frame={length},format=yuv420p,setsar=1[v{index}]"
        for index, length in enumerate(lengths)
    )
    joined = "".join(f"[v{index}]" for index in range(len(lengths)))
    graph = f"{parts};{joined}concat=n={len(lengths)}"
    await run_ffmpeg([*inputs, "-filter_complex", graph, *more, str(path)])
    return path


async def _joined(path: Path, first: str, second: str, graph: str) -> Path:
    """Two scenes of which `graph` makes one film, out of [a] and [b]."""
    inputs = ["-f", "lavfi", "-i", f"{first}:r=24", "-f", "lavfi", "-i", f"{second}:r=24"]
    same = "format=yuv420p,setsar=1,settb=1/24"
    parts = f"[0]{same},trim=end_frame=60[a];[1]{same},trim=end_frame=60[b]"
    await run_ffmpeg([*inputs, "-filter_complex", f"{parts};{graph}", str(path)])
    return path


def _starts(found: Rhythm) -> list[int]:
    return [beat.start for beat in found.beats]


@pytest.mark.parametrize(
    ("fps", "name"),
    [
        ("24", "film.mp4"),
        ("24000/1001", "film.mkv"),
        ("30000/1001", "film.mp4"),
        ("60000/1001", "film.webm"),
    ],
)
async def test_hard_cuts_are_found_to_the_frame_at_any_rate(
    tmp_path: Path, fps: str, name: str
) -> None:
    lengths = [20, 31, 9, 40, 17, 23, 12, 28]
    codec = ("-c:v", "libvpx", "-deadline", "realtime") if name.endswith("webm") else ()
    found = rhythm(await _film(tmp_path / name, lengths, fps, *codec))
    assert [beat.frames for beat in found.beats] == lengths
    assert _starts(found) == [0, *accumulate(lengths)][:-1]
    assert found.fps == Fraction(fps)
    assert found.frames == sum(lengths)
    assert [beat.by for beat in found.beats] == [None, *["cut"] * 7]
    assert found.average_s == pytest.approx(sum(lengths) / 8 / Fraction(fps), abs=0.001)
    assert found.confidence > 0.8


async def test_a_film_of_varying_rate_has_its_cuts_where_they_are_seen(tmp_path: Path) -> None:
    film = await _film(tmp_path / "film.mp4", [30, 24, 36])
    varying = tmp_path / "varying.mp4"
    thinned = "select='lt(n,20)+not(mod(n,2))+eq(n,54)'"
    await run_ffmpeg(["-i", str(film), "-vf", thinned, "-fps_mode", "vfr", str(varying)])
    found = rhythm(varying)
    seconds = [float(beat.start / found.fps) for beat in found.beats]
    assert seconds == pytest.approx([0, 30 / 24, 54 / 24], abs=0.5 / float(found.fps))


@pytest.mark.parametrize("frames", [8, 12, 24, 36])
async def test_a_dissolve_begins_its_shot_in_its_middle(tmp_path: Path, frames: int) -> None:
    fade = f"[a][b]xfade=fade:duration={frames / 24}:offset=1"
    film = await _joined(tmp_path / "film.mp4", SCENES[0], SCENES[1], fade)
    found = rhythm(film)
    assert [beat.by for beat in found.beats] == [None, "dissolve"]
    assert abs(found.beats[1].start - (24 + frames / 2)) <= 2


@pytest.mark.parametrize("colour", ["black", "white"])
async def test_a_fade_through_a_colour_is_one_change_in_its_middle(
    tmp_path: Path, colour: str
) -> None:
    fades = f"[a]fade=out:44:16:c={colour}[x];[b]fade=in:0:16:c={colour}[y];[x][y]concat"
    found = rhythm(await _joined(tmp_path / "film.mp4", SCENES[0], SCENES[1], fades))
    assert [beat.by for beat in found.beats] == [None, "fade"]
    assert abs(found.beats[1].start - 60) <= 2
    assert found.beats[1].confidence > 0.8


async def test_a_fade_out_before_a_cut_is_one_change_at_the_cut(tmp_path: Path) -> None:
    graph = "[a]fade=out:44:16[x];[x][b]concat"
    found = rhythm(await _joined(tmp_path / "film.mp4", SCENES[0], SCENES[1], graph))
    assert _starts(found) == [0, 60]


@pytest.mark.parametrize(
    "picture",
    [
        "testsrc2=s=128x72:r=24:d=3",
        "testsrc2=s=128x72:r=24:d=3,drawbox=c=white:t=fill:enable='between(n,30,31)'",
        "mandelbrot=s=128x72:r=24,trim=end=3,eq=eval=frame:brightness='0.4*clip(t-1,0,1)'",
        "testsrc2=s=256x144:r=24:d=3,crop=128:72:x=n*1.5:y=20",
        "testsrc2=s=128x72:r=24:d=3,fade=in:0:20,fade=out:52:20",
        "color=black:s=128x72:r=24:d=3",
    ],
    ids=["motion", "a flash", "light goes up", "a pan", "fades at the ends", "black"],
)
async def test_what_is_no_change_of_shot_is_taken_for_none(
    make_clip: MakeClip, picture: str
) -> None:
    found = rhythm(await make_clip("film.mp4", picture))
    assert _starts(found) == [0]
    assert (found.beats[0].frames, found.confidence) == (72, 1.0)


async def test_the_pace_is_told_minute_by_minute(tmp_path: Path) -> None:
    found = rhythm(await _film(tmp_path / "film.mp4", [288, 160, 160, 400], "8"))
    assert found.per_minute == (3, 1, 0)
    assert found.average_s == 31.5


async def test_a_film_too_long_too_large_or_broken_is_refused(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    film = await make_clip("film.mp4", "testsrc2=s=128x72:r=24:d=3")
    with pytest.raises(BadMedia, match="are allowed"):
        rhythm(film, REFERENCE_LIMITS.model_copy(update={"max_duration_s": 2.0}))
    with pytest.raises(BadMedia, match="pixels"):
        rhythm(film, Limits(max_pixels=5_000))
    with pytest.raises(BadMedia, match="too long"):
        rhythm(film, patience_s=0)
    stop = Event()
    stop.set()
    with pytest.raises(BadMedia, match="stopped"):
        rhythm(film, stop=stop)
    playlist = tmp_path / "list.mp4"
    playlist.write_text("#EXTM3U\nfilm.mp4\n")
    with pytest.raises(BadMedia, match="is text"):
        rhythm(playlist)
    with pytest.raises(BadMedia, match="expected"):
        rhythm(await make_clip("sound.wav", None, "sine=d=1"))


def _reference(*frames: int, fps: str = "24") -> Rhythm:
    starts = [0, *accumulate(frames)]
    return Rhythm(
        fps=fps,
        frames=starts[-1],
        beats=[Beat(start=s, frames=f) for s, f in zip(starts[:-1], frames, strict=True)],
        average_s=1,
        per_minute=(1,),
        confidence=1,
    )


def _shots(*frames: int) -> list[Material]:
    return [Material(shot_id=f"shot_{i}", frames=length) for i, length in enumerate(frames)]


def test_cyclic_repeats_the_lengths_and_never_asks_for_more_than_there_is() -> None:
    cut = apply_rhythm(
        _shots(120, 120, 120, 20, 120), _reference(48, 24, 12), Fraction(24), "cyclic"
    )
    assert [shot.frames for shot in cut] == [48, 24, 12, 20, 24]
    assert [shot.wanted for shot in cut] == [48, 24, 12, 48, 24]
    assert [float(shot.trim.end) for shot in cut] == [3, 4, 4.5, 0, 4]


def test_another_rate_keeps_the_time_without_drift() -> None:
    reference = _reference(*[7] * 100, fps="24000/1001")
    cut = apply_rhythm(_shots(*[50] * 100), reference, Fraction(25), "cyclic")
    assert sum(shot.frames for shot in cut) == round(Fraction(700) / Fraction(24000, 1001) * 25)
    assert {shot.frames for shot in cut} <= {7, 8}


def test_scaled_lays_the_whole_course_of_the_reference_over_the_film() -> None:
    slow_then_quick = _reference(96, 96, 48, 48, 24, 24, 12, 12)
    cut = apply_rhythm(_shots(*[120] * 4), slow_then_quick, Fraction(24), "scaled")
    assert [shot.frames for shot in cut] == [96, 48, 24, 12]
    more = apply_rhythm(_shots(*[200] * 16), slow_then_quick, Fraction(24), "scaled")
    assert [shot.frames for shot in more] == [96] * 4 + [48] * 4 + [24] * 4 + [12] * 4


def test_scaled_gives_what_one_shot_lacks_to_the_others_in_proportion() -> None:
    cut = apply_rhythm(_shots(40, 200, 200, 200), _reference(100, 100, 50, 50), Fraction(24))
    lengths = [shot.frames for shot in cut]
    assert lengths[0] == 40
    assert sum(lengths) == pytest.approx(300, abs=2)
    assert lengths[1] == pytest.approx(2 * lengths[2], abs=2)
    short = apply_rhythm(_shots(10, 10), _reference(100, 50), Fraction(24))
    assert [shot.frames for shot in short] == [10, 10], "there is no more"


def test_a_shot_keeps_what_must_be_seen_of_it() -> None:
    spoken = Material(shot_id="spoken", frames=100, least=60)
    for mapping in ("cyclic", "scaled"):
        cut = apply_rhythm([spoken, *_shots(100)], _reference(12, 12), Fraction(24), mapping)
        assert cut[0].frames == 60


def test_a_trim_leaves_the_suggested_frames_to_the_frame() -> None:
    for fps in (Fraction(24000, 1001), Fraction(60000, 1001), Fraction(120)):
        reference = _reference(*range(1, 90), fps=str(fps))
        for shot in apply_rhythm(_shots(*[90] * 89), reference, fps, "cyclic"):
            cut_off = Fraction(shot.trim.end) * fps
            assert 90 - int(cut_off + Fraction(1, 2)) == shot.frames


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(BadInput, match="there are none"):
        apply_rhythm([], _reference(24), Fraction(24))
    with pytest.raises(BadInput, match="are to be kept"):
        apply_rhythm([Material(shot_id="a", frames=5, least=6)], _reference(24), Fraction(24))
