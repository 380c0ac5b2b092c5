"""Calamities: what else befalls an installation in the middle of a film, beside a killed worker."""

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from filmforge.contracts import shot_workflow_id
from filmforge.embedded import Servers
from filmforge.errors import WorkDirFull
from filmforge.fields import Frozen
from tests.crash.crew import Crew
from tests.crash.films import SHOT, keep_film
from tests.crash.lane import CASE_S, Lane, open_lane, words_for
from tests.crash.makers import MAKERS, Maker, open_fakes
from tests.crash.matrix import Find, Means
from tests.crash.store_proxy import store_proxy
from tests.crash.tally import Outcome
from tests.crash.worker import Snare, work
from tests.postgres import postgres_server

MEANS = Means(callback=False, find=Find.AT_ONCE)
AN_HOUR_S = 3600
LOOK_S = 0.05


class Blow(Frozen):
    """A calamity that befalls a request of one maker.

    `point` is where the worker is killed in its course; without one it is not, or from outside.
    """

    calamity: str
    maker: Maker
    point: str

    @property
    def name(self) -> str:
        """The name by which it is played again."""
        return f"{self.calamity.replace(' ', '_')}.{self.maker.name}.{self.point}"

    @property
    def undecidable(self) -> bool:
        """Whether nobody but a person can say what is to be done after it.

        fal lists no request that still waits to be started: that one was never sent is proved by
        the time that has passed, and a clock that was set back tells that later.
        """
        by_time = self.maker.provider == "fal" and self.point == "submitting"
        return by_time and self.calamity == "clock set back"


@dataclass(frozen=True)
class Ground:
    """Where a calamity takes place; what lasts a while lasts so many seconds."""

    folder: Path
    servers: Servers
    blow: Blow
    lasts_s: float


@dataclass
class Scene:
    """One film under way in a lane; `kills` counts what was killed."""

    lane: Lane
    maker: Maker
    words: str
    films: list[str]
    kills: int = 0

    async def begin(self) -> None:
        """Start every film."""
        for film_id in self.films:
            await self.lane.start(film_id)

    async def until_accepted(self) -> None:
        """Wait until the provider has accepted the request."""
        await self.lane.until(lambda: self.lane.accepted(self.maker, self.words))

    async def until_dead(self) -> None:
        """Wait until the worker has died at its point."""
        await self.lane.until(lambda: not self.lane.worker.alive)
        self.kills += 1

    async def until_failed(self, code: str) -> None:
        """Wait until the paid step has failed for this reason and is to be begun again."""
        name = shot_workflow_id(self.films[0], SHOT)
        handle = self.lane.world.client.get_workflow_handle(name)
        while True:
            told = (await handle.describe()).raw_description.pending_activities
            if code in {step.last_failure.application_failure_info.type for step in told}:
                return
            await asyncio.sleep(LOOK_S)


async def two_workers_race(ground: Ground) -> Outcome:
    """Two films ask two workers for one request; one worker dies and the other goes on."""
    async with _scene(ground, films=2) as scene, AsyncExitStack() as stack:
        lane = scene.lane
        await lane.worker.kill()
        rivals = [await stack.enter_async_context(_rival(lane, number)) for number in range(2)]
        lane.snare.write_text(ground.blow.point)
        await scene.begin()
        await lane.until(lambda: not all(rival.alive for rival in rivals))
        scene.kills += 1
        trouble = [await lane.see_through(film_id) for film_id in scene.films]
        return await _outcome(scene, "; ".join(filter(None, trouble)))


async def temporal_restarts(ground: Ground) -> Outcome:
    """Temporal dies in mid-film and the worker while it is away or after; both come back.

    Work that cannot tell Temporal that it goes on is given up by its worker after seconds, so
    that the worker may come to its point only when Temporal is there again.
    """
    temporal = ground.servers.temporal
    assert temporal is not None
    async with _scene(ground, held=True) as scene:
        scene.lane.snare.write_text(ground.blow.point)
        await scene.begin()
        await scene.until_accepted()
        await temporal.kill()
        scene.kills += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(ground.lasts_s):
                    await scene.lane.until(lambda: not scene.lane.worker.alive)
        finally:
            await temporal.start()
        await scene.until_dead()
        await scene.lane.start_worker()
        return await _outcome(scene, await scene.lane.see_through(scene.films[0]))


async def database_locked(ground: Ground) -> Outcome:
    """Somebody holds the SQLite database's one write lock; the worker dies after that."""
    async with _scene(ground, held=True) as scene:
        scene.lane.snare.write_text(ground.blow.point)
        await scene.begin()
        await scene.until_accepted()
        await asyncio.to_thread(_hold_the_lock, scene.lane, ground.lasts_s)
        await scene.until_dead()
        await scene.lane.start_worker()
        return await _outcome(scene, await scene.lane.see_through(scene.films[0]))


async def database_restarts(ground: Ground) -> Outcome:
    """PostgreSQL dies in mid-film and comes back; the worker dies after that."""
    with postgres_server() as server:
        url = SecretStr(await asyncio.to_thread(server.create))
        async with _scene(ground, held=True, database_url=url) as scene:
            await scene.begin()
            await scene.until_accepted()
            scene.lane.snare.write_text(ground.blow.point)
            await asyncio.to_thread(server.kill)
            scene.kills += 1
            await asyncio.sleep(ground.lasts_s)
            await asyncio.to_thread(server.start)
            await scene.until_dead()
            await scene.lane.start_worker()
            return await _outcome(scene, await scene.lane.see_through(scene.films[0]))


async def store_fails(ground: Ground) -> Outcome:
    """The store answers 503 from the provider's acceptance on; the worker dies meanwhile."""
    async with (
        store_proxy(ground.servers.s3_endpoint) as proxy,
        _scene(ground, held=True) as scene,
    ):
        lane = scene.lane
        await lane.start_worker({"AWS_ENDPOINT_URL_S3": proxy.url})
        await scene.begin()
        await scene.until_accepted()
        proxy.fail()
        await asyncio.sleep(ground.lasts_s / 2)
        await lane.start_worker({"AWS_ENDPOINT_URL_S3": proxy.url})
        scene.kills += 1
        await asyncio.sleep(ground.lasts_s / 2)
        refused, proxy.failing = proxy.refused, False
        trouble = await lane.see_through(scene.films[0])
        return await _outcome(scene, trouble or ("" if refused else "nothing was refused"))


async def disk_full(ground: Ground) -> Outcome:
    """What was paid for finds the work directory's disk full; later there is room again.

    It is full from after the request was accepted: before, nothing would be sent.
    """
    async with _scene(ground) as scene:
        lane = scene.lane
        lane.snare.write_text(ground.blow.point)
        await scene.begin()
        await scene.until_dead()
        await lane.start_worker({"CRASH_DISK_FULL": "1"})
        await scene.until_failed(WorkDirFull.code)
        await lane.worker.kill()
        scene.kills += 1
        await lane.start_worker()
        return await _outcome(scene, await lane.see_through(scene.films[0]))


async def clock_set_back(ground: Ground) -> Outcome:
    """The worker dies, and when it is back its clock has gone back by an hour."""
    async with _scene(ground) as scene:
        lane = scene.lane
        lane.snare.write_text(ground.blow.point)
        await scene.begin()
        await scene.until_dead()
        await lane.start_worker({"CRASH_CLOCK_S": str(-AN_HOUR_S)})
        return await _outcome(scene, await lane.see_through(scene.films[0]))


CALAMITIES: Mapping[str, Callable[[Ground], Awaitable[Outcome]]] = {
    play.__name__.replace("_", " "): play
    for play in (
        two_workers_race,
        temporal_restarts,
        database_locked,
        database_restarts,
        store_fails,
        disk_full,
        clock_set_back,
    )
}


# Where the worker may be killed in the course of each; nowhere by itself where there is none.
LATER = ("ended", "downloaded", "uploaded", "settling", "settled", "linked")
KILLED_AT: Mapping[str, tuple[str, ...]] = {
    "two workers race": ("reserved", "submitting", "posted", "accepted", "uploaded", "settled"),
    "temporal restarts": LATER,
    "database locked": LATER,
    "database restarts": LATER,
    "store fails": ("",),
    "disk full": ("accepted",),
    "clock set back": ("submitting", "posted", "accepted", "uploaded"),
}


def blows(chance: random.Random, times: int) -> list[Blow]:
    """Each calamity so often, with a maker and a point by chance."""
    makers = [maker for maker in MAKERS if maker.lists]
    return [
        Blow(calamity=name, maker=chance.choice(makers), point=chance.choice(points))
        for name, points in KILLED_AT.items()
        for _ in range(times)
    ]


def blow_named(name: str) -> Blow:
    """The blow of that name. Raises KeyError, or StopIteration for a maker there is none of."""
    calamity, maker, point = name.split(".")
    found = next(each for each in MAKERS if each.name == maker)
    return Blow(calamity=calamity.replace("_", " "), maker=found, point=point)


async def suffer(ground: Ground) -> Outcome:
    """What a calamity came to; one that does not end in time is told as trouble."""
    began, blow = time.monotonic(), ground.blow
    try:
        async with asyncio.timeout(CASE_S + ground.lasts_s):
            found = await CALAMITIES[blow.calamity](ground)
    except TimeoutError:
        found = Outcome(maker=blow.maker.name, trouble="the film did not end")
    except Exception as error:  # noqa: BLE001 - it is told with the calamity, and the others go on
        found = Outcome(maker=blow.maker.name, trouble=repr(error))
    return found.model_copy(
        update={
            "name": blow.name,
            "point": blow.calamity,
            "undecidable": blow.undecidable,
            "seconds": time.monotonic() - began,
        }
    )


@asynccontextmanager
async def _scene(
    ground: Ground, films: int = 1, *, held: bool = False, **changes: Any
) -> AsyncIterator[Scene]:
    """Films of the same words; `held` gives time while the provider holds its answer back."""
    words = words_for("calamity", "inside" if held else "")
    with open_fakes(ground.folder, [ground.blow.maker]) as fakes:
        lane_folder = ground.folder / "lane"
        async with open_lane(lane_folder, fakes, [ground.blow.maker], **changes) as lane:
            await lane.man(MEANS)
            kept = [
                await keep_film(lane.world, ground.blow.maker, words, lane.folder)
                for _ in range(films)
            ]
            yield Scene(lane, ground.blow.maker, words, kept)


@asynccontextmanager
async def _rival(lane: Lane, number: int) -> AsyncIterator[Crew]:
    """Another worker of the same lane, from when it takes work."""
    folder = lane.folder / f"rival-{number}"
    ready = folder / "ready"
    (folder / "work").mkdir(parents=True)
    rival = Crew(folder, work)
    told = lane.environment(work_dir=folder / "work", ready_file=ready)
    rival.start(told, Snare(lane.snare))
    try:
        await lane.until(ready.exists)
        yield rival
    finally:
        await rival.kill()


async def _outcome(scene: Scene, trouble: str) -> Outcome:
    found = await scene.lane.audit(scene.maker, scene.films, scene.words)
    return found.model_copy(update={"kills": scene.kills, "trouble": trouble})


def _hold_the_lock(lane: Lane, seconds: float) -> None:
    with closing(sqlite3.connect(lane.folder / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        other.execute("ROLLBACK")
