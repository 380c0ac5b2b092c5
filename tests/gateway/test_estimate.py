"""Estimates: what would be paid, shot by shot; what was paid for before costs nothing."""

from typing import Any

from filmforge.brief import read_film
from filmforge.direction import request_for
from filmforge.domain import Asset, Direction, Execution, GenerationRequest, Kind, Review, Tags
from filmforge.ledger.posting import Claim
from filmforge.money import parse_money
from tests.gateway.api import Api, film

RECIPE = GenerationRequest(kind="video", provider="filmforge", model="cut-1", parameters={})


def paid(api: Api, film_id: str, shot_id: str, request: GenerationRequest, digest: str) -> None:
    journal, price = api.ledger.journal, parse_money("0.003")
    journal.reserve(request, price, Claim(film_id=film_id, shot_id=shot_id, intent="first"))
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": "job", "urls": {}}, "submit")
    asset = Asset(digest=digest, media_type="image/png", size=1)
    journal.succeed(request.key, asset, Tags(), price)


def request_of(
    api: Api, document: dict[str, Any], index: int, kind: Kind, frame: str | None = None
) -> GenerationRequest:

    made = read_film(document)
    ref = getattr(made.providers, kind.value)
    _, model = api.gateway.registry.model(ref, kind)
    return request_for(made, made.shots[index], Direction(), kind, model, frame)


def kept(api: Api, document: dict[str, Any]) -> str:
    """A film that is kept and not started, so that a worker never touches it."""
    return api.ledger.films.create(read_film(document), parse_money("5"))[0].film_id


def lines(answer: Any) -> dict[tuple[str, str], tuple[str, bool]]:
    return {
        (shot["shot_id"], line["kind"]): (line["estimate_usd"], line["cached"])
        for shot in answer.json()["shots"]
        for line in shot["lines"]
    }


def test_a_film_is_estimated_without_being_kept(api: Api) -> None:
    document = film()
    document["shots"][0]["dialogue"] = "Ten chars."
    count = api.films()
    answer = api.http.post("/v1/estimates", json=document)
    assert answer.status_code == 200
    assert lines(answer) == {
        ("s0", "image"): ("0.003", False),
        ("s0", "video"): ("0.02", False),
        ("s0", "audio"): ("0.00015", False),
        ("s1", "image"): ("0.003", False),
        ("s1", "video"): ("0.02", False),
    }
    told = answer.json()
    assert told["total_usd"] == "0.04615"
    assert told["by_kind"] == {"image": "0.006", "video": "0.04", "audio": "0.00015"}
    assert (told["limit_usd"], told["fits"]) == ("10.00", True)
    assert api.films() == count


def test_a_budget_that_is_too_small_is_told(api: Api) -> None:
    told = api.http.post("/v1/estimates", json=film(budget_usd="0.04")).json()
    assert (told["total_usd"], told["fits"]) == ("0.046", False)


def test_what_was_paid_for_counts_as_nothing(api: Api) -> None:
    document = film()
    film_id = kept(api, document)
    paid(api, film_id, "s0", request_of(api, document, 0, Kind.IMAGE), "c" * 64)
    paid(api, film_id, "s0", request_of(api, document, 0, Kind.VIDEO, "c" * 64), "d" * 64)
    for path in ("/v1/estimates", f"/v1/films/{film_id}/estimate"):
        body = document if path == "/v1/estimates" else None
        answer = api.http.post(path, json=body)
        assert lines(answer) == {
            ("s0", "image"): ("0.00", True),
            ("s0", "video"): ("0.00", True),
            ("s1", "image"): ("0.003", False),
            ("s1", "video"): ("0.02", False),
        }
        assert answer.json()["total_usd"] == "0.023"
        assert answer.json()["saved_usd"] == "0.023"


def test_two_equal_shots_are_paid_once(api: Api) -> None:
    document = film()
    document["shots"][1]["enhanced_prompt"] = document["shots"][0]["enhanced_prompt"]
    answer = api.http.post("/v1/estimates", json=document)
    assert answer.json()["total_usd"] == "0.023"
    assert lines(answer)[("s1", "video")] == ("0.00", True)


def test_what_remains_leaves_out_what_is_done_skipped_or_uploaded(api: Api) -> None:
    document = film(4)
    film_id = kept(api, document)
    api.ledger.shots.conformed(
        film_id, "s0", Asset(digest="e" * 64, media_type="video/mp4", size=1), RECIPE
    )
    api.ledger.shots.set(film_id, "s1", execution=Execution.CANCELLED, review=Review.OMITTED)
    api.ledger.shots.direct(film_id, "s2", Direction(replaced={Kind.VIDEO: "f" * 64}))
    api.ledger.shots.direct(film_id, "s3", Direction(replaced={Kind.IMAGE: "f" * 64}))
    answer = api.http.post(f"/v1/films/{film_id}/estimate")
    assert lines(answer) == {("s3", "video"): ("0.02", False)}


def test_frames_alone_are_estimated_for_a_film_that_stops_after_them(api: Api) -> None:
    answer = api.http.post("/v1/estimates", json=film(stop_after="frames"))
    assert {kind for _, kind in lines(answer)} == {"image"}


def test_the_default_models_cost_nothing(api: Api) -> None:
    document = film()
    del document["providers"]
    told = api.http.post("/v1/estimates", json=document).json()
    assert told["total_usd"] == "0.00"
    assert told["shots"][0]["lines"][0]["provider"] == "preview"


def test_a_film_of_a_thousand_shots_is_estimated(api: Api) -> None:
    told = api.http.post("/v1/estimates", json=film(1_000)).json()
    assert told["total_usd"] == "23.00"
    assert told["fits"] is False
