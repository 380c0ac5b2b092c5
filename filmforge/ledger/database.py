"""One database: SQLite on one machine, PostgreSQL in production."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

BUSY_TIMEOUT_MS = 30_000


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class Database:
    """Short transactions on an SQLAlchemy engine; every method may be called from any thread."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        self.url = url
        self._open = threading.local()
        self.engine: Engine = create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
        if parsed.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end and rolls back on any error.

        Inside another one of the same thread it is part of that one.
        """
        outer: Connection | None = getattr(self._open, "connection", None)
        if outer is not None:
            yield outer
            return
        writer = self.engine.connect().execution_options(writes=True)
        with writer as connection, connection.begin():
            self._open.connection = connection
            try:
                yield connection
            finally:
                self._open.connection = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view that changes nothing; inside a transaction it sees that one's work."""
        outer: Connection | None = getattr(self._open, "connection", None)
        if outer is not None:
            yield outer
            return
        with self.engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    # SQLite's own lower() knows ASCII only; a prompt is searched in any language.
    connection.create_function("lower", 1, _lower, deterministic=True)
    cursor = connection.cursor()
    # FULL: a commit is on the disk before a paid POST is made on the strength of it.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _lower(text: str | None) -> str | None:
    return text if text is None else text.lower()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading a read lock later fails instead of waiting.
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
