"""One half of the matrix's short form: every point, every provider, every means."""

from pathlib import Path

import pytest

from tests.crash.arena import play
from tests.crash.matrix import short
from tests.crash.tally import Outcome

pytestmark = [pytest.mark.crash, pytest.mark.usefixtures("servers")]

LANES = 7


async def test_no_kill_pays_twice_loses_what_was_paid_or_leaves_wrong_books(
    tmp_path: Path,
) -> None:
    cases, outcomes = short(0, 2), list[Outcome]()
    await play(tmp_path, cases, LANES, outcomes.append)
    assert {each.name: each.failures for each in outcomes if each.failures} == {}
    assert sum(each.kills for each in outcomes) == len(cases)
