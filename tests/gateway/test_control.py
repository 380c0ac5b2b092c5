"""Budget, cancel and resume, of films that run and of films that do not."""

from typing import Any

import pytest

from filmforge.brief import read_film
from filmforge.contracts import film_workflow_id
from filmforge.domain import Execution, Stage
from filmforge.money import parse_money
from tests.gateway.api import Api, film


def kept(api: Api, **changes: Any) -> str:
    """A film that was never started."""
    record, _ = api.ledger.films.create(read_film(film(**changes)), parse_money("5"))
    return record.film_id


def post(api: Api, film_id: str, call: str, body: Any = None) -> Any:
    return api.http.post(f"/v1/films/{film_id}/{call}", json=body)


def commands(api: Api, film_id: str) -> list[dict[str, Any]]:
    handle = api.gateway.engine.client.get_workflow_handle(film_workflow_id(film_id))
    return api.run(handle.query("commands"))


def who(api: Api, film_id: str) -> list[tuple[str, str]]:
    return [(entry.action, entry.who) for entry in api.ledger.gates.trail(film_id)]


def test_the_budget_of_a_running_film_is_told_to_it(api: Api) -> None:
    film_id = api.submitted()
    answer = post(api, film_id, "budget", {"limit_usd": "12.50"})
    assert answer.status_code == 200
    assert answer.json()["message"] == "taken"
    (command,) = commands(api, film_id)
    assert command["limit_usd"] == "12.50"
    assert command["who"].startswith("key ")


@pytest.mark.parametrize("ended", [True, False])
def test_the_budget_of_a_film_that_does_not_run_is_set_at_once(api: Api, ended: bool) -> None:
    film_id = kept(api)
    if ended:
        api.ledger.films.set(film_id, Execution.SUCCEEDED)
    answer = post(api, film_id, "budget", {"limit_usd": "0.25"})
    assert answer.json()["budget"]["limit_usd"] == "0.25"
    ((action, person),) = who(api, film_id)
    assert action == "budget"
    assert person.startswith("key ")


@pytest.mark.parametrize("value", ["NaN", "-1", "1e30", None, [], "0.0000001"])
def test_a_limit_that_is_no_amount_is_refused(api: Api, value: Any) -> None:
    film_id = api.submitted()
    answer = post(api, film_id, "budget", {"limit_usd": value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit_usd"
    assert "12.50" in answer.json()["errors"][0]["remedy"]
    assert commands(api, film_id) == []


def test_cancel_stops_spending_before_the_film_is_told(api: Api) -> None:
    film_id = api.submitted()
    answer = post(api, film_id, "cancel")
    assert answer.status_code == 202
    assert answer.json()["execution"] == "cancelling"
    assert api.ledger.films.read(film_id).execution is Execution.CANCELLING


def test_cancel_twice_answers_the_same(api: Api) -> None:
    film_id = kept(api)
    first, second = post(api, film_id, "cancel", {}), post(api, film_id, "cancel", {})
    assert first.status_code == second.status_code == 202
    assert first.json()["execution"] == second.json()["execution"] == "cancelled"
    assert [action for action, _ in who(api, film_id)] == ["cancel"]


def test_a_film_that_never_ran_is_cancelled_at_once(api: Api) -> None:
    film_id = kept(api)
    post(api, film_id, "cancel")
    assert api.ledger.films.read(film_id).execution is Execution.CANCELLED
    assert not api.runs(film_id)


def test_a_finished_film_cannot_be_cancelled(api: Api) -> None:
    film_id = kept(api)
    api.ledger.films.set(film_id, Execution.SUCCEEDED)
    assert post(api, film_id, "cancel").status_code == 409
    assert api.ledger.films.read(film_id).execution is Execution.SUCCEEDED


@pytest.mark.parametrize(
    ("stop_after", "ended", "body", "goes_to"),
    [
        ("frames", Execution.SUCCEEDED, None, Stage.FILM),
        ("frames", Execution.SUCCEEDED, {"stop_after": "clips"}, Stage.CLIPS),
        ("frames", Execution.CANCELLED, None, Stage.FRAMES),
        ("film", Execution.CANCELLED, {}, Stage.FILM),
    ],
)
def test_an_ended_film_goes_on(
    api: Api, stop_after: str, ended: Execution, body: Any, goes_to: Stage
) -> None:
    film_id = kept(api, stop_after=stop_after)
    api.ledger.films.set(film_id, ended)
    answer = post(api, film_id, "resume", body)
    assert answer.status_code == 202
    assert api.runs(film_id)
    record = api.ledger.films.read(film_id)
    assert (record.stop_after, record.run) == (goes_to, 1)
    assert [action for action, _ in who(api, film_id)] == ["resume"]


def test_a_film_that_runs_cannot_be_resumed(api: Api) -> None:
    film_id = api.submitted()
    answer = post(api, film_id, "resume")
    assert answer.status_code == 409
    assert "by itself" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("call", "body", "field"),
    [
        ("resume", {"stop_after": "lunch"}, "stop_after"),
        ("resume", {"stop": "film"}, "stop"),
        ("cancel", {"now": True}, "now"),
        ("estimate", {"x": 1}, "x"),
    ],
)
def test_a_body_that_cannot_be_used_changes_nothing(
    api: Api, call: str, body: Any, field: str
) -> None:
    film_id = kept(api)
    api.ledger.films.set(film_id, Execution.CANCELLED)
    answer = post(api, film_id, call, body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert api.ledger.films.read(film_id).run == 0
