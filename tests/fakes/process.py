"""A fake provider as a process of its own, for any test that needs one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.fake_process import free_port

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60.0


class FakeVendor:
    """A running provider; it keeps its port and its state over kill() and start()."""

    def __init__(self, module: str, state: Path, **env: str) -> None:
        self.module = module
        self.state = state.absolute()
        self.env = env
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        command = [sys.executable, "-m", self.module]
        command += ["--port", str(self.port), "--state", str(self.state)]
        self._process = subprocess.Popen(command, env={**os.environ, **self.env}, cwd=ROOT)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.module} ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"{self.module} did not start in time")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the process at once, with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the process in good order and close the client."""
        self._end(signal.SIGTERM)
        self._client.close()

    def charges(self) -> dict[str, Any]:
        """What was charged: total_usd, count, by_words, and every accepted job."""
        told: dict[str, Any] = self._json("GET", "/control/charges")
        return told

    def log(self) -> dict[str, list[dict[str, Any]]]:
        """What was seen: requests, and webhooks, each oldest first."""
        told: dict[str, list[dict[str, Any]]] = self._json("GET", "/control/log")
        return told

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change the settings that are named and return all of them."""
        told: dict[str, Any] = self._json("POST", "/control/settings", changes)
        return told

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Put these faults in place of the old ones."""
        self._json("POST", "/control/faults", list(faults))

    def reset(self) -> None:
        """Forget jobs, charges, settings, faults, callbacks and what was seen."""
        self._json("POST", "/control/reset", {})

    def _json(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, path, json=body)
        if answer.is_error:
            raise ValueError(f"{path}: {answer.text}")
        return answer.json()

    def _answers(self) -> bool:
        try:
            return self._client.get("/healthz", timeout=1).is_success
        except httpx.TransportError:
            return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None


@contextmanager
def fake_vendor(
    module: str, state: Path, env: Mapping[str, str] | None = None, **settings: Any
) -> Iterator[FakeVendor]:
    """A provider on a free port over the state file, with these settings, ended by its pid."""
    vendor = FakeVendor(module, state, **(env or {}))
    try:
        vendor.start()
        if settings:
            vendor.settings(**settings)
        yield vendor
    finally:
        vendor.stop()
