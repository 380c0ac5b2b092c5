"""Films: kept once however often they come, and never revived by late news."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from filmforge.brief import Film, read_film
from filmforge.domain import Asset, Execution, Review, Stage
from filmforge.errors import BadMedia, Conflict, NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.films import PROGRESS, AtWork
from filmforge.ledger.tables import films
from tests.ledger.conftest import add_film, asset, at_once, request


def _film(**changes: Any) -> Film:
    shot = {"shot_id": "s0", "enhanced_prompt": "a lamp", "duration": 2}
    return read_film({"film_id": "attic", "shots": [shot], **changes})


def _event_types(ledger: Ledger) -> list[str]:
    return [event.type for event in ledger.events.since("attic")]


def test_a_new_film_stands_queued_with_its_shots_and_its_budget(ledger: Ledger) -> None:
    record, new = ledger.films.create(_film(budget_usd="2.50"), Decimal(9))
    assert new
    assert (record.execution, record.shot_count, record.run) == (Execution.QUEUED, 1, 0)
    assert record.brief == _film(budget_usd="2.50").brief
    assert ledger.budget("attic").limit == Decimal("2.50")
    assert [shot.shot.shot_id for shot in ledger.shots.of_film("attic")] == ["s0"]
    assert _event_types(ledger) == ["film.submitted"]


def test_a_film_without_a_budget_gets_the_installations_and_zero_stays_zero(
    ledger: Ledger,
) -> None:
    ledger.films.create(_film(), Decimal(9))
    ledger.films.create(_film(film_id="free", budget_usd=0), Decimal(9))
    assert (ledger.budget("attic").limit, ledger.budget("free").limit) == (9, 0)


def test_the_same_body_again_is_the_same_film(ledger: Ledger) -> None:
    first, _ = ledger.films.create(_film(), Decimal(9))
    assert ledger.films.create(_film(), Decimal(9)) == (first, False)
    assert _event_types(ledger) == ["film.submitted"]


def test_the_same_key_again_is_the_same_film_though_it_named_none(ledger: Ledger) -> None:
    first, _ = ledger.films.create(_film(film_id=None), Decimal(9), "key")
    assert ledger.films.create(_film(film_id=None), Decimal(9), "key") == (first, False)
    other, new = ledger.films.create(_film(film_id=None), Decimal(9))
    assert new
    assert other.film_id != first.film_id


FIRST_FIELDS = {
    "film_id",
    "title",
    "budget_usd",
    "providers",
    "approval",
    "output",
    "stop_after",
    "callback_url",
    "shots",
}


@pytest.mark.parametrize("key", [None, "key"])
def test_another_body_under_the_same_name_is_a_conflict(ledger: Ledger, key: str | None) -> None:
    ledger.films.create(_film(), Decimal(9), "key")
    with pytest.raises(Conflict, match="use another film_id and Idempotency-Key"):
        ledger.films.create(_film(title="Another"), Decimal(9), key)
    assert ledger.films.read("attic").brief.title == ""


def test_the_same_key_for_another_film_is_a_conflict(ledger: Ledger) -> None:
    ledger.films.create(_film(), Decimal(9), "key")
    with pytest.raises(Conflict, match="attic"):
        ledger.films.create(_film(film_id="harbour"), Decimal(9), "key")
    with pytest.raises(NotFound):
        ledger.films.read("harbour")


@pytest.mark.parametrize("named", [True, False])
def test_of_ten_submissions_at_once_one_makes_the_film(ledger: Ledger, named: bool) -> None:
    film = _film() if named else _film(film_id=None)
    came_to = at_once(10, lambda _: ledger.films.create(film, Decimal(9), "key"))
    assert sum(new for _, new in came_to) == 1
    assert len({record.film_id for record, _ in came_to}) == 1
    assert len(ledger.films.recent()) == 1


def test_a_film_that_is_not_known_is_not_found(ledger: Ledger) -> None:
    calls = (ledger.films.read, ledger.budget, lambda name: ledger.shots.plan(name, [0]))
    for call in calls:
        with pytest.raises(NotFound, match="nowhere"):
            call("nowhere")


@pytest.mark.parametrize("news", [Execution.RUNNING, Execution.SUCCEEDED, Execution.CANCELLING])
def test_no_late_news_revives_a_cancelled_film(ledger: Ledger, news: Execution) -> None:
    add_film(ledger)
    ledger.films.set("attic", Execution.CANCELLING)
    if news != Execution.CANCELLING:
        ledger.films.set("attic", news)
        assert ledger.films.read("attic").execution == Execution.CANCELLING
    ledger.films.set("attic", Execution.CANCELLED)
    ledger.films.set("attic", news)
    assert ledger.films.read("attic").execution == Execution.CANCELLED


def test_a_cancelled_film_takes_its_unfinished_shots_with_it(ledger: Ledger) -> None:
    add_film(ledger)
    ledger.shots.conformed("attic", "s0", asset("piece", "video/mp4"), request("piece"))
    ledger.films.set("attic", Execution.CANCELLED)
    states = [shot.execution for shot in ledger.shots.of_film("attic")]
    assert states == [Execution.SUCCEEDED, Execution.CANCELLED]


def test_only_a_film_that_ended_can_be_reopened(ledger: Ledger) -> None:
    add_film(ledger)
    with pytest.raises(Conflict, match="is queued: it goes on by itself"):
        ledger.films.reopen("attic", Stage.FILM)
    ledger.films.set("attic", Execution.SUCCEEDED)
    assert ledger.films.read("attic").ended_at is not None
    again = ledger.films.reopen("attic", Stage.CLIPS)
    assert (again.execution, again.stop_after, again.run) == ("queued", "clips", 1)
    assert again.ended_at is None
    assert [film.film_id for film in ledger.films.unended()] == ["attic"]


def test_what_is_no_news_makes_no_event(ledger: Ledger) -> None:
    add_film(ledger)
    for _ in range(2):
        ledger.films.set("attic", Execution.RUNNING)
        ledger.shots.set("attic", "s0", execution=Execution.RUNNING, review=Review.WIP)
    assert _event_types(ledger) == ["film.submitted", "film.changed", "shot.changed"]


def test_reaching_the_budget_and_ending_have_events_of_their_own(ledger: Ledger) -> None:
    add_film(ledger)
    ledger.films.set("attic", Execution.NEEDS_ATTENTION, "budget_exceeded")
    ledger.films.set("attic", Execution.RUNNING)
    ledger.films.set("attic", Execution.SUCCEEDED)
    wanted = ["film.submitted", "budget.reached", "film.changed", "film.done"]
    assert _event_types(ledger) == wanted


def test_a_film_made_again_takes_the_place_of_the_earlier_one(ledger: Ledger) -> None:
    add_film(ledger)
    old, new = (asset(name, "video/mp4") for name in ("old", "new"))
    for made in (old, new, new):
        ledger.assets.keep(made, request("cut"))
        ledger.films.deliver("attic", "film", made.digest, made.media_type)
    assert ledger.films.outputs("attic") == [("film", new.digest, "video/mp4")]
    assert isinstance(ledger.assets.read(old.digest).asset, Asset)


def test_with_another_film_goes_what_was_made_of_the_one_before(ledger: Ledger) -> None:
    add_film(ledger)
    old, new, poster = (asset(name, "video/mp4") for name in ("old", "new", "poster"))
    for made in (old, new, poster):
        ledger.assets.keep(made, request("cut"))
    _give(ledger, "film", old)
    _give(ledger, "poster", poster, beside=ledger.films.released("attic"))
    _give(ledger, "film", old)
    assert _given(ledger) == {"film": old.digest, "poster": poster.digest}
    _give(ledger, "film", new)
    assert _given(ledger) == {"film": new.digest}
    assert ledger.assets.read(poster.digest).asset == poster


def test_a_file_that_is_late_for_its_film_is_not_given_out_beside_another(ledger: Ledger) -> None:
    add_film(ledger)
    old, new, poster = (asset(name, "video/mp4") for name in ("old", "new", "poster"))
    for made in (old, new, poster):
        ledger.assets.keep(made, request("cut"))
    for film in (old, new):
        _give(ledger, "film", film)
    with pytest.raises(Conflict, match="another film of attic was released"):
        _give(ledger, "poster", poster, beside=old.digest)
    _give(ledger, "poster", poster, beside=new.digest)
    ledger.films.undelivered("attic", "poster", BadMedia("late"), beside=old.digest)
    assert "film.undelivered" not in _event_types(ledger)
    assert _given(ledger) == {"film": new.digest, "poster": poster.digest}


def test_a_file_that_cannot_be_made_again_is_not_given_out_any_more(ledger: Ledger) -> None:
    add_film(ledger)
    film, poster = asset("film", "video/mp4"), asset("poster")
    for made in (film, poster):
        ledger.assets.keep(made, request("cut"))
    _give(ledger, "film", film)
    _give(ledger, "poster", poster)
    ledger.films.undelivered("attic", "poster", BadMedia("no such frame"), beside=film.digest)
    assert _given(ledger) == {"film": film.digest}
    assert _event_types(ledger)[-1] == "film.undelivered"


def _give(ledger: Ledger, kind: str, made: Asset, **beside: str | None) -> None:
    ledger.films.deliver("attic", kind, made.digest, made.media_type, **beside)


def _given(ledger: Ledger) -> dict[str, str]:
    return {kind: digest for kind, digest, _ in ledger.films.outputs("attic")}


def test_a_film_tells_how_far_a_step_is_until_it_comes_to_stand_otherwise(ledger: Ledger) -> None:
    ledger.films.create(_film(), Decimal(9))
    ledger.films.set("attic", Execution.RUNNING, "assembling")
    assert ledger.films.at_work(ledger.films.read("attic")) is None
    ledger.events.tell("attic", PROGRESS, {"step": "assemble", "share": 0.4})
    assert ledger.films.at_work(ledger.films.read("attic")) == AtWork(step="assemble", share=0.4)
    for reason in (None, "assembling"):
        ledger.films.set("attic", Execution.RUNNING, reason)
        assert ledger.films.at_work(ledger.films.read("attic")) is None


def test_films_are_listed_newest_first(ledger: Ledger) -> None:
    for name in ("one", "two", "three"):
        add_film(ledger, name)
    assert [film.film_id for film in ledger.films.recent()] == ["three", "two", "one"]
    assert [film.film_id for film in ledger.films.recent(1, offset=1)] == ["two"]


def test_a_film_from_before_projects_and_the_cut_existed_is_still_the_same(
    ledger: Ledger,
) -> None:
    """Its digest was taken of a body without these fields, every shot with its own transition."""
    first, _ = ledger.films.create(_film(), Decimal(9))
    body = _film().model_dump(mode="json", include=FIRST_FIELDS)
    for shot in body["shots"]:
        shot["transition"] = {"type": "cut", "duration": "0.5"}
        del shot["guides"], shot["options"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    earlier = hashlib.sha256(text.encode()).hexdigest()
    with ledger.db.write() as tx:
        tx.execute(update(films).values(body_digest=earlier))
    assert ledger.films.create(_film(priority=3), Decimal(9)) == (first, False)


@pytest.mark.parametrize(
    "later", [{"project": "pilot"}, {"priority": 1}, {"fallbacks": {"image": "fake:image-1"}}]
)
def test_another_project_priority_or_fallback_is_another_body(
    ledger: Ledger, later: dict[str, Any]
) -> None:
    ledger.films.create(_film(), Decimal(9))
    with pytest.raises(Conflict):
        ledger.films.create(_film(**later), Decimal(9))
