"""Subtitles come from the timeline: what is said, where its shot is shown and its voice heard."""

from fractions import Fraction

from opentimelineio.schema import Timeline

from activities.captioning import Line, lines_of
from filmforge.brief import Brief
from filmforge.cut.cards import with_cards
from filmforge.cut.layout import lay_out
from filmforge.cut.tracks import span
from filmforge.domain import Shot
from filmforge.interchange.timeline import OURS
from filmforge.subtitles import Card
from tests.cut.films import picked, shot, timeline

FPS = Fraction(12)
LEAD = 3


def cut(shots: list[Shot], voice_frames: int) -> Timeline:
    """The timeline of these shots, each with a voice of so many frames, or none."""
    return timeline(FPS, picked(shots, lay_out(shots, FPS), voice_frames), LEAD)


def said(*lines: str | None) -> list[Shot]:
    """Shots of two seconds that say this."""
    return [shot(f"s{n}", "2", dialogue=line) for n, line in enumerate(lines)]


def by_shot(film: Timeline) -> dict[str, Line]:
    return {line.shot_id: line for line in lines_of(film)}


def test_a_line_is_read_while_its_shot_is_shown() -> None:
    lines = by_shot(cut(said("One.", "Two."), voice_frames=12))
    assert (lines["s1"].start, lines["s1"].end) == (24, 48)
    assert lines["s1"].dialogue == "Two."


def test_its_voice_begins_where_the_timeline_places_it() -> None:
    lines = by_shot(cut(said("One.", "Two."), voice_frames=12))
    assert lines["s1"].voice_at == Fraction(24 + LEAD, 12)
    assert lines["s1"].heard == (Fraction(0), Fraction(1))


def test_a_shot_without_words_has_no_line() -> None:
    assert list(by_shot(cut(said("One.", None), voice_frames=12))) == ["s0"]


def test_a_line_without_a_voice_is_read_from_its_shots_start() -> None:
    line = by_shot(cut(said("One.", "Two."), voice_frames=0))["s1"]
    assert (line.start, line.voice, line.voice_at) == (24, None, None)


def test_a_card_says_nothing_and_moves_what_follows() -> None:
    brief = Brief(title_card=Card(text="ATTIC", duration=1))
    lines = by_shot(cut(with_cards(said("One."), brief), voice_frames=12))
    assert list(lines) == ["s0"]
    assert (lines["s0"].start, lines["s0"].end) == (12, 36)


def test_transitions_are_counted_once() -> None:
    fade = {"type": "crossfade", "duration": 1}
    shots = [shot("a", "2", fade, dialogue="One."), shot("b", "2", dialogue="Two.")]
    line = by_shot(cut(shots, voice_frames=12))["b"]
    assert (line.start, line.end) == (12, 36)


def test_a_voice_that_sounds_beyond_its_shot_may_be_read_as_long() -> None:
    film = cut(said("One.", None), voice_frames=12)
    voice, _ = film.tracks[1].find_clips()
    voice.source_range = span(0, 30, float(FPS))
    line = by_shot(film)["s0"]
    assert (line.end, line.heard) == (LEAD + 30, (Fraction(0), Fraction(30, 12)))


def test_a_shot_cut_in_two_says_its_line_once() -> None:
    shots = said("One.", None)
    film = cut(shots, voice_frames=0)
    first, second = film.tracks[0].find_clips()
    second.name = first.name
    second.metadata[OURS] = dict(first.metadata[OURS])
    assert [(line.start, line.end) for line in lines_of(film)] == [(0, 48)]
