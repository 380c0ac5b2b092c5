"""The cut: whole frames, and crossfades that fit."""

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filmforge.cut import frames_of, lay_out
from filmforge.domain import Shot

NTSC_FILM = Fraction(24000, 1001)
rates = st.sampled_from([Fraction(12), Fraction(24), NTSC_FILM, Fraction(60)])
durations = st.decimals("0.001", 20, places=3)


def _shot(name: str, seconds: str | Decimal, fade: str | Decimal | None = None) -> Shot:
    transition = {"type": "crossfade", "duration": fade} if fade else "cut"
    return Shot.model_validate(
        {
            "shot_id": name,
            "enhanced_prompt": "x",
            "duration": seconds,
            "transition": transition,
        }
    )


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
@given(st.lists(st.tuples(durations, durations | st.none()), min_size=1, max_size=8), rates)
def test_transitions_fit_and_meet_whatever_the_shots(
    given_shots: list[tuple[Decimal, Decimal | None]], fps: Fraction
) -> None:
    shots = [_shot(f"s{n}", *each) for n, each in enumerate(given_shots)]
    slots = lay_out(shots, fps)
    assert [slot.shot_id for slot in slots] == [shot.shot_id for shot in shots]
    assert slots[0].head == slots[-1].tail == 0
    for slot in slots:
        assert slot.head + slot.tail <= slot.frames
        assert (slot.transition == "crossfade") == (slot.tail > 0)
    for slot, following in pairwise(slots):
        assert slot.tail == following.head <= min(slot.frames, following.frames) // 2


def test_a_crossfade_takes_its_frames_of_both_shots() -> None:
    first, second = lay_out([_shot("a", "2", "0.5"), _shot("b", "3")], Fraction(24))
    assert (first.frames, first.head, first.tail, first.transition) == (48, 0, 12, "crossfade")
    assert (second.frames, second.head, second.tail, second.transition) == (72, 12, 0, "cut")


def test_a_crossfade_into_a_shot_that_became_its_neighbour_takes_at_most_half_of_it() -> None:
    long, between, short = _shot("a", "8", "3"), _shot("b", "8"), _shot("c", "1")
    assert lay_out([long, between, short], Fraction(24))[0].tail == 72
    assert [slot.tail for slot in lay_out([long, short], Fraction(24))] == [12, 0]


def test_a_crossfade_with_a_shot_of_one_frame_becomes_a_cut() -> None:
    slots = lay_out([_shot("a", "2", "1"), _shot("b", "0.001")], Fraction(24))
    assert [slot.transition for slot in slots] == ["cut", "cut"]


def test_the_last_shot_fades_into_nothing_and_ends_with_a_cut() -> None:
    (slot,) = lay_out([_shot("a", "2", "0.5")], Fraction(24))
    assert (slot.tail, slot.transition) == (0, "cut")


def test_a_film_without_shots_has_no_cut() -> None:
    assert lay_out([], Fraction(24)) == []
