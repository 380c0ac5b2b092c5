"""Keys never appear in logs, errors, histories, database, objects, answers or command lines."""

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.keys import places
from tests.keys.planted import Finder, Leak
from tests.keys.site import Site, open_site
from tests.keys.story import CODES, play
from tests.postgres import PostgresServer

# The only files that may hold a key, below the state directory; up.json goes when `up` ends.
SECRET_FILES = ("credentials.json", "up.json")


@dataclass(frozen=True)
class Searched:
    """What was found in one place, and how many bytes were looked at."""

    leaks: list[Leak]
    seen_bytes: int


@dataclass(frozen=True)
class Record:
    """What is left of a site after its story."""

    site: Site
    places: Mapping[str, Searched]
    modes: Mapping[str, int]
    environments: Mapping[str, str] = field(repr=False)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Record]:
    """The story, played once, and everything that was written searched once."""
    folder = tmp_path_factory.mktemp("keys") / "site"
    folder.mkdir()
    url = postgres.create()
    found: dict[str, Searched] = {}

    with open_site(folder, url) as site:

        def search(place: str, look: Callable[[Finder], list[Leak]]) -> None:
            finder = Finder(site.planted())
            leaks = look(finder)
            found[place] = Searched(leaks, finder.seen_bytes)

        play(site)
        modes = {n: stat.S_IMODE((site.state / n).stat().st_mode) for n in SECRET_FILES}
        servers = {name: site.info.pids[name] for name in ("temporal", "s3")}
        environments = {
            name: Path(f"/proc/{pid}/environ").read_text() for name, pid in servers.items()
        }
        search("histories", lambda finder: places.histories(site, finder))
        search("objects", lambda finder: places.objects(site, finder))
        search("command lines", lambda finder: places.command_lines(site, finder))
    search("answers", lambda finder: places.answers(site, finder))
    search("rows", lambda finder: places.rows(site, finder))
    search("database files", lambda finder: finder.look_below(postgres.folder / "data"))
    allowed = [site.state / name for name in SECRET_FILES]
    search("files", lambda finder: finder.look_below(folder, allowed))
    found["logs"] = _logs(site)
    yield Record(site, found, modes, environments)
    postgres.drop(url)


def _logs(site: Site) -> Searched:
    # The token is part of an address that the database must keep: only no log may tell it.
    finder = Finder([*site.planted(), site.token])
    return Searched(finder.look_below(site.state / "logs"), finder.seen_bytes)


@pytest.mark.parametrize(
    "place",
    ["files", "database files", "rows", "histories", "objects", "answers", "command lines", "logs"],
)
def test_no_key_is_in(place: str, record: Record) -> None:
    """No key, in any dress, is in what was written there."""
    assert record.places[place].seen_bytes > 1000
    assert record.places[place].leaks == []


def test_the_story_had_keys_quoted_refused_and_failed_with(record: Record) -> None:
    answers = b"".join(body for _, body in record.site.answers)
    assert answers.count(b"***") > 20
    for name in record.site.keys:
        assert f"{name}: ".encode() in answers
    for code in CODES:
        assert code.encode() in answers
    logs = {log.stem: log.read_text() for log in (record.site.state / "logs").glob("*.log")}
    assert "***" in logs["worker"]
    assert "UndefinedTable" in logs["gateway"]
    assert "outbox.undelivered" in logs["gateway"]


def test_the_files_that_hold_keys_are_their_owners_alone(record: Record) -> None:
    assert record.modes == dict.fromkeys(SECRET_FILES, 0o600)
    assert not (record.site.state / "up.json").exists()
    for path in (record.site.state, record.site.state / "logs"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_the_servers_are_told_no_key_but_their_own(record: Record) -> None:
    site = record.site
    own = [site.own[name] for name in ("s3_secret_key", "s3_internal_key")]
    foreign = Finder(key for key in site.planted() if key not in own)
    assert foreign.look("temporal", record.environments["temporal"]) == []
    assert foreign.look("s3", record.environments["s3"]) == []
    assert Finder(own).look("temporal", record.environments["temporal"]) == []
    assert len(Finder(own).look("s3", record.environments["s3"])) == len(own)
