"""Alembic's entry: the URL comes from `migrate`, never from a file."""

from alembic import context

from filmforge.ledger.database import Database
from filmforge.ledger.tables import metadata


def run() -> None:
    """Apply the migrations in one transaction each."""
    database = Database(context.config.attributes["url"])
    with database.write() as connection:
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        context.run_migrations()
    database.close()


run()
