"""An edited film is settled against what the film has paid for, or refused by name."""

import pytest
from opentimelineio.opentime import RationalTime, TimeRange
from opentimelineio.schema import Clip, Marker

from filmforge.errors import BadInput
from filmforge.interchange.edl import edl_of
from filmforge.interchange.edl_read import read_edl
from filmforge.interchange.library import Library, Paid, settle
from filmforge.interchange.recut import WHITE, Heard, Mark, Recut, Shown
from filmforge.interchange.timeline import recut_of
from tests.interchange.timelines import (
    FILM_24,
    NTSC_24,
    Part,
    Sound,
    digest_of,
    recut_of_spec,
    timeline_of,
)

SHOTS = ("shot_001", "shot_002", "shot_003")
LIBRARY = Library(
    fps=FILM_24,
    current={shot: digest_of(shot) for shot in SHOTS},
    takes={
        **{digest_of(shot): Paid(frames=120, shots={shot}) for shot in SHOTS},
        digest_of("earlier"): Paid(frames=60, shots={"shot_002"}),
        digest_of("shared"): Paid(frames=60, shots={"shot_001", "shot_003"}),
    },
    sounds={digest_of("line"): Paid(frames=48)},
)


def _settled(**shown: object) -> Shown:
    shown = {"shot_id": "shot_001", "frames": 24} | shown
    return settle(Recut(fps=FILM_24, shown=(Shown(**shown),)), LIBRARY).shown[0]


def test_a_film_reordered_trimmed_and_shortened_in_an_editor_is_settled() -> None:
    timeline = timeline_of([Part(shot) for shot in SHOTS], (Sound(),))
    track = timeline.tracks[0]
    last, first = track.pop(2), track.pop(0)
    track.insert(0, last)
    track[1].source_range = track[1].source_range.duration_extended_by(
        type(track[1].source_range.duration)(-10, 24)
    )
    recut = settle(recut_of(timeline), LIBRARY)
    assert first.name == "shot_001"
    assert recut.order == ("shot_003", "shot_002")
    assert [shown.frames for shown in recut.shown] == [48, 38]
    assert recut.omitted == ("shot_001",)
    assert [sound.available for sound in recut.heard or ()] == [48]


def test_a_settled_export_is_what_was_exported() -> None:
    parts = [Part(shot) for shot in SHOTS]
    recut = recut_of_spec(parts, (Sound(),))
    assert settle(recut, LIBRARY) == recut
    assert settle(read_edl(edl_of(recut), FILM_24), LIBRARY).shown == recut.shown


def test_media_are_found_by_digest_by_file_name_and_at_last_by_the_shot_s_name() -> None:
    earlier = digest_of("earlier")
    assert _settled(shot_id="shot_002", digest=earlier).available == 60
    by_name = _settled(shot_id="x", source=f"C:\\edit\\shot_002-{earlier[:16]}.MOV")
    assert (by_name.digest, by_name.shot_id, by_name.source) == (earlier, "shot_002", "")
    assert _settled(shot_id="shot_003").digest == digest_of("shot_003")
    assert _settled(shot_id="shot_003", source="file:///x/shot_003.mov").shot_id == "shot_003"


def test_a_relinked_take_is_believed_before_the_clip_s_name() -> None:
    assert _settled(shot_id="shot_001", digest=digest_of("earlier")).shot_id == "shot_002"


def test_a_take_of_two_shots_needs_the_shot_s_name() -> None:
    assert _settled(shot_id="shot_003", digest=digest_of("shared")).shot_id == "shot_003"
    with pytest.raises(BadInput, match="shot_001, shot_003"):
        _settled(shot_id="shot_002", digest=digest_of("shared"))


@pytest.mark.parametrize(
    "shown",
    [
        {"shot_id": "shot_009"},
        {"digest": digest_of("new")},
        {"source": "file:///x/my-own-film.mov"},
        {"shot_id": "shot_001", "source": f"shot_001-{digest_of('new')[:16]}.mov"},
    ],
)
def test_media_the_film_does_not_have_are_refused(shown: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="not one of this film's takes"):
        _settled(**shown)


def test_a_file_name_that_fits_two_takes_is_refused() -> None:
    twins = {"0" * 63 + end: Paid(frames=60, shots={"a"}) for end in "12"}
    library = Library(fps=FILM_24, current={"a": "0" * 63 + "1"}, takes=twins)
    shown = Shown(shot_id="a", source=f"a-{'0' * 16}.mov", frames=9)
    with pytest.raises(BadInput, match="not one of this film's takes"):
        settle(Recut(fps=FILM_24, shown=(shown,)), library)


@pytest.mark.parametrize(("start", "frames"), [(-1, 10), (100, 21), (120, 1)])
def test_frames_a_take_does_not_have_are_refused(start: int, frames: int) -> None:
    with pytest.raises(BadInput, match="media that has 120"):
        _settled(start=start, frames=frames)


def test_another_rate_and_unknown_sounds_are_refused() -> None:
    shown = (Shown(shot_id="shot_001", frames=24),)
    with pytest.raises(BadInput, match="24000/1001"):
        settle(Recut(fps=NTSC_24, shown=shown), LIBRARY)
    sound = Heard(track="Music", at=0, name="their song", frames=9, source="song.wav")
    with pytest.raises(BadInput, match="their song"):
        settle(Recut(fps=FILM_24, shown=shown, heard=(sound,)), LIBRARY)


@pytest.mark.parametrize("source", ["", WHITE])
def test_a_note_on_a_plain_colour_is_kept(source: str) -> None:
    mark = Mark(frame=3, text="Is this meant to be empty?")
    plain = Shown(source=source, frames=24, marks=(mark,))
    settled = settle(Recut(fps=FILM_24, shown=(plain,)), LIBRARY)
    assert settled.shown == (plain,)
    again = settle(read_edl(edl_of(settled), FILM_24), LIBRARY)
    assert again.shown == (plain,)


def test_a_note_on_white_stays_at_its_frame_beside_a_dissolve() -> None:
    timeline = timeline_of([Part("shot_001", style="crossfade", tail=6, head=6), Part(None)])
    track = timeline.tracks[0]
    shown = track[-1].source_range
    start = RationalTime(100, 24)
    white = Clip(name=WHITE, source_range=TimeRange(start, shown.duration))
    white.markers.append(Marker(name="Why?", marked_range=TimeRange(start, RationalTime(0, 24))))
    track[-1] = white
    recut = settle(recut_of(timeline), LIBRARY)
    assert recut.shown[1].colour == "white"
    _, (at, _, part) = recut.placed()
    cut_at = 48 - timeline.tracks[0][1].out_offset.value
    assert at + part.marks[0].frame - part.start == cut_at
    assert part.start == 0


def test_a_shot_cut_in_two_is_told() -> None:
    recut = recut_of_spec([Part("a"), Part("b"), Part("a", start=60)])
    assert (recut.order, recut.repeated, recut.frames) == (("a", "b"), ("a",), 144)
