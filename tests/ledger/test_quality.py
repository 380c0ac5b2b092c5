"""What was measured and found is kept, and a retake that its quality asks for counts once."""

from decimal import Decimal

import pytest

from filmforge.domain import Kind, Review, Tags
from filmforge.errors import Conflict
from filmforge.ledger import Ledger
from filmforge.ledger.holds import HELD
from filmforge.ledger.outputs import FILM
from filmforge.quality import Check, Checked, Finding, Outcome
from tests.ledger.conftest import add_film, asset, claim, digest, job, request

BLACK = Finding(
    check=Check.BLACK, passed=False, measured=1.5, threshold=0.5, unit="s", words="all black"
)
WANTING = Checked(outcome=Outcome.ATTENTION, words=("all black",), findings=(BLACK,))


def add_take(ledger: Ledger, text: str = "picture") -> str:
    """A paid frame of the first shot, in use; returns its digest."""
    ask = request(text)
    ledger.journal.reserve(ask, Decimal("0.01"), claim())
    ledger.journal.begin_submitting(ask.key)
    ledger.journal.accept(ask.key, job(), "submit")
    posting = ledger.journal.succeed(ask.key, asset(text), Tags(), Decimal("0.01"))
    return ledger.takes.link("attic", "s0", posting, None).digest


def found(ledger: Ledger) -> dict[str, Checked | None]:
    return {output.kind: output.checked for output in ledger.films.given("attic")}


def test_what_was_measured_is_found_by_the_digest_and_the_edition(ledger: Ledger) -> None:
    ledger.measurements.keep(digest("clip"), 1, {"errors": 0})
    ledger.measurements.keep(digest("clip"), 1, {"errors": 7})
    assert ledger.measurements.of(digest("clip"), 1) == {"errors": 0}
    assert ledger.measurements.of(digest("clip"), 2) is None
    assert ledger.measurements.of(digest("other"), 1) is None


def test_what_was_found_stands_on_the_take_and_is_told_once(ledger: Ledger) -> None:
    add_film(ledger)
    taken = add_take(ledger)
    assert ledger.takes.of_shot("attic", "s0")[0].checked is None
    for _ in range(2):
        ledger.takes.checked("attic", "s0", Kind.IMAGE, taken, WANTING)
    assert ledger.takes.of_shot("attic", "s0")[0].checked == WANTING
    told = [e for e in ledger.events.since("attic") if e.type == "take.found_wanting"]
    assert [event.data["words"] for event in told] == [["all black"]]


def test_a_take_is_made_again_once_however_often_that_is_written_down(ledger: Ledger) -> None:
    add_film(ledger)
    first, second = digest("first"), digest("second")
    before = ledger.shots.read("attic", "s0").attempt
    for _ in range(2):
        ledger.shots.remake("attic", "s0", {Kind.VIDEO: first}, "all black")
    shot = ledger.shots.read("attic", "s0")
    assert shot.direction.remade == {Kind.VIDEO: (first,)}
    assert (shot.attempt, shot.review) == (before + 1, Review.RETAKE)
    ledger.shots.remake("attic", "s0", {Kind.VIDEO: second, Kind.AUDIO: first}, "silent")
    shot = ledger.shots.read("attic", "s0")
    assert shot.direction.remade == {Kind.VIDEO: (first, second), Kind.AUDIO: (first,)}
    assert shot.attempt == before + 2
    entries = [e for e in ledger.gates.trail("attic") if e.action == "retake"]
    assert [(entry.who, entry.detail["why"]) for entry in entries] == [
        ("filmforge", "all black"),
        ("filmforge", "silent"),
    ]


def test_what_was_found_in_the_film_stands_on_it_once_it_is_released(ledger: Ledger) -> None:
    add_film(ledger)
    add_take(ledger)
    film = asset("picture")
    ledger.holds.hold("attic", film, WANTING)
    assert ledger.films.outputs("attic") == [(HELD, film.digest, film.media_type)]
    assert found(ledger) == {HELD: WANTING}
    for _ in range(2):  # a worker that is killed between the two does it again
        ledger.films.deliver("attic", FILM, film.digest, film.media_type)
    assert found(ledger) == {FILM: WANTING}


def test_a_person_accepts_the_film_that_is_held_and_no_other(ledger: Ledger) -> None:
    add_film(ledger)
    add_take(ledger)
    with pytest.raises(Conflict, match="not held back"):
        ledger.holds.accept("attic", "producer")
    ledger.holds.hold("attic", asset("picture"), WANTING)
    for _ in range(2):
        ledger.holds.accept("attic", "producer")
    assert ledger.films.read("attic").accepted == (asset("picture").digest,)
