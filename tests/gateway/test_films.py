"""Films over HTTP: submitted once, read whole, listed, with what people did to them."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from filmforge.brief import read_film
from filmforge.domain import Asset, Execution, GenerationRequest, Kind, Tags
from filmforge.ledger.posting import Claim
from filmforge.money import parse_money
from tests.gateway.api import Api, film, shot

DIGEST = "a" * 64

RECIPE = GenerationRequest(kind="video", provider="filmforge", model="cut-1", parameters={})


def made(
    api: Api, film_id: str, shot_id: str, digest: str, request: GenerationRequest, price: str
) -> None:
    """Bring a request of a shot to its end, as a worker does."""
    journal = api.ledger.journal
    claim = Claim(film_id=film_id, shot_id=shot_id, intent="first")
    journal.reserve(request, parse_money(price), claim)
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": "job", "urls": {}}, "submit")
    asset = Asset(digest=digest, media_type="image/png", size=1)
    posting = journal.succeed(request.key, asset, Tags(), parse_money(price))
    api.ledger.takes.link(film_id, shot_id, posting, "warmer")


def image(words: str) -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.IMAGE, provider="fake", model="image-1", parameters={"prompt": words}
    )


def test_a_submitted_film_is_kept_started_and_tells_where_to_look(api: Api) -> None:
    document = film()
    answer = api.http.post("/v1/films", json=document)
    assert answer.status_code == 202
    told = answer.json()
    assert told["film_id"] == document["film_id"]
    assert told["status_url"].endswith(f"/v1/films/{told['film_id']}")
    assert "/review/films/" in told["review_url"]
    assert answer.headers["location"] == told["status_url"]
    assert api.runs(told["film_id"])


def test_a_bare_list_of_shots_is_a_film_too(api: Api) -> None:
    answer = api.http.post("/v1/films", json=[shot(0), shot(1)])
    assert answer.status_code == 202
    assert answer.json()["film_id"].startswith("film-")


def test_the_same_film_twice_is_one_film_and_another_body_is_a_conflict(api: Api) -> None:
    document = film()
    count = api.films()
    answers = [api.http.post("/v1/films", json=document) for _ in range(2)]
    assert [a.status_code for a in answers] == [202, 202]
    assert api.films() == count + 1
    other = api.http.post("/v1/films", json={**document, "title": "Another"})
    assert other.status_code == 409
    assert "another body" in other.json()["detail"]


def test_an_idempotency_key_stands_for_one_film(api: Api) -> None:
    document = film()
    del document["film_id"]
    headers = {"Idempotency-Key": "order-7"}
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(lambda _: api.http.post("/v1/films", json=document, headers=headers), range(6))
        )
    assert {a.status_code for a in answers} == {202}
    assert len({a.json()["film_id"] for a in answers}) == 1
    other = api.http.post("/v1/films", json=film(), headers=headers)
    assert other.status_code == 409


def test_a_film_that_ended_is_not_started_by_sending_it_again(api: Api) -> None:
    document = film()
    api.ledger.films.create(read_film(document), parse_money("1"))
    api.ledger.films.set(document["film_id"], Execution.SUCCEEDED)
    assert api.http.post("/v1/films", json=document).status_code == 202
    assert not api.runs(document["film_id"])


@pytest.fixture
def attic(api: Api) -> dict[str, Any]:
    """The answer for a film with a take, a gate, a shot in trouble and an output."""
    film_id = api.submitted(budget_usd="5", title="Attic", approval={"frames": "required"})
    made(api, film_id, "s0", DIGEST, image(film_id), "0.003")
    api.ledger.gates.open(film_id, "s0", DIGEST)
    api.ledger.shots.set(
        film_id, "s1", execution=Execution.FAILED, reason="content_refused", message="No."
    )
    cut = Asset(digest="b" * 64, media_type="video/mp4", size=1)
    api.ledger.assets.keep(cut, image("the cut"))
    api.ledger.films.deliver(film_id, "film", cut.digest, cut.media_type)
    told: dict[str, Any] = api.http.get(f"/v1/films/{film_id}").json()
    return told


def test_a_film_tells_where_it_stands_and_what_it_cost(attic: dict[str, Any]) -> None:
    assert attic["title"] == "Attic"
    assert attic["execution"] in ("queued", "running")
    assert attic["reason"] is None
    assert attic["progress"] == {"wfa": 1, "ready": 1}
    assert attic["budget"] == {
        "limit_usd": "5.00",
        "reserved_usd": "0.00",
        "spent_usd": "0.003",
        "saved_usd": "0.00",
    }


def test_a_shot_is_told_on_both_axes_with_its_takes(api: Api, attic: dict[str, Any]) -> None:
    first, second = attic["shots"]
    assert (first["shot_id"], first["execution"], first["review"]) == ("s0", "running", "wfa")
    assert (second["needs_attention"], second["reason"]) == (True, "content_refused")
    assert (second["message"], second["position"]) == ("No.", 1)
    (take,) = first["takes"]
    url = take.pop("url")
    assert url.startswith(api.settings.s3_endpoint)
    assert DIGEST in url
    assert take == {
        "take": 1,
        "kind": "image",
        "provider": "fake",
        "model": "image-1",
        "request_key": image(attic["film_id"]).key,
        "digest": DIGEST,
        "cost_usd": "0.003",
        "reused": False,
        "note": "warmer",
        "checked": None,
        "signed_url": None,
    }


def test_a_film_tells_its_open_gates_and_its_outputs(attic: dict[str, Any]) -> None:
    (gate,) = attic["gates"]
    assert (gate["shot_id"], gate["digest"]) == ("s0", DIGEST)
    assert "/review/" in gate["review_url"]
    assert gate["expires_at"].endswith("Z")
    (output,) = attic["outputs"]
    assert (output["kind"], output["media_type"]) == ("film", "video/mp4")
    assert f"{attic['film_id']}.mp4" in output["url"]


def test_films_are_listed_newest_first(api: Api) -> None:
    first, second = api.submitted(), api.submitted()
    listed = [f["film_id"] for f in api.http.get("/v1/films?limit=2").json()["films"]]
    assert listed == [second, first]
    later = api.http.get("/v1/films?limit=1&offset=1").json()["films"]
    assert [f["film_id"] for f in later] == [first]


def test_what_people_did_is_read_with_time_and_who(api: Api) -> None:
    film_id = api.submitted()
    api.ledger.gates.note(film_id, "s0", "Ada", "skip")
    (entry,) = api.http.get(f"/v1/films/{film_id}/audit").json()["entries"]
    assert (entry["shot_id"], entry["who"], entry["action"]) == ("s0", "Ada", "skip")
    assert entry["at"].endswith("Z")


def test_an_answer_holds_no_secret(api: Api) -> None:
    film_id = api.submitted(callback_url="https://1.1.1.1/hook?token=hunter2")
    text = api.http.get(f"/v1/films/{film_id}").text + json.dumps(
        dict(api.http.get(f"/v1/films/{film_id}").headers)
    )
    for secret in ("hunter2", api.settings.signing_key.get_secret_value()):
        assert secret not in text
