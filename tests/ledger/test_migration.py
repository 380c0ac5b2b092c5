"""The second migration: what the first release wrote is carried over, forth, back and forth."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import MetaData, func, insert, inspect, select, text

from filmforge.brief import Brief
from filmforge.domain import Direction, Kind, Shot, Tags
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.database import Database
from filmforge.ledger.migrate import alembic_config, migrate
from filmforge.ledger.posting import State
from filmforge.ledger.tables import charges, journal
from tests.ledger.conftest import asset, claim, job, request
from tests.postgres import PostgresServer

DAY = datetime(2026, 11, 20, tzinfo=UTC)
LATER_FIELDS = {"project", "priority", "fallbacks"}


def _at(minutes: int) -> datetime:
    return DAY + timedelta(minutes=minutes)


def _film(film_id: str) -> dict[str, Any]:
    return {
        "film_id": film_id,
        "title": "",
        "document": Brief(film_id=film_id).model_dump(mode="json", exclude=LATER_FIELDS),
        "body_digest": "0" * 64,
        "shot_count": 1,
        "execution": "running",
        "stop_after": "film",
        "run": 0,
        "created_at": DAY,
    }


def _shot(film_id: str) -> dict[str, Any]:
    shot = Shot(shot_id="s0", enhanced_prompt="a lamp", duration=Decimal(2))
    return {
        "film_id": film_id,
        "shot_id": "s0",
        "position": 0,
        "document": shot.model_dump(mode="json"),
        "direction": Direction().model_dump(mode="json", exclude={"fell_back"}),
        "attempt": 0,
        "execution": "running",
        "review": "wip",
        "updated_at": DAY,
    }


def _request(name: str, state: str, film_id: str = "attic", **values: Any) -> dict[str, Any]:
    return {
        "request_key": request(name).key,
        "state": state,
        "request": request(name).model_dump(mode="json"),
        "film_id": film_id,
        "shot_id": "s0",
        "intent": "first",
        "nonce": None,
        "submits": 1,
        "submitted_at": DAY,
        "job": None,
        "estimate_micros": 1_000_000,
        "digest": None,
        "failure_code": None,
        "created_at": DAY,
        "updated_at": DAY,
        **values,
    }


def _sent(name: str, minutes: int) -> dict[str, Any]:
    detail = {"nonce": "n"}
    key = request(name).key
    return {"request_key": key, "at": _at(minutes), "state": "submitting", "detail": detail}


def _charge(name: str, film_id: str, micros: int, minutes: int) -> dict[str, Any]:
    return {
        "request_key": request(name).key,
        "film_id": film_id,
        "shot_id": "s0",
        "kind": "image",
        "provider": "fake",
        "model": "image-1",
        "micros": micros,
        "why": "failed",
        "at": _at(minutes),
    }


# Attic: one dollar reserved each for "reserved", "sending" and "running"; spent 0.5 + 0.3 on one
# submit of "late", 0.2 on "shared" and 1 + 1 on the two submits of "again".
ROWS: dict[str, list[dict[str, Any]]] = {
    "films": [_film("attic"), _film("harbour")],
    "shots": [_shot("attic"), _shot("harbour")],
    "budgets": [
        {
            "scope": "film:attic",
            "limit_micros": 4_000_000,
            "reserved_micros": 3_000_000,
            "spent_micros": 3_000_000,
            "saved_micros": 7,
        },
        {
            "scope": "film:harbour",
            "limit_micros": 4_000_000,
            "reserved_micros": 0,
            "spent_micros": 400_000,
            "saved_micros": 0,
        },
    ],
    "journal": [
        _request("reserved", "reserved", submits=0, submitted_at=None),
        _request("sending", "submitting", nonce="n"),
        _request("running", "accepted", job=job()),
        _request("late", "succeeded", job=job(), digest="1" * 64, estimate_micros=800_000),
        _request("shared", "failed", "harbour", failure_code="broken"),
        _request("again", "failed", failure_code="broken"),
    ],
    "journal_entries": [
        *(_sent(name, 1) for name in ("sending", "running", "late", "shared", "again")),
        _sent("again", 20),
    ],
    "joins": [{"request_key": request("running").key, "film_id": "harbour", "shot_id": "s0"}],
    "charges": [
        _charge("late", "attic", 500_000, 5),
        _charge("late", "attic", 300_000, 6),
        _charge("shared", "attic", 200_000, 5),
        _charge("shared", "harbour", 400_000, 6),
        _charge("again", "attic", 1_000_000, 5),
        _charge("again", "attic", 1_000_000, 25),
    ],
}


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database as the first release left it."""
    server: PostgresServer | None = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
    url = server.create() if server else f"sqlite:///{tmp_path / 'ledger.db'}"
    command.upgrade(alembic_config(url), "0001")
    database = Database(url)
    tables = MetaData()
    tables.reflect(database.engine)
    with database.write() as tx:
        for name, rows in ROWS.items():
            for row in rows:
                tx.execute(insert(tables.tables[name]).values(**row))
    database.close()
    yield url
    if server:
        server.drop(url)


@pytest.fixture
def ledger(old_url: str) -> Iterator[Ledger]:
    """The ledger over what was carried over."""
    migrate(old_url)
    opened = open_ledger(old_url)
    yield opened
    opened.close()


def _charges(ledger: Ledger, name: str) -> list[tuple[int, str, int, list[str]]]:
    wanted = select(charges).where(charges.c.request_key == request(name).key)
    with ledger.db.read() as tx:
        rows = tx.execute(wanted.order_by(charges.c.submit)).all()
    return [(row.submit, row.film_id, row.micros, row.scopes) for row in rows]


def test_new_columns_are_filled_from_what_is_there(ledger: Ledger) -> None:
    posting = ledger.journal.read(request("running").key)
    assert (posting.provider, posting.account, posting.scopes) == ("fake", "", ("film:attic",))
    assert (posting.state, posting.job) == (State.ACCEPTED, job())
    assert ledger.films.read("attic").brief == Brief(film_id="attic")
    assert ledger.shots.read("attic", "s0").direction == Direction()
    assert ledger.caps() == []
    with ledger.db.read() as tx:
        assert tx.execute(select(journal.c.request_key).where(journal.c.job.is_(None))).first()


def test_charges_are_numbered_by_submit_and_no_film_pays_for_another(ledger: Ledger) -> None:
    attic, harbour = ["film:attic"], ["film:harbour"]
    assert _charges(ledger, "late") == [(1, "attic", 800_000, attic)]
    assert _charges(ledger, "again") == [
        (1, "attic", 1_000_000, attic),
        (2, "attic", 1_000_000, attic),
    ]
    assert _charges(ledger, "shared") == [
        (1, "attic", 200_000, attic),
        (2, "harbour", 400_000, harbour),
    ]


def test_what_was_in_flight_goes_on_and_the_overdraft_shrinks(ledger: Ledger) -> None:
    """Two dollars over the limit at first."""
    for name in ("reserved", "sending"):
        ledger.journal.fail(request(name).key, "broken", "it broke", Decimal(0))
    ledger.journal.succeed(request("running").key, asset(), Tags(), Decimal("0.5"))
    budget = ledger.budget("attic")
    assert (budget.reserved, budget.spent, budget.saved) == (0, Decimal("3.5"), Decimal("0.000007"))


def test_the_next_submit_of_an_old_request_is_charged_apart(ledger: Ledger) -> None:
    again = request("shared")
    ledger.journal.reserve(again, Decimal(1), claim("harbour", wish="retry"))
    ledger.journal.begin_submitting(again.key)
    ledger.journal.fail(again.key, "broken", "it broke", Decimal("0.1"))
    assert [number for number, *_ in _charges(ledger, "shared")] == [1, 2, 3]


def test_going_back_leaves_what_the_first_release_can_read(ledger: Ledger, old_url: str) -> None:
    ledger.shots.fall_back("attic", "s0", Kind.IMAGE, "fake:image-1", "it is down")
    ledger.set_cap("project:pilot", Decimal(5), False, "ada")
    ledger.close()
    command.downgrade(alembic_config(old_url), "0001")
    database = Database(old_url)
    columns = {column["name"] for column in inspect(database.engine).get_columns("journal")}
    assert columns == {*ROWS["journal"][0], "failure_message", "woken_at"}
    tables = MetaData()
    tables.reflect(database.engine)
    with database.read() as tx:
        films, shots = tables.tables["films"], tables.tables["shots"]
        for document in tx.execute(select(films.c.document)).scalars():
            assert not LATER_FIELDS & set(document)
        for direction in tx.execute(select(shots.c.direction)).scalars():
            assert "fell_back" not in direction
        assert tx.execute(text("SELECT count(*) FROM budgets")).scalar() == 2
        spent = select(func.sum(tables.tables["charges"].c.micros))
        assert tx.execute(spent).scalar() == 3_400_000
    database.close()


def test_forth_back_and_forth_again_is_the_same_as_forth(ledger: Ledger, old_url: str) -> None:
    before = [ledger.journal.read(row["request_key"]) for row in ROWS["journal"]]
    numbered = [_charges(ledger, name) for name in ("late", "shared", "again")]
    ledger.close()
    command.downgrade(alembic_config(old_url), "0001")
    migrate(old_url)
    assert [ledger.journal.read(row["request_key"]) for row in ROWS["journal"]] == before
    assert [_charges(ledger, name) for name in ("late", "shared", "again")] == numbered
