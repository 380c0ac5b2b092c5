"""The database: its pragmas, its transactions and its migrations."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import IntegrityError

from filmforge.errors import NotFound
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.database import Database
from filmforge.ledger.events import record_event
from filmforge.ledger.migrate import alembic_config, migrate
from filmforge.ledger.tables import films, metadata
from tests.ledger.conftest import add_film, at_once


class Killed(Exception):
    """Whoever was writing is gone."""


def _killed() -> pytest.RaisesExc[Killed]:
    return pytest.raises(Killed)


def test_sqlite_commits_to_the_disk_checks_references_and_waits_its_turn(ledger: Ledger) -> None:
    def settings(_: int) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        with ledger.db.read() as tx:
            return [tx.execute(text(f"PRAGMA {name}")).scalar() for name in names]

    full = 2
    assert at_once(5, settings) == [["wal", full, 1, 30_000]] * 5


def test_a_reference_to_nothing_is_refused(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), ledger.db.write() as tx:
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
    with ledger.db.engine.connect() as view:
        assert len(view.execute(count).all()) == 1
        add_film(ledger, "harbour")
        assert len(view.execute(count).all()) == 1
    assert len(ledger.films.recent()) == 2


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'down' / 'ledger.db'}"
    migrate(url)
    opened = open_ledger(url)
    assert opened.films.recent() == []
    opened.close()


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    for _ in range(2):
        migrate(url)
    database = Database(url)
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


def test_the_migrations_go_all_the_way_back_and_forth(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    migrate(url)
    command.downgrade(alembic_config(url), "base")
    database = Database(url)
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    migrate(url)
    assert set(inspect(database.engine).get_table_names()) >= set(metadata.tables)
    database.close()
