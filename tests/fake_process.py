"""The fake provider's server as a process of its own, for any test that needs one."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

WEBHOOK_SECRET = "whsec_ZmlsbWZvcmdlLXRlc3Qtc2VjcmV0LTEyMzQ1"
START_TIMEOUT_S = 60.0


def free_port() -> int:
    """A loopback port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class FakeServer:
    """A running server; it keeps its port and its state over kill() and start()."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.secret = WEBHOOK_SECRET
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=self.url, timeout=10, trust_env=False)

    def start(self) -> None:
        """Start the process and wait until it answers."""
        command = [sys.executable, "-m", "filmforge.fakeserver"]
        command += ["--port", str(self.port), "--state", str(self.state)]
        environment = {**os.environ, "FILMFORGE_FAKE_WEBHOOK_SECRET": self.secret}
        self._process = subprocess.Popen(command, env=environment)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None:
                raise RuntimeError(f"the fake server ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError("the fake server did not start in time")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the process at once, with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the process in good order and close the client."""
        self._end(signal.SIGTERM)
        self._client.close()

    def charges(self) -> dict[str, Any]:
        """What was charged: total_usd, count, by_key, and every accepted job."""
        told: dict[str, Any] = self._json("GET", "/control/charges")
        return told

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change the settings that are named and return all of them."""
        told: dict[str, Any] = self._json("POST", "/control/settings", changes)
        return told

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Put these faults in place of the old ones."""
        self._json("POST", "/control/faults", list(faults))

    def reset(self) -> None:
        """Forget jobs, charges, settings and faults."""
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
def fake_server(state: Path, **settings: Any) -> Iterator[FakeServer]:
    """A server on a free port over the state file, with these settings, ended by its pid."""
    server = FakeServer(state)
    server.start()
    try:
        if settings:
            server.settings(**settings)
        yield server
    finally:
        server.stop()
