"""The commands about money: costs, caps and reconciliations."""

import json
from pathlib import Path
from typing import Any

import pytest

from filmforge.cli.app import run
from tests.cli.conftest import Run
from tests.cli.remote import Remote, film, shot

CSV = b'at,film_id,usd\r\n2026-11-20,attic,0.05\r\n2026-11-20,"a, b",\xe2\x82\xac\r\n'
CAP = {
    "scope": "project:noir", "mode": "shadow", "limit_usd": "20.00", "reserved_usd": "0.50",
    "spent_usd": "1.25", "saved_usd": "0.10",
    "would_have_refused": {"count": 2, "usd": "1.20"},
}  # fmt: skip
MATCHED = {
    "outcome": "matched", "at": "2026-11-20T12:00:00Z", "request_key": "0" * 64,
    "film_id": "attic", "shot_id": "s1", "model": "m", "state": "succeeded", "jobs": ["job-1"],
    "status": "succeeded", "ours_usd": "0.05", "theirs_usd": None, "remedy": "",
}  # fmt: skip


def costs(**more: Any) -> dict[str, Any]:
    line = {"spent_usd": "0.11", "saved_usd": "0.02", "charges": 3, "reuses": 1}
    groups = ("project", "film", "shot", "provider", "model", "kind", "month")
    by = {group: [{"name": f"one {group}", **line}] for group in groups}
    return {"spent_usd": "0.11", "saved_usd": "0.02", "by": by, **more}


def reconciled(*lines: Any, **more: Any) -> dict[str, Any]:
    counts = {"matched": 0, "missing_here": 0}
    for line in lines:
        counts[line["outcome"]] = counts.get(line["outcome"], 0) + 1
    return {
        "provider": "fal", "since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z",
        "notes": [], "counts": counts, "lines": list(lines), **more,
    }  # fmt: skip


def test_costs_are_told_by_month_project_film_and_model_first(cli: Run, remote: Remote) -> None:
    remote.answers["/v1/costs"] = (200, costs())
    status, out, _ = cli("costs", "--month", "2026-11", "--project", "noir")
    assert status == 0
    assert remote.called("/v1/costs")[0] == {"month": "2026-11", "project": "noir"}
    places = [out.index(f"by {group}") for group in ("month", "project", "film", "model")]
    assert places == sorted(places)
    assert "one project" in out


def test_the_costs_of_a_film_tell_what_it_takes_to_finish_it(cli: Run, remote: Remote) -> None:
    rest = {"low": "0.063", "likely": "0.0945"}
    remote.answers["/v1/films/attic/costs"] = (200, costs(cost_to_finish_usd=rest))
    status, out, _ = cli("costs", "attic")
    assert status == 0
    assert "to finish $0.063, likely $0.0945" in out
    gone = costs(cost_to_finish_usd=None, cost_to_finish_unknown="providers.image: no model")
    remote.answers["/v1/films/attic/costs"] = (200, gone)
    assert "cannot be told: providers.image: no model" in cli("costs", "attic")[1]


def test_costs_are_written_to_a_file_as_csv(cli: Run, remote: Remote, tmp_path: Path) -> None:
    remote.answers["/v1/costs"] = (200, CSV)
    file = tmp_path / "costs.csv"
    status, out, _ = cli("costs", "--csv", file, "--month", "2026-11")
    assert (status, out) == (0, f"{file}\n")
    assert file.read_bytes() == CSV
    assert remote.called("/v1/costs")[0] == {"month": "2026-11", "format": "csv"}


def test_costs_are_written_to_stdout_as_csv(
    remote: Remote, capsysbinary: pytest.CaptureFixture[bytes], state: Path
) -> None:
    remote.answers["/v1/films/attic/costs"] = (200, CSV)
    assert run(["costs", "attic", "--csv", "-", "--state", str(state)]) == 0
    assert capsysbinary.readouterr().out == CSV


def test_a_csv_that_is_refused_leaves_the_file_that_was_there(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("last month's")
    errors = [{"field": "month", "problem": "is not a month", "remedy": "Write 2026-11."}]
    remote.answers["/v1/costs"] = (422, {"errors": errors})
    status, _, err = cli("costs", "--csv", file, "--month", "June")
    assert (status, err) == (2, "filmforge: month is not a month. Write 2026-11.\n")
    assert [each.name for each in tmp_path.glob("*costs*")] == ["costs.csv"]
    assert file.read_text() == "last month's"


def test_a_file_that_cannot_be_written_is_wrong_use(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    remote.answers["/v1/costs"] = (200, CSV)
    status, _, err = cli("costs", "--csv", tmp_path / "nowhere" / "costs.csv")
    assert status == 2
    assert "cannot be written (No such file or directory)" in err


@pytest.mark.parametrize("more", [("attic", "--project", "noir"), ("--csv", "-", "--json")])
def test_options_that_do_not_go_together_are_wrong_use(cli: Run, remote: Remote, more: Any) -> None:
    assert cli("costs", *more)[0] == 2
    assert remote.calls == []


def test_the_caps_are_listed_with_what_a_shadow_would_have_refused(
    cli: Run, remote: Remote
) -> None:
    remote.answers["/v1/caps"] = (200, {"caps": [CAP]})
    status, out, _ = cli("caps")
    assert status == 0
    for words in ("project:noir", "shadow", "$20.00", "$0.50", "$1.25", "2 times, $1.20"):
        assert words in out
    assert json.loads(cli("caps", "--json")[1]) == {"caps": [CAP]}
    remote.answers["/v1/caps"] = (200, {"caps": []})
    assert "filmforge caps set month LIMIT" in cli("caps")[1]


def told(**more: Any) -> dict[str, Any]:
    return {"message": "the cap is set", "woken": [], "not_told": [], **more}


def test_a_cap_is_set_and_removed(cli: Run, remote: Remote) -> None:
    remote.answers["/v1/caps/month"] = remote.answers["/v1/caps/project:noir"] = (200, told())
    assert cli("caps", "set", "month", "100.00")[:2] == (0, "the cap is set\n")
    assert remote.calls[-1][:3] == (
        "PUT", "/v1/caps/month", {"limit_usd": "100.00", "mode": "enforce"},
    )  # fmt: skip
    cli("caps", "set", "project:noir", "20", "--shadow")
    assert remote.calls[-1][2] == {"limit_usd": "20", "mode": "shadow"}
    assert cli("caps", "remove", "project:noir")[0] == 0
    assert remote.calls[-1][:2] == ("DELETE", "/v1/caps/project:noir")
    assert cli("caps", "set", "month")[0] == 2
    assert cli("caps", "raise", "month")[0] == 2


def test_options_may_stand_before_the_word_too(
    remote: Remote, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.answers["/v1/caps/month"] = (200, told())
    assert run(["caps", "--state", str(state), "--json", "set", "month", "1"]) == 0
    assert json.loads(capsys.readouterr().out) == told()


def test_films_that_could_not_be_told_of_a_cap_are_named_and_it_failed(
    cli: Run, remote: Remote
) -> None:
    remote.answers["/v1/caps/month"] = (200, told(not_told=["attic", "cellar"]))
    status, out, _ = cli("caps", "set", "month", "5")
    assert (status, out.splitlines()[-1]) == (1, "not told: attic, cellar")


def test_a_reconciliation_that_matches_exits_with_0(cli: Run, remote: Remote) -> None:
    remote.answers["/v1/reconciliations"] = (200, reconciled(MATCHED, MATCHED))
    status, out, _ = cli("reconcile", "--provider", "fal", "--since", "2026-11-20T00:00")
    assert status == 0
    assert "fal, 2026-11-20T00:00 to 2026-11-21T00:00 UTC: 2 matched" in out
    assert "job-1" not in out
    asked = {"provider": "fal", "since": "2026-11-20T00:00"}
    assert remote.called("/v1/reconciliations")[0] == asked


def test_a_reconciliation_that_does_not_match_tells_what_to_do_and_exits_with_3(
    cli: Run, remote: Remote
) -> None:
    doubt = {
        **MATCHED, "outcome": "in_doubt", "jobs": ["job-7"], "remedy": "filmforge resolve attic s1"
    }  # fmt: skip
    note = "The provider tells no list"
    remote.answers["/v1/reconciliations"] = (200, reconciled(MATCHED, doubt, notes=[note]))
    span = ("--provider", "fal", "--since", "2026-11-20T00:00", "--until", "2026-11-21T00:00")
    status, out, _ = cli("reconcile", *span)
    assert status == 3
    for words in ("1 matched · 1 in doubt", "job-7", "filmforge resolve attic s1", note):
        assert words in out
    assert remote.called("/v1/reconciliations")[0]["until"] == "2026-11-21T00:00"
    status, out, _ = cli("reconcile", *span, "--json")
    assert status == 3
    assert json.loads(out)["lines"] == [MATCHED, doubt]


def test_a_reconciliation_without_a_provider_or_a_moment_is_wrong_use(cli: Run) -> None:
    assert cli("reconcile", "--provider", "fal")[0] == 2
    assert cli("reconcile", "--since", "2026-11-20T00:00")[0] == 2


def test_watching_tells_what_it_takes_to_finish(cli: Run, remote: Remote) -> None:
    rest = {"low": "0.10", "likely": "0.15"}
    remote.answers["/v1/films/attic/estimate"] = (200, {"cost_to_finish_usd": rest})
    remote.films = [film("queued"), film("running"), film("running"), film("succeeded")]
    status, out, _ = cli("watch", "attic")
    assert status == 0
    assert "attic: running" in out
    assert "saved $0.02 · to finish $0.10, likely $0.15" in out
    assert "to finish" not in out.splitlines()[-1]
    asked = [path for _, path, _, _ in remote.calls if path.endswith("/estimate")]
    assert len(asked) == 1


def test_films_are_listed_with_their_project(cli: Run, remote: Remote) -> None:
    row = {**film(project="noir"), "shot_count": 1, "progress": {}, "created_at": "2026-11-20T10"}
    remote.answers["/v1/films"] = (200, {"films": [row]})
    assert "noir" in cli("films")[1]
    remote.films = [film(project="noir")]
    assert "project noir" in cli("show", "attic")[1]


@pytest.mark.parametrize(
    ("scope", "command"),
    [
        ("film:attic", "filmforge budget attic LIMIT"),
        ("project:noir", "filmforge caps set project:noir LIMIT"),
        ("month:2026-11", "filmforge caps set month LIMIT"),
    ],
)
def test_what_does_not_fit_is_told_with_the_limit_to_raise(
    cli: Run, remote: Remote, scope: str, command: str
) -> None:
    words = f"needs 0.05 USD, 0.01 USD is free in {scope}"
    parked = shot("shot_001", "queued", "wip", reason="budget_exceeded", message=words)
    remote.films = [film("needs_attention", [parked])]
    status, out, _ = cli("show", "attic")
    assert status == 3
    assert command in out
