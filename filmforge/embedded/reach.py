"""Whether the servers an installation was pointed at can be reached."""

import subprocess

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from filmforge.embedded.process import binary
from filmforge.errors import FilmError
from filmforge.ledger.database import engine_url
from filmforge.settings import Settings

CONNECT_TIMEOUT_S = 5

_EMBEDDED = "embedded: filmforge up starts it"

_HEALTH = ("operator", "cluster", "health", "--command-timeout", "10s")

# What was looked at, and what is wrong with it: None when nothing is.
Reached = tuple[str, str | None]


def reach_temporal(settings: Settings) -> Reached:
    """Ask the server for its health, with the keys and certificates of the environment."""
    if not (address := settings.temporal_address):
        return _EMBEDDED, None
    try:
        subprocess.run(  # noqa: S603  our own program, no shell
            [binary("temporal"), *_HEALTH, "--address", address],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        return address, error.stderr.strip()[-300:]
    except (OSError, subprocess.SubprocessError, FilmError) as error:
        return address, str(error)
    return f"{address} is healthy", None


def reach_s3(settings: Settings) -> Reached:
    """Look for the bucket, with the credentials boto3 finds by itself."""
    if not settings.s3_bucket:
        if settings.s3_endpoint:
            return settings.s3_endpoint, "no bucket is named"
        return _EMBEDDED, None
    where = f"bucket {settings.s3_bucket} at {settings.s3_endpoint or 'AWS'}"
    limits = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1})
    try:
        client = boto3.Session().client(
            "s3", endpoint_url=settings.s3_endpoint or None, config=limits
        )
        client.head_bucket(Bucket=settings.s3_bucket)
    except (BotoCoreError, ClientError, ValueError) as error:
        return where, str(error)
    return f"{where} answers", None


def reach_database(settings: Settings) -> Reached:
    """Connect and ask for nothing; the password is never shown."""
    if not (url := settings.database_url.get_secret_value()):
        return "embedded: SQLite in the state directory", None
    where = "FILMFORGE_DATABASE_URL"
    try:
        parsed = engine_url(url)
        # A query may hold a password too.
        where = parsed.set(query={}).render_as_string(hide_password=True)
        server = parsed.get_backend_name() != "sqlite"
        # Not the ledger's own Database, which makes what is missing.
        limits = {"connect_timeout": CONNECT_TIMEOUT_S} if server else {}
        engine = create_engine(parsed, connect_args=limits)
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        finally:
            engine.dispose()
    except (FilmError, SQLAlchemyError, ImportError) as error:
        return where, str(error).splitlines()[0]
    return f"{where} answers", None
