"""One database: SQLite on one machine, PostgreSQL in production."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    Table,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from filmforge.errors import BadInput, ServiceUnavailable

BUSY_TIMEOUT_MS = 30_000
_STATEMENT_TIMEOUT_MS = 60_000
_IDLE_TIMEOUT_MS = 120_000
_CONNECT_TIMEOUT_S = 10
_MIGRATION_LOCK = (
    0x66696C6D  # any number that every FilmForge and nobody else in the database takes
)

_SQLITE_AWAY = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}
# Classes and codes of SQLSTATE (PostgreSQL's appendix A) that another attempt may well survive:
# connection, resources, operator and system trouble; deadlocks, serialization and lock timeouts;
# our own transaction ended for idling.
_POSTGRESQL_AWAY = ("08", "53", "57", "58", "40001", "40P01", "55P03", "25P03")
# SQLite names 32,766 at most, and a long statement is slow to read.
_NAMED_AT_ONCE = 500


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def engine_url(url: str) -> URL:
    """The address for SQLAlchemy: postgres:// and postgresql:// speak through psycopg.

    Raises BadInput, which never repeats the address with its password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _bad_address("is no address") from None
    if parsed.get_backend_name() != "sqlite" and url.partition("?")[0].count("@") > 1:
        # The rest of the password would be taken for the host, which errors name.
        raise _bad_address("holds more than one @: in a password it is written %40")
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise _bad_address(f"{parsed.drivername} is not a database that FilmForge knows")
    return parsed


def _bad_address(problem: str) -> BadInput:
    remedy = "Use postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///FILE."
    return BadInput("FILMFORGE_DATABASE_URL", problem, remedy)


class Database:
    """Short transactions on an SQLAlchemy engine; every method may be called from any thread.

    A database that is away, or locked for longer than the time limits, raises
    ServiceUnavailable; the same object works again when the database is back.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = threading.local()
        parsed = engine_url(url)
        file = parsed.get_backend_name() == "sqlite"
        self.engine: Engine = _sqlite_engine(parsed) if file else _server_engine(parsed)
        # At READ COMMITTED each statement would see a moment of its own.
        self._reads: dict[str, Any] = (
            {} if file else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        )

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end and rolls back on any error.

        Inside another one of the same thread it is part of that one. After ServiceUnavailable
        at the very end nobody knows whether it was committed: look before doing it again.
        """
        outer: Connection | None = getattr(self._open, "connection", None)
        if outer is not None:
            yield outer
            return
        with _named(), self.engine.connect() as opened:
            connection = opened.execution_options(writes=True)
            with connection.begin():
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
        with _named(), self.engine.connect() as connection:
            yield connection.execution_options(**self._reads)

    @contextmanager
    def migration(self) -> Iterator[Connection]:
        """A transaction that changes the schema: one at a time, its statements take their time."""
        with self.write() as connection:
            if self.engine.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _sqlite_engine(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _server_engine(url: URL) -> Engine:
    # On: a commit is on the disk before a paid POST is made on the strength of it. Idle: whoever
    # stands still in a transaction must not hold its locks for ever.
    settings = {
        "synchronous_commit": "on",
        "lock_timeout": BUSY_TIMEOUT_MS,
        "statement_timeout": _STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": _IDLE_TIMEOUT_MS,
    }
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    given = url.query.get("options", "")
    options = f"{ours} {given if isinstance(given, str) else ' '.join(given)}".strip()
    wishes = {
        "application_name": "filmforge",
        "target_session_attrs": "read-write",  # never a standby
        "connect_timeout": _CONNECT_TIMEOUT_S,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": _STATEMENT_TIMEOUT_MS,
        **url.query,  # what the operator wrote into the address goes before ours
        "options": options,
    }
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        isolation_level="READ COMMITTED",
        connect_args=wishes,
    )


def batched(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """The keys in batches as long as a statement may name."""
    for begin in range(0, len(keys), _NAMED_AT_ONCE):
        yield keys[begin : begin + _NAMED_AT_ONCE]


def insert_new(tx: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one of its key is there; False then, and the transaction goes on.

    Waits for another transaction that is just inserting the same key.
    """
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    fresh = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return tx.execute(fresh.returning(literal(True))).first() is not None


@contextmanager
def _named() -> Iterator[None]:
    """Say ServiceUnavailable for a database that is away; mistakes of ours stay what they are."""
    try:
        yield
    except PoolTimeout as error:
        raise ServiceUnavailable("the database is busy: no connection became free") from error
    except DBAPIError as error:
        if not _is_away(error):
            raise
        words = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
        raise ServiceUnavailable(f"the database did not answer: {words[0]}") from error


def _is_away(error: DBAPIError) -> bool:
    cause = error.orig
    if error.connection_invalidated:
        return True
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)
        return code is not None and code & 0xFF in _SQLITE_AWAY
    state = getattr(cause, "sqlstate", None)
    if state is None:  # no server said this: it could not be reached, or the line broke
        return type(cause).__name__ == "OperationalError"
    return str(state).startswith(_POSTGRESQL_AWAY)


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
