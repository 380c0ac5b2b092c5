"""The arena: many lanes side by side, on the servers of the environment."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tests.crash.lane import Lane, open_lane
from tests.crash.makers import open_fakes
from tests.crash.matrix import Case
from tests.crash.tally import Outcome

Told = Callable[[Outcome], None]


async def play(folder: Path, cases: Sequence[Case], lanes: int, told: Told) -> None:
    """Play every case, so many at a time, and tell of each as it ends."""
    if not cases:
        return
    left = sorted(cases, key=lambda case: str(case.means))
    async with AsyncExitStack() as stack:
        makers = list({case.maker.name: case.maker for case in cases}.values())
        fakes = stack.enter_context(open_fakes(folder, makers))
        opened = [open_lane(folder / f"lane-{number}", fakes, makers) for number in range(lanes)]
        ready = [await stack.enter_async_context(lane) for lane in opened]
        async with asyncio.TaskGroup() as group:
            for number, lane in enumerate(ready):
                group.create_task(_work_off(lane, left, number / lanes, told))


async def _work_off(lane: Lane, left: list[Case], start: float, told: Told) -> None:
    """Take one case after the other, as long as there are some by the means of the last."""
    place = int(len(left) * start)
    while left:
        same = next((n for n, case in enumerate(left) if case.means == lane.means), None)
        place = min(place, len(left) - 1) if same is None else same
        told(await lane.play(left.pop(place)))
