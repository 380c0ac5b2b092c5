"""Caps over HTTP: set, listed, removed, and the films that go on because of it."""

import hashlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from filmforge.brief import read_film
from filmforge.contracts import film_workflow_id
from filmforge.domain import GenerationRequest, Kind
from filmforge.errors import BudgetExceeded
from filmforge.ledger.budget import set_limit
from filmforge.ledger.caps import month_scope
from filmforge.ledger.database import now
from filmforge.ledger.posting import Claim
from tests.gateway.api import Api, film

NONE = {"count": 0, "usd": "0.00"}


@pytest.fixture
def project(request: pytest.FixtureRequest) -> str:
    """A project of this test alone: caps count what is in flight already."""
    return f"p-{hashlib.sha256(request.node.name.encode()).hexdigest()[:8]}"


@pytest.fixture(autouse=True)
def _no_caps_are_left(api: Api) -> Iterator[None]:
    yield
    for cap in api.ledger.caps():
        api.ledger.remove_cap(cap.scope)


def put(api: Api, scope: str, limit: str, **more: Any) -> Any:
    return api.http.put(f"/v1/caps/{scope}", json={"limit_usd": limit, **more})


def caps(api: Api) -> dict[str, Any]:
    return {cap["scope"]: cap for cap in api.http.get("/v1/caps").json()["caps"]}


def reserve(api: Api, film_id: str, usd: str, prompt: str = "") -> None:
    request = GenerationRequest(
        kind=Kind.IMAGE,
        provider="fake",
        model="image-1",
        parameters={"prompt": f"{film_id} {prompt}"},
    )
    claim = Claim(film_id=film_id, shot_id="s0", intent="first")
    api.ledger.journal.reserve(request, Decimal(usd), claim)


def kept(api: Api, **changes: Any) -> str:
    return api.ledger.films.create(read_film(film(**changes)), Decimal(5))[0].film_id


def parked(api: Api, **changes: Any) -> str:
    """A running film with a shot that waits for budget."""
    film_id = api.submitted(**changes)
    api.ledger.shots.set(film_id, "s0", reason="budget_exceeded")
    return film_id


def commands(api: Api, film_id: str) -> list[dict[str, Any]]:
    handle = api.gateway.engine.client.get_workflow_handle(film_workflow_id(film_id))
    return api.run(handle.query("commands"))


def test_a_cap_of_a_project_is_set_listed_and_removed(api: Api, project: str) -> None:
    assert caps(api) == {}
    told = put(api, f"project:{project}", "20").json()
    assert told["message"] == f"the cap project:{project} is set"
    reserve(api, kept(api, project=project), "0.50")
    expected = {
        "scope": f"project:{project}",
        "mode": "enforce",
        "limit_usd": "20.00",
        "reserved_usd": "0.50",
        "spent_usd": "0.00",
        "saved_usd": "0.00",
        "would_have_refused": NONE,
    }
    assert caps(api) == {f"project:{project}": expected}
    assert api.http.get(f"/v1/caps/project:{project}").json() == expected
    assert api.http.delete(f"/v1/caps/project:{project}").json()["cap"] is None
    assert caps(api) == {}
    for call in (api.http.get, api.http.delete):
        assert call(f"/v1/caps/project:{project}").status_code == 404


def test_a_cap_refuses_what_does_not_fit_over_all_films_of_the_project(
    api: Api, project: str
) -> None:
    put(api, f"project:{project}", "1")
    reserve(api, kept(api, project=project), "0.60")
    with pytest.raises(BudgetExceeded, match=f"project:{project}"):
        reserve(api, kept(api, project=project), "0.60")
    reserve(api, kept(api), "0.60")


def test_a_shadow_refuses_nothing_and_counts_what_it_would_have_refused(
    api: Api, project: str
) -> None:
    put(api, f"project:{project}", "1", mode="shadow")
    film_id = kept(api, project=project)
    for number in range(3):
        reserve(api, film_id, "0.60", str(number))
    told = caps(api)[f"project:{project}"]
    assert told["mode"] == "shadow"
    assert told["reserved_usd"] == "1.80"
    assert told["would_have_refused"] == {"count": 2, "usd": "1.20"}


def test_the_cap_of_the_month_holds_from_now_on_and_shows_this_month(api: Api) -> None:
    put(api, "month", "100.00")
    reserve(api, kept(api), "0.25")
    assert set(caps(api)) == {"month"}
    assert caps(api)["month"]["limit_usd"] == "100.00"
    assert Decimal(caps(api)["month"]["reserved_usd"]) >= Decimal("0.25")


def test_raising_the_cap_of_the_month_raises_it_for_the_month_that_runs(api: Api) -> None:
    put(api, "month", "0.01")
    with pytest.raises(BudgetExceeded, match="month:"):
        reserve(api, kept(api), "0.25")
    assert put(api, "month", "100").status_code == 200
    reserve(api, kept(api), "0.25")
    assert {cap.limit for cap in api.ledger.caps()} == {Decimal(100)}
    api.http.delete("/v1/caps/month")
    assert api.ledger.caps() == []


def test_months_gone_by_are_listed_under_their_names_and_cannot_be_set(api: Api) -> None:
    api.ledger.set_cap("month:2025-02", Decimal(7), False, "ada")
    put(api, "month", "100")
    assert list(caps(api)) == ["month", "month:2025-02"]
    answer = put(api, "month:2025-02", "9")
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {
        "field": "scope",
        "problem": "'month:2025-02' cannot be set",
        "remedy": "Use month or project:NAME.",
    }


def test_every_change_of_a_cap_is_written_down_with_who_made_it(api: Api) -> None:
    before = len(api.ledger.cap_changes())
    put(api, "month", "100")
    put(api, "month", "100")
    (set_,) = api.ledger.cap_changes()[before:]
    assert (set_.scope, set_.limit) == ("month:*", Decimal(100))
    assert set_.who.startswith("key ")


@pytest.mark.parametrize(
    ("scope", "body", "field"),
    [
        ("film:attic", {"limit_usd": "1"}, "scope"),
        ("month:*", {"limit_usd": "1"}, "scope"),
        ("project:", {"limit_usd": "1"}, "scope"),
        ("project:a b", {"limit_usd": "1"}, "scope"),
        ("month", {"limit_usd": "-1"}, "limit_usd"),
        ("month", {}, "limit_usd"),
        ("month", {"limit_usd": "1", "mode": "maybe"}, "mode"),
        ("month", {"limit_usd": "1", "limit": "1"}, "limit"),
    ],
)
def test_what_is_no_cap_is_refused_naming_the_field(
    api: Api, scope: str, body: Any, field: str
) -> None:
    answer = api.http.put(f"/v1/caps/{scope}", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert api.ledger.caps() == []


def test_a_stranger_learns_and_changes_nothing(api: Api) -> None:
    assert api.stranger.get("/v1/caps").status_code == 401
    assert api.stranger.put("/v1/caps/month", json={"limit_usd": "1"}).status_code == 401
    assert api.stranger.delete("/v1/caps/month").status_code == 401


@pytest.mark.parametrize("by", ["raise", "remove", "shadow"])
def test_films_that_waited_for_a_project_go_on_when_its_cap_gives_way(
    api: Api, project: str, by: str
) -> None:
    put(api, f"project:{project}", "1")
    inside = parked(api, project=project, budget_usd="3.25")
    outside = parked(api, project="other")
    if by == "remove":
        answer = api.http.delete(f"/v1/caps/project:{project}")
    elif by == "raise":
        answer = put(api, f"project:{project}", "2")
    else:
        answer = put(api, f"project:{project}", "1", mode="shadow")
    assert answer.json()["woken"] == [inside]
    assert "films that waited for budget and try again: 1" in answer.json()["message"]
    (command,) = commands(api, inside)
    assert command["limit_usd"] == "3.25"
    assert command["who"].endswith(f"by the cap project:{project}")
    assert commands(api, outside) == []


def test_lowering_a_cap_or_setting_the_first_wakes_nobody(api: Api, project: str) -> None:
    film_id = parked(api, project=project)
    put(api, f"project:{project}", "5")
    assert put(api, f"project:{project}", "4").json()["woken"] == []
    assert commands(api, film_id) == []


def test_every_film_that_waits_goes_on_when_the_month_gives_way(api: Api, project: str) -> None:
    put(api, "month", "1")
    mine = [parked(api, project=project), parked(api)]
    assert set(mine) <= set(put(api, "month", "2").json()["woken"])


def test_a_film_that_could_not_be_told_is_named(api: Api, project: str) -> None:
    put(api, f"project:{project}", "1")
    film_id = kept(api, project=project)
    api.ledger.shots.set(film_id, "s0", reason="budget_exceeded")
    told = put(api, f"project:{project}", "2").json()
    assert (told["woken"], told["not_told"]) == ([], [film_id])
    assert "films that could not be told: 1, send it again" in told["message"]
    assert told["cap"]["limit_usd"] == "2.00"


def test_the_months_limits_that_differ_are_made_one_again(api: Api) -> None:
    put(api, "month", "100")
    with api.ledger.db.write() as tx:
        set_limit(tx, month_scope(now()), Decimal(50))
    put(api, "month", "100")
    assert {cap.limit for cap in api.ledger.caps()} == {Decimal(100)}
