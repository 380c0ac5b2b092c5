"""An installation as an operator runs it, full of planted keys, before fakes that quote them."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import make_url

from filmforge.embedded import UpInfo, read_up
from filmforge.embedded.credentials import Credentials
from filmforge.embedded.state import write_private
from filmforge.settings import Settings
from tests.fake_process import free_port
from tests.fakes.process import FakeVendor
from tests.keys.planted import Planted, a_key, a_secret
from tests.keys.wiring import KEYS, SHAPES, addresses

ROOT = Path(__file__).parents[2]
START_S, STOP_S, COMMAND_S = 90.0, 30.0, 60.0
LOOK_S = 0.1
UNHURRIED = {"max_in_flight": 64, "submits_per_s": 100}
TERMS = {
    "FILMFORGE_ALLOW_PRIVATE_URLS": "1",
    "FILMFORGE_SUBMIT_TIMEOUT_S": "3",
    "FILMFORGE_LISTING_LAG_S": "0.1",
    "FILMFORGE_CALLBACK_WAIT_S": "0.5",
    "FILMFORGE_PATIENCE_S": "1.5",
    "FILMFORGE_PACES": json.dumps(dict.fromkeys(KEYS, UNHURRIED)),
}


class Site:
    """A running `filmforge up` with its fakes; everything it says and answers is kept."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.keys = {name: a_key(name, SHAPES[name]) for name in KEYS}
        self.secrets = {name: a_secret(name) for name in ("replicate", "openai")}
        self.own = {
            name: a_secret(name)
            if name.endswith(("signing_key", "webhook_secret"))
            else a_key(name)
            for name in Credentials.model_fields
            if name != "s3_access_key"  # a name, which stands in every signed URL
        }
        self.own |= {name: a_key(name) for name in ("another_api_key", "aws_secret_access_key")}
        self.own["database_password"] = a_key("database_password")
        self.token = Planted("token of a callback", secrets.token_hex(16))
        url = make_url(database_url).set(password=self.own["database_password"].value)
        self.database_url = url.render_as_string(hide_password=False)
        self.answers: list[tuple[str, bytes]] = []
        self.port = free_port()
        self.fakes = {name: self._fake(name) for name in KEYS}
        self.family: list[psutil.Process] = []
        self.info: UpInfo
        self._http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"authorization": f"Bearer {self.own['api_key'].value}"},
            timeout=30,
            trust_env=False,
        )

    def planted(self) -> list[Planted]:
        """Every key there is."""
        return [*self.keys.values(), *self.secrets.values(), *self.own.values()]

    def environment(self, **changes: str) -> dict[str, str]:
        """All that a process of ours is told; keys travel in no other way."""
        settings: dict[str, str] = {KEYS[name]: key.value for name, key in self.keys.items()}
        settings |= {f"{name}_webhook_secret": key.value for name, key in self.secrets.items()}
        for name, fake in self.fakes.items():
            settings |= addresses(name, fake.url)
        settings |= {
            "api_keys": f"{self.own['api_key'].value},{self.own['another_api_key'].value}",
            "signing_key": self.own["signing_key"].value,
            "database_url": self.database_url,
        }
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_SECRET_ACCESS_KEY": self.own["aws_secret_access_key"].value,
            **{_variable(name): value for name, value in settings.items()},
            **TERMS,
            **changes,
        }

    def start(self) -> None:
        """Start the fakes and `filmforge up`, and wait until it is ready."""
        self.state.mkdir(mode=0o700)
        made = {"s3_access_key": "FFPLANTED", **{n: k.value for n, k in self.own.items()}}
        write_private(
            self.state / "credentials.json", Credentials.model_validate(made).model_dump_json()
        )
        with ThreadPoolExecutor() as pool:
            up = pool.submit(self._start_up)
            list(pool.map(lambda fake: fake.start(), self.fakes.values()))
            up.result()
        self.fakes["replicate"].settings(secret=self.secrets["replicate"].value)
        self.fakes["openai"].settings(webhook_url=f"{self.info.api}/v1/callbacks/openai")

    def _start_up(self) -> None:
        self.up = self.process("up", "up", "--state", str(self.state), "--port", str(self.port))
        self.until(lambda: self.up.poll() is not None or read_up(self.state), START_S)
        info = read_up(self.state)
        assert info is not None, (self.folder / "said-up").read_text()[-3000:]
        self.info = info
        root = psutil.Process(self.up.pid)
        self.family = [root, *root.children(recursive=True)]

    def process(self, name: str, *arguments: str, **changes: str) -> "subprocess.Popen[bytes]":
        """A command, or with `-m` any program of ours; what it says goes to a file."""
        command = list(arguments) if arguments[0] == "-m" else ["-m", "filmforge.cli", *arguments]
        with (self.folder / f"said-{name}").open("wb") as file:
            return subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self.environment(**changes),
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def commands(self, orders: Sequence[Sequence[str]], **changes: str) -> dict[str, int]:
        """Run commands two at a time to their ends; returns the exit status of each."""
        remote = {
            "FILMFORGE_API_URL": self.info.api,
            "FILMFORGE_API_KEY": self.own["api_key"].value,
            **changes,
        }

        def run(order: Sequence[str]) -> tuple[str, int]:
            name = "-".join(order).replace("/", "_")
            return name, self.process(name, *order, **remote).wait(COMMAND_S)

        with ThreadPoolExecutor(2) as pool:
            return dict(pool.map(run, orders))

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the API; head and body of the answer are kept."""
        with self._http.stream(method, path, **options) as answer:
            body = b""
            # A stream of events never ends by itself.
            for piece in answer.iter_bytes():
                body += piece
                if path.endswith("/events") and b"event: " in body:
                    break
        head = repr(sorted(answer.headers.multi_items())).encode()
        self.answers.append((f"{method} {path}: {answer.status_code}", head + body))
        answer._content = body
        return answer

    def submit(self, film: dict[str, Any]) -> dict[str, Any]:
        """Submit a film; returns what is told of it."""
        answer = self.ask("POST", "/v1/films", json=film)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def film(self, film_id: str) -> dict[str, Any]:
        """Where a film stands."""
        told: dict[str, Any] = self.ask("GET", f"/v1/films/{film_id}").json()
        return told

    def until(self, so: Callable[[], object], timeout_s: float = 60) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + timeout_s
        while not so():
            assert time.monotonic() < deadline, "it did not come to be in time"
            time.sleep(LOOK_S)

    def stop(self) -> None:
        """Stop `filmforge up` and the fakes."""
        self._http.close()
        for fake in self.fakes.values():
            fake.stop()
        if hasattr(self, "up"):
            self.up.terminate()
            self.up.wait(STOP_S)

    def _fake(self, name: str) -> FakeVendor:
        told = {"VENDOR": name, "OPENS": self.keys[name].value}
        if name in self.secrets:
            told["SIGNS"] = self.secrets[name].value
        (self.folder.parent / "fakes").mkdir(exist_ok=True)
        return FakeVendor("tests.keys.lock", self.folder.parent / "fakes" / name, **told)


@contextmanager
def open_site(folder: Path, database_url: str) -> Iterator[Site]:
    """A running installation over this database."""
    site = Site(folder, database_url)
    try:
        site.start()
        yield site
    finally:
        site.stop()


def _variable(name: str) -> str:
    alias = Settings.model_fields[name].validation_alias
    return alias if isinstance(alias, str) else f"FILMFORGE_{name.upper()}"
