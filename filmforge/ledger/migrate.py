"""Bring the ledger's schema up to date: `python -m filmforge.ledger.migrate`."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from filmforge.settings import Settings


def alembic_config(url: str) -> Config:
    """Alembic's configuration for one database."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config


def migrate(url: str) -> None:
    """Apply every migration that is missing; does nothing when none is."""
    command.upgrade(alembic_config(url), "head")


if __name__ == "__main__":
    migrate(Settings().database_url.get_secret_value())
