"""The layout: whole frames, and transitions that fit."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings

from filmforge.cut.layout import Slot, film_frames, frames_of, lay_out
from filmforge.domain import Shot
from filmforge.transition import CUT, Transition, Trim
from tests.cut.films import NTSC_FILM, cuts, shot

FPS = Fraction(24)


def fade(seconds: str) -> Transition:
    return Transition(type="crossfade", duration=Decimal(seconds))


@pytest.mark.parametrize(
    ("seconds", "fps", "frames"),
    [
        ("1", Fraction(24), 24),
        ("2.5", Fraction(24), 60),
        ("0.0625", Fraction(24), 2),  # one frame and a half
        ("0.062", Fraction(24), 1),
        ("0.001", Fraction(24), 1),
        ("1", NTSC_FILM, 24),
        ("1.001", NTSC_FILM, 24),
        ("10", NTSC_FILM, 240),
        ("100", NTSC_FILM, 2398),
        ("120", Fraction(120000, 1001), 14386),
    ],
)
def test_a_time_is_the_nearest_number_of_whole_frames(
    seconds: str, fps: Fraction, frames: int
) -> None:
    assert frames_of(Decimal(seconds), fps) == frames


@settings(deadline=None)
@given(cuts())
def test_transitions_fit_and_meet_whatever_the_shots(
    cut: tuple[list[Shot], list[Slot], Fraction],
) -> None:
    shots, slots, fps = cut
    assert [slot.shot_id for slot in slots] == [each.shot_id for each in shots]
    for each, slot in zip(shots, slots, strict=True):
        assert slot.start + slot.frames <= frames_of(each.duration, fps)
        assert slot.frames >= 1
        assert slot.head + slot.tail <= slot.frames
    for slot, following in pairwise(slots):
        assert slot.overlap in (0, following.head)
        assert (slot.style == "cut") == (slot.tail == following.head == 0)
    assert slots[-1].overlap == 0


def test_a_crossfade_takes_its_frames_of_both_shots() -> None:
    first, second = lay_out([shot("a", "2", fade("0.5")), shot("b", "3")], FPS)
    assert (first.frames, first.head, first.tail, first.overlap) == (48, 0, 12, 12)
    assert (second.frames, second.head, second.tail, second.style) == (72, 12, 0, "cut")
    assert film_frames([first, second]) == 108


def test_a_crossfade_into_a_shot_that_became_its_neighbour_takes_at_most_half_of_it() -> None:
    long, between, short = shot("a", "8", fade("3")), shot("b", "8"), shot("c", "1")
    assert lay_out([long, between, short], FPS)[0].tail == 72
    assert [slot.tail for slot in lay_out([long, short], FPS)] == [12, 0]


def test_a_crossfade_with_a_shot_of_one_frame_becomes_a_cut() -> None:
    slots = lay_out([shot("a", "2", fade("1")), shot("b", "0.001")], FPS)
    assert [slot.style for slot in slots] == ["cut", "cut"]


@pytest.mark.parametrize(
    ("style", "taken", "frames"),
    [
        ("crossfade", (12, 12), 84),
        ("wipe_left", (12, 12), 84),
        ("fade_to_black", (12, 0), 96),
        ("fade_from_white", (0, 12), 96),
        ("dip_to_black", (6, 6), 96),
        ("cut", (0, 0), 96),
    ],
)
def test_only_what_shows_both_shots_makes_the_film_shorter(
    style: str, taken: tuple[int, int], frames: int
) -> None:
    slots = lay_out([shot("a", "2", style), shot("b", "2")], FPS)
    assert (slots[0].tail, slots[1].head) == taken
    assert film_frames(slots) == frames


def test_a_shot_that_names_no_transition_has_the_films() -> None:
    shots = [shot("a", "2"), shot("b", "2", "cut"), shot("c", "2")]
    assert [slot.style for slot in lay_out(shots, FPS, fade("0.5"))] == ["crossfade", "cut", "cut"]


def test_the_last_shot_may_go_to_a_colour_and_the_first_come_out_of_one() -> None:
    opening = Transition(type="fade_from_black", duration=Decimal(1))
    (slot,) = lay_out([shot("a", "4", "fade_to_black")], FPS, CUT, opening)
    assert (slot.opening, slot.head, slot.tail, slot.style) == (
        *("fade_from_black", 24, 12, "fade_to_black"),
    )


def test_the_last_shot_fades_into_nothing_and_ends_with_a_cut() -> None:
    (slot,) = lay_out([shot("a", "2", fade("0.5"))], FPS)
    assert (slot.tail, slot.style) == (0, "cut")


def test_a_trimmed_shot_shows_less_of_its_take() -> None:
    trims = {"b": Trim(start=Decimal("0.5"), end=Decimal("0.25"))}
    first, second = lay_out([shot("a", "2"), shot("b", "2")], FPS, trims=trims)
    assert (first.start, first.frames) == (0, 48)
    assert (second.start, second.frames) == (12, 30)


def test_a_film_without_shots_has_no_cut() -> None:
    assert lay_out([], FPS) == []
