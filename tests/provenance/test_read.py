"""Verifying: what is believed of a file, and what is said of it in plain words."""

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from filmforge.errors import BadInput, BadMedia
from filmforge.provenance.certificate import SigningFiles, own_identity
from filmforge.provenance.credentials import State
from filmforge.provenance.facts import Claim, Edit
from filmforge.provenance.identity import Identity
from filmforge.provenance.native import c2pa, context
from filmforge.provenance.read import read
from filmforge.provenance.sign import sign
from filmforge.provenance.words import verify

from .conftest import NOW, Authority, made


@pytest.fixture
async def signed(film: Path, tmp_path: Path, claim: Claim, identity: Identity) -> Path:
    path = tmp_path / "signed.mp4"
    await sign(film, path, claim, identity)
    return path


def _flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_a_development_signature_says_what_it_is_and_what_it_is_not(signed: Path) -> None:
    verdict = verify(signed)
    assert verdict.exit_code == 0
    assert verdict.text.startswith(
        "signed.mp4: Valid, signed with a development certificate. Unchanged since it was signed"
    )
    for words in (
        "Signer:  FilmForge development · FilmForge development signing",
        "(the signer's own word)",
        "Models:  elevenlabs:kling/v2 (1), fal:kling/v2 (1), openai:kling/v2 (1)",
        "c2pa.placed: shot_001 · clip · take 1",
        "filmforge.approved: Ann approved shot_001",
    ):
        assert words in verdict.text


@pytest.mark.parametrize("box", [b"mdat", b"mvhd"])
def test_one_flipped_bit_of_the_film_is_found(signed: Path, box: bytes) -> None:
    _flip(signed, signed.read_bytes().index(box) + 20)
    verdict = verify(signed)
    assert (verdict.credentials.state, verdict.exit_code) == (State.TAMPERED, 1)
    assert "Problem: assertion.bmffHash.mismatch" in verdict.text
    assert "Do not believe what follows." in verdict.text


@pytest.mark.parametrize("words", [b"shot_001", b"fal", b"Ann approved", b"FilmForge", b"Attic"])
def test_a_rewritten_word_of_the_credentials_is_found(signed: Path, words: bytes) -> None:
    _flip(signed, signed.read_bytes().index(words))
    assert read(signed).state is State.TAMPERED


def test_a_box_added_at_the_end_is_found(signed: Path) -> None:
    with signed.open("ab") as file:
        file.write(b"\0\0\0\x10freehidden!!")
    assert read(signed).state is State.TAMPERED


def test_stripped_credentials_leave_nothing_to_believe(film: Path) -> None:
    verdict = verify(film)
    assert (verdict.credentials.state, verdict.exit_code) == (State.NONE, 1)
    assert "never signed, or they were taken out" in verdict.text


def test_a_cut_off_file_is_damaged(signed: Path) -> None:
    signed.write_bytes(signed.read_bytes()[:5000])
    assert read(signed).state is State.DAMAGED


def test_whoever_gives_roots_wants_a_signer_under_them(authority: Authority, signed: Path) -> None:
    root = authority.issue().root
    verdict = verify(signed, root)
    assert (verdict.credentials.state, verdict.exit_code) == (State.DEVELOPMENT, 1)


def test_anchors_that_are_no_certificates_are_refused(signed: Path, tmp_path: Path) -> None:
    (tmp_path / "roots.pem").write_text("trust me")
    with pytest.raises(BadInput, match="holds no certificates"):
        read(signed, tmp_path / "roots.pem")


def test_what_is_no_media_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("#EXTM3U")
    with pytest.raises(BadMedia):
        read(tmp_path / "notes.mp4")
    with pytest.raises(BadMedia):
        read(tmp_path / "absent.mp4")


async def test_strangers_words_steer_no_terminal(
    film: Path, tmp_path: Path, identity: Identity
) -> None:
    path = tmp_path / "signed\x1b[2J.mp4"
    edit = Edit.model_construct(
        action="edited", description="\x1b]0;x\x07\u202eeman\n" + "long " * 999
    )
    claim = Claim.model_construct(title="A\x1b[31mB\r\nC", itself=made(), edits=(edit,))
    await sign(film, path, claim, identity)
    verdict = verify(path)
    assert verdict.credentials.title == "A[31mBC"
    assert not {c for c in verdict.text if not c.isprintable()} - {"\n"}
    assert max(map(len, verdict.text.splitlines())) < 700


def test_credentials_kept_elsewhere_are_named_and_never_fetched(
    film: Path, tmp_path: Path, identity: Identity
) -> None:
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/film.c2pa"
        path = tmp_path / "remote.mp4"
        with (
            context() as settings,
            identity.signer() as signer,
            c2pa.Builder({}, settings) as builder,
            film.open("rb") as before,
            path.open("w+b") as after,
        ):
            builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.COMPOSITE)
            builder.set_no_embed()
            builder.set_remote_url(address)
            builder.sign(signer, "video/mp4", before, after)
        verdict = verify(path)
        server.shutdown()
    assert (verdict.credentials.state, verdict.credentials.elsewhere) == (State.NONE, address)
    assert f"{address} (not fetched)" in verdict.text
    assert not asked


def test_no_bit_of_the_film_can_change_unseen(signed: Path) -> None:
    whole, chance = signed.read_bytes(), random.Random(4)
    start = _box_end(whole)
    for _ in range(60):
        data = bytearray(whole)
        data[chance.randrange(start, len(whole))] ^= 1 << chance.randrange(8)
        signed.write_bytes(data)
        assert not read(signed).state.intact


def test_a_changed_bit_of_the_credentials_is_seen_or_changes_nothing_that_is_told(
    signed: Path,
) -> None:
    """C2PA leaves padding and labels of its boxes unsigned; nothing that is read lies in them."""
    whole, chance, told = signed.read_bytes(), random.Random(5), read(signed)
    end = _box_end(whole)
    start = whole.index(b"uuid") - 4
    intact = 0
    for _ in range(200):
        data = bytearray(whole)
        data[chance.randrange(start, end)] ^= 1 << chance.randrange(8)
        signed.write_bytes(data)
        found = read(signed)
        if found.state.intact:
            intact += 1
            assert found == told
    assert intact < 100


def _box_end(data: bytes) -> int:
    start = data.index(b"uuid") - 4
    return start + int.from_bytes(data[start : start + 4])


async def test_an_expired_signature_is_invalid_and_not_called_tampered(
    film: Path, tmp_path: Path, authority: Authority
) -> None:
    since = datetime.now(UTC) - NOW + timedelta(days=1)
    issued = authority.issue(lasts=since + timedelta(seconds=1.5))
    own = own_identity(SigningFiles(certificate=issued.certificate, key=issued.key))
    path = tmp_path / "signed.mp4"
    await sign(film, path, Claim(), own)
    left = own.leaf.not_valid_after_utc - datetime.now(UTC)
    await asyncio.sleep(left.total_seconds() + 1.01)
    verdict = verify(path, issued.root)
    assert (verdict.credentials.state, verdict.exit_code) == (State.INVALID, 1)
    assert "Problem: signingCredential.expired" in verdict.text
