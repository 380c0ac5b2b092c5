"""Timecode names every frame of an hour once, as OpenTimelineIO does, dropping what SMPTE drops."""

from fractions import Fraction

import pytest
from opentimelineio import opentime

from filmforge.errors import BadInput
from filmforge.interchange.timecode import counts, drops, from_timecode, to_timecode
from tests.interchange.timelines import NTSC_24, NTSC_30, NTSC_60


@pytest.mark.parametrize("fps", [Fraction(25), NTSC_24, NTSC_30, NTSC_60])
def test_every_frame_of_an_hour_comes_back(fps: Fraction) -> None:
    """Sampled, and whole around minutes, where numbers are dropped."""
    minutes = [round(fps * 60 * minute) + near for minute in range(61) for near in range(-4, 5)]
    for frame in [*range(0, int(fps * 3601), 13), *minutes[4:]]:
        assert from_timecode(to_timecode(frame, fps), fps, drops(fps)) == frame


@pytest.mark.parametrize("fps", [Fraction(24), NTSC_24, NTSC_30, NTSC_60])
def test_timecode_is_opentimelineio_s(fps: Fraction) -> None:
    """Their drop-frame is written from the same standard by other hands."""
    rate = opentime.RationalTime.nearest_smpte_timecode_rate(float(fps))
    drop = drops(fps)
    for frame in [*range(0, int(fps * 3700), 97), *range(int(fps * 59), int(fps * 62))]:
        theirs = opentime.to_timecode(opentime.RationalTime(frame, rate), rate, drop)
        assert to_timecode(frame, fps) == theirs


@pytest.mark.parametrize(("fps", "frames"), [(NTSC_30, 107_892), (NTSC_60, 215_784)])
def test_drop_frame_keeps_to_the_clock_over_an_hour(fps: Fraction, frames: int) -> None:
    assert to_timecode(frames, fps) == "01:00:00;00"
    assert abs(frames / fps - 3600) < Fraction(1, 250)


def test_23_976_counts_24_and_drops_nothing() -> None:
    assert (counts(NTSC_24), drops(NTSC_24)) == (24, False)
    assert to_timecode(86_400, NTSC_24) == "01:00:00:00"


@pytest.mark.parametrize(
    "text",
    ["00:01:00;00", "00:01:00;01", "00:00:60;00", "24:00:00;00", "00:00:00;30", "1:2:3;4", ""],
)
def test_a_timecode_that_no_clock_shows_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no timecode"):
        from_timecode(text, NTSC_30, drop=True)


def test_a_film_beyond_24_hours_has_no_timecode() -> None:
    with pytest.raises(BadInput, match="24 hours"):
        to_timecode(24 * 3600 * 24, Fraction(24))
