"""The long form: `python -m tests.crash N=1000 SEED=1 LANES=6 OUT=table.md`, or `CASE=name,…`.

N is how many cases are drawn from the matrix, beside each calamity a few times; SEED draws the
same again, LANES is how many are played at a time, and OUT gets the table in Markdown.
"""

import asyncio
import os
import random
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from pydantic import BaseModel, ConfigDict, Field

from filmforge.embedded import start_servers
from filmforge.settings import Settings
from tests.crash.arena import play
from tests.crash.calamities import CALAMITIES, Ground, blow_named, blows, suffer
from tests.crash.hardship import may_fill_disks
from tests.crash.matrix import POINTS, drawn, named
from tests.crash.tally import Outcome, markdown, plain, table

A_CALAMITY_EVERY = 250
LASTS_S = 30.0
DISK_FULL = "disk full"


class Wish(BaseModel):
    """What is to be played."""

    model_config = ConfigDict(extra="forbid")

    N: int = Field(default=1000, ge=0)
    SEED: int = Field(default_factory=lambda: random.SystemRandom().randrange(10**6))
    LANES: int = Field(default=6, ge=1)
    CASE: str = ""
    OUT: Path | None = None


def main() -> int:
    """Play the cases and print what they came to; 1 when a goal was missed."""
    wish = Wish.model_validate(dict(word.split("=", 1) for word in sys.argv[1:]))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the fakes must not outlive us
    began, outcomes, stopped = time.monotonic(), list[Outcome](), False
    with TemporaryDirectory() as folder:
        try:
            asyncio.run(_run(Path(folder), wish, outcomes))
        except KeyboardInterrupt:
            stopped = True
            _say("stopped: this is a part")
    rows = table(outcomes, [*POINTS, *CALAMITIES])
    _say(f"{plain(rows)}\n{time.monotonic() - began:.0f} s, SEED={wish.SEED}")
    if wish.OUT is not None:
        wish.OUT.write_text(markdown(rows) + "\n")
    failed = [outcome for outcome in outcomes if outcome.failures]
    for outcome in failed:
        _say(f"FAILED {'; '.join(outcome.failures)}\n  again: make crash CASE={outcome.name}")
    return int(bool(failed) or stopped)


async def _run(folder: Path, wish: Wish, outcomes: list[Outcome]) -> None:
    """Play what is wished for, adding to the outcomes as they come."""
    names = [name for name in wish.CASE.split(",") if name]
    others = [name for name in names if name.split(".")[0].replace("_", " ") in CALAMITIES]
    cases = [named(name) for name in names if name not in others]
    hits = [blow_named(name) for name in others]
    if not names:
        cases = drawn(wish.N, wish.SEED)
        hits = blows(random.Random(wish.SEED), -(-wish.N // A_CALAMITY_EVERY))
    if any(hit.calamity == DISK_FULL for hit in hits) and not may_fill_disks():
        _say("left out: this machine lets no process mount a disk of its own to fill")
        hits = [hit for hit in hits if hit.calamity != DISK_FULL]
    total = len(cases) + len(hits)

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)
        missed = f": {'; '.join(outcome.failures)}" if outcome.failures else ""
        _say(f"{len(outcomes)}/{total} {outcome.name} {outcome.seconds:.1f} s{missed}")

    async with start_servers(folder / "state", Settings()) as servers:
        os.environ.update(servers.environment)
        await play(folder, cases, min(wish.LANES, len(cases)), told)
        for number, blow in enumerate(hits):
            told(await suffer(Ground(folder / f"calamity-{number}", servers, blow, LASTS_S)))


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
