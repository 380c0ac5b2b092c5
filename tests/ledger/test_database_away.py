"""A database that is away: said by name, nothing half done, and used again when it is back."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

from filmforge.domain import Execution, Tags
from filmforge.errors import ServiceUnavailable
from filmforge.ledger import Ledger, database, open_ledger
from filmforge.ledger.events import record_event
from filmforge.ledger.migrate import migrate
from filmforge.ledger.posting import State
from filmforge.ledger.tables import charges
from filmforge.money import from_micros
from tests.ledger.conftest import add_film, asset, claim, job, request
from tests.postgres import PostgresServer, postgres_server

ONE = Decimal(1)
CENT = Decimal("0.01")


@pytest.fixture(scope="module")
def doomed() -> Iterator[PostgresServer]:
    """A server of this module's own, to be killed."""
    with postgres_server() as running:
        yield running


@pytest.fixture
def attic(doomed: PostgresServer) -> Iterator[Ledger]:
    """A film with ten dollars on the server that will be killed."""
    url = doomed.create()
    migrate(url)
    opened = open_ledger(url)
    add_film(opened)
    yield opened
    opened.close()


def _away() -> pytest.RaisesExc[ServiceUnavailable]:
    return pytest.raises(ServiceUnavailable, match="database")


def test_a_transaction_whose_server_is_killed_leaves_nothing(
    attic: Ledger, doomed: PostgresServer
) -> None:
    with _away(), attic.db.write() as tx:
        record_event(tx, "attic", "half")
        doomed.kill()
        record_event(tx, "attic", "other half")
    doomed.start()
    assert [event.type for event in attic.events.since("attic")] == ["film.submitted"]
    attic.set_budget("attic", ONE, "ada")


def test_a_commit_that_the_killed_server_never_took_is_not_half_done(
    attic: Ledger, doomed: PostgresServer
) -> None:
    with _away(), attic.db.write():
        attic.journal.reserve(request(), ONE, claim())
        doomed.kill()
    doomed.start()
    assert attic.budget("attic").reserved == 0
    assert attic.journal.reserve(request(), ONE, claim()).state == State.RESERVED
    assert attic.budget("attic").reserved == 1


def test_while_the_server_is_down_every_call_says_so_and_afterwards_goes_on(
    attic: Ledger, doomed: PostgresServer
) -> None:
    doomed.kill()
    with _away():
        attic.films.read("attic")
    with _away():
        attic.set_budget("attic", ONE, "ada")
    with _away():
        attic.journal.begin_submitting(request().key)
    doomed.start()
    assert attic.budget("attic").limit == 10


def test_a_server_that_was_killed_and_is_back_before_anybody_asked_is_not_noticed(
    attic: Ledger, doomed: PostgresServer
) -> None:
    attic.films.read("attic")
    doomed.kill()
    doomed.start()
    attic.set_budget("attic", ONE, "ada")
    assert attic.budget("attic").limit == 1


def test_a_server_killed_under_four_busy_workers_keeps_every_cent_it_confirmed(
    attic: Ledger, doomed: PostgresServer
) -> None:
    confirmed: set[str] = set()
    enough = threading.Event()
    stop = threading.Event()

    def work(worker: int) -> None:
        for number in itertools.takewhile(lambda _: not stop.is_set(), itertools.count()):
            with contextlib.suppress(ServiceUnavailable):
                confirmed.add(_pay(attic, f"{worker}/{number}"))
            if len(confirmed) >= 40:
                enough.set()

    attic.set_budget("attic", Decimal(100_000), "ada")
    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, worker) for worker in range(4)]
        assert enough.wait(60)
        doomed.kill()
        doomed.start()
        later = len(confirmed) + 20
        deadline = time.monotonic() + 60
        while len(confirmed) < later and time.monotonic() < deadline:
            time.sleep(0.02)
        stop.set()
        for one in working:
            one.result()
    assert len(confirmed) >= later
    assert set(attic.journal.made(sorted(confirmed))) == confirmed
    with attic.db.read() as tx:
        paid = from_micros(tx.execute(select(func.sum(charges.c.micros))).scalar_one())
    assert attic.budget("attic").spent == paid >= CENT * len(confirmed)


def _pay(ledger: Ledger, wish: str) -> str:
    key = request(wish).key
    ledger.journal.reserve(request(wish), CENT, claim(wish=wish))
    assert ledger.journal.begin_submitting(key)
    ledger.journal.accept(key, job(key), "submit")
    ledger.journal.succeed(key, asset(key), Tags(), CENT)
    return key


def test_a_row_held_for_longer_than_the_limit_is_a_database_that_is_away(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 150)
    opened = open_ledger(database_url)
    add_film(opened)
    with ThreadPoolExecutor(1) as pool:
        with opened.db.write() as tx:
            record_event(tx, "attic", "slow")
            opened.films.set("attic", Execution.RUNNING)
            other = pool.submit(opened.films.set, "attic", Execution.CANCELLING)
            with _away():
                other.result()
        pool.submit(opened.films.set, "attic", Execution.CANCELLING).result()
    assert opened.films.read("attic").execution == Execution.CANCELLING
    opened.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_is_a_database_that_is_away(ledger: Ledger) -> None:
    with ledger.db.write() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with _away():
        add_film(ledger, shots=200)
    assert ledger.films.recent() == []


def test_no_connection_left_is_a_database_that_is_away(ledger: Ledger) -> None:
    ledger.db.engine.pool._timeout = 0.1  # type: ignore[attr-defined] # 30 s otherwise
    held = [ledger.db.engine.connect() for _ in range(30)]
    with _away():
        ledger.films.recent()
    for connection in held:
        connection.close()
    assert ledger.films.recent() == []


def test_an_address_where_no_server_listens_is_a_database_that_is_away() -> None:
    opened = open_ledger("postgresql://nobody@127.0.0.1:1/nothing")
    with _away():
        opened.films.recent()
    opened.close()


def test_a_mistake_of_ours_is_not_taken_for_a_database_that_is_away(ledger: Ledger) -> None:
    for wrong in ("SELECT * FROM nothing", "SELECT nothing FROM films", "SELEC 1"):
        with pytest.raises(DatabaseError), ledger.db.write() as tx:
            tx.execute(text(wrong))
