"""What the gateway asks of the database itself, on both kinds of server."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from filmforge.brief import read_film
from filmforge.domain import Asset, GenerationRequest, Kind, Tags
from filmforge.gateway.charges import as_csv
from filmforge.gateway.projects import films_of, report_of
from filmforge.gateway.reconcile import owners_of
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.database import now
from filmforge.ledger.migrate import migrate
from filmforge.ledger.posting import Claim
from tests.gateway.api import film
from tests.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger on each kind of server."""
    if request.param == "sqlite":
        url, server = f"sqlite:///{tmp_path / 'ledger.db'}", None
    else:
        server = request.getfixturevalue("postgres")
        assert isinstance(server, PostgresServer)
        url = server.create()
    migrate(url)
    opened = open_ledger(url)
    yield opened
    opened.close()
    if server is not None:
        server.drop(url)


def made(ledger: Ledger, project: str | None, usd: str, jobs: tuple[str, ...]) -> tuple[str, str]:
    """A film with a frame that came of the last of these jobs; returns its id and the key."""
    film_id = ledger.films.create(read_film(film(1, project=project)), Decimal(5))[0].film_id
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="fake", model="image-1", parameters={"prompt": film_id}
    )
    key, journal = request.key, ledger.journal
    journal.reserve(request, Decimal(usd), Claim(film_id=film_id, shot_id="s0", intent="first"))
    for job in jobs:
        journal.begin_submitting(key)
        journal.accept(key, {"id": job, "urls": {}}, "submit")
        if job != jobs[-1]:
            journal.resubmit(key, "it broke")
    asset = Asset(digest=key, media_type="image/png", size=1)
    journal.succeed(key, asset, Tags(), Decimal(usd))
    return film_id, key


def test_films_and_costs_are_those_of_the_project(ledger: Ledger) -> None:
    first, _ = made(ledger, "noir", "0.25", ("a",))
    second, _ = made(ledger, "noir", "0.50", ("b",))
    other, _ = made(ledger, None, "1", ("c",))
    assert [film.film_id for film in films_of(ledger, "noir", 10)] == [second, first]
    assert [film.film_id for film in films_of(ledger, "noir", 10, 1)] == [first]
    assert {film.film_id for film in films_of(ledger, None, 10)} == {first, second, other}
    assert report_of(ledger, "noir", None).spent == Decimal("0.75")
    assert report_of(ledger, "noir", "2020-01").spent == 0
    assert report_of(ledger, None, f"{now():%Y-%m}").spent == Decimal("1.75")
    assert len("".join(as_csv(ledger.costs.lines(project="noir"))).splitlines()) == 3


def test_a_job_is_known_to_be_that_of_a_request_by_any_submit_of_it(ledger: Ledger) -> None:
    _, key = made(ledger, None, "0.25", ("early", "late"))
    long_ago = now() - timedelta(hours=1)
    many = [f"strange-{number}" for number in range(1_200)]
    assert owners_of(ledger, ["early", *many, "late"], long_ago) == {"early": key, "late": key}
    assert owners_of(ledger, ["early"], long_ago) == {"early": key}
    assert owners_of(ledger, ["early"], now() + timedelta(hours=1)) == {}
    assert owners_of(ledger, [], long_ago) == {}
