"""The commands that take the cut to an editor and back."""

import json
import zipfile
from pathlib import Path

import httpx
import pytest

from filmforge.cli import api, cutting
from tests.cli.conftest import Run
from tests.cli.remote import MOVIE, Remote, digest

TOLD = {
    "message": "the film is being cut anew", "shots": ["s1", "s2"], "omitted": ["s3"],
    "frames": 96, "remarks": ["a transition between sounds is left out"], "notes": 2,
}  # fmt: skip


def _with_media(remote: Remote) -> None:
    remote.answers["/v1/films/attic/timeline"] = (200, b"TITLE: Attic\n")
    files = [{"name": "s1-0123.mp4", "digest": digest(), "url": f"{remote.url}/movie"}]
    remote.answers["/v1/films/attic/timeline/media"] = (200, {"files": files})


def test_export_writes_the_timeline_and_the_media_it_names(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    _with_media(remote)
    out, media = tmp_path / "attic.edl", tmp_path / "clips"
    given = ("export", "attic", "--format", "edl", "--out", out, "--media", media)
    status, said, _ = cli(*given)
    assert (status, said) == (0, f"{out}\n1 media files in {media}\n")
    assert out.read_bytes() == b"TITLE: Attic\n"
    assert (media / "s1-0123.mp4").read_bytes() == MOVIE
    assert remote.called("/v1/films/attic/timeline")[0] == {"format": "edl"}
    cli(*given)
    assert [path for _, path, _, _ in remote.calls].count("/movie") == 1


def test_an_export_may_take_minutes_until_its_first_byte(
    cli: Run, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_media(remote)
    monkeypatch.setattr(api, "_TIMEOUT", httpx.Timeout(0.1, connect=5))
    remote.late_s = 0.3
    assert cli("export", "attic", "--format", "otioz", "--out", tmp_path / "a.otioz")[0] == 0


def test_media_names_never_lead_out_of_their_folder(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    _with_media(remote)
    remote.answers["/v1/films/attic/timeline/media"][1]["files"][0]["name"] = "../out.mp4"
    cli("export", "attic", "--out", tmp_path / "a.otio", "--media", tmp_path / "clips")
    assert (tmp_path / "clips" / "out.mp4").is_file()
    assert not (tmp_path / "out.mp4").exists()


def test_recut_sends_the_file_and_says_what_becomes_of_the_film(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    remote.answers["/v1/films/attic/recut"] = (202, TOLD)
    edited = tmp_path / "edited.fcpxml"
    edited.write_bytes(b"<fcpxml/>")
    status, said, _ = cli("recut", "attic", edited, "--dry-run")
    assert status == 0
    assert said.splitlines() == [
        "the film is being cut anew: 2 shots, 96 frames",
        "left out: s3",
        "new notes: 2",
        "a transition between sounds is left out",
    ]
    assert remote.called("/v1/films/attic/recut")[0] == {"dry_run": "true", "": b"<fcpxml/>"}


def test_of_an_archive_only_the_timeline_is_sent(cli: Run, remote: Remote, tmp_path: Path) -> None:
    remote.answers["/v1/films/attic/recut"] = (202, TOLD)
    edited = tmp_path / "edited.otioz"
    with zipfile.ZipFile(edited, "w") as archive:
        archive.writestr("content.otio", '{"OTIO_SCHEMA": "Timeline.1"}')
        archive.writestr("media/s1.mov", MOVIE)
    assert cli("recut", "attic", edited)[0] == 0
    sent = remote.called("/v1/films/attic/recut")[0][""]
    assert sent == b'{"OTIO_SCHEMA": "Timeline.1"}'


def test_an_archive_without_a_timeline_is_refused_before_it_is_sent(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "edited.otioz", "w") as archive:
        archive.writestr("media/s1.mov", MOVIE)
    status, _, err = cli("recut", "attic", tmp_path / "edited.otioz")
    assert (status, remote.calls) == (2, [])
    assert "content.otio" in err


def test_recut_goes_back_to_the_films_own_cut(cli: Run, remote: Remote) -> None:
    remote.answers["/v1/films/attic/recut"] = (202, {"message": "the film goes back"})
    assert cli("recut", "attic", "--clear")[:2] == (0, "the film goes back\n")
    assert remote.calls[-1][0] == "DELETE"


@pytest.mark.parametrize("options", [[], ["FILE", "--clear"], ["--clear", "--dry-run"]])
def test_recut_takes_a_file_or_clear(
    cli: Run, remote: Remote, tmp_path: Path, options: list[str]
) -> None:
    (tmp_path / "edited").write_bytes(b"x")
    given = [str(tmp_path / "edited") if option == "FILE" else option for option in options]
    status, _, err = cli("recut", "attic", *given)
    assert status == 2
    assert "Give one of the two" in err
    assert remote.calls == []


def test_rhythm_uploads_the_reference_and_lists_the_lengths(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    remote.answers["/v1/assets"] = (201, {"digest": "a" * 64})
    lengths = [
        {"shot_id": "s1", "frames": 24, "wanted": 24, "seconds": "1.000"},
        {"shot_id": "s2", "frames": 48, "wanted": 60, "seconds": "2.000"},
    ]
    found = {"shots": 12, "average_s": 2.5}
    answer = {"message": "the film can be cut so", "rhythm": found, "lengths": lengths}
    remote.answers["/v1/films/attic/rhythm"] = (200, answer)
    reference = tmp_path / "trailer.mp4"
    reference.write_bytes(MOVIE)
    status, said, _ = cli("rhythm", "attic", reference, "--mapping", "cyclic", "--apply")
    assert status == 0
    assert said.splitlines()[1:] == ["s1  1.000 s", "s2  2.000 s (as far as there is material)"]
    assert remote.called("/v1/assets")[0] == {"name": "trailer.mp4", "": MOVIE}
    wish = {"reference": "a" * 64, "mapping": "cyclic", "apply": True}
    assert remote.called("/v1/films/attic/rhythm")[0] == wish


NOT_YET = {"message": "ask again in a moment", "rhythm": None, "lengths": []}


def test_rhythm_waits_until_the_reference_is_looked_through(cli: Run, remote: Remote) -> None:
    found = {"shots": 12, "average_s": 2.5}
    answer = {"message": "the film is being cut anew", "rhythm": found, "lengths": []}
    remote.before["/v1/films/attic/rhythm"] = [(202, NOT_YET), (202, NOT_YET)]
    remote.answers["/v1/films/attic/rhythm"] = (202, answer)
    status, said, err = cli("rhythm", "attic", "b" * 64, "--apply", "--json")
    assert (status, json.loads(said)) == (0, answer)
    assert err == "The shots of the reference are being found: waiting for them.\n"
    wish = {"reference": "b" * 64, "mapping": "scaled", "apply": True}
    assert [body for _, _, body, _ in remote.calls] == [wish] * 3


def test_rhythm_that_is_not_found_in_time_fails_and_says_that_nothing_was_applied(
    cli: Run, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "PATIENCE_S", 0.0)
    remote.answers["/v1/films/attic/rhythm"] = (202, NOT_YET)
    status, said, err = cli("rhythm", "attic", "b" * 64, "--apply")
    assert (status, said) == (1, "")
    assert "nothing was applied" in err


def test_a_reference_is_a_file_or_a_digest(cli: Run, remote: Remote) -> None:
    assert cli("rhythm", "attic", "no-such-file")[0] == 2
    assert remote.calls == []
