"""The long form: `python -m tests.crash N=1000 SEED=1 LANES=6 OUT=table.md`, or `CASE=name`."""

import asyncio
import os
import random
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from filmforge.embedded import start_servers
from filmforge.settings import Settings
from tests.crash.arena import play
from tests.crash.matrix import POINTS, Case, drawn, named
from tests.crash.tally import Outcome, markdown, plain, table

LANES = 6


def main() -> int:
    """Play the cases and print what they came to; 1 when a goal was missed."""
    given = dict(word.split("=", 1) for word in sys.argv[1:])
    seed = int(given.get("SEED") or random.SystemRandom().randrange(10**6))
    cases = [named(name) for name in given.get("CASE", "").split(",") if name]
    cases = cases or drawn(int(given.get("N", "100")), seed)
    print(f"{len(cases)} cases, SEED={seed}", flush=True)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        outcomes = asyncio.run(
            _run(Path(given.get("KEEP", folder)), cases, int(given.get("LANES", LANES)))
        )
    rows = table(outcomes, tuple(POINTS))
    print(plain(rows))
    print(f"{time.monotonic() - began:.0f} s")
    if "OUT" in given:
        Path(given["OUT"]).write_text(markdown(rows) + "\n")
    failed = [outcome for outcome in outcomes if outcome.failures]
    for outcome in failed:
        print(f"FAILED CASE={outcome.name}: {'; '.join(outcome.failures)}")
    if failed:
        print(f"again: SEED={seed}")
    return int(bool(failed))


async def _run(folder: Path, cases: list[Case], lanes: int) -> list[Outcome]:
    outcomes: list[Outcome] = []

    def told(outcome: Outcome) -> None:
        outcomes.append(outcome)
        wrong = f": {'; '.join(outcome.failures)}" if outcome.failures else ""
        print(
            f"{len(outcomes)}/{len(cases)} {outcome.name} {outcome.seconds:.1f} s{wrong}",
            flush=True,
        )

    async with start_servers(folder / "state", Settings()) as servers:
        os.environ.update(servers.environment)
        await play(folder, cases, min(lanes, len(cases)), told)
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
