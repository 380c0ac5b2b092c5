"""The commands about whole films, against an API that answers as the contract says."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from filmforge.cli.app import run
from tests.cli.conftest import Run
from tests.cli.remote import KEY, MOVIE, Remote, digest, film, shot, take

GATE = {"shot_id": "shot_001", "digest": "0" * 64, "review_url": "http://x/review/T"}


def write(tmp_path: Path, document: Any) -> Path:
    path = tmp_path / "film.json"
    path.write_text(json.dumps(document))
    return path


def test_submit_prints_the_film_id_and_nothing_else(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    remote.answers["/v1/films"] = (202, {"film_id": "attic"})
    status, out, err = cli("submit", write(tmp_path, {"shots": [1]}), "--idempotency-key", "k1")
    assert (status, out, err) == (0, "attic\n", "")
    body, headers = remote.called("/v1/films")
    assert body == {"shots": [1]}
    assert headers["idempotency-key"] == "k1"
    assert headers["authorization"] == f"Bearer {KEY}"


def test_submit_makes_a_film_of_a_bare_list_when_it_is_given_a_budget_or_an_id(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    remote.answers["/v1/films"] = (202, {"film_id": "mine"})
    cli("submit", write(tmp_path, [1, 2]), "--budget", "2.50", "--film-id", "mine")
    body, _ = remote.called("/v1/films")
    assert body == {"shots": [1, 2], "budget_usd": "2.50", "film_id": "mine"}


def test_submit_reads_standard_input(
    cli: Run, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.answers["/v1/films"] = (202, {"film_id": "attic"})
    monkeypatch.setattr(
        "sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"title": "\xc3\xa9t\xc3\xa9"}'))
    )
    assert cli("submit", "-")[0] == 0
    assert remote.called("/v1/films")[0] == {"title": "été"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "line 1, column 2"),
        (b"\xff\xfe", "not UTF-8"),
        (b'"film"', "neither an object nor a list"),
        (b" " * (5 * 2**20 + 1), "larger than 5 MiB"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_film_is_wrong_use_and_nothing_is_sent(
    cli: Run, remote: Remote, tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "film.json"
    path.write_bytes(content)
    status, out, err = cli("submit", path, "--film-id", "x")
    assert (status, out) == (2, "")
    assert words in err
    assert remote.calls == []


def test_a_file_that_does_not_exist_is_wrong_use(cli: Run, tmp_path: Path) -> None:
    status, _, err = cli("submit", tmp_path / "missing.json")
    assert status == 2
    assert "cannot be read (No such file or directory)" in err


def test_a_problem_document_is_told_as_sentences_that_name_field_and_remedy(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    errors = [
        {"field": "shots[0].duration", "problem": "must be more than 0", "remedy": "Give 2.5."},
        {"field": "colour", "problem": "is not a known field", "remedy": "Remove it."},
    ]
    document = {"title": "The input cannot be used", "detail": "both", "errors": errors}
    remote.answers["/v1/films"] = (422, document)
    status, out, err = cli("submit", write(tmp_path, {}))
    assert (status, out) == (2, "")
    assert err.splitlines() == [
        "filmforge: The input cannot be used:",
        "filmforge: shots[0].duration must be more than 0. Give 2.5.",
        "filmforge: colour is not a known field. Remove it.",
    ]


def test_with_json_a_failure_is_one_document_on_stdout(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    remote.answers["/v1/films"] = (409, {"detail": "another body", "code": "conflict"})
    status, out, _ = cli("submit", write(tmp_path, {}), "--json")
    assert status == 1
    assert json.loads(out) == {"status": 409, "detail": "another body", "code": "conflict"}


def test_when_nothing_runs_it_says_how_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["films", "--state", str(tmp_path)]) == 1
    assert "filmforge up" in capsys.readouterr().err


def test_when_the_connection_is_refused_it_says_how_to_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"api": "http://127.0.0.1:1", "api_key": "k"}
    (tmp_path / "up.json").write_text(json.dumps(document))
    assert run(["films", "--state", str(tmp_path)]) == 1
    assert "does not answer. Start it with `filmforge up`" in capsys.readouterr().err


def test_the_environment_names_an_api_elsewhere(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FILMFORGE_API_URL", f"{remote.url}/")
    monkeypatch.setenv("FILMFORGE_API_KEY", KEY)
    assert run(["show", "attic"]) == 0
    assert "Attic" in capsys.readouterr().out


def test_an_address_without_a_key_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FILMFORGE_API_URL", "https://example.test")
    monkeypatch.delenv("FILMFORGE_API_KEY", raising=False)
    assert run(["films"]) == 2
    assert "FILMFORGE_API_KEY" in capsys.readouterr().err


def test_show_tells_both_axes_takes_cost_and_gates_and_exits_with_3_when_a_person_is_needed(
    cli: Run, remote: Remote
) -> None:
    waiting = shot("shot_001", "running", "wfa", takes=[take("image"), take("image", "0.01")])
    remote.films = [film("needs_attention", [waiting], gates=[GATE])]
    status, out, _ = cli("show", "attic")
    assert status == 3
    for words in ("running", "wfa", "image 2", "$0.013", "http://x/review/T", "spent $0.11"):
        assert words in out


def test_a_film_that_cannot_go_on_says_why_and_what_helps(cli: Run, remote: Remote) -> None:
    why = "look.lut: line 9 is no colour. Upload another file."
    stuck = film("needs_attention", [shot("s1", "succeeded", "done")], reason="bad_input")
    remote.films = [{**stuck, "message": why}]
    for command in ("show", "watch"):
        status, out, _ = cli(command, "attic")
        assert status == 3
        assert f"needs attention, bad_input ({why}): filmforge cancel|resume attic" in out


def test_show_tells_what_was_left_out_of_a_film(cli: Run, remote: Remote) -> None:
    remote.films = [film("succeeded", remarks=["subtitles en: 1 of 2 are left out"])]
    assert "subtitles en: 1 of 2 are left out" in cli("show", "attic")[1]


def test_show_exits_with_0_while_the_film_goes_on_by_itself(cli: Run, remote: Remote) -> None:
    shots = [shot("shot_001", "running", "wfa"), shot("shot_002", "running", "wip")]
    remote.films = [film("running", shots, gates=[GATE])]
    assert cli("show", "attic")[0] == 0


def test_show_with_json_is_the_answer_of_the_api(cli: Run, remote: Remote) -> None:
    status, out, _ = cli("show", "attic", "--json")
    assert status == 0
    assert json.loads(out) == film()


def test_words_in_brackets_are_shown_as_they_are(cli: Run, remote: Remote) -> None:
    remote.films = [film(title="[red]INT. ATTIC[/red] [link=x]")]
    assert "[red]INT. ATTIC[/red] [link=x]" in cli("show", "attic")[1]


def test_estimate_takes_a_document_or_a_film_id(cli: Run, remote: Remote, tmp_path: Path) -> None:
    line = {"kind": "image", "provider": "fake", "model": "x", "estimate_usd": "0.35"}
    lines = [{**line, "cached": False, "saves_usd": "0.00"}]
    answer = {
        "total_usd": "0.35", "saved_usd": "0.00", "limit_usd": "5.00", "free_usd": "5.00",
        "fits": True, "shots": [{"shot_id": "shot_001", "lines": lines}],
    }  # fmt: skip
    remote.answers["/v1/estimates"] = remote.answers["/v1/films/attic/estimate"] = (200, answer)
    for what in (write(tmp_path, [1]), "attic"):
        status, out, _ = cli("estimate", what)
        assert status == 0
        assert "shot_001" in out
        assert "Total $0.35" in out


def test_budget_sends_the_limit_as_it_was_written_and_tells_the_budget(
    cli: Run, remote: Remote
) -> None:
    told = {"message": "the limit is set", "budget": film()["budget"]}
    remote.answers["/v1/films/attic/budget"] = (200, told)
    status, out, _ = cli("budget", "attic", "12.50")
    assert status == 0
    assert out.splitlines() == [
        "the limit is set",
        "spent $0.11 of $5.00 · reserved $0.05 · saved $0.02",
    ]
    assert remote.called("/v1/films/attic/budget")[0] == {"limit_usd": "12.50"}


def test_cancel_and_resume_tell_what_the_api_says(cli: Run, remote: Remote) -> None:
    remote.answers["/v1/films/attic/cancel"] = (202, {"message": "nothing more is spent"})
    remote.answers["/v1/films/attic/resume"] = (202, {"message": "the film goes on"})
    assert cli("cancel", "attic")[:2] == (0, "nothing more is spent\n")
    assert cli("resume", "attic", "--stop-after", "clips")[:2] == (0, "the film goes on\n")
    assert remote.called("/v1/films/attic/resume")[0] == {"stop_after": "clips"}


def test_download_checks_the_bytes_and_never_sends_the_key_to_another_host(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    elsewhere = remote.url.replace("127.0.0.1", "localhost")
    output = {"kind": "film", "digest": digest(), "url": f"{elsewhere}/movie"}
    remote.films = [film("succeeded", outputs=[output])]
    target = tmp_path / "new" / "attic.mp4"
    status, out, err = cli("download", "attic", "--to", target)
    assert (status, out, err) == (0, f"{target}\n", "")
    assert target.read_bytes() == MOVIE
    assert list(target.parent.iterdir()) == [target]
    assert "authorization" not in remote.called("/movie")[1]


def test_download_keeps_the_old_file_when_the_bytes_are_wrong(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    output = {"kind": "film", "digest": "0" * 64, "url": f"{remote.url}/movie"}
    remote.films = [film("succeeded", outputs=[output])]
    target = tmp_path / "attic.mp4"
    target.write_text("the old film")
    status, _, err = cli("download", "attic", "--to", target)
    assert status == 1
    assert "arrived damaged" in err
    assert target.read_text() == "the old film"


def test_download_of_a_film_that_is_not_made_says_so(cli: Run, remote: Remote) -> None:
    status, _, err = cli("download", "attic")
    assert status == 1
    assert "is not made yet (it is running)" in err


def test_films_are_listed(cli: Run, remote: Remote) -> None:
    more = {"shot_count": 5, "progress": {"done": 2}, "created_at": "2026-11-21T00:13:05Z"}
    entry = {**film(), **more}
    remote.answers["/v1/films"] = (200, {"films": [entry]})
    status, out, _ = cli("films")
    assert status == 0
    assert "attic" in out
    assert "running" in out


def test_help_and_wrong_use_have_their_exit_status(cli: Run) -> None:
    assert run(["--help"]) == 0
    assert run(["show"]) == 2
    assert run(["no-such-command"]) == 2
    assert run(["resume", "attic", "--stop-after", "lunch"]) == 2
