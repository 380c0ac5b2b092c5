"""Signing: what is written, what stays as it was, and what is left after a failure."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import av
import pytest
from PIL import Image

from filmforge.errors import BadMedia, MediaToolFailed
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.provenance import boxes
from filmforge.provenance import sign as signing
from filmforge.provenance.credentials import State
from filmforge.provenance.facts import Claim, Role, Source
from filmforge.provenance.identity import Identity
from filmforge.provenance.manifest import MAX_SINGLE_INGREDIENTS
from filmforge.provenance.native import c2pa
from filmforge.provenance.read import read
from filmforge.provenance.sign import sign, sign_now

from .conftest import made


def _packets(path: Path) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as media:
        return [(packet.pts, bytes(packet)) for packet in media.demux() if packet.size]


async def test_a_signed_film_plays_as_before_and_names_models_and_approvals(
    film: Path, tmp_path: Path, claim: Claim, identity: Identity
) -> None:
    signed = tmp_path / "signed.mp4"
    at = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    await sign(film, signed, claim, identity, at)
    assert _packets(signed) == _packets(film)
    data = signed.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    found = read(signed)
    assert (found.state, found.title, found.claimed_at) == (State.DEVELOPMENT, "Attic", at)
    assert found.software is not None
    assert found.software.startswith("FilmForge ")
    assert [(part.title, part.relationship) for part in found.ingredients] == [
        ("shot_001 · frame · take 1", "inputTo"),
        ("shot_001 · clip · take 1", "componentOf"),
        ("shot_002 · voice · take 1", "componentOf"),
    ]
    clip = found.ingredients[1]
    assert clip.instance_id == f"filmforge:{claim.made_with[1].request_key}"
    assert (clip.made[0].provider, clip.made[0].model) == ("fal", "kling/v2")
    assert clip.made[0].digest == claim.made_with[1].digest
    actions = [(action.action, action.parts) for action in found.actions]
    assert actions == [
        ("c2pa.created", ("shot_001 · frame · take 1",)),
        ("c2pa.placed", ("shot_001 · clip · take 1",)),
        ("c2pa.placed", ("shot_002 · voice · take 1",)),
        ("c2pa.adjustedColor", ()),
        ("filmforge.approved", ()),
    ]
    assert found.actions[0].source == Source.COMPOSITE_WITH_TRAINED
    assert found.actions[-1].description == "Ann approved shot_001"


@pytest.mark.parametrize("wanted", [False, True])
async def test_prompts_are_written_only_when_asked_for(
    film: Path, tmp_path: Path, claim: Claim, identity: Identity, wanted: bool
) -> None:
    signed = tmp_path / "signed.mp4"
    await sign(film, signed, claim.model_copy(update={"with_prompts": wanted}), identity)
    assert (b"a secret cat" in signed.read_bytes()) is wanted
    assert (read(signed).ingredients[1].made[0].prompt == "a secret cat") is wanted


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_still_is_signed_as_made_by_its_model(
    tmp_path: Path, identity: Identity, suffix: str
) -> None:
    before, after = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    Image.effect_noise((48, 32), 60).convert("RGB").save(before)
    sign_now(before, after, Claim(itself=made(Role.FRAME)), identity)
    with Image.open(before) as old, Image.open(after) as new:
        assert old.tobytes() == new.tobytes()
    (action,) = read(after).actions
    assert (action.action, action.software) == ("c2pa.created", "fal:kling/v2")
    assert action.source == Source.TRAINED
    assert action.made is not None
    assert action.made.digest == made(Role.FRAME).digest


async def test_a_prores_mov_is_signed(film: Path, tmp_path: Path, identity: Identity) -> None:
    mov, signed = tmp_path / "film.mov", tmp_path / "signed.mov"
    await run_ffmpeg(["-i", str(film), "-c:v", "prores_ks", "-c:a", "pcm_s16le", str(mov)])
    await sign(mov, signed, Claim(), identity)
    assert _packets(signed) == _packets(mov)
    assert read(signed).state is State.DEVELOPMENT


@pytest.mark.parametrize(
    ("providers", "source"),
    [
        (("preview", "preview"), Source.ALGORITHM),
        (("preview", "upload"), Source.COMPOSITE),
        (("preview", "fal", "upload"), Source.COMPOSITE_WITH_TRAINED),
    ],
)
def test_a_film_claims_a_trained_model_only_where_one_was_used(
    providers: tuple[str, ...], source: Source
) -> None:
    parts = tuple(made(shot=i, provider=name) for i, name in enumerate(providers))
    unused = made(shot=9, provider="fal", used=False)
    assert Claim(made_with=(*parts, unused)).source == source


@pytest.mark.parametrize("provider", ["fal", "upload"])
async def test_credentials_that_a_file_came_with_are_kept_as_its_parents(
    film: Path, tmp_path: Path, identity: Identity, provider: str
) -> None:
    theirs, ours = tmp_path / "theirs.mp4", tmp_path / "ours.mp4"
    await sign(film, theirs, Claim(title="Theirs", itself=made()), identity)
    await sign(theirs, ours, Claim(title="Ours", itself=made(provider=provider)), identity)
    found = read(ours)
    assert (found.state, found.title) == (State.DEVELOPMENT, "Ours")
    assert [(part.relationship, part.has_credentials) for part in found.ingredients] == [
        ("parentOf", True)
    ]
    assert found.actions[0].action == "c2pa.opened"


async def test_a_supplied_file_is_opened_and_its_source_left_unsaid(
    film: Path, tmp_path: Path, identity: Identity
) -> None:
    signed = tmp_path / "signed.mp4"
    await sign(film, signed, Claim(itself=made(provider="upload")), identity)
    (action,) = read(signed).actions
    assert (action.action, action.source) == ("c2pa.opened", None)


def test_a_film_of_many_files_lists_them_under_their_models(
    tmp_path: Path, identity: Identity
) -> None:
    still, signed = tmp_path / "a.png", tmp_path / "b.png"
    Image.new("RGB", (8, 8)).save(still)
    count = MAX_SINGLE_INGREDIENTS + 1
    parts = tuple(made(provider=("fal", "replicate")[i % 2], shot=i % 200) for i in range(count))
    sign_now(still, signed, Claim(made_with=parts), identity)
    found = read(signed)
    assert [len(part.made) for part in found.ingredients] == [count // 2 + 1, count // 2]
    assert sorted(m.shot_id or "" for p in found.ingredients for m in p.made) == sorted(
        part.shot_id or "" for part in parts
    )


@pytest.mark.parametrize(
    ("flags", "in_leaves"),
    [("+faststart", True), ("+frag_keyframe+empty_moov", False)],
)
async def test_a_long_film_is_hashed_in_leaves_and_a_changed_byte_is_still_found(
    film: Path,
    tmp_path: Path,
    identity: Identity,
    monkeypatch: pytest.MonkeyPatch,
    flags: str,
    in_leaves: bool,
) -> None:
    monkeypatch.setattr(boxes, "LEAVES_FROM_BYTES", 0)
    monkeypatch.setattr(boxes, "LEAF_KIB", 1)
    long, signed = tmp_path / "long.mp4", tmp_path / "signed.mp4"
    await run_ffmpeg(["-i", str(film), "-c", "copy", "-movflags", flags, str(long)])
    await sign(long, signed, Claim(), identity)
    assert read(signed).state is State.DEVELOPMENT
    with signed.open("r+b") as file:
        data = bytearray(file.read())
        assert (b"merkle" in data) is in_leaves
        data[data.rindex(b"mdat") + 4 + 8] ^= 1
        file.seek(0)
        file.write(data)
    assert read(signed).state is State.TAMPERED


async def test_a_webm_is_refused_by_name_and_nothing_is_written(
    film: Path, tmp_path: Path, identity: Identity
) -> None:
    webm, target = tmp_path / "film.webm", tmp_path / "out" / "film.webm"
    target.parent.mkdir()
    await run_ffmpeg(["-i", str(film), "-c:v", "libvpx", "-an", str(webm)])
    with pytest.raises(BadMedia, match="video/webm can't carry"):
        await sign(webm, target, Claim(), identity)
    assert not list(target.parent.iterdir())
    assert read(webm).state is State.NONE


async def test_a_broken_film_is_refused_and_an_older_result_kept(
    film: Path, tmp_path: Path, identity: Identity
) -> None:
    broken, target = tmp_path / "broken.mp4", tmp_path / "out" / "film.mp4"
    target.parent.mkdir()
    target.write_bytes(b"older")
    with film.open("rb") as whole:
        broken.write_bytes(whole.read(2000))
    with pytest.raises((BadMedia, MediaToolFailed)):
        await sign(broken, target, Claim(), identity)
    assert [file.read_bytes() for file in target.parent.iterdir()] == [b"older"]


class _SoonSet(Event):
    """An event that is set from the fourth look on: in the middle of the work."""

    looks = 0

    def is_set(self) -> bool:
        self.looks += 1
        return self.looks >= 4


def test_signing_that_is_told_to_stop_leaves_nothing(
    film: Path, tmp_path: Path, identity: Identity
) -> None:
    target, stop = tmp_path / "out" / "film.mp4", _SoonSet()
    target.parent.mkdir()
    with pytest.raises((MediaToolFailed, BadMedia)):
        sign_now(film, target, Claim(), identity, stop=stop)
    assert stop.looks >= 4
    assert not list(target.parent.iterdir())


async def test_a_cancelled_signing_is_told_to_stop_and_waited_for(
    film: Path, tmp_path: Path, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, stopped = Event(), Event()

    def until_stopped(*arguments: object) -> None:
        stop = arguments[-1]
        assert isinstance(stop, Event)
        begun.set()
        if stop.wait(5):
            stopped.set()

    monkeypatch.setattr(signing, "sign_now", until_stopped)
    work = asyncio.create_task(sign(film, tmp_path / "b.mp4", Claim(), identity))
    await asyncio.to_thread(begun.wait, 5)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert stopped.is_set()


def test_the_native_library_is_never_taken_from_the_working_directory(tmp_path: Path) -> None:
    packaged = Path(c2pa.__file__).parent / "libs"
    for library in packaged.iterdir():
        (tmp_path / library.name).symlink_to(library)
    code = "import filmforge.provenance.native as n; print(n.c2pa.c2pa._lib._name)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(ran.stdout.strip()).parent == packaged
