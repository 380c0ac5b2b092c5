"""A film of more than an hour goes out in every format and comes back to the frame."""

from fractions import Fraction
from pathlib import Path
from typing import get_args

import opentimelineio as otio
import pytest

from filmforge.cut.layout import Slot, film_frames, lay_out
from filmforge.cut.recutting import slots_of_recut
from filmforge.cut.timeline import heard_with, slots_of, timeline_of
from filmforge.interchange.export import Format, write_timeline
from filmforge.interchange.media_names import digest_of, file_name
from filmforge.interchange.read import read_recut
from filmforge.transition import Transition
from tests.cut.films import heading, picked, shot

# How many frames lie before 01:00:00:00, or 01:00:00;00 where numbers are dropped.
RATES = {
    Fraction(24000, 1001): 86_400,
    Fraction(30000, 1001): 107_892,
    Fraction(60000, 1001): 215_784,
}
SHOTS = 900
FADE = Transition(type="crossfade", duration="0.5")


def _film(fps: Fraction) -> tuple[otio.schema.Timeline, list[Slot]]:
    shots = [shot(f"s{n:04d}", "4.713") for n in range(SHOTS)]
    slots = lay_out(shots, fps, FADE)
    rows = picked(shots, slots, voice_frames=20)
    hour = heading(fps).model_copy(update={"start": RATES[fps]})
    return timeline_of(hour, rows, heard_with(rows, fps, 6)), slots


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("format_", [f for f in get_args(Format) if f != "otioz"])
def test_an_hour_at_an_ntsc_rate_comes_back_to_the_frame(
    fps: Fraction, format_: Format, tmp_path: Path
) -> None:
    timeline, slots = _film(fps)
    digests = {digest_of(clip.media_reference.target_url) or "" for clip in timeline.find_clips()}
    names = {digest: file_name("take", digest) for digest in digests}
    path = tmp_path / "film"
    write_timeline(timeline, fps, format_, names, path)
    recut = read_recut(path, fps)
    assert recut.frames == film_frames(slots) > 3_600 * fps
    assert recut.tc_start == RATES[fps]
    assert slots_of_recut(recut) == slots == slots_of(timeline)
    if format_ != "edl":
        at = [sound.at for sound in recut.heard or ()]
        begins = [n * (slots[0].frames - slots[0].overlap) + 6 for n in range(len(at))]
        assert len(at) == SHOTS
        assert at == begins


def test_the_timecode_of_a_drop_frame_edl_keeps_to_the_clock(tmp_path: Path) -> None:
    """Counted by OpenTimelineIO: the film begins at an hour, and ends when a clock says so."""
    fps = Fraction(30000, 1001)
    timeline, slots = _film(fps)
    write_timeline(timeline, fps, "edl", {}, tmp_path / "film")
    events = [line for line in (tmp_path / "film").read_text().splitlines() if " V  " in line]
    begin, end = events[0].split()[-2], events[-1].split()[-1]
    rate = otio.opentime.RationalTime.nearest_smpte_timecode_rate(float(fps))
    frames = film_frames(slots) + RATES[fps]
    assert begin == "01:00:00;00"
    assert end == otio.opentime.to_timecode(otio.opentime.RationalTime(frames, rate), rate, True)
