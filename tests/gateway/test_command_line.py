"""The command line about money against the API itself."""

import csv
import io
import json

import pytest

from filmforge.cli.app import run
from tests.gateway.api import KEY, Api


@pytest.fixture(autouse=True)
def _elsewhere(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILMFORGE_API_URL", api.url)
    monkeypatch.setenv("FILMFORGE_API_KEY", KEY)


def test_a_cap_is_set_listed_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["caps", "set", "project:by-hand", "20", "--shadow"]) == 0
    assert "the cap project:by-hand is set" in capsys.readouterr().out
    assert run(["caps"]) == 0
    assert "project:by-hand" in capsys.readouterr().out
    assert run(["caps", "remove", "project:by-hand", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scope"] == "project:by-hand"
    assert run(["caps", "remove", "project:by-hand"]) == 1
    assert "there is no cap project:by-hand" in capsys.readouterr().err
    assert run(["caps", "set", "week", "20"]) == 2
    assert "Use month or project:NAME." in capsys.readouterr().err


def test_costs_are_told_as_tables_and_as_csv(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    film_id = api.submitted(project="by-hand")
    assert run(["costs", film_id]) == 0
    assert "to finish $0.046" in capsys.readouterr().out
    assert run(["costs", "--project", "by-hand", "--csv", "-"]) == 0
    ((first, *_),) = list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))
    assert first == "at"
    assert run(["costs", "--month", "2026-13"]) == 2


def test_a_provider_without_a_list_is_reconciled_with_nothing_to_tell(
    capsys: pytest.CaptureFixture[str],
) -> None:
    span = ["--provider", "openai", "--since", "2025-11-01T00:00", "--until", "2025-11-01T00:01"]
    assert run(["reconcile", *span]) == 0
    said = capsys.readouterr().out
    assert "openai, 2025-11-01T00:00 to 2025-11-01T00:01 UTC: nothing was sent" in said
    assert "tells no list" in said
