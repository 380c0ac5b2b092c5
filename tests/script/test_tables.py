"""Tables of shots, as spreadsheets and people write them."""

import pytest
from pydantic import JsonValue

from filmforge.brief import MAX_SHOTS
from filmforge.domain import Shot
from filmforge.script.draft import Draft
from filmforge.script.reading import MAX_BYTES, read_script
from filmforge.script.writing import write_table


def shots(draft: Draft) -> list[dict[str, JsonValue]]:
    return [row.shot for row in draft.rows if isinstance(row.shot, dict)]


def faults(draft: Draft) -> list[tuple[int | None, str | None, str]]:
    return [(each.line, each.column, each.field) for each in draft.faults]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_what_separates_the_cells_is_found_out(sign: str):
    text = f"Shot{sign}Prompt{sign}Seconds\na{sign}A door{sign}3\n"
    draft = read_script(text.encode())
    assert draft.form == "table"
    assert shots(draft) == [{"shot_id": "a", "enhanced_prompt": "A door", "duration": "3"}]


def test_a_quoted_cell_holds_lines_and_the_next_row_knows_its_own_line():
    text = 'id,prompt,duration\r\na,"A door,\r\nred ""and"" wide",3\r\nb,Cat,2\r\n'
    draft = read_script(text.encode())
    assert shots(draft)[0]["enhanced_prompt"] == 'A door,\nred "and" wide'
    assert [row.line for row in draft.rows] == [2, 4]


def test_every_word_for_a_field_is_understood():
    text = (
        "Shot\tDescription\tLength\tDialog\tCast\tLocation\tDaytime\tScene\tTransition\t"
        "transition_seconds\tSize\tvideo_model\n"
        "1A\tA door\t2,5 s\tHello\tMara; John\tattic\tnight\ts1\tDissolve to:\t1\tclose\tfake:v\n"
    )
    draft = read_script(text.replace("Daytime", "day/night").encode())
    assert draft.faults == ()
    assert shots(draft) == [
        {
            "shot_id": "1A",
            "enhanced_prompt": "A door",
            "duration": "2.5",
            "dialogue": "Hello",
            "characters": ["Mara", "John"],
            "landscapes": ["attic"],
            "time_of_day": "night",
            "scene_id": "s1",
            "transition": {"type": "crossfade", "duration": "1"},
            "shot_type": "close",
            "providers": {"video": "fake:v"},
        }
    ]
    Shot.model_validate(shots(draft)[0])


def test_rows_without_an_id_are_numbered_around_those_that_have_one():
    draft = read_script(b"id,prompt,duration\n,A,1\nshot_001,B,1\n,C,1\n")
    assert [shot["shot_id"] for shot in shots(draft)] == ["shot_001-2", "shot_001", "shot_003"]
    assert draft.remarks == ("Shots without an id were numbered.",)


def test_all_that_is_wrong_with_the_headings_and_the_rows_is_told_at_once():
    draft = read_script(b"prompt,promt,prompt,\nA,B,C,D,E\nF,,,,\n", "shots.csv")
    assert faults(draft) == [
        (1, "2 (promt)", "promt"),
        (1, "3 (prompt)", "enhanced_prompt"),
        (1, None, "duration"),
        (2, "4", "row"),
    ]
    assert "Did you mean prompt?" in draft.faults[0].remedy
    assert len(draft.rows) == 2


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ('id,prompt,duration\na,A,1\nb,"open,2\nc,C,3\n', 3, "never closed"),
        ('id,prompt,duration\na,"A"B,1\n', 2, "no row of a table"),
        (f'id,prompt,duration\na,"{"x" * 200_000}",1\n', 2, "longer than any field"),
    ],
)
def test_a_broken_quote_is_told_with_the_line_where_its_row_begins(text: str, line: int, word: str):
    (fault,) = read_script(text.encode(), "shots.csv").faults
    assert fault.line == line
    assert word in fault.problem


def test_the_line_that_a_spreadsheet_puts_first_is_no_row():
    draft = read_script(b"sep=;\nid;prompt;duration\na;A, b;3\n")
    assert shots(draft)[0]["enhanced_prompt"] == "A, b"
    assert draft.rows[0].line == 3


def test_a_file_without_headings_says_so():
    (fault,) = read_script(b"A door opens,3\nA cat,4\n", "list.csv").faults
    assert (fault.line, fault.problem) == (1, "has no row of headings")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_with_a_mark_and_utf_8_are_read(encoding: str):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    data = (mark + "id\tprompt\tduration\na\tTür, 扉\t3\n").encode(encoding)
    draft = read_script(data)
    assert shots(draft)[0]["enhanced_prompt"] == "Tür, 扉"
    assert draft.remarks == ()


def test_windows_1252_is_read_with_a_remark():
    draft = read_script("id,prompt,duration\na,“Tür”,3\n".encode("cp1252"))
    assert shots(draft)[0]["enhanced_prompt"] == "“Tür”"
    assert "Windows-1252" in draft.remarks[0]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("id,prompt,duration\na,A,1\n".encode("utf-16-le"), 1),
        (b"id,prompt,duration\na,\x81\xff,3\n", 2),
        (b"\xef\xbb\xbfid,prompt,duration\na,\xff,3\n", 2),
    ],
)
def test_bytes_that_are_no_text_are_refused_with_their_line(data: bytes, line: int):
    (fault,) = read_script(data).faults
    assert fault.line == line
    assert "UTF-8" in fault.remedy


def test_too_much_is_refused_and_what_was_read_before_is_kept():
    assert "bytes" in read_script(b" " * (MAX_BYTES + 1)).faults[0].problem
    rows = "".join(f"s{n},A,1\n" for n in range(MAX_SHOTS + 1))
    draft = read_script(f"id,prompt,duration\n{rows}".encode())
    assert len(draft.rows) == MAX_SHOTS
    assert faults(draft) == [(MAX_SHOTS + 2, None, "shots")]


def test_nothing_says_that_it_is_empty():
    assert read_script(b" \r\n").faults[0].problem == "is empty"


def test_a_table_that_was_written_is_read_as_the_same_shots():
    shot = Shot.model_validate(
        {
            "shot_id": "a",
            "shot_number": 3,
            "enhanced_prompt": 'A "door",\n\tred',
            "duration": 2.5,
            "dialogue": "Hello; you",
            "characters": ["Mara, the elder"],
            "styles": ["ink", "wash, wet"],
            "transition": {"type": "crossfade", "duration": "0.75"},
            "providers": {"video": "fake:v"},
            "seed": 7,
        }
    )
    plain = Shot(shot_id="b", enhanced_prompt="x", duration=1)
    text = write_table([each.model_dump(mode="json") for each in (shot, plain)])
    again = [Shot.model_validate(each) for each in shots(read_script(text.encode(), "x.tsv"))]
    assert again == [shot, plain]


def test_a_table_of_far_too_many_columns_or_cells_is_one_fault():
    wide = read_script(("prompt,duration," + "x," * 500 + "\nA,2").encode(), "x.csv")
    assert [fault.problem for fault in wide.faults] == ["has 503 columns; at most 256 are read"]
    long = read_script(("prompt,duration\n" + "A," * 500 + "A").encode(), "x.csv")
    assert faults(long) == [(2, "3", "row")]


def test_guides_and_options_stand_in_a_table_as_json_and_come_back() -> None:
    given = {
        "shot_id": "s1",
        "enhanced_prompt": "A lamp",
        "duration": "2",
        "guides": {"pose": "a" * 64},
        "options": {"image": {"quality": "high", "controls": {"pose": {"weight": 0.7}}}},
    }
    shot = Shot.model_validate(given)
    text = write_table([shot.model_dump(mode="json")])
    assert "last_frame" not in text
    (row,) = read_script(text.encode()).rows
    assert Shot.model_validate(row.shot) == shot


def test_a_shot_without_guides_and_options_has_no_cells_for_them() -> None:
    shot = Shot.model_validate({"shot_id": "s1", "enhanced_prompt": "A lamp", "duration": "2"})
    assert "guides" not in write_table([shot.model_dump(mode="json")])


def test_guides_that_are_no_json_are_told_at_their_cell() -> None:
    (row,) = read_script(b"prompt\tduration\tguides\nA lamp\t2\tpose: lamp\n").rows
    assert isinstance(row.shot, dict)
    assert row.shot["guides"] == "pose: lamp"
