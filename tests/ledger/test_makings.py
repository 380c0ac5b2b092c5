"""What every recipe came to."""

from filmforge.ledger import Ledger
from filmforge.ledger.makings import Making
from tests.ledger.conftest import digest


def _making(name: str) -> Making:
    return Making(name=name, digest=digest(name), media_type="video/mp4", size=7)


def test_the_files_of_a_recipe_come_back_in_their_order(ledger: Ledger) -> None:
    made = [_making("z"), _making("a")]
    ledger.makings.keep(digest("recipe"), made)
    assert ledger.makings.of(digest("recipe")) == tuple(made)
    assert ledger.makings.of(digest("another")) == ()


def test_the_same_bytes_may_come_of_two_recipes(ledger: Ledger) -> None:
    for recipe in ("one", "two"):
        ledger.makings.keep(digest(recipe), [_making("")])
    assert ledger.makings.of(digest("one")) == ledger.makings.of(digest("two"))


def test_what_is_made_again_takes_the_place_of_what_was_there(ledger: Ledger) -> None:
    ledger.makings.keep(digest("recipe"), [_making("a"), _making("b")])
    ledger.makings.keep(digest("recipe"), [_making("c")])
    assert ledger.makings.of(digest("recipe")) == (_making("c"),)
