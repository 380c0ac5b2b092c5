"""A lane: a worker that is killed and started again, and a person who sees its films through."""

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain, cycle
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from filmforge.commands import Resolve, Skip
from filmforge.domain import Execution
from filmforge.engine import connect
from filmforge.ledger.migrate import migrate
from filmforge.providers.catalogue import Recovery
from filmforge.settings import Settings
from tests.crash.audit import audit
from tests.crash.crew import Crew, as_environment
from tests.crash.films import SHOT, keep_film
from tests.crash.makers import DRIP, HOLD, LAG_S, MAKERS, Fakes, Maker, open_fakes
from tests.crash.matrix import OUTSIDE, Case, Find, Means
from tests.crash.tally import Outcome
from tests.crash.worker import Snare, receive, work
from tests.fake_process import free_port
from tests.folders import files_below
from tests.world import World, in_own_namespace
from workers.composition import assembled

LOOK_S = 0.1
CASE_S = 90.0
SUBMIT_TIMEOUT_S = 5.0
CALLBACK_WAIT_S = 5.0
SOON_S = 0.1


class Lane:
    """A namespace, a ledger and a gateway with one worker, in which one case is played at a time.

    The worker is started anew only where it was killed or must work by other means. The file
    `snare` names the point where it dies, and is gone when it has.
    """

    def __init__(self, folder: Path, world: World, fakes: Fakes, port: int) -> None:
        self.folder = folder
        self.world = world
        self.fakes = fakes
        self._port = port
        self.means: Means | None = None
        self.snare = folder / "snare"
        self.worker = Crew(folder, work)
        self.gateway = Crew(folder, receive)

    def environment(self, **changes: Any) -> dict[str, str]:
        """What a process that works by the present means is told."""
        means = self.means
        assert means is not None
        lag_s = LAG_S + 1 if means.find is Find.LAGS else SOON_S
        told = {
            "listing_lag_s": lag_s,
            "fake_listing_lag_s": lag_s,
            "public_url": _url(self._port),
            **self.fakes.settings(means.find, means.callback),
            **changes,
        }
        settings = self.world.settings.model_copy(update=told)
        recovery = Recovery.WEBHOOK if means.callback else Recovery.NONE
        hardship = {"CRASH_RECOVERY": recovery} if means.find is Find.IMPOSSIBLE else {}
        return {
            **os.environ,
            **as_environment(settings, {*self.world.settings.model_fields_set, *told}),
            **hardship,
        }

    async def man(self, means: Means) -> None:
        """Have a worker, and a gateway where there are callbacks, that work by these means."""
        if means != self.means:
            await self.worker.kill()
            await self.gateway.kill()
            self.means = means
            if means.callback:
                self.gateway.start(self.environment(), self._port)
        if not self.worker.alive:
            await self.start_worker()

    async def start_worker(self, hardship: Mapping[str, str] = {}) -> None:
        """Start the worker, without waiting for it."""
        await self.worker.kill()
        self.worker.start({**self.environment(), **hardship}, Snare(self.snare))

    async def play(self, case: Case) -> Outcome:
        """Kill the worker once and see the film through to its end."""
        began, words = time.monotonic(), words_for(case.name, case.point)
        await self.man(case.means)
        film_id = await keep_film(self.world, case.maker, words, self.folder)
        if case.point not in OUTSIDE:
            self.snare.write_text(case.point)
        await self.start(film_id)
        killed, trouble = False, ""
        try:
            async with asyncio.timeout(CASE_S):
                killed = await self.until_killed(case, film_id, words)
                trouble = "" if killed else "the point was never reached"
                self.snare.unlink(missing_ok=True)
                await self.start_worker()
                trouble = await self.see_through(film_id, case.name) or trouble
        except TimeoutError:
            trouble = self.standing(film_id)
        except Exception as error:  # noqa: BLE001 - it is told with the case, and the others go on
            trouble = repr(error)
        self.snare.unlink(missing_ok=True)
        found = await self.audit(case.maker, [film_id], words)
        return found.model_copy(
            update={
                "name": case.name,
                "point": case.point,
                "undecidable": case.undecidable,
                "sent": case.point != "submitting",
                "kills": int(killed),
                "seconds": time.monotonic() - began,
                "trouble": trouble,
            }
        )

    async def start(self, film_id: str) -> None:
        """Start a film that was kept."""
        await self.world.engine.start_film(film_id, self.world.brief(film_id))

    async def audit(self, maker: Maker, films: Sequence[str], words: str) -> Outcome:
        """What a request of these films came to."""
        assert self.means is not None
        fake = self.fakes.of(maker.provider, self.means.find)
        return await audit(self.world, fake, maker, films, words)

    async def until_killed(self, case: Case, film_id: str, words: str) -> bool:
        """Wait until the worker has died at the point, or has gone past it to the film's end."""
        if case.point in OUTSIDE:
            await self.until(lambda: self._in_the_middle(case, words) or self.rests(film_id))
            await self.worker.kill()
            return not self.rests(film_id)
        await self.until(lambda: not self.worker.alive or self.rests(film_id))
        return not self.worker.alive

    def accepted(self, maker: Maker, words: str) -> bool:
        """Whether the provider has accepted a request of these words."""
        assert self.means is not None
        jobs = self.fakes.of(maker.provider, self.means.find).charges()["jobs"]
        return any(words in job["words"] for job in jobs)

    def rests(self, film_id: str) -> bool:
        """Whether the film has ended or waits for a person."""
        film = self.world.ledger.films.read(film_id)
        return film.ended or film.execution == Execution.NEEDS_ATTENTION

    async def until(self, so: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not await asyncio.to_thread(so):  # noqa: ASYNC110 - it is another process's
            await asyncio.sleep(LOOK_S)

    async def see_through(self, film_id: str, name: str = "") -> str:
        """Be the person, until the film has ended; returns what was not foreseen."""
        last = ["send_again", "write_off"]
        choices = chain(["look_again"], cycle(last if sum(name.encode()) % 2 else last[::-1]))
        while True:
            await self.until(lambda: self.rests(film_id))
            if self.world.ledger.films.read(film_id).ended:
                return ""
            reason = (await self.world.engine.progress(film_id)).waiting.get(SHOT)
            if reason == "create_ambiguous":
                wish = {"shot_id": SHOT, "choice": next(choices), "who": "a person"}
                await self.world.engine.command(film_id, Resolve.model_validate(wish))
            elif reason == "written_off":
                await self.world.engine.command(film_id, Skip(shot_id=SHOT, who="a person"))
            elif reason is not None:
                return self.standing(film_id)
            await asyncio.sleep(LOOK_S)

    def standing(self, film_id: str) -> str:
        """Where the film stands, in words."""
        film, shot = self.world.ledger.films.read(film_id), self.world.shot(film_id, SHOT)
        return f"film {film.execution}, shot {shot.execution}: {shot.reason}: {shot.message}"

    async def close(self) -> None:
        """Kill the worker and the gateway."""
        await self.worker.kill()
        await self.gateway.kill()

    def _in_the_middle(self, case: Case, words: str) -> bool:
        if case.point == "inside":
            return self.accepted(case.maker, words)
        # It is opened when the first of the answer has come.
        downloads = files_below(self.world.settings.work_dir / "downloads")
        return any(path.suffix == ".part" for path in downloads)


@asynccontextmanager
async def open_lane(
    folder: Path, shared: Fakes, makers: Sequence[Maker] = MAKERS, **changes: Any
) -> AsyncIterator[Lane]:
    """A lane on the servers of the environment, for these makers; `changes` replaces settings."""
    settings = await in_own_namespace(_settings(folder, changes))
    await asyncio.to_thread(migrate, settings.database_url.get_secret_value())
    client = await connect(settings)
    port = free_port()
    own = open_fakes(folder, makers, account_url=_url(port))
    async with assembled(settings, client) as parts, AsyncExitStack() as stack:
        fakes = (await asyncio.to_thread(stack.enter_context, own)).beside(shared)
        world = World(settings, client, parts, None)  # type: ignore[arg-type] # several fakes stand in its place
        lane = Lane(folder, world, fakes, port)
        try:
            yield lane
        finally:
            await lane.close()
            await world.close()


def words_for(name: str, point: str = "") -> str:
    """Words that no other request has; those that are to be killed in the middle ask for time."""
    mark = {"inside": HOLD, "downloading": DRIP}.get(point, "")
    return f"{name} {uuid.uuid4().hex[:12]} {mark}".strip()


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _settings(folder: Path, changes: Mapping[str, Any]) -> Settings:
    work_dir = folder / "work"
    work_dir.mkdir(parents=True)
    values: dict[str, Any] = {
        "database_url": SecretStr(f"sqlite:///{folder / 'ledger.db'}"),
        "work_dir": work_dir,
        "signing_key": SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "api_keys": SecretStr("test-key"),
        "allow_private_urls": True,
        "submit_timeout_s": SUBMIT_TIMEOUT_S,
        "fake_submit_timeout_s": SUBMIT_TIMEOUT_S,
        "callback_wait_s": CALLBACK_WAIT_S,
    }
    return Settings(**{**values, **changes})
