"""The score: every sound lies on the sample clock where the timeline has it."""

from fractions import Fraction

from hypothesis import given, settings

from filmforge.cut.layout import Slot, film_frames, lay_out
from filmforge.cut.scoring import score_of
from filmforge.cut.sounds import placed
from filmforge.domain import Shot
from filmforge.media.sample_clock import samples_at
from filmforge.media.score import Ducking
from filmforge.sound import Sound
from tests.cut.films import cuts, picked, shot, timeline

FPS = Fraction(24)
TUNE = f"{7:064x}"


@settings(deadline=None, max_examples=60)
@given(cuts())
def test_own_sounds_cover_the_film_and_meet_in_their_fades(
    cut: tuple[list[Shot], list[Slot], Fraction],
) -> None:
    shots, slots, fps = cut
    made = timeline(fps, picked(shots, slots), 6)
    score = score_of(made, [f"piece{n}" for n in range(len(slots))], Ducking())
    assert score.length == samples_at(film_frames(slots), fps)
    reached = 0
    for entry, slot in zip(score.entries, slots, strict=True):
        overlapped = reached - entry.start
        assert overlapped in (0, entry.fade_in)
        reached = entry.stop
        assert entry.fade_out or not slot.tail
    assert reached == score.length


def test_a_line_that_is_cut_short_fades_out() -> None:
    shots = [shot("a", "1", dialogue="Long."), shot("b", "2", dialogue="Short.")]
    made = timeline(FPS, picked(shots, lay_out(shots, FPS), voice_frames=30), 6)
    lines = [e for e in score_of(made, ["p", "q"], Ducking()).entries if e.role == "dialogue"]
    assert [(e.start, e.length, e.fade_out) for e in lines] == [
        (0, 48_000, 4_800),
        (60_000, 60_000, 0),
    ]


def test_sounds_that_overlap_get_tracks_of_their_own_and_keep_their_gain() -> None:
    shots = [shot("a", "4")]
    slots = lay_out(shots, FPS)
    music = [
        {"digest": TUNE, "start": 1, "gain_db": -3},
        {"digest": TUNE, "start": 2, "loop": True},
    ]
    sounds = placed(Sound.model_validate({"music": music}), {}, slots, {TUNE: 48}, FPS)
    made = timeline(FPS, picked(shots, slots), 6, sounds)
    assert [track.name for track in made.tracks][2:] == ["Music", "Music 2"]
    heard = [e for e in score_of(made, ["p"], Ducking()).entries if e.role == "music"]
    assert [(e.start, e.length, e.gain_db, e.loop) for e in heard] == [
        (48_000, 96_000, -3.0, False),
        (96_000, 96_000, -6.0, True),
    ]
