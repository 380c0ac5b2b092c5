"""The finder finds a key wherever one could be written, so that finding none means something."""

import base64
import gzip
import sqlite3
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.keys.planted import TELLING, Finder, a_key, a_secret

KEY = a_key("KEY", "sk-{}")
SECRET = a_secret("SECRET")
FINDER = Finder([KEY, SECRET])


@pytest.mark.parametrize("key", [KEY, SECRET])
@pytest.mark.parametrize(
    "written",
    [
        "a line that says {key} in its middle",
        '{{"error": "bad key {key}"}}',
        "Authorization: Bearer {key}",
        "only its beginning: {begins}…",
        "https://example.org/?key={quoted}",
        "Basic {basic}",
        "{padded}",
        "{urlsafe}",
        "{hexadecimal}",
    ],
)
def test_a_key_is_found_in_any_dress(written: str, key: object) -> None:
    value = getattr(key, "value", "")
    dressed = written.format(
        key=value,
        begins=value[: TELLING + len("whsec_")],
        quoted=quote(value, safe=""),
        basic=base64.b64encode(f"user:{value}".encode()).decode(),
        padded=base64.b64encode(f"xy{value}".encode()).decode(),
        urlsafe=base64.urlsafe_b64encode(f"\xff{value}".encode("latin-1")).decode(),
        hexadecimal=value.encode().hex(),
    )
    assert {leak.key for leak in FINDER.look("there", dressed)} == {getattr(key, "name", "")}


def test_the_bytes_of_a_secret_are_found() -> None:
    raw = base64.b64decode(SECRET.value.removeprefix("whsec_"))
    assert [leak.dress for leak in FINDER.look("there", b"\0" + raw)] == ["decoded"]


def test_what_holds_no_key_is_left_in_peace() -> None:
    innocent = [a_key("another", "sk-{}").value, "sk-proj-", "whsec_", KEY.value[: TELLING - 1]]
    assert FINDER.look("there", " ".join(innocent)) == []


def test_a_key_in_a_file_its_name_or_an_open_database_is_found(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.log").write_text(f"boom {KEY.value}")
    (tmp_path / "deep" / KEY.value.replace("/", "_")).write_text("nothing")
    (tmp_path / "allowed.json").write_text(KEY.value)
    database = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (words TEXT)")
    database.execute("INSERT INTO t VALUES (?)", (f"said {KEY.value}",))
    leaks = FINDER.look_below(tmp_path, [tmp_path / "allowed.json"])
    database.close()
    assert {Path(leak.where.removeprefix("the name ")).name for leak in leaks} == {
        "a.log",
        KEY.value.replace("/", "_"),
        "ledger.db-wal",
    }


def test_a_compressed_file_would_hide_a_key() -> None:
    """What is compressed must be unpacked before it is looked at."""
    assert FINDER.look("there", gzip.compress(KEY.value.encode())) == []
