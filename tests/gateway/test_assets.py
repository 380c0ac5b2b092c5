"""Assets and costs: found again by what they show, and what they cost and saved."""

import hashlib
from datetime import UTC, datetime

import httpx
import pytest
from sqlalchemy import update

from filmforge.domain import Asset, GenerationRequest, Kind, Tags
from filmforge.ledger.posting import Claim
from filmforge.ledger.tables import charges
from filmforge.money import parse_money
from tests.gateway.api import Api


def paid(
    api: Api, film_id: str, words: str, tags: Tags, price: str = "0.25", shot_id: str = "s0"
) -> str:
    """An asset that was paid for and used; returns its digest."""
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="fake", model="image-1", parameters={"prompt": words}
    )
    journal = api.ledger.journal
    claim = Claim(film_id=film_id, shot_id=shot_id, intent="first")
    digest = hashlib.sha256(words.encode()).hexdigest()
    if not journal.made([request.key]):
        journal.reserve(request, parse_money(price), claim)
        journal.begin_submitting(request.key)
        journal.accept(request.key, {"id": "job", "urls": {}}, "submit")
        asset = Asset(digest=digest, media_type="image/png", size=7, width=64, height=48)
        journal.succeed(request.key, asset, tags, parse_money(price))
    api.ledger.takes.link(film_id, shot_id, journal.read(request.key), None)
    return digest


@pytest.fixture(scope="module")
def shelf(api: Api) -> dict[str, str]:
    """Three assets of one film; another film used the second one again."""
    first, second = api.submitted(), api.submitted()
    barn = Tags(characters=("Odo",), landscapes=("Barn",), mood="calm", shot_type="wide")
    mill = Tags(characters=("Odo", "Una"), styles=("ink",), time_of_day="dusk")
    digests = {
        "barn": paid(api, first, "Odo before the barn", barn),
        "mill": paid(api, first, "Odo and Una at the mill, 100% wet", mill),
        "una": paid(api, first, "Una alone", Tags(characters=("Una",)), shot_id="s1"),
    }
    paid(api, second, "Odo and Una at the mill, 100% wet", mill)
    return {**digests, "first": first, "second": second}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("character=Odo", ["mill", "barn"]),
        ("character=odo&character=UNA", ["mill"]),
        ("landscape=barn", ["barn"]),
        ("style=ink", ["mill"]),
        ("mood=calm&character=Odo", ["barn"]),
        ("time_of_day=dusk&character=Odo", ["mill"]),
        ("shot_type=wide&character=Odo", ["barn"]),
        ("text=odo+barn", ["barn"]),
        ("q=100%25&character=Odo", ["mill"]),
        ("q=wet&text=mill&character=Odo", ["mill"]),
        ("character=Odo&kind=image", ["mill", "barn"]),
        ("character=Odo&kind=video", []),
        ("character=Odo&limit=1", ["mill"]),
        ("character=Odo&limit=1&offset=1", ["barn"]),
        ("character=Nobody", []),
    ],
)
def test_assets_are_found_by_what_they_show(
    api: Api, shelf: dict[str, str], query: str, found: list[str]
) -> None:
    answer = api.http.get(f"/v1/assets?{query}")
    assert answer.status_code == 200, answer.text
    assert [a["digest"] for a in answer.json()["assets"]] == [shelf[name] for name in found]


def test_a_found_asset_tells_what_it_cost_and_saved(api: Api, shelf: dict[str, str]) -> None:
    (asset,) = api.http.get("/v1/assets?style=ink&character=Una").json()["assets"]
    assert asset["url"].startswith("http")
    assert asset["kind"] == "image"
    assert asset["media_type"] == "image/png"
    assert (asset["provider"], asset["model"]) == ("fake", "image-1")
    assert (asset["cost_usd"], asset["reuses"], asset["saved_usd"]) == ("0.25", 1, "0.25")
    assert asset["prompt"].startswith("Odo and Una")
    assert asset["tags"] == {
        "character": ["odo", "una"],
        "style": ["ink"],
        "time_of_day": ["dusk"],
    }


def test_the_values_of_every_facet_are_counted(api: Api, shelf: dict[str, str]) -> None:
    facets = api.http.get("/v1/assets/facets").json()["facets"]
    assert facets["character"] == {"odo": 2, "una": 2}
    assert facets["landscape"] == {"barn": 1}


def test_one_asset_is_read_or_downloaded(api: Api, shelf: dict[str, str]) -> None:
    path = f"/v1/assets/{shelf['barn']}"
    assert api.http.get(path).json()["digest"] == shelf["barn"]
    answer = api.http.get(f"{path}?download=1", follow_redirects=False)
    assert answer.status_code == 307
    assert shelf["barn"] in answer.headers["location"]
    # A link of the store is complete in itself: nobody's key goes along with it.
    assert httpx.get(answer.headers["location"], trust_env=False).status_code == 404


def test_the_costs_of_a_film_tell_spent_and_saved_apart(api: Api, shelf: dict[str, str]) -> None:
    told = api.http.get(f"/v1/films/{shelf['first']}/costs").json()
    assert (told["spent_usd"], told["saved_usd"]) == ("0.75", "0.00")
    assert told["by"]["shot"] == [
        {
            "name": f"{shelf['first']}/s0",
            "spent_usd": "0.50",
            "saved_usd": "0.00",
            "charges": 2,
            "reuses": 0,
        },
        {
            "name": f"{shelf['first']}/s1",
            "spent_usd": "0.25",
            "saved_usd": "0.00",
            "charges": 1,
            "reuses": 0,
        },
    ]
    other = api.http.get(f"/v1/films/{shelf['second']}/costs").json()
    assert (other["spent_usd"], other["saved_usd"]) == ("0.00", "0.25")


def test_costs_are_told_by_month(api: Api, shelf: dict[str, str]) -> None:
    with api.ledger.db.write() as tx:
        moment = datetime(2031, 5, 31, 23, 59, tzinfo=UTC)
        mine = (charges.c.film_id == shelf["first"], charges.c.shot_id == "s1")
        tx.execute(update(charges).where(*mine).values(at=moment))
    told = api.http.get("/v1/costs?month=2031-05").json()
    assert (told["month"], told["spent_usd"]) == ("2031-05", "0.25")
    assert [line["name"] for line in told["by"]["provider"]] == ["fake"]
    assert api.http.get("/v1/costs?month=2031-06").json()["spent_usd"] == "0.00"
