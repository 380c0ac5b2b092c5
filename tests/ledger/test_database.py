"""The database: its pragmas, its transactions and its migrations."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, inspect, select, text
from sqlalchemy.exc import IntegrityError, InternalError

from filmforge.errors import BadInput, NotFound
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.columns import metadata
from filmforge.ledger.database import Database
from filmforge.ledger.events import record_event
from filmforge.ledger.migrate import alembic_config, migrate
from filmforge.ledger.tables import films
from tests.ledger.conftest import add_film, at_once
from tests.postgres import PostgresServer


class Killed(Exception):
    """Whoever was writing is gone."""


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table, on each of the two kinds of server."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


def _killed() -> pytest.RaisesExc[Killed]:
    return pytest.raises(Killed)


@on_sqlite
def test_sqlite_commits_to_the_disk_checks_references_and_waits_its_turn(ledger: Ledger) -> None:
    def settings(_: int) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        with ledger.db.read() as tx:
            return [tx.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    full = 2
    assert at_once(5, settings) == [["wal", full, 1, 30_000]] * 5


def test_a_reference_to_nothing_is_refused(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), ledger.db.write() as tx:
        record_event(tx, "nowhere", "film.changed")


def test_a_transaction_that_fails_leaves_nothing(ledger: Ledger) -> None:
    with _killed(), ledger.db.write():
        add_film(ledger)
        assert ledger.films.read("attic").film_id == "attic"
        raise Killed
    with pytest.raises(NotFound):
        ledger.films.read("attic")


def test_a_write_inside_a_write_is_part_of_it_and_rolls_back_with_it(ledger: Ledger) -> None:
    add_film(ledger)
    with _killed(), ledger.db.write() as outer:
        with ledger.db.write() as inner:
            assert inner is outer
            record_event(inner, "attic", "inner")
        with ledger.db.read() as view:
            assert view is outer
        raise Killed
    assert [event.type for event in ledger.events.since("attic")] == ["film.submitted"]


def test_an_error_inside_a_nested_write_rolls_the_whole_back(ledger: Ledger) -> None:
    add_film(ledger)
    with _killed(), ledger.db.write() as outer:
        record_event(outer, "attic", "outer")
        with ledger.db.write():
            raise Killed
    assert len(ledger.events.since("attic")) == 1
    with ledger.db.write() as tx:
        record_event(tx, "attic", "afterwards")
    assert ledger.events.since("attic")[-1].type == "afterwards"


def test_transactions_of_two_threads_are_not_one(ledger: Ledger) -> None:
    add_film(ledger)

    def write(number: int) -> None:
        with ledger.db.write() as tx:
            record_event(tx, "attic", f"thread {number}")
            if number % 2:
                raise Killed

    def attempt(number: int) -> bool:
        try:
            write(number)
        except Killed:
            return False
        return True

    assert sum(at_once(10, attempt)) == 5
    assert len(ledger.events.since("attic")) == 6


def test_a_reader_sees_a_moment_and_does_not_wait_for_a_writer(ledger: Ledger) -> None:
    add_film(ledger)
    count = select(films.c.film_id)
    with ledger.db.read() as view:
        assert len(view.execute(count).all()) == 1
        add_film(ledger, "harbour")
        assert len(view.execute(count).all()) == 1
    assert len(ledger.films.recent()) == 2


@on_postgresql
def test_a_reader_on_postgresql_changes_nothing(ledger: Ledger) -> None:
    with pytest.raises(InternalError, match="read-only"), ledger.db.read() as view:
        view.execute(delete(films))


@on_postgresql
def test_postgresql_commits_to_the_disk_and_never_waits_for_ever(ledger: Ledger) -> None:
    def settings(_: int) -> list[object]:
        names = (
            "synchronous_commit",
            "lock_timeout",
            "statement_timeout",
            "idle_in_transaction_session_timeout",
            "transaction_isolation",
        )
        with ledger.db.write() as tx:
            return [tx.execute(text(f"SHOW {name}")).scalar() for name in names]

    assert at_once(5, settings) == [["on", "30s", "1min", "2min", "read committed"]] * 5


@on_postgresql
def test_what_the_operator_writes_into_the_address_goes_before_ours(database_url: str) -> None:
    wishes = "options=-c%20lock_timeout%3D7s%20-c%20work_mem%3D9MB&application_name=studio"
    opened = open_ledger(f"{database_url}&{wishes}")
    with opened.db.write() as tx:
        shown = [
            tx.execute(text(f"SHOW {name}")).scalar()
            for name in ("lock_timeout", "work_mem", "application_name", "synchronous_commit")
        ]
    opened.close()
    assert shown == ["7s", "9MB", "studio", "on"]


@on_postgresql
@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_every_way_to_write_a_postgresql_address_reaches_it(database_url: str, scheme: str) -> None:
    opened = open_ledger(database_url.replace("postgresql+psycopg", scheme))
    assert opened.films.recent() == []
    opened.close()


@pytest.mark.parametrize(
    "address", ["mysql://ada:opensesame@host/db", "ada:opensesame@host", "postgresql://h:port/db"]
)
def test_an_address_of_no_known_database_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(BadInput, match="FILMFORGE_DATABASE_URL") as refused:
        open_ledger(address)
    assert "opensesame" not in str(refused.value)


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'down' / 'ledger.db'}"
    migrate(url)
    opened = open_ledger(url)
    assert opened.films.recent() == []
    opened.close()


def test_the_migrations_make_exactly_the_tables_of_the_code(empty_url: str) -> None:
    for _ in range(2):
        migrate(empty_url)
    command.check(alembic_config(empty_url))
    database = Database(empty_url)
    with database.read() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert (
            compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        )
        checks = {
            str(check["name"])
            for table in metadata.tables
            for check in inspect(connection).get_check_constraints(table)
        }
    database.close()
    assert checks == {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if str(constraint.name).startswith("ck_")
    }


def test_upgrading_again_keeps_what_is_there(ledger: Ledger) -> None:
    add_film(ledger)
    migrate(ledger.db.url)
    assert ledger.films.read("attic").film_id == "attic"


def test_the_migrations_go_all_the_way_back_and_forth(empty_url: str) -> None:
    migrate(empty_url)
    command.downgrade(alembic_config(empty_url), "base")
    database = Database(empty_url)
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    migrate(empty_url)
    assert set(inspect(database.engine).get_table_names()) >= set(metadata.tables)
    database.close()


def test_a_second_migration_waits_for_the_first(empty_url: str) -> None:
    first = Database(empty_url)
    with ThreadPoolExecutor(1) as pool:
        with first.migration():
            second = pool.submit(migrate, empty_url)
            assert not wait([second], timeout=0.5).done
        second.result()
    assert set(inspect(first.engine).get_table_names()) >= set(metadata.tables)
    first.close()


def test_the_command_line_migrates_the_database_of_the_environment(empty_url: str) -> None:
    environment = {**os.environ, "FILMFORGE_DATABASE_URL": empty_url}
    subprocess.run([sys.executable, "-m", "filmforge.ledger.migrate"], env=environment, check=True)
    opened = open_ledger(empty_url)
    assert opened.films.recent() == []
    opened.close()
