"""A program that cannot start, or is told nonsense, says why without any key."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy.exc import SQLAlchemyError

from filmforge.embedded.reach import reach_database
from filmforge.errors import FilmError
from filmforge.ledger import open_ledger
from filmforge.settings import Settings
from tests.keys.planted import Finder, a_key
from tests.keys.site import COMMAND_S, Site

NOWHERE = "127.0.0.1:1"
MIGRATE = ("-m", "filmforge.ledger.migrate")
GATEWAY = ("-m", "filmforge.gateway.main")
PROGRAMS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "worker-without-temporal": (("-m", "workers.main"), {"TEMPORAL_ADDRESS": NOWHERE}),
    "gateway-with-a-wrong-setting": (GATEWAY, {"FILMFORGE_WINDOW": "many"}),
    "gateway-with-a-broken-setting": (GATEWAY, {"FILMFORGE_PACES": "{fal"}),
    "migration-without-a-database": (MIGRATE, {}),
    "doctor-without-anything": (
        ("doctor", "--json"),
        {"TEMPORAL_ADDRESS": NOWHERE, "AWS_ENDPOINT_URL_S3": f"http://{NOWHERE}"},
    ),
}


def test_a_program_that_cannot_start_tells_no_key(tmp_path: Path) -> None:
    site = Site(tmp_path, f"postgresql://filmforge@{NOWHERE}/films")
    running = {
        name: site.process(name, *command, **changes)
        for name, (command, changes) in PROGRAMS.items()
    }
    assert [name for name, process in running.items() if process.wait(COMMAND_S) == 0] == []
    said = {name: (tmp_path / f"said-{name}").read_text() for name in PROGRAMS}
    finder = Finder(site.planted())
    assert [leak for name, words in said.items() for leak in finder.look(name, words)] == []
    assert [name for name, words in said.items() if not words] == []
    assert "window" in said["gateway-with-a-wrong-setting"]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://films:KEY@{NOWHERE}/films",
        "postgresql://films:KEY@127.0.0.1:port/films",
        f"mysql://films:KEY@{NOWHERE}/films",
        f"postgresql://films:KEY@{NOWHERE}/films?nonsense=1",
        "postgresql//films:KEY",
        f"postgresql://films@{NOWHERE}/films?password=KEY",
        f"postgresql://films:p@KEY@{NOWHERE}/films",
        f"postgresql://films:p@KEY/p@{NOWHERE}/films",
    ],
)
def test_a_database_address_is_refused_without_its_password(url: str) -> None:
    password = a_key("password")
    finder = Finder([password])
    whole = url.replace("KEY", password.value.replace("@/", "%40%2F"))
    settings = Settings(database_url=whole)  # type: ignore[arg-type] # as the environment gives it
    found, trouble = reach_database(settings)
    assert trouble
    said = f"{found} {trouble} {settings!r}"
    try:
        open_ledger(whole).films.unended()
    except (FilmError, SQLAlchemyError) as error:
        said += f"{error!r} {error.__cause__!r}"
    assert finder.look("said", said) == []
