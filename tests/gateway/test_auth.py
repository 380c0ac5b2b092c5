"""Who calls: a known key, or a fresh signature over the body; everybody else is told why not."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from tests.gateway.api import KEY, SIGNING_KEY, Api, film

EVERY_ROUTE = [
    ("POST", "/v1/films"),
    ("GET", "/v1/films"),
    ("GET", "/v1/films/a"),
    ("GET", "/v1/films/a/events"),
    ("GET", "/v1/films/a/audit"),
    ("GET", "/v1/films/a/costs"),
    ("POST", "/v1/films/a/estimate"),
    ("POST", "/v1/estimates"),
    ("POST", "/v1/films/a/budget"),
    ("POST", "/v1/films/a/cancel"),
    ("POST", "/v1/films/a/resume"),
    ("POST", "/v1/films/a/shots/b/retry"),
    ("POST", "/v1/films/a/shots/b/skip"),
    ("POST", "/v1/films/a/shots/b/replace"),
    ("POST", "/v1/films/a/shots/b/resolve"),
    ("POST", "/v1/films/a/shots/b/accept"),
    ("POST", "/v1/films/a/accept"),
    ("POST", "/v1/films/a/decisions"),
    ("GET", "/v1/films/a/outputs"),
    ("GET", "/v1/films/a/outputs/film"),
    ("GET", "/v1/films/a/timeline"),
    ("GET", "/v1/films/a/timeline/media"),
    ("POST", "/v1/films/a/recut"),
    ("DELETE", "/v1/films/a/recut"),
    ("POST", "/v1/films/a/rhythm"),
    ("POST", "/v1/assets"),
    ("GET", "/v1/assets"),
    ("GET", "/v1/assets/facets"),
    ("GET", f"/v1/assets/{'0' * 64}"),
    ("GET", "/v1/costs"),
    ("GET", "/v1/caps"),
    ("GET", "/v1/caps/month"),
    ("PUT", "/v1/caps/month"),
    ("DELETE", "/v1/caps/month"),
    ("GET", "/v1/reconciliations"),
]


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


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
def test_every_route_wants_to_know_who_calls(api: Api, method: str, path: str) -> None:
    assert "Authorization" in refused(api.stranger.request(method, path))


def test_the_table_of_routes_is_complete(api: Api) -> None:
    described = api.stranger.get("/openapi.json").json()["paths"]
    ours = {
        (method.upper(), path)
        for path, calls in described.items()
        for method in calls
        if path.startswith("/v1/") and not path.startswith("/v1/callbacks")
    }
    assert len(ours) == len(EVERY_ROUTE)


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
        ({"age_s": -301}, "ahead"),
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
