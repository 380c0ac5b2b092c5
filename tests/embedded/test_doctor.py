"""`filmforge doctor` says what is wrong and what to do."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from filmforge.embedded import Finding, Servers, UpInfo, examine
from filmforge.embedded.state import open_state
from filmforge.settings import Settings


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_everything_that_is_installed_is_found(tmp_path: Path) -> None:
    found = by_name(examine(tmp_path / "state", Settings()))
    for name in ("python", "temporal", "weed", "ffmpeg", "speech", "state directory", "up"):
        assert found[name].ok, found[name]
        assert not found[name].remedy
    assert "1.9.1" in found["temporal"].found
    assert not (tmp_path / "state").exists()


def test_a_directory_open_to_others_is_named_with_its_remedy(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    finding = by_name(examine(tmp_path, Settings()))["state directory"]
    assert not finding.ok
    assert "chmod 700" in finding.remedy


def test_given_servers_that_cannot_be_reached_are_named(tmp_path: Path) -> None:
    settings = Settings(
        temporal_address="127.0.0.1:1",
        s3_endpoint="http://127.0.0.1:1",
        s3_bucket="films",
        database_url=SecretStr("sqlite:////nowhere/at/all.db"),
    )
    found = by_name(examine(tmp_path, settings))
    for name in ("temporal server", "s3", "database", "keys"):
        assert not found[name].ok, found[name]
        assert found[name].remedy


def test_given_servers_that_answer_are_fine(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in servers.environment.items():
        monkeypatch.setenv(name, value)
    found = by_name(examine(tmp_path, Settings(database_url=SecretStr("sqlite://"))))
    for name in ("temporal server", "s3", "database"):
        assert found[name].ok, found[name]


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    url = SecretStr("postgresql+nothing://film:opensesame@127.0.0.1:1/films")
    assert "opensesame" not in repr(examine(tmp_path, Settings(database_url=url)))


def test_a_process_that_is_gone_is_named(tmp_path: Path) -> None:
    info = UpInfo(
        api="http://127.0.0.1:1", api_key="k", temporal="", temporal_ui=None, s3="",
        pids={"worker": 2**22 + 1},
    )  # fmt: skip
    open_state(tmp_path).publish(info)
    finding = by_name(examine(tmp_path, Settings()))["up"]
    assert not finding.ok
    assert "worker" in finding.found


def test_films_are_signed_for_development_unless_a_certificate_is_given(tmp_path: Path) -> None:
    settings = Settings(work_dir=tmp_path / "work")
    finding = by_name(examine(tmp_path / "state", settings))["provenance"]
    assert finding.ok
    assert "for development" in finding.found
    assert not (tmp_path / "work").exists()


def test_a_certificate_that_cannot_sign_is_named_with_its_remedy(tmp_path: Path) -> None:
    settings = Settings(provenance_certificate=tmp_path / "none.pem")
    finding = by_name(examine(tmp_path / "state", settings))["provenance"]
    assert not finding.ok
    assert finding.found.startswith("FILMFORGE_PROVENANCE_KEY: is not set")
    assert finding.remedy == "Set both, or neither."


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://127.0.0.1:8700", True),
        ("http://localhost:8700", True),
        ("http://[::1]:8700", True),
        ("https://films.example", False),
    ],
)
def test_links_that_only_this_machine_can_follow_are_warned_of(
    tmp_path: Path, url: str, warned: bool
) -> None:
    finding = by_name(examine(tmp_path, Settings(public_url=url)))["links lead to"]
    assert finding.ok
    assert ("FILMFORGE_PUBLIC_URL" in finding.remedy) is warned


def test_mail_from_nobody_is_named_without_the_password(tmp_path: Path) -> None:
    url = SecretStr("smtp://films:opensesame@mail.example:587")
    findings = examine(tmp_path, Settings(smtp_url=url))
    assert "FILMFORGE_MAIL_FROM" in by_name(findings)["mail"].remedy
    assert "opensesame" not in repr(findings)
    fine = Settings(smtp_url=url, mail_from="films@studio.test")
    assert by_name(examine(tmp_path, fine))["mail"].ok
