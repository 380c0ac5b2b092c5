"""Answers that are the asset itself: kept on disk before they are written down, so none is lost."""

import time
from pathlib import Path

from filmforge.ledger.posting import Posting

FORGOTTEN_AFTER_S = 7 * 86_400


class Answers:
    """Files of answers by request and nonce, in a folder that outlives the worker.

    Only the machine that sent a request can have its answer: it is uploaded before the job is
    written down, and a worker killed in between finds the file again here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, key: str, nonce: str) -> Path:
        """Where the answer to one submit is to be written; its folder exists."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{key}-{nonce}"

    def of(self, posting: Posting) -> Path | None:
        """The whole answer to the last submit of a request, if this machine has it."""
        if posting.nonce is None:
            return None
        path = self._folder / f"{posting.request_key}-{posting.nonce}"
        return path if path.exists() else None

    def forget(self, key: str) -> None:
        """Remove what is stored and settled."""
        for path in self._folder.glob(f"{key}-*"):
            path.unlink(missing_ok=True)

    def prune(self) -> None:
        """Remove what nobody has come back for in a week."""
        before = time.time() - FORGOTTEN_AFTER_S
        for path in self._folder.glob("*"):
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)
