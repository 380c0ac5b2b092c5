"""Weights come from a folder or from the hub's cache, and from the hub only when asked for."""

from pathlib import Path

import pytest

from filmforge.errors import NotConfigured
from gpu_functions.weights import Repo, Source, download, find

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SOURCE = Source(repos=(Repo("somebody/lamps", COMMIT, "MIT", folder="base"),), gib=0.1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with nothing in it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def fill(cache: Path, words: bytes) -> None:
    """Put a repository into the cache, as the hub's own client lays it out."""
    repo = cache / "models--somebody--lamps"
    blob = repo / "blobs" / "b10b"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(words)
    file = repo / "snapshots" / COMMIT / "unet" / "model.safetensors"
    file.parent.mkdir(parents=True)
    file.symlink_to(blob)


def test_a_folder_is_taken_as_it_is(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "lamps").mkdir()
    assert find(tmp_path, "lamps", SOURCE) == tmp_path / "lamps"


def test_what_the_hubs_cache_holds_is_used_from_there(tmp_path: Path, cache: Path) -> None:
    fill(cache, b"weights")
    folder = find(tmp_path / "weights", "lamps", SOURCE)
    file = folder / "base" / "unet" / "model.safetensors"
    assert file.read_bytes() == b"weights"
    assert file.is_symlink()


def test_what_is_nowhere_is_not_fetched_but_asked_for(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(NotConfigured, match="filmforge gpu download lamps"):
        find(tmp_path / "weights", "lamps", SOURCE)
    assert not (tmp_path / "weights").exists()


def test_weights_without_a_pinned_revision_are_not_fetched(tmp_path: Path) -> None:
    loose = Source(repos=(Repo("somebody/lamps", "", "MIT"),), gib=0.1)
    with pytest.raises(NotConfigured, match="somebody/lamps has no pinned revision"):
        download(loose, tmp_path, "lamps")
