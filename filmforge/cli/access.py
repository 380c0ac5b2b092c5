"""Where the API is, and the key that opens it."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from filmforge.cli.options import DEFAULT_STATE
from filmforge.cli.problems import Unreachable
from filmforge.errors import BadInput


class AccessSettings(BaseSettings):
    """What the environment says about a FilmForge that runs elsewhere."""

    model_config = SettingsConfigDict(
        env_prefix="FILMFORGE_", env_ignore_empty=True, extra="ignore"
    )

    api_url: str = ""
    api_key: SecretStr = SecretStr("")


@dataclass(frozen=True)
class Access:
    """The address of an API and its key."""

    url: str
    key: str = field(repr=False)


def find_access(state: Path | None) -> Access:
    """The API of the state directory named, else of the environment, else of .filmforge.

    Raises Unreachable when nothing runs there, BadInput when only half of it is given.
    """
    settings = AccessSettings()
    if state is None and settings.api_url:
        key = settings.api_key.get_secret_value()
        if not key:
            raise BadInput(
                "FILMFORGE_API_KEY",
                "is not set although FILMFORGE_API_URL is",
                "Set it to one of the keys that API accepts",
            )
        return Access(_checked(settings.api_url), key)
    return _published(state or DEFAULT_STATE)


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise BadInput("FILMFORGE_API_URL", "is no http address", "Write it as https://host")
    return url.rstrip("/")


def _published(state: Path) -> Access:
    file = state.expanduser() / "up.json"
    try:
        document = json.loads(file.read_bytes())
        return Access(str(document["api"]).rstrip("/"), str(document["api_key"]))
    except (FileNotFoundError, NotADirectoryError):
        raise Unreachable(
            f"nothing runs here: {file} does not exist. Start it with `filmforge up`, or name "
            "another one with --state DIR, or with FILMFORGE_API_URL and FILMFORGE_API_KEY."
        ) from None
    except OSError as error:
        raise Unreachable(f"{file} cannot be read ({error.strerror}).") from None
    except (ValueError, KeyError, TypeError):
        raise Unreachable(
            f"{file} is damaged. Stop FilmForge and start it again with `filmforge up`."
        ) from None
