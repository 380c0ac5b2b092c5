"""What the worker, the gateway and the rest of ours are told through their environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from filmforge.embedded.credentials import keep_credentials
from filmforge.embedded.ports import LOOPBACK
from filmforge.embedded.s3 import s3_environment
from filmforge.embedded.servers import Servers
from filmforge.embedded.state import MARK, StateDir, read_up
from filmforge.errors import BadInput
from filmforge.settings import Settings

# They would send our keys elsewhere, or add to them what the embedded S3 server does not know.
_OTHER_ACCOUNTS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_REGION")


def child_environment(
    state: StateDir, settings: Settings, servers: Servers, api: str, fake_url: str | None
) -> dict[str, str]:
    """This process's environment, and over it what is not set there; `api` is our own address."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if servers.s3 is None or name not in _OTHER_ACCOUNTS
    }
    made = (
        servers.environment
        | _unless_set(state, settings, servers, api)
        | {
            "FILMFORGE_READY_FILE": str(state.worker_ready_file),
            "PYTHONUNBUFFERED": "1",  # the last words before a crash reach the log
            MARK: str(state.root),
        }
    )
    if fake_url:
        made["FILMFORGE_FAKE_URL"] = fake_url
    return inherited | _without_proxy(inherited) | made


def environment_beside(state_dir: Path) -> dict[str, str]:
    """The environment of one more worker for what runs in a directory; ours where nothing does.

    Raises BadInput when nothing runs there and the environment names no Temporal.
    """
    info = read_up(state_dir)
    inherited = dict(os.environ)
    if info is None:
        if not Settings().temporal_address:
            remedy = "Start `filmforge up` there, or set TEMPORAL_ADDRESS and FILMFORGE_S3_BUCKET"
            raise BadInput("--state", f"nothing runs in {state_dir}", remedy)
        return inherited
    made = {"TEMPORAL_ADDRESS": info.temporal, "PYTHONUNBUFFERED": "1"}
    if "s3" in info.pids:
        state = StateDir(state_dir.expanduser().absolute())
        made |= s3_environment(keep_credentials(state.credentials_file), info.s3)
    return inherited | _without_proxy(inherited) | made


def settings_beside(state_dir: Path) -> Settings:
    """The settings of what runs in a directory, or those of the environment.

    Raises BadInput when nothing runs there and the environment names no Temporal.
    """
    environment = environment_beside(state_dir)
    os.environ.update(environment)  # boto3 reads its keys nowhere else
    return Settings()


def _unless_set(state: StateDir, settings: Settings, servers: Servers, api: str) -> dict[str, str]:
    keys = servers.credentials
    defaults = {
        "database_url": f"sqlite:///{state.root / 'ledger.db'}",
        "work_dir": str(state.root / "work"),
        "api_keys": keys.api_key,
        "signing_key": keys.signing_key,
        "fake_webhook_secret": keys.fake_webhook_secret,
        "public_url": api,
    }
    missing = defaults.keys() - settings.model_fields_set
    return {f"FILMFORGE_{name.upper()}": defaults[name] for name in missing}


def _without_proxy(inherited: Mapping[str, str]) -> dict[str, str]:
    """No proxy stands between processes of one machine."""
    names = ("NO_PROXY", "no_proxy")
    given = next((inherited[name] for name in names if inherited.get(name)), "")
    return dict.fromkeys(names, ",".join(filter(None, (given, LOOPBACK, "localhost"))))
