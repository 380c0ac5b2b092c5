"""A finished film is measured as it is, and held to its cut."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyloudnorm
import pytest
from numpy.typing import NDArray

from filmforge.media.findings import film_findings
from filmforge.media.quality import measured
from filmforge.quality import Check, FilmExpectation, Finding, QualityPolicy, Span

MakeClip = Callable[..., Awaitable[Path]]
SoundOf = Callable[[Path], NDArray[np.float32]]

MOVING = "testsrc2=s=128x72:r=24:d=2"
VOICE = "sine=f=300:r=48000:d=2"
STRICT = QualityPolicy(**{check.value: {"action": "attention"} for check in Check})


def _film(path: Path, **expected: Any) -> dict[Check, Finding]:
    given = {"width": 128, "height": 72, "fps": 24, "frames": 48, **expected}
    found = film_findings(measured(path), FilmExpectation(**given), STRICT)
    return {each.check: each for each in found}


def _failed(found: dict[Check, Finding]) -> set[Check]:
    return {check for check, finding in found.items() if not finding.passed}


async def test_a_film_is_held_to_its_cut_exactly(make_clip: MakeClip) -> None:
    film = await make_clip(
        "film.mp4", MOVING, "sine=f=300:r=48000:d=2,aformat=channel_layouts=stereo"
    )
    assert not _failed(_film(film))
    assert _failed(_film(film, frames=47)) == {Check.FRAMES}
    assert _failed(_film(film, width=130)) == {Check.SIZE}
    assert _failed(_film(film, fps="24000/1001", frames=48)) == set(), "2 ms in two seconds"
    assert _failed(_film(film, fps=25)) == {Check.RATE}
    longer = await make_clip("longer.mp4", MOVING, "sine=f=300:r=48000:d=2.2")
    assert _failed(_film(longer)) == {Check.SYNC}


async def test_a_frame_left_out_and_a_frame_shown_twice_are_found(make_clip: MakeClip) -> None:
    fast = "mandelbrot=s=128x72:r=24,rotate=n*0.05,trim=end_frame=48"
    quick = ("-preset", "veryfast", "-crf", "18")
    lost = f"{fast},select='not(eq(n,20))'"
    gap = await make_clip("lost.mp4", lost, None, "-fps_mode", "passthrough", *quick)
    found = _film(gap)
    assert (found[Check.LOST].measured, found[Check.FRAMES].measured) == (1, 47)
    twice = f"{fast},select='not(eq(n,20))',setpts='(N+gte(N,20))/24/TB',fps=24"
    found = _film(await make_clip("twice.mp4", twice, None, *quick))
    assert (found[Check.REPEATED].measured, found[Check.FRAMES].measured) == (1, 48)
    smooth = _film(await make_clip("smooth.mp4", fast, None, *quick))
    assert smooth[Check.REPEATED].measured == 0
    slower = f"{fast},fps=16,fps=24"
    film = _film(await make_clip("slower.mp4", slower, None, *quick))
    assert film[Check.REPEATED].measured == 0, "a clip of another rate repeats in a rhythm"


async def test_stills_and_black_that_the_cut_asks_for_are_fine_elsewhere_they_are_not(
    make_clip: MakeClip,
) -> None:
    card = "drawbox=c=black:t=fill:enable='lt(n,24)'"
    film = await make_clip("film.mp4", f"{MOVING},{card}", VOICE)
    assert _failed(_film(film)) == {Check.BLACK}
    assert not _failed(_film(film, dark=[Span(start=0, end=24)]))
    held = await make_clip("held.mp4", f"{MOVING},loop=29:1:10,trim=end_frame=48", VOICE)
    shots = [Span(start=0, end=12), Span(start=12, end=40), Span(start=40, end=48)]
    found = _film(held, shots=shots)
    assert _failed(found) == {Check.FROZEN}, "more than half of the second shot"
    assert found[Check.FROZEN].words.startswith("a shot of the film stands still for 1.")
    assert not _failed(_film(held, shots=shots, stills=[Span(start=8, end=42)]))


async def test_each_line_of_dialogue_must_be_heard(make_clip: MakeClip) -> None:
    sound = "sine=f=300:r=48000:d=2,volume=enable='gte(t,1)':volume=0"
    film = await make_clip("film.mp4", MOVING, sound)
    said, unheard = Span(start=2, end=20), Span(start=30, end=40)
    assert not _failed(_film(film, voices=[said]))
    found = _film(film, voices=[said, unheard])
    assert _failed(found) == {Check.SILENT}
    assert found[Check.SILENT].spans == ((1.25, 1.667),)
    assert found[Check.SILENT].words.startswith("1 of 2 lines of dialogue are silent")


async def test_loudness_and_true_peak_are_those_of_an_independent_meter(
    make_clip: MakeClip, sound_of: SoundOf
) -> None:
    noise = "anoisesrc=a=0.3:d=4:c=pink:seed=1,volume='0.4+0.6*gt(t,2)':eval=frame"
    film = await make_clip("film.mkv", MOVING, noise, "-c:a", "pcm_s16le", "-ar", "48000")
    truth = pyloudnorm.Meter(48_000).integrated_loudness(sound_of(film).astype(np.float64))
    found = _film(film, lufs=truth, peak_dbtp=-1)
    assert found[Check.LOUDNESS].measured == pytest.approx(truth, abs=0.1)
    assert found[Check.LOUDNESS].passed
    assert found[Check.PEAK].passed
    quiet = _film(film, lufs=truth - 0.7, peak_dbtp=found[Check.PEAK].measured - 0.2)
    assert {Check.LOUDNESS, Check.PEAK} <= _failed(quiet)
    sample_peak = 20 * np.log10(np.abs(sound_of(film)).max())
    assert sample_peak - 0.05 <= found[Check.PEAK].measured <= sample_peak + 2
