"""What befalls an installation in mid-film costs nothing twice and loses nothing."""

from pathlib import Path

import pytest

from filmforge.embedded import Servers
from tests.crash.calamities import CALAMITIES, Ground, blow_named, suffer
from tests.crash.hardship import may_fill_disks

pytestmark = pytest.mark.crash

LASTS_S = 10.0
BLOWS = (
    "two_workers_race.fal-image.posted",
    "temporal_restarts.replicate-image.uploaded",
    "database_locked.fake-image.settling",
    "database_restarts.fal-image.downloaded",
    "store_fails.elevenlabs-speech.",
    "disk_full.replicate-image.accepted",
    "clock_set_back.fake-image.submitting",
    "clock_set_back.replicate-image.posted",
)


@pytest.mark.parametrize("name", BLOWS)
async def test_a_film_survives(name: str, servers: Servers, tmp_path: Path) -> None:
    if name.startswith("disk_full") and not may_fill_disks():
        pytest.skip("this machine lets no process mount a disk of its own")
    outcome = await suffer(Ground(tmp_path, servers, blow_named(name), LASTS_S))
    assert outcome.failures == []
    assert outcome.charges == outcome.requests == outcome.assets == 1


async def test_what_time_alone_would_tell_is_asked_of_a_person_while_the_clock_is_wrong(
    servers: Servers, tmp_path: Path
) -> None:
    blow = blow_named("clock_set_back.fal-image.submitting")
    outcome = await suffer(Ground(tmp_path, servers, blow, LASTS_S))
    assert outcome.failures == []
    assert outcome.doubts
    assert outcome.charges == outcome.chosen == int(not outcome.written_off)


def test_every_calamity_is_survived_here() -> None:
    assert {name.partition(".")[0].replace("_", " ") for name in BLOWS} == set(CALAMITIES)
