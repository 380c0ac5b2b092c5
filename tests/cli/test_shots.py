"""The commands about one shot, and those that look things up."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Run
from tests.cli.remote import Remote, film, shot, take


def with_gate(remote: Remote) -> None:
    gate = {"shot_id": "shot_001", "digest": "0" * 64, "review_url": f"{remote.url}/review/TOKEN"}
    remote.films = [film(shots=[shot("shot_001", "running", "wfa")], gates=[gate])]


def test_approve_posts_to_the_link_of_the_gate_with_who_it_was(cli: Run, remote: Remote) -> None:
    with_gate(remote)
    remote.answers["/review/TOKEN/approve"] = (200, {"verdict": "approved"})
    status, out, _ = cli("approve", "attic", "shot_001", "--who", "Ada")
    assert (status, out) == (0, "shot_001 approved\n")
    assert remote.called("/review/TOKEN/approve")[0] == {"note": "", "who": "Ada"}


def test_reject_carries_the_note_and_the_login_name(cli: Run, remote: Remote) -> None:
    with_gate(remote)
    remote.answers["/review/TOKEN/reject"] = (200, {"verdict": "rejected"})
    status, out, _ = cli("reject", "attic", "shot_001", "--note", "warmer", "--json")
    assert status == 0
    assert json.loads(out) == {"verdict": "rejected"}
    body, _ = remote.called("/review/TOKEN/reject")
    assert body["note"] == "warmer"
    assert body["who"]


def test_reject_without_a_note_is_wrong_use(cli: Run, remote: Remote) -> None:
    assert cli("reject", "attic", "shot_001")[0] == 2
    assert remote.calls == []


@pytest.mark.parametrize(
    ("shot_id", "words"),
    [("shot_002", "it is done and succeeded"), ("shot_009", "has no such shot")],
)
def test_deciding_where_nothing_waits_says_how_the_shot_stands(
    cli: Run, remote: Remote, shot_id: str, words: str
) -> None:
    remote.films = [film(shots=[shot("shot_002", "succeeded", "done")])]
    status, _, err = cli("approve", "attic", shot_id)
    assert status == 1
    assert words in err


def test_retry_sends_changes_and_models(cli: Run, remote: Remote) -> None:
    path = "/v1/films/attic/shots/shot_001/retry"
    remote.answers[path] = (202, {"outcome": "accepted", "message": "The shot is made again."})
    status, out, _ = cli(
        "retry", "attic", "shot_001", "--set", "seed=7", "--set", "characters=emma, tom",
        "--set", "enhanced_prompt=a=b", "--set", "dialogue=", "--video", "fake:clip",
    )  # fmt: skip
    assert (status, out) == (0, "The shot is made again.\n")
    changes = {"seed": 7, "characters": ["emma", "tom"], "enhanced_prompt": "a=b", "dialogue": ""}
    assert remote.called(path)[0] == {"changes": changes, "providers": {"video": "fake:clip"}}


@pytest.mark.parametrize("pair", ["seed", "=7", "seed=many"])
def test_a_change_that_cannot_be_read_is_wrong_use(cli: Run, remote: Remote, pair: str) -> None:
    status, _, err = cli("retry", "attic", "shot_001", "--set", pair)
    assert status == 2
    assert "--set" in err


def test_skip_and_resolve_reach_their_shot(cli: Run, remote: Remote) -> None:
    below = "/v1/films/attic/shots/shot_001"
    remote.answers[f"{below}/skip"] = remote.answers[f"{below}/resolve"] = (202, {})
    assert cli("skip", "attic", "shot_001")[0] == 0
    assert cli("resolve", "attic", "shot_001", "write_off")[0] == 0
    assert remote.called(f"{below}/resolve")[0] == {"choice": "write_off"}
    assert cli("resolve", "attic", "shot_001", "guess")[0] == 2


def test_a_shot_or_the_whole_film_is_accepted_as_it_is(cli: Run, remote: Remote) -> None:
    shot_path, film_path = "/v1/films/attic/shots/shot_001/accept", "/v1/films/attic/accept"
    remote.answers[shot_path] = remote.answers[film_path] = (202, {"message": "Recorded."})
    assert cli("accept", "attic", "shot_001")[:2] == (0, "Recorded.\n")
    assert cli("accept", "attic")[:2] == (0, "Recorded.\n")
    assert [path for _, path, *_ in remote.calls] == [shot_path, film_path]


def test_what_was_found_in_takes_and_film_is_shown_with_what_a_person_may_do(
    cli: Run, remote: Remote
) -> None:
    warned = take("video", checked={"outcome": "warn", "words": ["the clip is small"]})
    waits = {"reason": "quality", "message": "the clip is black for 2.0 s of 2.0 s"}
    shots = [shot("shot_001", "succeeded", "done", takes=[take("video"), warned])]
    remote.films = [film("needs_attention", [*shots, shot("shot_002", "failed", "wip", **waits)])]
    status, out, _ = cli("show", "attic")
    assert status == 3
    assert "shot_001 video: the clip is small" in out
    assert "quality (the clip is black for 2.0 s of 2.0 s): filmforge accept|retry" in out
    held = {"kind": "assembled", "url": "http://x/y", "digest": "0" * 64}
    held |= {"checked": {"outcome": "attention", "words": ["the film repeats 3 frames"]}}
    remote.films = [film("needs_attention", shots, reason="quality", outputs=[held])]
    _, out, _ = cli("show", "attic")
    assert "quality (the film repeats 3 frames): filmforge accept attic" in out


def test_replace_uploads_the_file_as_what_its_content_is(
    cli: Run, remote: Remote, tmp_path: Path
) -> None:
    file = tmp_path / "frame.bin"
    Image.new("RGB", (64, 36)).save(file, "PNG")
    path = "/v1/films/attic/shots/shot_001/replace"
    remote.answers[path] = (202, {})
    status, out, _ = cli("replace", "attic", "shot_001", file)
    assert (status, out) == (0, f"shot_001 now uses {file}\n")
    assert remote.called(path)[0] == {"kind": "image", "": file.read_bytes()}


def test_files_are_uploaded_and_told_by_digest(cli: Run, remote: Remote, tmp_path: Path) -> None:
    file = tmp_path / "warm.cube"
    file.write_bytes(b"LUT_3D_SIZE 2")
    remote.answers["/v1/assets"] = (201, {"digest": "d" * 64, "kind": "lut"})
    status, out, _ = cli("upload", file)
    assert (status, out) == (0, f"{'d' * 64}  lut  warm.cube\n")
    assert remote.called("/v1/assets")[0] == {"name": "warm.cube", "": b"LUT_3D_SIZE 2"}
    _, out, _ = cli("upload", file, file, "--json")
    assert [each["name"] for each in json.loads(out)["assets"]] == ["warm.cube", "warm.cube"]


def test_a_path_cannot_be_smuggled_in_a_film_id(cli: Run, remote: Remote) -> None:
    cli("skip", "../costs?x", "shot_001")
    assert remote.calls[-1][1].startswith("/v1/films/")


def test_assets_are_looked_for_by_everything_given(cli: Run, remote: Remote) -> None:
    remote.answers["/v1/assets"] = (200, {"assets": []})
    status, out, _ = cli(
        "assets", "dusty", "attic", "--character", "emma", "--mood", "calm", "--kind", "image"
    )
    assert (status, out) == (0, "Nothing was found.\n")
    wanted = {"character": "emma", "mood": "calm", "kind": "image", "text": "dusty attic"}
    assert remote.called("/v1/assets")[0] == {**wanted, "limit": "50"}
