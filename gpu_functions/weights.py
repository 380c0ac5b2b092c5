"""Weights: where they come from, where they lie, and that nobody fetches them unasked."""

import json
from dataclasses import dataclass
from pathlib import Path

from filmforge.errors import NotConfigured

# What tells that a folder holds a whole download, and which.
STAMP = "source.json"


@dataclass(frozen=True)
class Repo:
    """One repository of a model hub at one revision, or some `files` of it (glob patterns).

    `folder` is where it lies below the weights of its function.
    """

    id: str
    revision: str
    licence: str
    folder: str = "."
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Everything that a function loads; `gib` on disk."""

    repos: tuple[Repo, ...]
    gib: float

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences of what it loads, each once."""
        return tuple(dict.fromkeys(repo.licence for repo in self.repos))


def find(root: Path, function: str, source: Source | None = None) -> Path:
    """The folder with a function's weights; those of a `source` may come from the hub's cache.

    Raises NotConfigured naming the folder and the command that fills it.
    """
    folder = root / function
    if not folder.is_dir() and not (source and _linked(source, folder)):
        raise NotConfigured(
            f"{function}: has no weights in {folder}: put them there, or run "
            f"filmforge gpu download {function}"
        )
    return folder


def _linked(source: Source, folder: Path) -> bool:
    """Whether everything is in the hub's cache; then it is linked into the folder."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        return False
    try:
        cached = [
            (repo, Path(snapshot_download(repo.id, revision=repo.revision, local_files_only=True)))
            for repo in source.repos
        ]
    except LocalEntryNotFoundError:
        return False
    for repo, snapshot in cached:
        for file in snapshot.rglob("*"):
            if file.is_file():
                link = folder / repo.folder / file.relative_to(snapshot)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file.resolve())
    return bool(cached)


def download(source: Source, root: Path, function: str) -> Path:
    """Fetch a function's weights at their pinned revisions; what is there whole is left alone.

    Raises NotConfigured for a repository without a revision.
    """
    # Only this function may reach a hub, and only when somebody calls it.
    from huggingface_hub import snapshot_download

    for repo in source.repos:
        if not repo.revision:
            raise NotConfigured(f"{function}: {repo.id} has no pinned revision: give it one")
    folder = root / function
    wanted = {"repos": [[repo.id, repo.revision, list(repo.files)] for repo in source.repos]}
    stamp = folder / STAMP
    if stamp.is_file() and json.loads(stamp.read_text("utf-8")) == wanted:
        return folder
    for repo in source.repos:
        snapshot_download(
            repo.id,
            revision=repo.revision,
            local_dir=folder / repo.folder,
            allow_patterns=list(repo.files) or None,
        )
    stamp.write_text(json.dumps(wanted), "utf-8")
    return folder
