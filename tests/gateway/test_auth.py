"""Who calls: a known key, or a fresh signature over the body; everybody else is told why not."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.gateway.api import KEY, SIGNING_KEY, Api, film


def signed(
    body: bytes, *, age_s: float = 0, secret: str = SIGNING_KEY, message: str = "msg_1"
) -> dict[str, str]:
    moment = datetime.now(UTC) - timedelta(seconds=age_s)
    signature = Webhook(secret).sign(message, moment, body.decode("latin-1"))
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
        "content-type": "application/json",
    }


def refused(answer: httpx.Response) -> str:
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert KEY not in answer.text
    return str(answer.json()["detail"])


def test_every_route_wants_to_know_who_calls(api: Api) -> None:
    described = api.stranger.get("/openapi.json").json()["paths"]
    ours = [path for path in described if path.startswith("/v1/") and "callbacks" not in path]
    assert "/v1/films/{film_id}" in ours
    for path in ours:
        address = re.sub(r"{\w+}", "a", path.replace("{digest}", "0" * 64))
        for method in described[path]:
            answer = api.stranger.request(method.upper(), address)
            assert "Authorization" in refused(answer), (method, path)


@pytest.mark.parametrize("header", [f"Bearer {KEY}x", "Bearer", f"Basic {KEY}", KEY, "Bearer käse"])
def test_a_wrong_key_is_refused(api: Api, header: str) -> None:
    answer = api.stranger.get("/v1/films", headers={"authorization": header.encode()})
    assert "KEY" in refused(answer) or "not known" in refused(answer)


@pytest.mark.parametrize("key", [KEY, "other-key"])
def test_every_configured_key_is_taken(api: Api, key: str) -> None:
    answer = api.stranger.get("/v1/films", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200


def test_a_signed_film_is_taken_and_known_again_by_its_message_id(api: Api) -> None:
    document = film()
    del document["film_id"]
    body = json.dumps(document).encode()
    first = api.stranger.post("/v1/films", content=body, headers=signed(body, message="msg_a"))
    again = api.stranger.post("/v1/films", content=body, headers=signed(body, message="msg_a"))
    assert first.status_code == again.status_code == 202
    assert first.json()["film_id"] == again.json()["film_id"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"age_s": 301}, "stale"),
        ({"age_s": -360}, "ahead"),
        ({"secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}, "does not match"),
    ],
)
def test_a_stale_or_foreign_signature_is_refused(
    api: Api, change: dict[str, Any], said: str
) -> None:
    before = api.films()
    body = json.dumps(film()).encode()
    answer = api.stranger.post("/v1/films", content=body, headers=signed(body, **change))
    assert said in refused(answer)
    assert api.films() == before


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1,####"},
        {"webhook-signature": "nonsense"},
        {"webhook-signature": "v2,AAAA"},
        {"webhook-signature": "v1,ü".encode()},
        {"webhook-signature": ""},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "9" * 400},
        {"webhook-id": "msg_2"},
    ],
)
def test_a_broken_signature_is_refused(api: Api, change: dict[str, Any]) -> None:
    body = json.dumps(film()).encode()
    refused(api.stranger.post("/v1/films", content=body, headers={**signed(body), **change}))


def test_a_changed_body_is_refused(api: Api) -> None:
    body = json.dumps(film()).encode()
    refused(api.stranger.post("/v1/films", content=body + b" ", headers=signed(body)))


def test_a_signed_body_that_is_no_text_is_refused(api: Api) -> None:
    body = b'{"title": "\xff"}'
    assert "UTF-8" in refused(api.stranger.post("/v1/films", content=body, headers=signed(body)))


def test_an_oversized_body_of_a_stranger_is_not_read(api: Api) -> None:
    body = b" " * (6 * 2**20)
    answer = api.stranger.post("/v1/films", content=body, headers=signed(b""))
    assert answer.status_code == 413
