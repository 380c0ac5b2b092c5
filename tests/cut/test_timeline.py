"""The timeline: what is rendered can be read back from it, to the frame."""

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given, settings

from filmforge.cut.layout import Slot, film_frames, lay_out
from filmforge.cut.timeline import DIALOGUE, PICTURE, media_of, rate_of, slots_of, timeline_of
from filmforge.domain import Kind, Shot
from tests.cut.films import cuts, heading, picked, shot, take

FPS = Fraction(24)


@settings(deadline=None, max_examples=60)
@given(cuts())
def test_slots_survive_the_timeline_and_its_file(
    cut: tuple[list[Shot], list[Slot], Fraction],
) -> None:
    shots, slots, fps = cut
    written = timeline_of(heading(fps), picked(shots, slots), 6).to_json_string()
    read = otio.adapters.read_from_string(written, "otio_json")
    assert slots_of(read) == slots
    assert rate_of(read) == fps
    shown = read.tracks[0].duration()
    assert shown.value == film_frames(slots)


def test_a_line_lies_where_its_shot_does() -> None:
    shots = [shot("a", "2", "crossfade", dialogue="One."), shot("b", "2", dialogue="Two.")]
    slots = lay_out(shots, FPS)
    timeline = timeline_of(heading(FPS), picked(shots, slots, voice_frames=20), 6)
    lines = timeline.tracks[1]
    found = [
        (clip.name, int(lines.range_of_child(clip).start_time.value)) for clip in lines.find_clips()
    ]
    assert (lines.name, found) == (DIALOGUE, [("a", 6), ("b", 48 - 12 + 6)])


def test_a_line_that_is_too_long_ends_with_its_shot() -> None:
    shots = [shot("a", "1", dialogue="Long.")]
    timeline = timeline_of(heading(FPS), picked(shots, lay_out(shots, FPS), voice_frames=99), 6)
    (line,) = timeline.tracks[1].find_clips()
    assert int(line.source_range.duration.value) == 24
    assert int(timeline.tracks[1].range_of_child(line).start_time.value) == 0


def test_what_is_shown_and_heard_is_named_by_its_digest() -> None:
    shots = [shot("a", "2"), shot("b", "2")]
    timeline = timeline_of(heading(FPS), picked(shots, lay_out(shots, FPS), voice_frames=9), 6)
    assert media_of(timeline, PICTURE)[1] == take(1, Kind.VIDEO).digest
    assert media_of(timeline, DIALOGUE)[0] == take(0, Kind.AUDIO).digest


@pytest.mark.parametrize(
    ("fps", "end"),
    [
        (Fraction(24000, 1001), "00:59:56:10"),
        (Fraction(30000, 1001), "01:00:00;00"),
        (Fraction(60000, 1001), "01:00:00;00"),
    ],
)
def test_an_hour_at_a_broadcast_rate_is_right_to_the_frame(fps: Fraction, end: str) -> None:
    frames = round(3600 * fps)
    shots = [shot(f"s{n}", "120") for n in range(30)]
    slots = [
        Slot(shot_id=each.shot_id, frames=frames * (n + 1) // 30 - frames * n // 30)
        for n, each in enumerate(shots)
    ]
    timeline = timeline_of(heading(fps), picked(shots, slots), 6)
    length = timeline.tracks[0].duration()
    assert int(length.value) == frames == film_frames(slots)
    assert length.to_timecode() == end
