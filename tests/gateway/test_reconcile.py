"""Reconciliations over HTTP: a real journal beside what a provider's server lists."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from filmforge.domain import GenerationRequest, Kind
from filmforge.gateway import reconcile
from filmforge.gateway.reconcile import MAX_JOBS
from filmforge.ledger.posting import Claim
from filmforge.ledger.tables import charges
from tests.gateway.api import Api
from tests.gateway.test_whole import gateway
from tests.world import World, film_document

STRANGER = "somebody-else"


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


async def told(http: httpx.AsyncClient, **span: str) -> dict[str, Any]:
    params = {"provider": "fake", "since": ago(hours=1), **span}
    answer = await http.get("/v1/reconciliations", params=params)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def order(world: World, client_key: str) -> str:
    """A job that somebody else ordered with the same account; returns its id."""
    body = {
        "input": {"prompt": "somebody else's", "width": 64, "height": 64},
        "client_key": client_key,
    }
    answer = httpx.post(
        f"{world.fake.url}/v1/queue/image-1",
        json=body,
        headers={"Authorization": "Key test"},
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return str(answer.json()["request_id"])


def in_doubt(world: World, film_id: str) -> str:
    """A request whose answer was lost; returns its key."""
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="fake", model="image-1", parameters={"prompt": "lost"}
    )
    journal = world.ledger.journal
    claim = Claim(film_id=film_id, shot_id="s000", intent="lost")
    journal.reserve(request, Decimal("0.003"), claim)
    journal.begin_submitting(request.key)
    journal.doubt(request.key, "nobody answered")
    return request.key


def sent(api: Api, request: GenerationRequest, usd: str, job: str) -> None:
    """A request that was accepted as this job."""
    film_id, journal = api.submitted(), api.ledger.journal
    claim = Claim(film_id=film_id, shot_id="s0", intent="first")
    journal.reserve(request, Decimal(usd), claim)
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": job, "urls": {}}, "submit")


async def test_a_journal_and_a_list_that_agree_match_and_what_does_not_is_told(
    world: World,
) -> None:
    film_id = await world.submit(film_document(2, budget_usd="1"))
    await world.finish(film_id)
    world.fake.settings(listing_lag_s=0)
    async with gateway(world) as http:
        found = await told(http)
        assert found["counts"]["matched"] == len(found["lines"]) == 4
        assert (found["told"], found["cut"], found["notes"]) == (True, False, [])
        for line in found["lines"]:
            assert (line["film_id"], line["state"], line["status"]) == (
                film_id,
                "succeeded",
                "succeeded",
            )
            assert line["ours_usd"] == line["theirs_usd"]
        assert sum(Decimal(line["ours_usd"]) for line in found["lines"]) == Decimal("0.026")

        key = found["lines"][0]["request_key"]
        with world.ledger.db.write() as tx:
            tx.execute(update(charges).where(charges.c.request_key == key).values(micros=1))
        lost = in_doubt(world, film_id)
        fitting = order(world, lost)
        strange, second = order(world, STRANGER), order(world, found["lines"][1]["request_key"])
        found = await told(http)
    assert found["counts"] == {
        "matched": 3,
        "missing_here": 2,
        "missing_there": 0,
        "price_differs": 1,
        "in_doubt": 1,
        "under_way": 0,
        "not_compared": 0,
    }
    by_job = {job: line for line in found["lines"] for job in line["jobs"]}
    assert by_job[strange]["request_key"] == STRANGER
    assert "made elsewhere" in by_job[strange]["remedy"]
    assert by_job[second]["outcome"] == "missing_here"
    assert by_job[fitting]["outcome"] == "in_doubt"
    assert by_job[fitting]["request_key"] == lost
    (price,) = [line for line in found["lines"] if line["outcome"] == "price_differs"]
    assert (price["request_key"], price["ours_usd"]) == (key, "0.000001")


async def test_a_job_whose_request_was_armed_again_since_is_still_known(world: World) -> None:
    film_id = world.keep(film_document(1))
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="fake", model="image-1", parameters={"prompt": "again"}
    )
    job, journal = order(world, STRANGER), world.ledger.journal
    claim = Claim(film_id=film_id, shot_id="s000", intent="first")
    journal.reserve(request, Decimal("0.003"), claim)
    journal.begin_submitting(request.key)
    journal.accept(request.key, {"id": job, "urls": {}}, "submit")
    journal.fail(request.key, "provider_failed", "it broke", Decimal("0.003"))
    again = claim.model_copy(update={"intent": "second"})
    journal.reserve(request, Decimal("0.003"), again)
    world.fake.settings(listing_lag_s=0)
    async with gateway(world) as http:
        (line,) = (await told(http))["lines"]
    assert (line["outcome"], line["request_key"], line["jobs"]) == ("matched", request.key, [job])


async def test_a_job_that_names_a_request_of_another_provider_belongs_to_none(
    world: World,
) -> None:
    film_id = world.keep(film_document(1))
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="preview", model="storyboard", parameters={"prompt": "free"}
    )
    claim = Claim(film_id=film_id, shot_id="s000", intent="first")
    world.ledger.journal.reserve(request, Decimal(0), claim)
    job = order(world, request.key)
    world.fake.settings(listing_lag_s=0)
    async with gateway(world) as http:
        (line,) = (await told(http))["lines"]
    assert (line["outcome"], line["jobs"]) == ("missing_here", [job])
    assert "made elsewhere" in line["remedy"]


async def test_more_jobs_than_are_compared_are_said_to_be_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "MAX_JOBS", 2)
    monkeypatch.setattr(reconcile, "_EDGE", timedelta(0))
    for _ in range(4):
        order(world, STRANGER)
    world.fake.settings(listing_lag_s=0)
    async with gateway(world) as http:
        found = await told(http)
    assert found["cut"] is True
    assert found["counts"]["missing_here"] == 2
    assert "more than 2 jobs" in found["notes"][0]
    assert found["since"] > ago(minutes=5)
    assert MAX_JOBS == 10_000


def test_a_provider_that_is_away_is_no_match_and_no_difference(api: Api) -> None:
    answer = api.http.get("/v1/reconciliations", params={"provider": "fake", "since": ago(hours=1)})
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_is_made_here_at_no_cost_is_on_nobodys_list_and_missing_nowhere(api: Api) -> None:
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="preview", model="storyboard", parameters={"prompt": "free"}
    )
    sent(api, request, "0", request.key)
    span = {"provider": "preview", "since": ago(hours=1)}
    answer = api.http.get("/v1/reconciliations", params=span)
    assert answer.status_code == 200
    assert answer.json()["lines"] == []


def test_a_provider_without_a_list_is_said_to_have_none(api: Api) -> None:
    request = GenerationRequest(
        kind=Kind.IMAGE, provider="openai", model="gpt-image-1", parameters={"prompt": "paid"}
    )
    sent(api, request, "0.05", "resp_1")
    document = {"provider": "openai", "since": ago(hours=1)}
    found = api.http.get("/v1/reconciliations", params=document).json()
    assert found["told"] is False
    assert found["notes"][0].startswith("The provider tells no list, so only our side is shown")
    (line,) = found["lines"]
    assert (line["outcome"], line["jobs"]) == ("not_compared", ["resp_1"])
    assert found["counts"]["not_compared"] == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"provider": "replicate"}, "provider"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2020-01-01T00:00"}, "since"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"since": ago(hours=-1)}, "since"),
        ({"until": ago(hours=2)}, "since"),
        ({"untill": ago(hours=2)}, "untill"),
    ],
)
def test_a_span_that_cannot_be_used_is_refused_naming_the_field(
    api: Api, changes: dict[str, str], field: str
) -> None:
    params = {"provider": "preview", "since": ago(hours=1), **changes}
    answer = api.http.get("/v1/reconciliations", params=params)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


def test_a_stranger_learns_nothing(api: Api) -> None:
    span = {"provider": "preview", "since": ago(hours=1)}
    assert api.stranger.get("/v1/reconciliations", params=span).status_code == 401
