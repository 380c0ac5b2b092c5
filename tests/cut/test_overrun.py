"""Subtitles beyond a film's end: shown as far as there is a film, and told."""

from fractions import Fraction

from filmforge.cut.overrun import overruns, within
from filmforge.subtitles import Cue

FPS = Fraction(12)


def cues(*times: tuple[int, int]) -> tuple[Cue, ...]:
    return tuple(Cue(start=start, end=end, lines=("Words.",)) for start, end in times)


def test_what_begins_before_the_end_is_shown_until_the_end() -> None:
    assert within(cues((0, 9), (20, 30), (24, 30), (40, 50)), 24) == cues((0, 9), (20, 24))


def test_each_language_is_told_of_alone_and_only_where_something_is_lost() -> None:
    tracks = {"en": cues((0, 24)), "de": cues((0, 25)), "fr": cues((0, 24), (24, 30), (40, 50))}
    assert overruns(tracks, 24, FPS) == (
        "subtitles de: beyond the film's end, at 2.00 s: the last is cut short",
        "subtitles fr: beyond the film's end, at 2.00 s: 2 of 3 are left out",
    )
