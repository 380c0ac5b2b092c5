"""JSON as POST /v1/films takes it, with the lines of what it says."""

import json

import pytest

from filmforge.brief import MAX_SHOTS, read_film
from filmforge.script.reading import read_script

FILM = """{
  "title": "Attic", "output": {"width": 640},
  "shots": [
    {
      "shot_id": "a",
      "enhanced_prompt": "A door",
      "duration": 2.50
    },
    {"shot_id": "b", "enhanced_prompt": "\\u00dc {[\\"", "duration": 3}, 7
  ]
}
"""


def test_a_film_is_read_with_the_line_of_every_field():
    draft = read_script(FILM.encode())
    assert draft.film == {"title": "Attic", "output": {"width": 640}}
    assert draft.lines == {"title": 2, "output": 2, "shots": 3}
    assert [row.line for row in draft.rows] == [4, 9, 9]
    assert draft.rows[0].lines == {"shot_id": 5, "enhanced_prompt": 6, "duration": 7}
    assert draft.rows[2].shot == 7
    assert draft.document == json.loads(FILM)


def test_a_bare_list_of_shots_is_a_film():
    data = b'\xef\xbb\xbf [\r\n {"shot_id": "a", "enhanced_prompt": "A", "duration": 1}\r\n]'
    draft = read_script(data)
    assert draft.rows[0].line == 2
    assert read_film(draft.document).shots[0].shot_id == "a"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"shots": [\n{"a": 1,}\n]}', 2, "is not JSON"),
        ('{"shots": [\n{"a": 1}\n{"b": 2}]}', 3, "is not JSON"),
        ("{'shots': []}", 1, "is not JSON"),
        ('{"shots": [{"a": "open\n', 1, "is not JSON"),
        ('{"shots": []}\n}', 2, "goes on after its end"),
        ("[" * 100_000, 1, "nested deeper"),
        ('[{"a":\n' * 40 + "1", 33, "nested deeper"),
        ('"words"', 1, "is no JSON of a film"),
        ("{", 1, "is not JSON"),
        ("[1, 2", 1, "is not JSON"),
    ],
)
def test_what_is_no_json_is_told_with_its_line(text: str, line: int, words: str):
    (fault,) = read_script(text.encode(), "film.json").faults
    assert words in fault.problem
    assert fault.line == line
    assert fault.remedy


def test_what_is_odd_in_several_shots_is_told_of_each_and_the_rest_is_read():
    text = (
        '{"title": "A",\n"title": "B",\n"shots": [\n{"seed": NaN},\n{"seed": 1, "seed": 2},\n'
        f'{{"seed": {"9" * 5_000}}},\n{{"shot_id": "d"}}]}}'
    )
    draft = read_script(text.encode())
    assert sorted(fault.line or 0 for fault in draft.faults) == [2, 4, 5, 6]
    assert draft.rows[3].shot == {"shot_id": "d"}


def test_more_shots_than_a_film_may_have_are_refused_at_their_line():
    (fault,) = read_script(("[" + "\n{}," * (MAX_SHOTS + 1) + "{}]").encode()).faults
    assert fault.line == MAX_SHOTS + 2


@pytest.mark.parametrize("text", ["[]", "{}", '{"shots": {}}', '{"shots": null}', "[ ]"])
def test_a_film_without_shots_is_left_to_the_api_to_refuse(text: str):
    draft = read_script(text.encode())
    assert draft.form == "json"
    assert draft.rows == ()
    assert draft.faults == ()


def test_a_film_of_far_too_many_fields_is_one_fault():
    fields = ",".join(f'"a{n}": NaN' for n in range(500))
    assert len(read_script(f"{{{fields}}}".encode()).faults) == 1
