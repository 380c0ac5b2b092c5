"""Bad input is refused by name with a remedy; then nothing is kept, started or spent."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.gateway.api import Api, film, shot

JSON = {"content-type": "application/json"}


def with_shot(**changes: Any) -> dict[str, Any]:
    document = film(3)
    document["shots"][2] |= changes
    return document


def without(name: str) -> dict[str, Any]:
    document = film(3)
    del document["shots"][1][name]
    return document


FIELDS = [
    ("an unknown field of the film", film(budget="5"), "budget", "budget_usd"),
    ("an unknown field of a shot", with_shot(promt="x"), "shots[2].promt", "enhanced_prompt"),
    ("an unknown field within", film(approval={"frame": "auto"}), "approval.frame", "frames"),
    ("a missing id", without("shot_id"), "shots[1].shot_id", "Add it"),
    ("a missing prompt", without("enhanced_prompt"), "shots[1].enhanced_prompt", "Add it"),
    ("a missing duration", without("duration"), "shots[1].duration", "Add it"),
    ("no shots", film(shots=[]), "shots", "Fill it in"),
    ("shots that are no list", film(shots={"a": 1}), "shots", "a list"),
    ("a shot that is no object", film(shots=[7]), "shots[0]", "an object"),
    ("too many shots", film(shots=[shot()] * 5_001), "shots", "5,000"),
    ("a number as title", film(title=5), "title", "a string"),
    ("a bare number", 5, "body", "an object"),
    ("null", None, "body", "an object"),
    ("an empty list", [], "shots", "Fill it in"),
    ("a text as duration", with_shot(duration="long"), "shots[2].duration", "2.5"),
    ("a negative duration", with_shot(duration=-1), "shots[2].duration", "seconds"),
    ("no duration at all", with_shot(duration=0), "shots[2].duration", "seconds"),
    ("an absurd duration", with_shot(duration=1e9), "shots[2].duration", "seconds"),
    ("a true duration", with_shot(duration=True), "shots[2].duration", "seconds"),
    ("a finest duration", with_shot(duration=1.00001), "shots[2].duration", "seconds"),
    ("a long prompt", with_shot(enhanced_prompt="x" * 10_001), "shots[2].enhanced_prompt", "8,000"),
    ("an empty prompt", with_shot(enhanced_prompt="  "), "shots[2].enhanced_prompt", "Fill it in"),
    ("a control character", with_shot(dialogue="a\x00b"), "shots[2].dialogue", "Remove it"),
    ("a bell in the title", film(title="a\x07b"), "title", "Remove it"),
    ("half a character", with_shot(mood="\ud800"), "shots[2].mood", "Unicode"),
    ("half a character as a field", film(**{"\ud800": 1}), None, ""),
    ("two shots of one id", film(shots=[shot(1), shot(2), shot(1)]), "shots[2].shot_id", "own"),
    ("a budget of NaN", film(budget_usd="NaN"), "budget_usd", "12.50"),
    ("a negative budget", film(budget_usd="-1"), "budget_usd", "12.50"),
    ("a budget in words", film(budget_usd="much"), "budget_usd", "12.50"),
    ("a budget of pieces", film(budget_usd=["5"]), "budget_usd", "12.50"),
    ("a film id with a path", film(film_id="../etc"), "film_id", "letters"),
    ("a film id of its own", film(film_id=""), "film_id", "letters"),
    ("an unknown stage", film(stop_after="lunch"), "stop_after", "frames"),
    ("an odd width", film(output={"width": 641}), "output.width", "Correct"),
    ("an absurd frame rate", film(output={"fps": "1/0"}), "output.fps", "24"),
    ("an unknown provider", film(providers={"image": "fall:x"}), "providers.image", "fake"),
    ("an unknown model", film(providers={"image": "fake:x"}), "providers.image", "fake:image-1"),
    ("a model of another kind", film(providers={"image": "fake:video-1"}), "providers.image", ""),
    ("a model without provider", film(providers={"image": "x"}), "providers.image", "provider:"),
    (
        "an unknown model of a shot",
        with_shot(providers={"video": "fake:x"}),
        "shots[2].providers.video",
        "fake:video-1",
    ),
    ("a callback to ourselves", film(callback_url="https://127.0.0.1/x"), "callback_url", "public"),
    ("a callback into the house", film(callback_url="https://10.1.2.3/"), "callback_url", "public"),
    ("a link-local callback", film(callback_url="https://169.254.169.254/"), "callback_url", ""),
    ("a callback without TLS", film(callback_url="http://example.com/"), "callback_url", "https"),
    ("a callback that is no URL", film(callback_url="nowhere"), "callback_url", "https"),
    ("many fields", film(**{f"x{n}": 1 for n in range(100)}), "body", "Remove"),
    ("many labels", with_shot(characters=["x"] * 101), "shots[2].characters", "100 items"),
    ("some labels too many", with_shot(characters=["x"] * 51), "shots[2].characters", "50 items"),
]

RAW = [
    ("nothing", b"", 400, "body", "JSON"),
    ("broken JSON", b'{"shots": [1,\n 2,, 3]}', 400, "body", "line 2, column 4"),
    ("JSON cut short", b'{"shots": [', 400, "body", "line 1"),
    ("bytes that are not UTF-8", b'{"title": "\xff\xfe"}', 400, "body", "UTF-8"),
    ("a literal NaN", b'{"budget_usd": NaN, "shots": []}', 422, "budget_usd", "finite"),
    ("a literal infinity", b'{"shots": [{"duration": -Infinity}]}', 422, None, "finite"),
    ("an infinite exponent", b'{"shots": [{"duration": 1e999}]}', 422, None, "finite"),
    ("a number without end", b'{"seed": ' + b"9" * 5_000 + b"}", 400, "body", "digits"),
    ("one key twice", b'{"film_id": "a", "film_id": "b"}', 400, "film_id", "twice"),
    ("deep lists", b"[" * 100_000, 400, "body", "64 levels"),
    ("deep objects", b'{"a":' * 65 + b"1" + b"}" * 65, 400, "body", "64 levels"),
    ("a raw control character", b'{"title": "a\nb"}', 400, "body", "line 1"),
    ("quotes without end", b'{"' + b'\\"' * 1_000_000, 400, "body", "line 1"),
    ("a body of errors", b"[" + b"{}," * 4_000 + b"{}]", 422, "shots[0].shot_id", "Add it"),
    ("a list of millions", b"[" + b"0," * 2_000_000 + b"0]", 422, "body", "5,000"),
]


@pytest.fixture(autouse=True)
def nothing_happens(api: Api) -> Iterator[None]:
    before = api.films()
    yield
    assert api.films() == before


@pytest.mark.parametrize(
    ("document", "field", "hint"), [case[1:] for case in FIELDS], ids=[case[0] for case in FIELDS]
)
def test_a_field_that_cannot_be_used_is_named_with_a_remedy(
    api: Api, document: Any, field: str | None, hint: str
) -> None:
    for path in ("/v1/films", "/v1/estimates"):
        answer = api.http.post(path, content=json.dumps(document), headers=JSON)
        problem = told(answer, 422)
        named = {error["field"]: error for error in problem["errors"]}
        if field is not None:
            assert field in named, problem
            assert hint in f"{named[field]['problem']} {named[field]['remedy']}"
        assert all(error["problem"] and error["remedy"] for error in problem["errors"])
    if isinstance(document, dict) and isinstance(document.get("film_id"), str):
        name = document["film_id"]
        assert not name.startswith("film-") or not api.runs(name)


@pytest.mark.parametrize(
    ("body", "status", "field", "hint"), [case[1:] for case in RAW], ids=[case[0] for case in RAW]
)
def test_a_body_that_cannot_be_read_says_where_and_why(
    api: Api, body: bytes, status: int, field: str | None, hint: str
) -> None:
    problem = told(api.http.post("/v1/films", content=body, headers=JSON), status)
    assert field in (None, problem["errors"][0]["field"])
    assert hint in json.dumps(problem)
    assert len(json.dumps(problem)) < 20_000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_six_mebibytes_is_refused_with_413(api: Api, chunked: bool) -> None:
    body = b" " * (6 * 2**20)
    content = (body[at : at + 65_536] for at in range(0, len(body), 65_536)) if chunked else body
    problem = told(api.http.post("/v1/films", content=content, headers=JSON), 413)
    assert "5,242,880" in problem["detail"]


def test_a_body_without_end_is_cut_off(api: Api) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b" " * 65_536

    # The connection is closed under the sender, who may or may not get to read the answer.
    with suppress(httpx.HTTPError):
        told(api.http.post("/v1/films", content=endless(), headers=JSON), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(api: Api, kind: str) -> None:
    headers = {"content-type": kind}
    problem = told(api.http.post("/v1/films", content=b"{}", headers=headers), 415)
    assert "application/json" in problem["detail"]


def test_a_problem_never_holds_more_than_fifty_errors_nor_long_values(api: Api) -> None:
    shots = [{f"{'y' * 3_000}{n}": 1 for n in range(40)} for _ in range(20)]
    answer = api.http.post("/v1/films", json={"shots": shots})
    problem = told(answer, 422)
    assert len(problem["errors"]) == 50
    assert len(answer.content) < 60_000


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "käse".encode()])
def test_an_unusable_idempotency_key_is_named(api: Api, key: str | bytes) -> None:
    answer = api.http.post("/v1/films", json=film(), headers={"Idempotency-Key": key})
    assert told(answer, 422)["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/films?limit=0", "limit"),
        ("/v1/films?limit=many", "limit"),
        ("/v1/films?page=2", "page"),
        ("/v1/assets?limit=201", "limit"),
        ("/v1/assets?charakter=Mara", "charakter"),
        ("/v1/assets?kind=smell", "kind"),
        ("/v1/assets?text=%00", "text"),
        ("/v1/costs?month=2026-13", "month"),
        ("/v1/costs?month=9999-12", "month"),
        ("/v1/costs?month=%00", "month"),
        ("/v1/costs?year=2026", "year"),
    ],
)
def test_a_query_parameter_that_cannot_be_used_is_named(api: Api, path: str, field: str) -> None:
    assert told(api.http.get(path), 422)["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/films/nobody", 404),
        ("GET", "/v1/films/%00", 404),
        ("GET", "/v1/films/" + "x" * 5_000, 404),
        ("GET", "/v1/films/nobody/events", 404),
        ("GET", "/v1/films/nobody/costs", 404),
        ("GET", "/v1/films/nobody/audit", 404),
        ("POST", "/v1/films/nobody/cancel", 404),
        ("POST", "/v1/films/nobody/resume", 404),
        ("POST", "/v1/films/nobody/budget", 404),
        ("POST", "/v1/films/nobody/estimate", 404),
        ("POST", "/v1/films/nobody/shots/s0/retry", 404),
        ("GET", "/v1/assets/" + "0" * 64, 404),
        ("GET", "/v1/assets/..%2f..", 404),
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/v1/films", 405),
    ],
)
def test_what_does_not_exist_is_a_problem_too(
    api: Api, method: str, path: str, status: int
) -> None:
    told(api.http.request(method, path), status)


def told(answer: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer of this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:filmforge:problem:")
    assert problem["title"]
    assert problem["detail"]
    return problem
