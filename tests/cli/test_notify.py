"""The commands about who is told what happens."""

import io
import json
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.cli.remote import Remote

CHANNEL = {
    "channel_id": "0a1b", "kind": "slack", "name": "Ada", "address": "hooks.slack.com (print 1f)",
    "events": ["film.done"], "film_id": None, "batch_s": 30, "signed_link": False,
    "created_by": "key", "created_at": "2026-11-21T10:00:00Z", "problem": "answered HTTP 500",
    "problem_at": "2026-11-21T10:00:00Z", "signing_secret": None,
}  # fmt: skip


def test_those_who_are_told_are_listed_with_what_fails(cli: Run, remote: Remote) -> None:
    answer = {"channels": [CHANNEL], "warning": "links in messages work here only"}
    remote.answers["/v1/channels"] = (200, answer)
    status, out, _ = cli("notify", "list")
    assert status == 0
    for words in ("0a1b", "every film", "film.done", "answered HTTP 500", "work here only"):
        assert words in out
    assert json.loads(cli("notify", "list", "--json")[1]) == answer


def test_somebody_is_told_of_one_film_by_an_address_from_stdin(
    cli: Run, remote: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.answers["/v1/channels"] = (201, CHANNEL)
    monkeypatch.setattr("sys.stdin", io.StringIO("https://hooks.example/secret\n"))
    options = ("--name", "Ada", "--film", "attic", "--on", "film.done", "--after", "60")
    status, out, _ = cli("notify", "add", "slack", "-", *options, "--links", "anybody")
    assert (status, out) == (0, "0a1b\n")
    assert remote.called("/v1/channels")[0] == {
        "kind": "slack", "name": "Ada", "address": "https://hooks.example/secret",
        "film_id": "attic", "batch_s": 60, "events": ["film.done"], "signed_link": True,
    }  # fmt: skip


def test_the_secret_of_a_webhook_is_printed_once(cli: Run, remote: Remote) -> None:
    made = {**CHANNEL, "kind": "webhook", "signing_secret": "whsec_opensesame"}
    remote.answers["/v1/channels"] = (201, made)
    _, out, _ = cli("notify", "add", "webhook", "https://x.example", "--name", "Ada")
    assert out.count("whsec_opensesame") == 1


@pytest.mark.parametrize(("sent", "expected"), [(True, 0), (False, 1)])
def test_a_test_message_that_is_not_taken_is_a_failure(
    cli: Run, remote: Remote, sent: bool, expected: int
) -> None:
    answer: dict[str, Any] = {"sent": sent, "message": "That is how it went."}
    remote.answers["/v1/channels/0a1b/test"] = (200, answer)
    assert cli("notify", "test", "0a1b")[:2] == (expected, "That is how it went.\n")


def test_a_channel_is_removed(cli: Run, remote: Remote) -> None:
    remote.answers["/v1/channels/0a1b"] = (200, CHANNEL)
    status, out, _ = cli("notify", "remove", "0a1b")
    assert (status, out) == (0, "Ada is told nothing more by slack\n")
