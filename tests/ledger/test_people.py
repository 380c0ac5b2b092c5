"""People at the ledger: members, share links and edits, with many of them at once."""

from datetime import UTC, datetime, timedelta

import pytest

from filmforge.domain import Providers
from filmforge.errors import BadInput
from filmforge.ledger import Ledger
from filmforge.ledger.shares import MOST_FAILURES
from filmforge.rights import Given, Role
from tests.ledger.conftest import add_film, at_once, digest


@pytest.fixture(autouse=True)
def attic(ledger: Ledger) -> None:
    """A film to look at."""
    add_film(ledger)


def test_a_name_is_given_to_one_member_at_a_time(ledger: Ledger) -> None:
    def add(number: int) -> str | None:
        try:
            return ledger.members.add("Ada", Role.VIEWER, digest(f"key {number}"), "t").member_id
        except BadInput:
            return None

    (ada,) = [member_id for member_id in at_once(6, add) if member_id]
    assert [change.member_id for change in ledger.members.changes()] == [ada]
    ledger.members.revoke(ada, "t")
    assert add(6) is not None


def test_of_many_guesses_at_once_as_many_are_looked_at_as_are_allowed(ledger: Ledger) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    share = ledger.shares.create("attic", "Acme", Given.SEE, ends, "t", "hash")
    allowed = at_once(MOST_FAILURES + 3, lambda _: ledger.shares.guess(share))
    assert sum(allowed) == MOST_FAILURES
    ledger.shares.opened(share, "Kim")
    assert ledger.shares.guess(share)


def test_of_edits_of_a_shot_that_are_kept_at_once_one_stays(ledger: Ledger) -> None:
    def keep(number: int) -> None:
        ledger.drafts.put("attic", "s0", {"mood": f"mood {number}"}, Providers(), "t")

    at_once(6, keep)
    assert len(ledger.drafts.of_film("attic")) == 1
