"""Answers that are the asset itself: kept on disk before they are written down, so none is lost."""

import re
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from filmforge.errors import WorkDirFull
from filmforge.ledger.posting import Posting

# The longest answer takes minutes: what is older was cut off, and is of no use.
ABANDONED_S = 86_400.0


class Answers:
    """Files of answers by request and nonce, in a folder that outlives the worker.

    Only the machine that sent a request can have its answer: it is uploaded before the job is
    written down, and a worker killed in between finds the file again here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        """Make sure, before anything is sent, that an answer can be kept. Raises WorkDirFull."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._folder) as probe:
                probe.write(b"x")
                probe.flush()
        except OSError as error:
            raise WorkDirFull(f"{self._folder}: {error.strerror}") from error

    def place(self, key: str, nonce: str) -> Path:
        """Where the answer to one submit is to be written."""
        return self._folder / f"{key}-{nonce}"

    def waiting(self) -> list[tuple[str, str, Path]]:
        """Every whole answer that is still here: request key, nonce, file.

        What was cut off a day ago is removed.
        """
        found = []
        for part in self._folder.glob("*.part"):
            with suppress(FileNotFoundError):  # one that a worker is just getting takes its name
                if part.stat().st_mtime < time.time() - ABANDONED_S:
                    part.unlink()
        for path in sorted(self._folder.glob("*")):
            key, _, nonce = path.name.partition("-")
            if re.fullmatch("[0-9a-f]+", nonce):
                found.append((key, nonce, path))
        return found

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
