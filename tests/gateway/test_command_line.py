"""The command line about money and people against the API itself."""

import csv
import io
import json
from pathlib import Path

import pytest

from filmforge.cli.app import run
from tests.gateway.api import KEY, Api
from tests.gpu.modal_apps import Deployed, modal_apps


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


def test_a_link_is_made_shown_listed_and_revoked(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    film_id = api.submitted()
    monkeypatch.setattr("sys.stdin", io.StringIO("under the rafters\n"))
    wish = ["--name", "Acme", "--gives", "decide", "--for", "2h", "--passphrase"]
    assert run(["share", film_id, *wish]) == 0
    address = capsys.readouterr().out.strip()
    assert "/s/" in address
    (link,) = api.ledger.shares.of_film(film_id)
    assert (link.name, link.gives, link.passphrase is None) == ("Acme", "decide", False)
    assert (link.expires_at - link.created_at).total_seconds() == pytest.approx(7_200, abs=5)
    assert run(["share", film_id, "--show", link.share_id]) == 0
    assert capsys.readouterr().out.strip() == address
    assert run(["shares", film_id]) == 0
    assert "Acme" in capsys.readouterr().out
    assert run(["share", film_id, "--revoke", link.share_id]) == 0
    assert run(["share", film_id, "--show", link.share_id]) == 1
    assert "is revoked: make another" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", "Acme", "--for", "a week"], "Write it as 30m, 12h or 7d"),
        (["--name", "Acme", "--revoke", "x"], "Give --name, --show or --revoke"),
        ([], "Give --name, --show or --revoke"),
    ],
)
def test_a_link_that_cannot_be_made_says_why(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert run(["share", "attic", *options]) == 2
    assert words in capsys.readouterr().err


def test_a_member_is_let_in_given_a_role_and_revoked(
    api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["members", "add", "Ada of the desk", "--role", "viewer"]) == 0
    key = capsys.readouterr().out.strip()
    (ada,) = [m for m in api.ledger.members.all() if m.name == "Ada of the desk"]
    assert run(["members", "role", ada.member_id, "producer"]) == 0
    assert "Ada of the desk is producer" in capsys.readouterr().out
    assert run(["members"]) == 0
    assert ada.member_id in capsys.readouterr().out
    assert run(["members", "revoke", ada.member_id]) == 0
    monkeypatch.setenv("FILMFORGE_API_KEY", key)
    assert run(["films"]) == 1


def test_gpu_status_tells_the_functions_their_options_and_who_serves(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    assert run(["gpu", "status"]) == 0
    said = capsys.readouterr().out
    assert "local:image_sdxl" in said
    assert "nobody: filmforge worker --gpu local" in said
    assert "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET" in said
    with modal_apps() as modal:
        modal.apps["ap-1"] = Deployed("filmforge-image-sdxl")
        modal.apps["ap-2"] = Deployed("somebody-elses")
        monkeypatch.setenv("MODAL_SERVER_URL", modal.url)
        monkeypatch.setenv("MODAL_TOKEN_ID", "ak-of-a-test")
        monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-of-a-test")
        assert run(["gpu", "status", "--json"]) == 0
    deployed = json.loads(capsys.readouterr().out)["modal"]
    assert [app["description"] for app in deployed] == ["filmforge-image-sdxl"]


def test_gpu_cost_tells_what_functions_of_ones_own_cost_and_nothing_else(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    api.submitted()
    assert run(["gpu", "cost", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["functions"] == []
    assert run(["gpu", "cost", "--month", "2026-13"]) == 2


def test_gpu_commands_without_a_token_say_what_to_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for command in (["logs", "image_sdxl"], ["deploy", "image_sdxl"]):
        assert run(["gpu", *command]) == 1
        assert "MODAL_TOKEN_ID" in capsys.readouterr().err


def test_a_gpu_worker_where_nothing_runs_says_what_to_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    assert run(["worker", "--gpu", "local", "--state", str(tmp_path)]) == 2
    assert "Start `filmforge up` there" in capsys.readouterr().err


def test_weights_of_a_function_that_does_not_exist_are_not_fetched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["gpu", "download", "image_nonesuch", "--weights", str(tmp_path)]) == 1
    assert "there is no GPU function 'image_nonesuch'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
