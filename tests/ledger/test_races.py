"""Films, gates, takes and assets under races: many threads at once, one row, one answer."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from filmforge.domain import Asset, Execution, Kind, Stage, Tags
from filmforge.errors import BudgetExceeded, Conflict, FilmStopped
from filmforge.ledger import Ledger
from filmforge.ledger.events import record_event
from filmforge.ledger.tables import films
from tests.ledger.conftest import add_film, asset, at_once, claim, digest, job, request

ONE = Decimal(1)


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    """A film with money enough for every test."""
    add_film(ledger, budget="100", shots=10)


def _record(ledger: Ledger, type_: str) -> None:
    with ledger.db.write() as tx:
        record_event(tx, "attic", type_)


def _in_turn(*works: Callable[[int], Any], count: int = 10) -> list[Any]:
    """What threads come to that begin at one moment and take up the works in turn."""
    return at_once(count, lambda number: works[number % len(works)](number))


def test_ten_that_let_one_frame_wait_at_once_open_one_gate(ledger: Ledger) -> None:
    opened = at_once(10, lambda _: ledger.gates.open("attic", "s0", digest("frame")))
    assert len({gate.gate_id for gate in opened}) == 1
    assert len(ledger.gates.waiting("attic")) == 1


def test_of_ten_frames_of_a_shot_that_wait_at_once_one_stays_open(ledger: Ledger) -> None:
    at_once(10, lambda number: ledger.gates.open("attic", "s0", digest(f"frame {number}")))
    assert len(ledger.gates.waiting("attic")) == 1


def test_an_upload_leaves_no_gate_open_whichever_comes_first(ledger: Ledger) -> None:
    _in_turn(
        lambda _: ledger.gates.settle_upload("attic", "s0", digest("upload"), "ada"),
        lambda _: ledger.gates.settle_upload("attic", "s0", digest("upload"), "ada"),
        count=6,
    )
    assert ledger.gates.waiting("attic") == []


def test_a_frame_is_decided_once_while_another_one_takes_its_place(ledger: Ledger) -> None:
    for number in range(5):
        frame = digest(f"frame {number}")
        ledger.gates.open("attic", "s0", frame)
        said = _in_turn(
            lambda n, frame=frame: ledger.gates.decide(  # type: ignore[misc] # bound early
                "attic", "s0", frame, "approved", "ada", "", f"link {n}"
            ),
            lambda n, k=number: ledger.gates.open("attic", "s0", digest(f"other {k}")),  # type: ignore[misc] # bound early
            count=4,
        )
        assert said.count(True) <= 1
        assert len(ledger.gates.waiting("attic")) == 1


def test_a_command_carried_out_by_ten_at_once_answers_all_alike(ledger: Ledger) -> None:
    done: list[int] = []

    def work() -> str:
        ledger.gates.note("attic", None, "ada", "wish")
        done.append(1)
        return "as ordered"

    assert at_once(10, lambda _: ledger.gates.once("command", work)) == ["as ordered"] * 10
    assert len(ledger.gates.trail("attic")) == 1


def test_requests_that_came_to_the_same_bytes_at_once_all_settle(ledger: Ledger) -> None:
    keys = []
    for number in range(10):
        wanted = request(f"blank {number}")
        ledger.journal.reserve(wanted, ONE, claim(shot_id=f"s{number}"))
        keys.append(wanted.key)
    tags = Tags(characters=("Ada", "Grace"))
    at_once(10, lambda number: ledger.journal.succeed(keys[number], asset("blank"), tags, ONE))
    assert ledger.budget("attic").spent == 10
    assert ledger.assets.read(digest("blank")).tags == {"character": ("ada", "grace")}


def test_pieces_and_films_of_the_same_bytes_at_once_are_one_asset(ledger: Ledger) -> None:
    piece = asset("piece", "video/mp4")

    def deliver(number: int) -> None:
        ledger.assets.keep(piece, request(f"film {number}"))
        ledger.films.deliver("attic", "film", piece.digest, piece.media_type)

    def land(number: int) -> None:
        ledger.shots.conformed("attic", f"s{number}", piece, request(f"piece {number}"))

    _in_turn(deliver, land)
    assert ledger.films.outputs("attic") == [("film", piece.digest, "video/mp4")]


def test_takes_linked_at_once_are_numbered_without_gap(ledger: Ledger) -> None:
    made = []
    for number in range(10):
        wanted = request(f"take {number}")
        ledger.journal.reserve(wanted, ONE, claim())
        done: Asset = asset(f"take {number}")
        made.append(ledger.journal.succeed(wanted.key, done, Tags(), ONE))
    at_once(10, lambda number: ledger.takes.link("attic", "s0", made[number], None))
    assert [take.take for take in ledger.takes.of_shot("attic", "s0")] == list(range(1, 11))


def test_a_take_reused_by_ten_films_at_once_is_counted_ten_times(ledger: Ledger) -> None:
    ledger.journal.reserve(request(), ONE, claim())
    made = ledger.journal.succeed(request().key, asset(), Tags(), ONE)
    for number in range(10):
        add_film(ledger, f"film{number}")
    at_once(10, lambda number: ledger.takes.link(f"film{number}", "s0", made, None))
    assert ledger.assets.read(asset().digest).reuses == 10
    assert all(ledger.budget(f"film{number}").saved == 1 for number in range(10))


@pytest.mark.parametrize("round_", range(5))
def test_a_film_that_is_cancelled_meanwhile_holds_no_money(ledger: Ledger, round_: int) -> None:
    def cancel(_: int) -> None:
        ledger.films.set("attic", Execution.CANCELLING)
        ledger.journal.release_unsent("attic")

    def reserve(number: int) -> None:
        try:
            wanted = request(f"shot {round_} {number}")
            ledger.journal.reserve(wanted, ONE, claim(shot_id=f"s{number}"))
        except FilmStopped:
            return

    at_once(10, lambda number: cancel(number) if number == 5 else reserve(number))
    assert ledger.budget("attic").reserved == 0


@pytest.mark.parametrize("round_", range(3))
def test_shots_that_move_while_their_film_is_cancelled_do_not_lock_each_other_out(
    ledger: Ledger, round_: int
) -> None:
    def move(number: int) -> None:
        for reason in ("first", "second", "third"):
            ledger.shots.set(
                "attic",
                f"s{number}",
                execution=Execution.RUNNING,
                reason=f"{reason} {round_}",
            )

    at_once(
        10,
        lambda number: (
            ledger.films.set("attic", Execution.CANCELLED) if number == 9 else move(number)
        ),
    )
    assert ledger.films.read("attic").execution == Execution.CANCELLED


def test_ten_that_reopen_a_film_at_once_start_one_run(ledger: Ledger) -> None:
    ledger.films.set("attic", Execution.SUCCEEDED)

    def reopen(_: int) -> bool:
        try:
            ledger.films.reopen("attic", Stage.FILM)
        except Conflict:
            return False
        return True

    assert sum(at_once(10, reopen)) == 1
    assert ledger.films.read("attic").run == 1


def test_a_replacement_and_a_take_at_once_are_two_takes(ledger: Ledger) -> None:
    ledger.journal.reserve(request(), ONE, claim())
    made = ledger.journal.succeed(request().key, asset(), Tags(), ONE)
    _in_turn(
        lambda _: ledger.takes.link("attic", "s0", made, None),
        lambda _: ledger.takes.replace("attic", "s0", Kind.IMAGE, asset().digest, "ada"),
    )
    assert len(ledger.takes.of_shot("attic", "s0")) == 2


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_watcher_misses_no_event_that_was_numbered_early_and_committed_late(
    ledger: Ledger,
) -> None:
    seen = [event.id for event in ledger.events.since("attic")]
    with ThreadPoolExecutor(1) as pool, ledger.db.write() as tx:
        record_event(tx, "attic", "early")
        pool.submit(_record, ledger, "late").result()
        between = pool.submit(ledger.events.since, "attic", seen[-1]).result()
        seen += [event.id for event in between]
    after = ledger.events.since("attic", seen[-1])
    assert [event.type for event in (*between, *after)] == ["early", "late"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_watcher_misses_no_event_beside_which_one_of_an_older_transaction_is_written(
    ledger: Ledger,
) -> None:
    """The older transaction gets the later event, and is over before the younger one."""
    seen = ledger.events.newest("attic")
    with ledger.db.engine.begin() as younger:
        with ledger.db.engine.begin() as older:
            older.execute(update(films).where(films.c.film_id == "attic").values(title="Old"))
            record_event(younger, "attic", "early")
            record_event(older, "attic", "late")
        between = ledger.events.since("attic", seen)
        seen = max([seen, ledger.events.newest("attic"), *(event.id for event in between)])
    after = ledger.events.since("attic", seen)
    assert [event.type for event in (*between, *after)] == ["early", "late"]


def test_everything_at_once_under_every_kind_of_cap_agrees_to_the_cent(ledger: Ledger) -> None:
    crew = 8
    for number in range(crew):
        add_film(ledger, f"film{number}", budget="1", project=f"p{number % 2}")
    for scope in ("month:*", "project:p0", "project:p1"):
        ledger.set_cap(scope, Decimal(3), False, "ada")

    def work(number: int) -> None:
        film = f"film{number}"
        for turn in range(12):
            with contextlib.suppress(BudgetExceeded, FilmStopped):
                _one_request(ledger, film, turn)
            if turn % 4 == 3:
                ledger.set_budget(film, Decimal(1 + turn % 3), "ada")
                ledger.set_cap(f"project:p{turn % 2}", Decimal(2 + turn % 2), False, "ada")
        ledger.films.set(film, Execution.CANCELLING)
        ledger.journal.release_unsent(film)

    at_once(crew, work)
    budgets = [ledger.budget(f"film{number}") for number in range(crew)]
    spent = sum(budget.spent for budget in budgets)
    caps = {cap.scope: cap for cap in ledger.caps()}
    month = next(cap for scope, cap in caps.items() if scope.startswith("month:2"))
    assert spent > 0
    assert all(budget.reserved == 0 for budget in budgets)
    assert month.spent == caps["project:p0"].spent + caps["project:p1"].spent == spent
    assert month.reserved == caps["project:p0"].reserved == caps["project:p1"].reserved == 0


def _one_request(ledger: Ledger, film: str, turn: int) -> None:
    """Now a request of the film's own, now one that all films want; made, failed or left."""
    shot = f"s{turn % 2}"
    wanted = request(f"{film} {turn}" if turn % 3 else f"all {turn}")
    ledger.journal.reserve(wanted, Decimal("0.10"), claim(film, shot, f"{turn}"))
    ledger.shots.set(film, shot, execution=Execution.RUNNING, reason=f"turn {turn}")
    if turn % 5 == 4 or ledger.journal.begin_submitting(wanted.key) is None:
        return
    ledger.journal.accept(wanted.key, job(wanted.key), "submit")
    if turn % 4 == 1:
        ledger.journal.fail(wanted.key, "provider_failed", "it broke", Decimal("0.01"))
        return
    bytes_ = asset(f"{turn}")
    made = ledger.journal.succeed(wanted.key, bytes_, Tags(mood="calm"), Decimal("0.07"))
    ledger.takes.link(film, shot, made, None)
    ledger.gates.open(film, shot, bytes_.digest)
