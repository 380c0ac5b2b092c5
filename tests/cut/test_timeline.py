"""The timeline: what is rendered can be read back from it, to the frame."""

from fractions import Fraction

import opentimelineio as otio
import pytest
from hypothesis import given, settings

from filmforge.cut.layout import Slot, film_frames, lay_out
from filmforge.cut.timeline import DIALOGUE, Plain, rate_of, slots_of, sources_of
from filmforge.cut.tracks import digest_of
from filmforge.domain import Kind, Shot
from tests.cut.films import cuts, picked, shot, take, timeline

FPS = Fraction(24)


@settings(deadline=None, max_examples=60)
@given(cuts())
def test_slots_survive_the_timeline_and_its_file(
    cut: tuple[list[Shot], list[Slot], Fraction],
) -> None:
    shots, slots, fps = cut
    written = timeline(fps, picked(shots, slots), 6).to_json_string()
    read = otio.adapters.read_from_string(written, "otio_json")
    assert slots_of(read) == slots
    assert rate_of(read) == fps
    shown = read.tracks[0].duration()
    assert shown.value == film_frames(slots)


def test_a_line_lies_where_its_shot_does() -> None:
    shots = [shot("a", "2", "crossfade", dialogue="One."), shot("b", "2", dialogue="Two.")]
    slots = lay_out(shots, FPS)
    made = timeline(FPS, picked(shots, slots, voice_frames=20), 6)
    lines = made.tracks[1]
    found = [
        (clip.name, int(lines.range_of_child(clip).start_time.value)) for clip in lines.find_clips()
    ]
    assert (lines.name, found) == (DIALOGUE, [("a", 6), ("b", 48 - 12 + 6)])


def test_a_line_that_is_too_long_ends_with_its_shot() -> None:
    shots = [shot("a", "1", dialogue="Long.")]
    made = timeline(FPS, picked(shots, lay_out(shots, FPS), voice_frames=99), 6)
    (line,) = made.tracks[1].find_clips()
    assert int(line.source_range.duration.value) == 24
    assert int(made.tracks[1].range_of_child(line).start_time.value) == 0


def test_what_is_shown_and_heard_is_named_by_its_digest() -> None:
    shots = [shot("a", "2"), shot("b", "2")]
    made = timeline(FPS, picked(shots, lay_out(shots, FPS), voice_frames=9), 6)
    assert sources_of(made)[1] == take(1, Kind.VIDEO).digest
    assert digest_of(made.tracks[1].find_clips()[0]) == take(0, Kind.AUDIO).digest


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
    made = timeline(fps, picked(shots, slots), 6)
    length = made.tracks[0].duration()
    assert int(length.value) == frames == film_frames(slots)
    assert length.to_timecode() == end


def test_a_stretch_of_one_colour_survives_between_shots() -> None:
    shots = [shot("a", "2", "crossfade"), shot("b", "2")]
    first, last = picked(shots, lay_out(shots, FPS))
    first = first.model_copy(update={"slot": first.slot.model_copy(update={"style": "cut"})})
    plain = [
        Plain(slot=Slot(shot_id="", frames=10, tail=4, head=4, style="crossfade"), colour="black"),
        Plain(slot=Slot(shot_id="", frames=9, head=4), colour="white"),
    ]
    stretches = [first, *plain, last]
    made = timeline(FPS, stretches)
    assert sources_of(made)[1:3] == ["colour:black", "colour:white"]
    assert [slot.frames for slot in slots_of(made)] == [each.slot.frames for each in stretches]
