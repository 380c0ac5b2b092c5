"""The base of the fake providers calls back, signed, repeated, late or spoilt."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.fakes.demo import SECRET, Client, wait_for
from tests.fakes.process import fake_vendor


class Listener:
    """Takes callbacks, in order; `failures` of them are answered with 500 first."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.failures = 0
        self.url = ""

    def take(self, headers: dict[str, str], body: bytes) -> int:
        self.calls.append((headers, body))
        self.failures -= 1
        return 500 if self.failures >= 0 else 204

    def ids(self) -> list[str]:
        return [json.loads(body)["id"] for _, body in self.calls]


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(listener.take(headers, body))
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as running:
        yield running


def test_a_callback_is_signed_and_repeated_until_it_is_taken(
    client: Client, listener: Listener
) -> None:
    listener.failures = 1
    job_id = client.submit("a heron", webhook=listener.url)
    wait_for(lambda: len(client.fake.log()["webhooks"]) == 2)
    assert [seen["status"] for seen in client.fake.log()["webhooks"]] == [500, 204]
    headers, body = listener.calls[-1]
    assert Webhook(SECRET).verify(body, headers) == {"id": job_id, "status": "succeeded"}


def test_an_owed_callback_outlives_a_kill(tmp_path: Path, listener: Listener) -> None:
    demo = fake_vendor("tests.fakes.demo", tmp_path / "db", latency_s=0, webhook_delay_s=0.5)
    with demo as fake, Client(fake) as client:
        job_id = client.submit("a heron", webhook=listener.url)
        fake.kill()
        assert listener.calls == []
        fake.start()
        wait_for(lambda: listener.ids() == [job_id])


@pytest.mark.parametrize("fault", ["webhook_forged", "webhook_stale"])
def test_a_forged_or_stale_callback_does_not_verify(
    client: Client, listener: Listener, fault: str
) -> None:
    client.fake.set_faults({"fault": fault})
    client.submit("a heron", webhook=listener.url)
    wait_for(lambda: bool(listener.calls))
    headers, body = listener.calls[0]
    reason = "old" if fault == "webhook_stale" else "signature"
    with pytest.raises(WebhookVerificationError, match=reason):
        Webhook(SECRET).verify(body, headers)


def test_callbacks_get_lost_come_twice_and_out_of_order(client: Client, listener: Listener) -> None:
    client.fake.set_faults(
        {"fault": "webhook_lost"}, {"fault": "webhook_out_of_order"}, {"fault": "webhook_twice"}
    )
    _, early, twice = (client.submit("a heron", webhook=listener.url) for _ in range(3))
    wait_for(lambda: len(listener.calls) == 3)
    assert listener.ids() == [twice, twice, early]


def test_a_late_callback_waits(client: Client, listener: Listener) -> None:
    client.fake.set_faults({"fault": "webhook_late", "seconds": 0.3})
    client.submit("a heron", webhook=listener.url)
    wait_for(lambda: bool(client.fake.log()["webhooks"]))
    accepted_at = client.fake.charges()["jobs"][0]["accepted_at"]
    assert client.fake.log()["webhooks"][0]["at"] - accepted_at >= 0.35


def test_a_cancelled_job_is_called_back_for_at_once_or_not_at_all(
    client: Client, listener: Listener
) -> None:
    client.fake.settings(latency_s=0.2)
    told, untold = (client.submit("a heron", webhook=listener.url) for _ in range(2))
    client.http.delete(f"/jobs/{told}?tell")
    client.http.delete(f"/jobs/{untold}")
    after = client.submit("an egret", webhook=listener.url)
    wait_for(lambda: after in listener.ids())
    assert listener.ids() == [told, after]
