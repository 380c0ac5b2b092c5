"""What a machine keeps of the files it used, so that it fetches none of them again."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from filmforge.settings import Settings
from filmforge.shelf import Shelf
from filmforge.store import AssetStore, object_key
from tests.store.test_store import BUCKET, s3  # noqa: F401 - a fixture is found by its name
from workers.composition import clean_work_dir


def wrote(folder: Path, data: bytes) -> tuple[str, Path]:
    digest = hashlib.sha256(data).hexdigest()
    path = folder / f"given-{digest[:8]}"
    path.write_bytes(data)
    return digest, path


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "shelf", 1_000_000)


async def test_what_was_stored_or_fetched_is_not_fetched_again(
    s3: Any,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    digest, path = wrote(tmp_path, b"a clip")
    for name in ("putting", "fetching"):
        store = AssetStore(BUCKET, shelf=Shelf(tmp_path / name, 1_000_000))
        if name == "putting":
            await store.put(path, "video/mp4")
        else:
            assert not store.at_hand(digest)
            s3.put_object(Bucket=BUCKET, Key=object_key(digest), Body=b"a clip")
            await store.fetch(digest, tmp_path / "first")
        s3.delete_object(Bucket=BUCKET, Key=object_key(digest))
        assert store.at_hand(digest)
        await store.fetch(digest, tmp_path / name / "again")
        assert (tmp_path / name / "again").read_bytes() == b"a clip"


def test_a_file_that_was_cut_short_is_not_used(shelf: Shelf, tmp_path: Path) -> None:
    digest, path = wrote(tmp_path, b"whole")
    shelf.keep(digest, path)
    (mine,) = kept(tmp_path / "shelf")
    mine.unlink()
    mine.write_bytes(b"who")
    assert not shelf.take(digest, tmp_path / "taken")
    assert not (tmp_path / "taken").exists()
    shelf.keep(digest, path)
    assert shelf.take(digest, tmp_path / "taken")
    assert (tmp_path / "taken").read_bytes() == b"whole"


def test_what_was_used_longest_ago_goes_first(shelf: Shelf, tmp_path: Path) -> None:
    digests = []
    for number in range(15):
        digest, path = wrote(tmp_path, bytes([number]) * 100_000)
        shelf.keep(digest, path)
        digests.append(digest)
        for mine in kept(tmp_path / "shelf"):
            if mine.name.startswith(digest):
                os.utime(mine, (number + 1, number + 1))
        if number > 1:
            assert shelf.take(digests[0], tmp_path / "used")
    assert sum(path.stat().st_size for path in kept(tmp_path / "shelf")) <= 1_000_000
    held = [shelf.holds(digest) for digest in digests]
    assert held[0]
    assert held[-1]
    assert not any(held[1:4])


def test_nothing_is_kept_without_room_for_it(tmp_path: Path) -> None:
    digest, path = wrote(tmp_path, b"x" * 600)
    for room in (0, 1_000):
        shelf = Shelf(tmp_path / "shelf", room)
        shelf.keep(digest, path)
        assert not shelf.holds(digest)


def test_many_may_keep_and_take_the_same_file_at_once(shelf: Shelf, tmp_path: Path) -> None:
    digest, path = wrote(tmp_path, b"a" * 50_000)
    other = Shelf(tmp_path / "shelf", 1_000_000)

    def one(number: int) -> bytes:
        mine = (shelf, other)[number % 2]
        mine.keep(digest, path)
        taken = tmp_path / f"taken-{number}"
        assert mine.take(digest, taken)
        return taken.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(100))) == {b"a" * 50_000}
    assert [path.name for path in kept(tmp_path / "shelf")] == [f"{digest}-50000"]


def test_a_worker_that_starts_keeps_the_shelf_and_no_half_made_file(tmp_path: Path) -> None:
    settings = Settings(work_dir=tmp_path / "work")
    shelf = Shelf(settings.work_dir / "shelf", 1_000_000)
    digest, path = wrote(tmp_path, b"whole")
    shelf.keep(digest, path)
    half = settings.work_dir / "finish" / "tmp123" / "film.mp4.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    clean_work_dir(settings.work_dir)
    assert shelf.holds(digest)
    assert not half.exists()
