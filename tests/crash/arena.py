"""The arena: fake providers, and lanes in which workers are killed and started again."""

import asyncio
import multiprocessing
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import chain, cycle
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from filmforge.contracts import Resolve, Skip
from filmforge.domain import Asset, Execution, GenerationRequest, Kind, Tags
from filmforge.engine import connect
from filmforge.fakeserver.artwork import Artwork
from filmforge.fakeserver.catalogue import ClipInput, ImageInput
from filmforge.ledger.migrate import migrate
from filmforge.media.probe import verify
from filmforge.settings import Settings
from tests.crash.audit import audit
from tests.crash.makers import DRIP, FAKES, HOLD, WIRING, Fake, Maker
from tests.crash.matrix import OUTSIDE, Case, Find, Means
from tests.crash.tally import Outcome
from tests.crash.worker import receive, work
from tests.fake_process import free_port
from tests.world import World, in_own_namespace
from workers.composition import assembled

LOOK_S = 0.03
CASE_S = 90.0
SHOT = "s000"
SIDE = 64
# A list that lags shows a job later than a restarted worker comes round to look for it.
LAG_S = 4.0
TERMS: dict[Find, dict[str, Any]] = {
    Find.AT_ONCE: {"listing_lag_s": 0.1, "fake_listing_lag_s": 0.1},
    Find.LAGS: {"listing_lag_s": LAG_S + 1, "fake_listing_lag_s": LAG_S + 1},
    Find.IMPOSSIBLE: {"listing_lag_s": 0.1, "fake_listing_lag_s": 0.1},
}
SUBMIT_TIMEOUT_S = 2.0
CALLBACK_WAIT_S = 4.0

_warm = multiprocessing.get_context("forkserver")
_warm.set_forkserver_preload(["tests.crash.worker"])


class Crew:
    """Processes of ours, forked from one that has imported everything, killed without warning."""

    def __init__(self, folder: Path, target: Callable[..., None]) -> None:
        self._folder = folder
        self._target = target
        self._process: ForkServerProcess | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    def start(self, environment: Mapping[str, str], extra: Any) -> None:
        """Start it; its words go to a log in the folder."""
        log = self._folder / f"{self._target.__name__}.log"
        self._process = _warm.Process(
            target=self._target, args=(dict(environment), log, extra), daemon=True
        )
        self._process.start()

    async def kill(self) -> None:
        """SIGKILL, if it still runs, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.join)
            self._process.close()
            self._process = None


class Fakes:
    """The fake providers, each as a process of its own; those that list also as one that lags."""

    def __init__(self, fakes: Mapping[tuple[str, bool], Fake]) -> None:
        self._fakes = fakes

    def of(self, provider: str, find: Find) -> Fake:
        """The fake of a provider that behaves so."""
        lagging = self._fakes.get((provider, True))
        return lagging if lagging and find is Find.LAGS else self._fakes[provider, False]

    def settings(self, means: Means) -> dict[str, Any]:
        """The settings that lead every provider to its fake."""
        told: dict[str, Any] = {}
        for provider in {name for name, _ in self._fakes}:
            told |= WIRING[provider](self.of(provider, means.find).url, means.callback)
        return told


@contextmanager
def open_fakes(folder: Path, makers: Sequence[Maker]) -> Iterator[Fakes]:
    """The fakes of these makers, misbehaving for requests whose words ask for it."""
    wanted = {(maker.provider, False) for maker in makers}
    wanted |= {(maker.provider, True) for maker in makers if maker.lists}
    running: dict[tuple[str, bool], Fake] = {}
    try:
        for provider, lagging in sorted(wanted):
            fake = FAKES[provider](folder / f"{provider}-{lagging}.db")
            fake.start()
            running[provider, lagging] = fake
            fake.settings(listing_lag_s=LAG_S if lagging else 0)
        yield Fakes(running)
    finally:
        for fake in running.values():
            fake.stop()


class Lane:
    """A namespace, a ledger and a gateway with one worker, in which one case is played at a time.

    The worker is started anew only where it was killed or must work by other means.
    """

    def __init__(self, folder: Path, world: World, fakes: Fakes) -> None:
        self.folder = folder
        self.world = world
        self.fakes = fakes
        self.means: Means | None = None
        self.hardship: dict[str, str] = {}
        self.snare = folder / "snare"
        self.worker = Crew(folder, work)
        self.gateway = Crew(folder, receive)
        self.port = free_port()

    def environment(self, means: Means) -> dict[str, str]:
        """What a process that works by these means is told."""
        gateway = f"http://127.0.0.1:{self.port}"
        settings = self.world.settings.model_copy(
            update={
                **TERMS[means.find],
                **self.fakes.settings(means),
                "public_url": gateway if means.callback else "",
            }
        )
        hardship = {"CRASH_NO_LISTING": "1"} if means.find is Find.IMPOSSIBLE else {}
        changed = {*self.world.settings.model_fields_set, *settings.model_fields_set}
        return {**os.environ, **_told(settings, changed), **hardship, **self.hardship}

    async def man(self, means: Means) -> None:
        """Have a worker, and a gateway where there are callbacks, that work by these means."""
        if means != self.means:
            await self.worker.kill()
            await self.gateway.kill()
            if means.callback:
                self.gateway.start(self.environment(means), self.port)
            self.means = means
        if not self.worker.alive:
            await self.start_worker()

    async def start_worker(self) -> None:
        """Start the worker, without waiting for it."""
        assert self.means is not None
        await self.worker.kill()
        self.worker.start(self.environment(self.means), self.snare)

    async def play(self, case: Case) -> Outcome:
        """Kill the worker once and see the film through to its end."""
        began, words = time.monotonic(), _words(case)
        await self.man(case.means)
        film_id = await self.prepare(case.maker, words)
        if case.point not in OUTSIDE:
            self.snare.write_text(case.point)
        await self.world.engine.start_film(film_id, self.world.brief(film_id))
        trouble = ""
        try:
            async with asyncio.timeout(CASE_S):
                killed = await self.until_killed(case, film_id, words)
                trouble = "" if killed else "the point was never reached"
                await self.start_worker()
                trouble = await self.see_through(film_id, case.name) or trouble
        except TimeoutError:
            trouble, killed = await self.standing(film_id), not self.snare.exists()
        self.snare.unlink(missing_ok=True)
        fake = self.fakes.of(case.maker.provider, case.means.find)
        found = await audit(self.world, fake, film_id, words)
        return found.model_copy(
            update={
                "name": case.name,
                "point": case.point,
                "maker": case.maker.name,
                "undecidable": case.undecidable,
                "kills": int(killed),
                "seconds": time.monotonic() - began,
                "trouble": trouble,
            }
        )

    async def until_killed(self, case: Case, film_id: str, words: str) -> bool:
        """Wait until the worker has died at the point, or has gone past it to the film's end."""
        if case.point in OUTSIDE:
            await self.until(lambda: self.is_there(case, words) or self.rests(film_id))
            await self.worker.kill()
            return not self.rests(film_id)
        await self.until(lambda: not self.worker.alive or self.rests(film_id))
        return not self.worker.alive

    def is_there(self, case: Case, words: str) -> bool:
        """Whether the worker is in the middle of what it is to be killed in."""
        if case.point == "downloading":
            parts = (self.world.settings.work_dir / "downloads").rglob("*.part")
            return any(part.stat().st_size for part in parts)
        jobs = self.fakes.of(case.maker.provider, case.means.find).charges()["jobs"]
        return any(words in job["words"] for job in jobs)

    def rests(self, film_id: str) -> bool:
        """Whether the film has ended or waits for a person."""
        film = self.world.ledger.films.read(film_id)
        return film.ended or film.execution == Execution.NEEDS_ATTENTION

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not await asyncio.to_thread(so):
            await asyncio.sleep(LOOK_S)

    async def see_through(self, film_id: str, name: str) -> str:
        """Be the person, until the film has ended; returns what was not foreseen."""
        last = (
            ("send_again", "write_off") if sum(name.encode()) % 2 else ("write_off", "send_again")
        )
        choices = chain(["look_again"], cycle(last))
        while True:
            await self.until(lambda: self.rests(film_id))
            if self.world.ledger.films.read(film_id).ended:
                return ""
            reason = (await self.world.engine.progress(film_id)).waiting.get(SHOT)
            if reason == "create_ambiguous":
                choice = Resolve(shot_id=SHOT, choice=next(choices), who="a person")  # type: ignore[arg-type] # one of the three
                await self.world.engine.command(film_id, choice)
            elif reason == "written_off":
                await self.world.engine.command(film_id, Skip(shot_id=SHOT, who="a person"))
            elif reason is not None:
                return await self.standing(film_id)
            await asyncio.sleep(LOOK_S)

    async def standing(self, film_id: str) -> str:
        """Where the film stands, in words."""
        film, shot = self.world.ledger.films.read(film_id), self.world.shot(film_id, SHOT)
        return f"film {film.execution}, shot {shot.execution}: {shot.reason}: {shot.message}"

    async def prepare(self, maker: Maker, words: str) -> str:
        """Keep a film of one shot in which only this maker is paid; returns its id."""
        document: dict[str, Any] = {
            "film_id": f"film-{uuid.uuid4().hex[:16]}",
            "output": {"width": SIDE, "height": SIDE, "fps": 12},
            "stop_after": "frames" if maker.kind is Kind.IMAGE else "clips",
            "providers": {maker.kind.value: maker.ref},
            "shots": [{"shot_id": SHOT, "enhanced_prompt": words, "duration": 1}],
        }
        if maker.kind is Kind.AUDIO:
            document["shots"][0]["dialogue"] = words
        film_id = await asyncio.to_thread(self.world.keep, document)
        if maker.kind is Kind.VIDEO:
            await self.give(film_id, Kind.IMAGE)
        if maker.kind is Kind.AUDIO:
            await self.give(film_id, Kind.VIDEO)
        return film_id

    async def give(self, film_id: str, kind: Kind) -> None:
        """Put a person's file in place of what would be generated."""
        path, wanted = (
            self.folder / f"own-{kind.value}",
            ImageInput(prompt="-", width=SIDE, height=SIDE),
        )
        if kind is Kind.VIDEO:
            wanted = ClipInput(prompt="-", width=SIDE, height=SIDE, fps=12, duration=1)  # type: ignore[arg-type] # pydantic reads them
        if not path.exists():
            path.write_bytes(await Artwork(self.folder).make(wanted, "0" * 64))
        facts = await asyncio.to_thread(verify, path, kind)
        stored = await self.world.parts.store.put(path, facts.media_type)
        asset = Asset(**stored.model_dump(), width=SIDE, height=SIDE, duration_s=facts.duration_s)
        request = GenerationRequest(kind=kind, provider="upload", model="upload", parameters={})
        ledger, record = self.world.ledger, self.world.shot(film_id, SHOT)
        ledger.takes.upload(film_id, SHOT, request, asset, Tags())
        ledger.takes.replace(film_id, SHOT, kind, asset.digest, "a person")
        replaced = {**record.direction.replaced, kind: asset.digest}
        direction = record.direction.model_copy(update={"replaced": replaced})
        ledger.shots.direct(film_id, SHOT, direction)

    async def close(self) -> None:
        """Kill the worker and the gateway."""
        await self.worker.kill()
        await self.gateway.kill()


@asynccontextmanager
async def open_lane(folder: Path, fakes: Fakes, **changes: Any) -> AsyncIterator[Lane]:
    """A lane on the servers of the environment; `changes` replaces settings."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        **{
            "database_url": SecretStr(f"sqlite:///{folder / 'ledger.db'}"),
            "work_dir": folder / "work",
            "signing_key": SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            "api_keys": SecretStr("test-key"),
            "submit_timeout_s": SUBMIT_TIMEOUT_S,
            "fake_submit_timeout_s": SUBMIT_TIMEOUT_S,
            "callback_wait_s": CALLBACK_WAIT_S,
            "allow_private_urls": True,
            **changes,
        }
    )
    settings = await in_own_namespace(settings)
    settings.work_dir.mkdir(exist_ok=True)
    await asyncio.to_thread(migrate, settings.database_url.get_secret_value())
    client = await connect(settings)
    async with assembled(settings, client) as parts:
        world = World(settings, client, parts, None)  # type: ignore[arg-type] # several fakes stand in its place
        lane = Lane(folder, world, fakes)
        try:
            yield lane
        finally:
            await lane.close()
            await world.close()


async def play(
    folder: Path, cases: Sequence[Case], lanes: int, told: Callable[[Outcome], None]
) -> None:
    """Play every case, so many at a time, on the servers of the environment."""
    left = sorted(cases, key=lambda case: str(case.means))
    async with AsyncExitStack() as stack:
        makers = {case.maker.name: case.maker for case in cases}
        fakes = stack.enter_context(open_fakes(folder, list(makers.values())))
        opened = [open_lane(folder / f"lane-{number}", fakes) for number in range(lanes)]
        ready = [await stack.enter_async_context(lane) for lane in opened]
        async with asyncio.TaskGroup() as group:
            for number, lane in enumerate(ready):
                group.create_task(_work_off(lane, left, number / lanes, told))


async def _work_off(
    lane: Lane, left: list[Case], start: float, told: Callable[[Outcome], None]
) -> None:
    """Take one case after the other, as long as there are by the means of the last."""
    place = int(len(left) * start)
    while left:
        same = next((n for n, case in enumerate(left) if case.means == lane.means), None)
        place = min(place, len(left) - 1) if same is None else same
        told(await lane.play(left.pop(place)))


def _words(case: Case) -> str:
    mark = {"inside": f" {HOLD}", "downloading": f" {DRIP}"}.get(case.point, "")
    return f"case {case.name} {uuid.uuid4().hex[:12]}{mark}"


def _told(settings: Settings, names: set[str]) -> dict[str, str]:
    """These settings as an environment."""
    told = {}
    for name in names:
        alias = Settings.model_fields[name].validation_alias
        value = getattr(settings, name)
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        told[alias if isinstance(alias, str) else f"FILMFORGE_{name.upper()}"] = str(plain)
    return told
