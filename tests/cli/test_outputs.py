"""Finished files at the command line: listed, downloaded and verified."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from PIL import Image

from filmforge.cli.app import run
from filmforge.provenance.development import development_identity
from filmforge.provenance.facts import Claim, MadeWith, Role
from filmforge.provenance.sign import sign_now
from tests.cli.conftest import Run
from tests.cli.remote import MOVIE, Remote, digest

PEM = Encoding.PEM


def png(path: Path) -> Path:
    """A plain picture."""
    Image.new("RGB", (8, 8)).save(path)
    return path


@pytest.fixture
def given(remote: Remote) -> Remote:
    """A film that was made into an MP4 and a stream of two files."""
    names = {"film": ("attic.mp4",), "hls": ("attic.hls/master.m3u8", "attic.hls/0.m4s")}
    files = [
        {"kind": kind, "name": name, "digest": digest(), "url": f"{remote.url}/movie"}
        for kind, several in names.items()
        for name in several
    ]
    remote.answers["/v1/films/attic/outputs"] = (200, {"film_id": "attic", "files": files})
    return remote


def test_every_file_of_a_film_is_listed(cli: Run, given: Remote) -> None:
    status, out, _ = cli("outputs", "attic")
    assert status == 0
    assert out.splitlines()[1] == f"{digest()}  hls  attic.hls/master.m3u8"


def test_all_files_are_downloaded_under_their_names(
    cli: Run, given: Remote, tmp_path: Path
) -> None:
    status, out, _ = cli("outputs", "attic", "--download", tmp_path / "out")
    made = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert status == 0
    assert sorted(map(Path, out.splitlines())) == made
    assert [str(path.relative_to(tmp_path / "out")) for path in made] == [
        "attic.hls/0.m4s",
        "attic.hls/master.m3u8",
        "attic.mp4",
    ]
    assert {path.read_bytes() for path in made} == {MOVIE}


@pytest.mark.parametrize("above", ["../..", "{root}", "/{root}"])
def test_no_name_leads_out_of_the_directory(
    cli: Run, given: Remote, tmp_path: Path, above: str
) -> None:
    name = f"{above.format(root=tmp_path)}/film.mp4"
    file = {"kind": "film", "name": name, "digest": digest(), "url": f"{given.url}/movie"}
    given.answers["/v1/films/attic/outputs"] = (200, {"film_id": "attic", "files": [file]})
    cli("outputs", "attic", "--download", tmp_path / "a" / "b")
    assert len(list((tmp_path / "a" / "b").rglob("film.mp4"))) == 1
    assert not (tmp_path / "film.mp4").exists()


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    """A picture that says which model made it."""
    made = MadeWith(
        role=Role.FRAME, provider="fal", model="kling/v2", digest="a" * 64, request_key="b" * 64
    )
    plain, path = png(tmp_path / "plain.png"), tmp_path / "signed.png"
    sign_now(plain, path, Claim(itself=made), development_identity(tmp_path))
    return path


def test_verify_says_who_signed_and_which_model_made_it(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", str(signed)]) == 0
    said = capsys.readouterr().out
    assert "development certificate" in said
    assert "fal:kling/v2" in said


def test_verify_of_a_changed_file_exits_with_1(
    signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = bytearray(signed.read_bytes())
    data[-20] ^= 1
    signed.write_bytes(data)
    assert run(["verify", str(signed), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] in ("tampered", "damaged")


def test_verify_of_an_unsigned_file_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", str(png(tmp_path / "plain.png"))]) == 1
    assert "No content credentials" in capsys.readouterr().out


def test_verify_under_given_roots_wants_one_of_them(
    signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = development_identity(tmp_path).chain[-1]
    other = development_identity(tmp_path / "other").chain[-1]
    for root, status in ((own, 0), (other, 1)):
        anchors = tmp_path / "roots.pem"
        anchors.write_bytes(root.public_bytes(PEM))
        assert run(["verify", str(signed), "--anchors", str(anchors)]) == status
    capsys.readouterr()


def test_verify_of_what_is_no_media_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing to see")
    assert run(["verify", str(path)]) == 1
    assert "is text" in capsys.readouterr().err
