"""What an installation has, lacks and can reach, in words that say what to do."""

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import espeakng_loader
import httpx
import psutil

from filmforge.addresses import is_near
from filmforge.embedded.ports import LOOPBACK, is_free
from filmforge.embedded.process import binary
from filmforge.embedded.reach import reach_database, reach_s3, reach_temporal
from filmforge.embedded.state import UpInfo, read_up
from filmforge.embedded.supervisor import DEFAULT_PORT
from filmforge.errors import BadInput, FilmError
from filmforge.media.ffmpeg import ffmpeg_path
from filmforge.provenance.signer import identity_of
from filmforge.settings import FAR_WARNING, Settings

_ENOUGH_DISK_BYTES = 5_000_000_000
_REINSTALL = "Install the project's requirements again: make setup"


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `remedy` is empty when it is as it should be."""

    name: str
    ok: bool
    found: str
    remedy: str


def examine(state_dir: Path, settings: Settings) -> list[Finding]:
    """Look at everything an installation needs; nothing is changed. Takes a few seconds."""
    up = read_up(state_dir)
    return [
        _python(),
        _program("temporal", "--version"),
        _program("weed", "version"),
        _program(ffmpeg_path(), "-version", name="ffmpeg"),
        _speech(),
        _state(state_dir),
        _disk(state_dir),
        _port(up),
        _up(up),
        _reach("temporal server", reach_temporal(settings), "TEMPORAL_ADDRESS"),
        _reach("s3", reach_s3(settings), "AWS_ENDPOINT_URL_S3 and FILMFORGE_S3_BUCKET"),
        _reach("database", reach_database(settings), "FILMFORGE_DATABASE_URL"),
        _keys(settings),
        _public_address(up, settings),
        _mail(settings),
        _provenance(settings),
    ]


def _finding(name: str, ok: bool, found: str, remedy: str) -> Finding:
    return Finding(name, ok, found, "" if ok else remedy)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return _finding("python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer")


def _program(program: str, ask: str, name: str = "") -> Finding:
    name = name or program
    try:
        path = program if Path(program).is_absolute() else binary(program)
        said = subprocess.run(  # noqa: S603  one of ours, no shell
            [path, ask], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError, FilmError) as error:
        return Finding(name, False, str(error), _REINSTALL)
    return Finding(name, True, said.stdout.strip().splitlines()[0], "")


def _speech() -> Finding:
    try:
        ctypes.CDLL(espeakng_loader.get_library_path())
    except OSError as error:
        return Finding("speech", False, f"the synthesiser does not load: {error}", _REINSTALL)
    voices = Path(espeakng_loader.get_data_path())
    return _finding("speech", voices.is_dir(), f"espeak-ng, voices in {voices}", _REINSTALL)


def _state(state_dir: Path) -> Finding:
    root = state_dir.expanduser().absolute()
    if not root.exists():
        return Finding("state directory", True, f"{root}, to be made at the first start", "")
    mode = stat.S_IMODE(root.stat().st_mode)
    found = f"{root}, mode {mode:04o}"
    if not os.access(root, os.W_OK | os.X_OK):
        return Finding(
            "state directory", False, f"{found}, not writable", "Choose another: --state"
        )
    return _finding(
        "state directory", not mode & 0o077, found, f"Close it to others: chmod 700 {root}"
    )


def _disk(state_dir: Path) -> Finding:
    root = state_dir.expanduser().absolute()
    there = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 1e9:.1f} GB free"
    return _finding("disk", free >= _ENOUGH_DISK_BYTES, found, "Make room: a film needs a few GB")


def _port(up: UpInfo | None) -> Finding:
    if up is not None:
        return Finding("port", True, f"filmforge serves {up.api}", "")
    free = is_free(DEFAULT_PORT)
    found = f"{LOOPBACK}:{DEFAULT_PORT} is {'free' if free else 'taken by another program'}"
    return _finding("port", free, found, "Start with another: filmforge up --port N")


def _up(up: UpInfo | None) -> Finding:
    if up is None:
        return Finding("up", True, "not running", "")
    dead = [name for name, pid in up.pids.items() if not psutil.pid_exists(pid)]
    if dead:
        found = f"not running: {', '.join(sorted(dead))}"
        return Finding("up", False, found, "Start it again: filmforge up")
    try:
        ready = httpx.get(f"{up.api}/readyz", timeout=5, trust_env=False).is_success
    except httpx.HTTPError as error:
        return Finding("up", False, f"{up.api} does not answer: {error}", "See logs/gateway.log")
    found = f"running at {up.api}" if ready else f"{up.api} is not ready"
    return _finding("up", ready, found, "See the logs directory in the state directory")


def _reach(name: str, problem: tuple[str, str | None], variables: str) -> Finding:
    found, trouble = problem
    if trouble is None:
        return Finding(name, True, found, "")
    return Finding(name, False, f"{found}: {trouble}", f"Check {variables}, and that it runs")


def _keys(settings: Settings) -> Finding:
    shared = bool(settings.temporal_address or settings.s3_bucket or _own_database(settings))
    missing = [
        name
        for name, value in (
            ("FILMFORGE_API_KEYS", settings.api_keys),
            ("FILMFORGE_SIGNING_KEY", settings.signing_key),
        )
        if not value.get_secret_value()
    ]
    if not missing:
        return Finding("keys", True, "API keys and signing key are set", "")
    if not shared:
        return Finding("keys", True, "made by filmforge up, kept in the state directory", "")
    found = f"not set: {', '.join(missing)}"
    return Finding("keys", False, found, "Set them alike wherever these servers are used")


def _public_address(up: UpInfo | None, settings: Settings) -> Finding:
    """Where links lead: one for this machine alone is fine until somebody else gets it."""
    given = "public_url" in settings.model_fields_set
    url = up.api if up and not given else settings.public_url
    return Finding("links lead to", True, url, FAR_WARNING if is_near(url) else "")


def _mail(settings: Settings) -> Finding:
    if not settings.smtp_url.get_secret_value():
        return Finding("mail", True, "none is sent: FILMFORGE_SMTP_URL is not set", "")
    found = f"from {settings.mail_from}" if settings.mail_from else "from nobody"
    remedy = "Set FILMFORGE_MAIL_FROM, such as FilmForge <films@example.com>"
    return _finding("mail", bool(settings.mail_from), found, remedy)


def _provenance(settings: Settings) -> Finding:
    """Whose certificate stands in finished files; a development certificate is not made here."""
    if not (settings.provenance_certificate or settings.provenance_key):
        found = "signed for development: unchanged files are known again, their maker is not"
        return Finding("provenance", True, found, "")
    try:
        leaf = identity_of(settings).leaf
    except BadInput as error:
        return Finding("provenance", False, f"{error.field}: {error.problem}", error.remedy)
    until = f"{leaf.not_valid_after_utc:%Y-%m-%d}"
    return Finding("provenance", True, f"{leaf.subject.rfc4514_string()}, until {until}", "")


def _own_database(settings: Settings) -> bool:
    return bool(settings.database_url.get_secret_value())
