"""What is asked of takes and of the film follows from the cut and the look."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from filmforge.brief import Brief
from filmforge.cut.expected import expected_of_film, expected_of_take
from filmforge.cut.layout import Slot, lay_out
from filmforge.cut.timeline import Plain
from filmforge.domain import Kind, Shot
from filmforge.quality import FilmExpectation, Span
from filmforge.transition import CUT, Colour, Transition
from tests.cut.films import picked, shot, timeline

FPS = Fraction(24)
FADE = {"type": "fade_to_black", "duration": "0.5"}


def brief(**changes: Any) -> Brief:
    output = {"width": 1280, "height": 720, "fps": 24}
    return Brief.model_validate({"output": output, **changes})


def of_film(
    shots: list[Shot], opening: Transition = CUT, excused: Any = None, **changes: Any
) -> FilmExpectation:
    film = brief(**changes)
    cut = timeline(FPS, picked(shots, lay_out(shots, FPS, CUT, opening), voice_frames=12))
    return expected_of_film(film, cut, shots, excused or {})


def spans(*pairs: tuple[int, int]) -> tuple[Span, ...]:
    return tuple(Span(start=start, end=end) for start, end in pairs)


def test_every_shot_has_its_span_and_what_two_share_lies_in_both() -> None:
    shots = [shot("a", "2", {"type": "crossfade", "duration": "0.5"}), shot("b", "2")]
    found = of_film(shots)
    assert (found.frames, found.shots) == (84, spans((0, 48), (36, 84)))
    assert found.dark == ()
    assert (found.width, found.height, found.fps) == (1280, 720, FPS)
    assert (found.lufs, found.peak_dbtp) == (-16.0, -1.0)


def test_fades_may_be_dark_and_a_still_may_stand_still() -> None:
    opening = Transition(type="fade_from_black", duration=Decimal("0.5"))
    shots = [shot("a", "2", FADE), shot("b", "2", camera="static")]
    found = of_film(shots, opening)
    assert found.dark == spans((0, 12), (36, 48))
    assert found.stills == spans((48, 96))


@pytest.mark.parametrize("colour", ["black", "white"])
def test_a_recut_may_show_a_plain_colour_between_shots(colour: Colour) -> None:
    first, last = picked([shot("a", "2"), shot("b", "2")], [_slot("a", 48), _slot("b", 48)])
    between = Plain(slot=_slot("", 36), colour=colour)
    found = expected_of_film(brief(), timeline(FPS, [first, between, last]), [], {})
    assert found.dark == spans((48, 84))


def _slot(shot_id: str, frames: int) -> Slot:
    return Slot(shot_id=shot_id, frames=frames)


def test_nothing_more_is_asked_of_what_a_person_gave_or_accepted() -> None:
    shots = [shot("a", "2", dialogue="Hm."), shot("b", "2", dialogue="Well.")]
    strict, lenient = of_film(shots), of_film(shots, excused={"a": {Kind.VIDEO, Kind.AUDIO}})
    assert (strict.dark, lenient.dark) == ((), spans((0, 48)))
    assert (len(strict.voices), len(lenient.voices)) == (2, 1)
    assert lenient.voices[0].start >= 48


def test_a_sound_that_stays_as_it_was_mixed_has_no_loudness_to_reach() -> None:
    found = of_film([shot("a", "2")], sound={"loudness": None})
    assert (found.lufs, found.peak_dbtp) == (None, None)


def test_the_widest_bars_of_any_scene_are_asked_for() -> None:
    scenes = {"sea": {"look": {"letterbox": "2.39:1"}}}
    shots = [shot("a", "2", scene_id="sea")]
    assert of_film(shots).letterbox is None
    found = of_film(shots, look={"letterbox": "1.85:1"}, scenes=scenes)
    assert found.letterbox == pytest.approx(2.39)


def test_a_clip_is_asked_for_its_length_rate_and_motion_and_a_voice_to_fit_its_shot() -> None:
    still = shot("a", "2", camera="locked off, static")
    clip = expected_of_take(brief(), still, Kind.VIDEO)
    assert (clip.kind, clip.width, clip.fps, clip.still) == ("video", 1280, FPS, True)
    assert clip.duration_s == Decimal(2)
    voice = expected_of_take(brief(), still, Kind.AUDIO)
    assert (voice.kind, voice.width, voice.duration_s) == ("audio", None, Decimal(2))
    frame = expected_of_take(brief(), still, Kind.IMAGE)
    assert (frame.kind, frame.fps, frame.duration_s) == ("image", None, None)
