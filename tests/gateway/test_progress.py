"""Progress: every event of a film in order, once, until the film has ended."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from filmforge.domain import Execution, Review
from filmforge.gateway import progress
from filmforge.gateway.progress import Pace
from filmforge.ledger.events import Event
from filmforge.ledger.tables import events
from tests.gateway.api import Api


def messages(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    message: dict[str, Any] = {}
    for line in lines:
        if line.startswith(":"):
            yield {"comment": line}
        elif not line:
            if message:
                yield message
            message = {}
        else:
            name, _, value = line.partition(": ")
            message[name] = json.loads(value) if name == "data" else value


def follow(api: Api, film_id: str, **headers: str) -> list[dict[str, Any]]:
    """Every message until the stream ends."""
    path = f"/v1/films/{film_id}/events"
    with api.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(messages(answer.iter_lines()))


def test_an_ended_film_tells_everything_and_closes(api: Api) -> None:
    film_id = api.submitted()
    api.ledger.shots.set(film_id, "s0", review=Review.WIP, execution=Execution.RUNNING)
    api.ledger.films.set(film_id, Execution.SUCCEEDED)
    told = follow(api, film_id)
    named = [m["event"] for m in told if "id" in m]
    assert named == ["film.submitted", "shot.changed", "film.done"]
    ids = [int(m["id"]) for m in told if "id" in m]
    assert ids == sorted(ids)
    changed = next(m["data"] for m in told if m.get("event") == "shot.changed")
    assert (changed["shot_id"], changed["data"]["review"]) == ("s0", "wip")
    standing = told[-1]["data"]
    assert told[-1]["event"] == "progress"
    assert (standing["execution"], standing["shot_count"]) == ("succeeded", 2)
    assert standing["budget"]["limit_usd"] == "10.00"


def test_a_client_that_comes_back_goes_on_where_it_was(api: Api) -> None:
    film_id = api.submitted()
    api.ledger.films.set(film_id, Execution.RUNNING)
    api.ledger.films.set(film_id, Execution.CANCELLED)
    first = next(m["id"] for m in follow(api, film_id) if "id" in m)
    rest = follow(api, film_id, **{"Last-Event-ID": first})
    assert [m["event"] for m in rest if "id" in m] == ["film.changed", "film.cancelled"]


def test_a_client_that_saw_everything_is_told_not_to_come_back(api: Api) -> None:
    film_id = api.submitted()
    api.ledger.films.set(film_id, Execution.CANCELLED)
    last = [m["id"] for m in follow(api, film_id) if "id" in m][-1]
    path = f"/v1/films/{film_id}/events"
    assert api.http.get(path, headers={"Last-Event-ID": last}).status_code == 204


def test_an_event_arrives_while_the_film_runs(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.1)
    film_id = api.submitted()
    with api.http.stream("GET", f"/v1/films/{film_id}/events") as answer:
        stream = messages(answer.iter_lines())
        assert any("comment" in message for message in stream)
        api.ledger.shots.set(film_id, "s1", review=Review.OMITTED)
        began = time.monotonic()
        news = next(m for m in stream if m.get("event") == "shot.changed")
        assert news["data"]["shot_id"] == "s1"
        assert time.monotonic() - began < 5
        api.ledger.films.set(film_id, Execution.SUCCEEDED)
        assert any(m.get("event") == "film.done" for m in stream)


def test_a_film_is_followed_until_its_end_is_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last event may be kept back a while, for earlier ones that are about to turn up."""
    monkeypatch.setattr(progress, "HEARTBEAT_S", 0.1)
    film_id = api.submitted()
    api.ledger.films.set(film_id, Execution.SUCCEEDED)
    with monkeypatch.context() as patched:
        kept_back = events.c.type != "film.done"
        patched.setattr(
            "filmforge.ledger.events._settled", lambda _, wanted: wanted.where(kept_back)
        )
        seen = {"Last-Event-ID": str(api.ledger.events.newest(film_id))}
        with api.http.stream("GET", f"/v1/films/{film_id}/events", headers=seen) as answer:
            assert answer.status_code == 200
            stream = messages(answer.iter_lines())
            for _ in range(2):
                assert any("comment" in message for message in stream)
            patched.undo()
            assert any(m.get("event") == "film.done" for m in stream)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30])
def test_an_id_that_is_none_is_refused(api: Api, last: str) -> None:
    film_id = api.submitted()
    answer = api.http.get(f"/v1/films/{film_id}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Last-Event-ID"


def test_a_film_of_many_events_is_told_whole(api: Api) -> None:
    film_id = api.submitted()
    for turn in range(1_100):
        api.ledger.gates.remind(film_id, "s0", f"{turn:064x}")
    api.ledger.films.set(film_id, Execution.CANCELLED)
    assert sum("id" in message for message in follow(api, film_id)) == 1_102


def event(seconds: int, name: str, shot_id: str | None = None, **data: Any) -> Event:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return Event(id=seconds, at=at, film_id="f", shot_id=shot_id, type=name, data=data)


def test_the_time_left_follows_the_pace_of_the_present_run() -> None:
    pace = Pace()
    assert pace.time_left_s(3) is None
    for seen in (event(0, "film.submitted"), event(900, "shot.changed", "a", review="done")):
        pace.see(seen)
    assert pace.time_left_s(2) == 1_800
    pace.see(event(5_000, "film.resumed"))
    assert pace.time_left_s(2) is None
    pace.see(event(5_010, "shot.changed", "b", review="done"))
    pace.see(event(5_020, "shot.changed", "b", review="done"))
    pace.see(event(5_020, "shot.changed", "c", review="omitted"))
    assert pace.time_left_s(4) == 40
    assert pace.time_left_s(0) == 0


def test_a_stranger_follows_nothing(api: Api) -> None:
    assert httpx.get(f"{api.url}/v1/films/x/events", trust_env=False).status_code == 401
