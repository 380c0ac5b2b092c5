"""Marks are bounded, say where they are in words, and go into the note that steers a retake."""

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from filmforge.marks import (
    MOST_MARKS,
    MOST_NOTE_CHARS,
    MOST_POINTS,
    Marks,
    Remark,
    steering_note,
    words_of,
)

MARKS: TypeAdapter[Marks] = TypeAdapter(Marks)
BOX = {"kind": "rectangle", "x": 0.05, "y": 0.05, "width": 0.2, "height": 0.2}


def drawn(*marks: dict[str, Any]) -> Marks:
    return MARKS.validate_python(list(marks))


def said(text: str, *marks: dict[str, Any]) -> Any:
    return SimpleNamespace(text=text, marks=drawn(*marks))


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (BOX, "upper left"),
        ({**BOX, "x": 0.4, "y": 0.4}, "centre"),
        ({**BOX, "x": 0.8, "y": 0.8}, "lower right"),
        ({**BOX, "x": 0.4}, "top"),
        ({"kind": "rectangle", "x": 0, "y": 0.1, "width": 1, "height": 0.9}, "the whole picture"),
        ({"kind": "arrow", "tail": [0.1, 0.5], "head": [0.9, 0.5]}, "right"),
        ({"kind": "freehand", "points": [[0.1, 0.8], [0.2, 0.9], [0.3, 0.8]]}, "lower left"),
        ({"kind": "freehand", "points": [[1, 1], [1, 1]]}, "lower right"),
    ],
)
def test_a_mark_says_where_it_is(mark: dict[str, Any], words: str):
    assert words_of(drawn(mark)) == words


def test_several_places_are_named_once_each_in_their_order():
    middle = {**BOX, "x": 0.4, "y": 0.4}
    below = {**BOX, "x": 0.4, "y": 0.8}
    assert words_of(drawn(BOX, BOX, middle)) == "upper left and centre"
    assert words_of(drawn(below, BOX, middle)) == "bottom, upper left and centre"
    assert words_of(()) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {**BOX, "x": -0.1},
        {**BOX, "x": 0.9},
        {**BOX, "x": "0.5"},
        {**BOX, "x": True},
        {**BOX, "x": float("nan")},
        {**BOX, "colour": "red"},
        {"kind": "circle"},
        {"kind": "arrow", "tail": [0.1, 0.5, 0.9], "head": [0.9, 0.5]},
        {"kind": "freehand", "points": [[0.1, 0.8]]},
        {"kind": "freehand", "points": [[0.1, 0.8]] * (MOST_POINTS + 1)},
    ],
)
def test_what_is_no_mark_on_the_picture_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError):
        drawn(wrong)


def test_there_are_only_so_many_marks_and_they_are_kept_to_a_ten_thousandth():
    with pytest.raises(ValidationError):
        drawn(*[BOX] * (MOST_MARKS + 1))
    (mark,) = drawn({**BOX, "x": 1 / 3})
    assert mark.model_dump()["x"] == 0.3333


def test_a_note_is_followed_by_each_comment_with_its_place():
    note = steering_note(" Warmer. ", [said("Less\nlight", BOX), said("And a cat"), said("  ")])
    assert note == "Warmer.\nupper left: Less light\nAnd a cat"
    assert steering_note("", [said("A cat")]) == "A cat"
    assert steering_note("Warmer.", []) == "Warmer."


def test_what_does_not_fit_into_a_note_is_cut_off_from_the_end():
    comments = [said(f"{n} " + "x" * 700) for n in range(4)]
    note = steering_note("Warmer.", comments)
    assert len(note) <= MOST_NOTE_CHARS
    assert note.startswith("Warmer.\n0 xxx")
    assert note.endswith("x…")
    assert note == steering_note("Warmer.", comments)


def test_a_form_leaves_out_what_it_leaves_empty():
    given = {"digest": "a" * 64, "text": " Darker.\r\nMuch. ", "at_ms": "", "parent_id": ""}
    remark = Remark.model_validate(given)
    assert (remark.text, remark.at_ms, remark.parent_id) == ("Darker.\nMuch.", None, None)
    for wrong in ({"text": "  "}, {"text": "a\x00"}, {"at_ms": "-1"}, {"parent_id": "x"}):
        with pytest.raises(ValidationError):
            Remark.model_validate({**given, **wrong})
