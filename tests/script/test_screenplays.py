"""Fountain screenplays, as people and their programs write them."""

import time

import pytest
from pydantic import JsonValue

from filmforge.brief import MAX_SHOTS, read_film
from filmforge.script.draft import Draft
from filmforge.script.reading import read_script

TWO_SPACES = "  "  # on a line of a speech they keep it going
ATTIC = f"""Title:
    _**The Attic**_
    a short film
Credit: Written by
Author: Ada Lang
Draft date: 3/1/2026

===

# Act One

= Mara finds the letters.

FADE IN:

EXT. FARMHOUSE - DUSK

Swallows over the roof. A **red** car stops; MARA (40s) gets out.
She looks up.

INT. FARMHOUSE - ATTIC - CONTINUOUS

Mara lifts the lid of a trunk. [[Which trunk? The
one of scene 3.]] Dust.

MARA
(whispering)
So this is where he kept it.
{TWO_SPACES}
All of it.

JOHN (O.S.)
Mara? /* are we sure
about him? */ Are you up there?

MARA (CONT'D)
Nobody.

DISSOLVE TO:

.THE SEA #12A#

@McCOY
I told you so.

! BOOM

> THE END <

FADE OUT.
"""

MULTI = """INT./EXT. CAR - NIGHT

Rain. BRICK and STEEL drive.

BRICK
Screw retirement.

STEEL ^
Screw retirement.

~Willy Wonka! Willy Wonka!

SMASH CUT TO:

EXT. CAR - DAY

INT. CAR - DAY

FADE TO WHITE:
"""


def told(draft: Draft) -> list[dict[str, JsonValue]]:
    assert draft.faults == ()
    read_film(draft.document)  # what a screenplay becomes can be submitted
    return [row.shot for row in draft.rows if isinstance(row.shot, dict)]


def test_each_paragraph_of_action_and_each_speech_is_a_shot_with_its_line():
    draft = read_script(ATTIC.encode())
    shots = told(draft)
    assert draft.form == "screenplay"
    assert draft.film == {"title": "The Attic a short film", "opening": "fade_from_black"}
    assert [(row.line, shot["shot_type"]) for row, shot in zip(draft.rows, shots, strict=True)] == [
        (18, "wide"), (23, "wide"), (26, "close_up"), (32, "close_up"), (36, "close_up"),
        (43, "close_up"), (46, "medium"), (48, "medium"),
    ]  # fmt: skip
    assert [shot["shot_id"] for shot in shots[:2]] == ["shot_001", "shot_002"]


def test_a_heading_says_where_and_when_its_shots_are():
    shots = told(read_script(ATTIC.encode()))
    outside, attic, sea = shots[0], shots[1], shots[5]
    assert (outside["landscapes"], outside["time_of_day"]) == (["farmhouse"], "dusk")
    assert (attic["landscapes"], attic["time_of_day"]) == (["farmhouse", "attic"], "dusk")
    assert outside["scene_id"] == "ext-farmhouse-dusk"
    assert (sea["scene_id"], sea["landscapes"]) == ("12a", ["the sea"])
    assert str(attic["enhanced_prompt"]).startswith("Farmhouse, Attic, interior, dusk. Mara lifts")


def test_speeches_carry_who_how_and_what_without_notes_and_boneyard():
    shots = told(read_script(ATTIC.encode()))
    assert shots[1]["enhanced_prompt"] == (
        "Farmhouse, Attic, interior, dusk. Mara lifts the lid of a trunk. Dust."
    )
    assert shots[2]["dialogue"] == "So this is where he kept it. All of it."
    assert shots[2]["characters"] == ["Mara"]
    assert str(shots[2]["enhanced_prompt"]).endswith("Mara speaks, whispering.")
    assert shots[3]["dialogue"] == "Mara? Are you up there?"
    assert str(shots[3]["enhanced_prompt"]).endswith("the lid of a trunk. Dust.")  # he is not seen
    assert str(shots[4]["enhanced_prompt"]).endswith("Mara speaks.")
    assert shots[5]["characters"] == ["McCOY"]


def test_who_speaks_somewhere_is_known_where_they_are_seen():
    shots = told(read_script(ATTIC.encode()))
    assert shots[0]["characters"] == ["Mara"]
    assert shots[6]["characters"] == []


def test_transitions_become_those_of_the_film():
    shots = told(read_script(ATTIC.encode()))
    assert [shot.get("transition") for shot in shots] == [
        None, None, None, None, "crossfade", None, None, "fade_to_black",
    ]  # fmt: skip


def test_dual_dialogue_lyrics_and_empty_scenes_are_read():
    draft = read_script(MULTI.encode(), "car.fountain")
    shots = told(draft)
    assert [shot.get("dialogue") for shot in shots] == [
        None, "Screw retirement.", "Screw retirement.", None,
    ]  # fmt: skip
    assert shots[3]["enhanced_prompt"] == "Car, night. Willy Wonka! Willy Wonka!"
    assert shots[3]["transition"] == "fade_to_white"
    assert shots[0]["characters"] == ["Brick", "Steel"]


def test_the_same_place_twice_is_two_scenes():
    text = "INT. A - DAY\n\nOne.\n\nINT. A - DAY\n\nTwo.\n"
    shots = told(read_script(text.encode()))
    assert [shot["scene_id"] for shot in shots] == ["int-a-day", "int-a-day-2"]
    assert [shot["shot_type"] for shot in shots] == ["wide", "wide"]


def test_a_speech_lasts_as_long_as_it_takes_to_say_and_a_long_one_is_several_shots():
    text = "INT. A - DAY\n\nANN\nYes.\n\nANN\n" + "This is a sentence of seven words. " * 12
    shots = told(read_script(text.encode()))
    assert shots[0]["duration"] == "2"
    parts = shots[1:]
    assert len(parts) == 3
    assert all(float(str(part["duration"])) <= 12 for part in parts)
    assert all(str(part["dialogue"]).endswith("words.") for part in parts)
    assert (
        " ".join(str(part["dialogue"]) for part in parts)
        == ("This is a sentence of seven words. " * 12).strip()
    )


def test_a_transition_the_film_does_not_know_is_a_cut_and_said():
    draft = read_script(b"INT. A - DAY\n\nOne.\n\nIRIS OUT TO:\n\nTwo.\n")
    assert "transition" not in told(draft)[0]
    assert draft.remarks == ("Line 5: the film knows no transition 'IRIS OUT TO:': it is a cut.",)


def test_an_open_boneyard_is_told_with_its_line_and_what_stands_before_it_is_read():
    draft = read_script(b"INT. A - DAY\n\nOne.\n\n/* Two.\n")
    (fault,) = draft.faults
    assert fault.line == 5
    assert len(draft.rows) == 1


@pytest.mark.parametrize("text", ["INT. A - DAY\n", "Title: A\n", "/* x */", "# Act\n\n= s\n"])
def test_a_screenplay_where_nothing_happens_says_so(text: str):
    (fault,) = read_script(text.encode(), "a.fountain").faults
    assert fault.problem == "has no action and no speech"


def test_line_ends_of_windows_and_a_mark_change_nothing():
    plain = read_script(ATTIC.encode())
    windows = read_script(b"\xef\xbb\xbf" + ATTIC.replace("\n", "\r\n").encode())
    assert windows == plain


def test_scripts_without_spaces_take_their_time():
    text = "INT. 家 - DAY\n\nANN\n" + "これは長い文章です。" * 10
    assert float(str(told(read_script(text.encode()))[0]["duration"])) > 3


def test_a_screenplay_of_too_many_shots_is_refused_where_it_becomes_too_long():
    text = "INT. A - DAY\n\n" + "One.\n\n" * (MAX_SHOTS + 1)
    draft = read_script(text.encode())
    assert len(draft.rows) == MAX_SHOTS
    assert [fault.line for fault in draft.faults] == [3 + 2 * MAX_SHOTS]


@pytest.mark.parametrize(
    "hostile",
    [
        "*" * 50_000,
        "[[" * 20_000,
        "[[" * 20_000 + "\n\n]]",
        "_a" * 20_000,
        "*a " * 9_000,
        "(" * 20_000,
    ],
)
def test_hostile_marks_are_read_in_no_time(hostile: str):
    read_script(f"INT. A - DAY\n\n{hostile}\n".encode(), "a.fountain")


@pytest.mark.parametrize(
    "hostile",
    [
        "[[\n\n" * 5_000 + "x" * 2_000_000 + "]]",
        "INT. A" + " " * 100_000 + "B\n\nOne.",
        "INT. A\n\n" * 10_000,
        "ANN\n" + "a " * 400_000,
        "*a " * 300_000,
    ],
    ids=["open notes", "a wide heading", "one heading", "a long speech", "stars"],
)
def test_what_is_long_takes_no_more_time_than_its_length_warrants(hostile: str):
    began = time.process_time()
    read_script(hostile.encode(), "a.fountain")
    assert time.process_time() - began < 5


def test_scenes_of_one_heading_are_told_apart():
    text = "INT. A\n\nOne.\n\nINT. A #a-2#\n\nTwo.\n\nINT. A\n\nThree.\n\nINT. A\n\nFour.\n"
    scenes = [shot["scene_id"] for shot in told(read_script(text.encode(), "a.fountain"))]
    assert scenes == ["int-a", "a-2", "int-a-2", "int-a-3"]
