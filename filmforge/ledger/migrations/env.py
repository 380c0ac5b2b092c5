"""Alembic's entry: the URL comes from `migrate`, never from a file."""

from typing import Any

from alembic import context
from sqlalchemy import Connection, event

from filmforge.ledger.columns import metadata
from filmforge.ledger.database import Database


def run() -> None:
    """Apply the migrations in one transaction, in which every reference holds at the end."""
    database = Database(context.config.attributes["url"])
    sqlite = database.engine.dialect.name == "sqlite"
    if sqlite:
        event.listen(database.engine, "connect", _check_references_later)
    with database.migration() as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        context.run_migrations()
        if sqlite:
            _check_references(connection)
    database.close()


def _check_references_later(connection: Any, _record: Any) -> None:
    """SQLite changes a table by writing it anew: meanwhile references to it lead nowhere."""
    connection.execute("PRAGMA foreign_keys=OFF")


def _check_references(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"a row of {broken[0]} refers to nothing in {broken[2]}")


run()
