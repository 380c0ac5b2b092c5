"""Takes: every attempt remembered, every reuse counted once."""

from decimal import Decimal

import pytest

from filmforge.domain import Direction, Kind, Tags, Take
from filmforge.errors import NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.posting import Posting
from tests.ledger.conftest import add_film, asset, at_once, claim, digest, job, request

COST = Decimal("0.25")


@pytest.fixture(autouse=True)
def films(ledger: Ledger) -> None:
    """Two films with money."""
    add_film(ledger)
    add_film(ledger, "harbour")


def _made(ledger: Ledger, prompt: str = "a lamp") -> Posting:
    """What the first shot of the attic paid for."""
    key = ledger.journal.reserve(request(prompt), Decimal(1), claim()).request_key
    ledger.journal.begin_submitting(key)
    ledger.journal.accept(key, job(), "submit")
    return ledger.journal.succeed(key, asset(prompt), Tags(), COST)


def _link(ledger: Ledger, posting: Posting, film: str = "attic", shot: str = "s0") -> Take:
    return ledger.takes.link(film, shot, posting, None)


def test_the_shot_that_paid_reuses_nothing(ledger: Ledger) -> None:
    take = _link(ledger, _made(ledger))
    assert (take.take, take.cost, take.reused) == (1, COST, False)
    assert ledger.budget("attic").saved == 0
    assert ledger.shots.read("attic", "s0").image_digest == take.digest


@pytest.mark.parametrize(("film", "shot"), [("harbour", "s0"), ("attic", "s1")])
def test_every_other_shot_reuses_it_and_saves_what_it_cost(
    ledger: Ledger, film: str, shot: str
) -> None:
    posting = _made(ledger)
    take = _link(ledger, posting, film, shot)
    assert (take.cost, take.reused) == (0, True)
    assert ledger.budget(film).saved == COST
    found = ledger.assets.read(take.digest)
    assert (found.reuses, found.saved) == (1, COST)


def test_a_reuse_counts_once_for_a_shot_however_often_it_is_linked(ledger: Ledger) -> None:
    posting = _made(ledger)
    for _ in range(3):
        _link(ledger, posting, "harbour")
    at_once(5, lambda _: _link(ledger, posting, "harbour", "s1"))
    assert ledger.budget("harbour").saved == 2 * COST
    assert ledger.assets.read(asset("a lamp").digest).reuses == 2
    assert [len(takes) for takes in ledger.takes.of_film("harbour").values()] == [1, 1]


def test_takes_are_numbered_by_kind_and_keep_their_note(ledger: Ledger) -> None:
    _link(ledger, _made(ledger))
    second = ledger.takes.link("attic", "s0", _made(ledger, "a warmer lamp"), "warmer")
    assert (second.take, second.note) == (2, "warmer")
    assert [take.take for take in ledger.takes.of_shot("attic", "s0")] == [1, 2]
    assert ledger.shots.read("attic", "s0").image_digest == second.digest


def test_an_earlier_take_comes_into_use_again_when_it_is_asked_for_again(
    ledger: Ledger,
) -> None:
    first = _made(ledger)
    _link(ledger, first)
    _link(ledger, _made(ledger, "a warmer lamp"))
    assert _link(ledger, first).take == 1
    assert ledger.shots.read("attic", "s0").image_digest == first.digest


def test_a_replacement_is_the_newest_take_and_costs_nothing(ledger: Ledger) -> None:
    _link(ledger, _made(ledger))
    own = asset("own")
    ledger.takes.upload("attic", "s0", request("own", provider="upload"), own, Tags(mood="calm"))
    for _ in range(2):
        ledger.takes.replace("attic", "s0", Kind.IMAGE, own.digest, "ada")
    newest = ledger.takes.of_shot("attic", "s0")[-1]
    assert (newest.take, newest.provider, newest.cost) == (2, "upload", 0)
    assert newest.note == "replaced by ada"
    assert ledger.shots.read("attic", "s0").image_digest == own.digest
    assert ledger.assets.read(own.digest).tags == {"mood": ("calm",)}


def test_a_replacement_must_be_a_known_asset(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match=digest("nothing")):
        ledger.takes.replace("attic", "s0", Kind.IMAGE, digest("nothing"), "ada")
    assert ledger.shots.read("attic", "s0").image_digest is None


def test_a_take_asked_for_with_others_is_kept_unused_and_fewer_are_still_to_be_made(
    ledger: Ledger,
) -> None:
    first = _link(ledger, _made(ledger))
    ledger.shots.direct("attic", "s0", Direction(retakes=3, takes=3))
    for before_last in (2, 2, 1):
        made = _made(ledger, f"take {before_last}")
        ledger.takes.link("attic", "s0", made, None, before_last)
        shot = ledger.shots.read("attic", "s0")
        assert (shot.image_digest, shot.direction.takes) == (first.digest, before_last)
    assert [take.take for take in ledger.takes.of_shot("attic", "s0")] == [1, 2, 3]
    assert ledger.shots.plan("attic", (0,))[0].takes == 1
