"""Keys that cannot be mistaken for anything else, and the finder that knows them in any dress."""

import base64
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# Whoever sees so much of a key has seen too much of it.
TELLING = 12


@dataclass(frozen=True)
class Planted:
    """A secret by the name of what holds it; `prefix` is what many secrets begin with."""

    name: str
    value: str
    prefix: str = ""

    def dresses(self) -> Iterator[tuple[str, bytes]]:
        """What gives the key away, by name: its beginning in every way to write it."""
        bare = self.value.removeprefix(self.prefix)
        begins = bare[:TELLING].encode()
        yield "plain", begins
        yield "URL-encoded", quote(bare[:TELLING], safe="").encode()
        yield "hexadecimal", begins.hex().encode()
        for before in range(3):
            # The outer digits also stand for what is beside the key.
            encoded = base64.b64encode(b"\0" * before + begins)[-(-before * 8 // 6) : 16]
            yield f"base64, {before} bytes in", encoded
            yield f"base64 for URLs, {before} bytes in", encoded.translate(_FOR_URLS)
        if self.prefix == "whsec_":
            yield "decoded", base64.b64decode(bare)[:TELLING]


_FOR_URLS = bytes.maketrans(b"+/", b"-_")


def a_key(name: str, shape: str = "{}") -> Planted:
    """A key that nobody else has; `shape` is how a provider's keys look."""
    return Planted(name, shape.format(f"{secrets.token_hex(5)}@/{secrets.token_hex(6)}"))


def a_secret(name: str) -> Planted:
    """A secret for Standard Webhooks."""
    encoded = base64.b64encode(secrets.token_bytes(30)).decode()
    return Planted(name, f"whsec_{encoded}", "whsec_")


@dataclass(frozen=True)
class Leak:
    """A key that was found where it must not be."""

    key: str
    dress: str
    where: str


class Finder:
    """Looks for these keys; `seen_bytes` tells how much it was shown."""

    def __init__(self, keys: Iterable[Planted]) -> None:
        self._needles = [
            (key.name, dress, needle) for key in keys for dress, needle in key.dresses()
        ]
        self.seen_bytes = 0

    def look(self, where: str, written: bytes | str) -> list[Leak]:
        """The keys in something that was written there."""
        data = written.encode(errors="surrogateescape") if isinstance(written, str) else written
        self.seen_bytes += len(data)
        return [Leak(name, dress, where) for name, dress, needle in self._needles if needle in data]

    def look_below(self, folder: Path, but: Iterable[Path] = ()) -> list[Leak]:
        """The keys in the files of a folder and in their names; `but` are left out."""
        left_out = set(but)
        leaks: list[Leak] = []
        for path in sorted(folder.rglob("*")):
            leaks += self.look(f"the name {path}", path.name)
            if path.is_file() and path not in left_out:
                leaks += self.look(str(path), path.read_bytes())
        return leaks
