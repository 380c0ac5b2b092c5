"""A gateway over a real ledger, and films whose frames wait, for tests of links and outboxes."""

import asyncio
import atexit
import functools
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import boto3
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError

from activities.books import Books
from filmforge.brief import read_film
from filmforge.commands import (
    Accept,
    Answer,
    Cancel,
    Choose,
    Command,
    Decide,
    DecideMany,
    Recorded,
    Replace,
    Resolve,
    Retry,
    SetBudget,
    Skip,
    TryAgain,
)
from filmforge.domain import Asset, Direction, GenerationRequest, Kind, Review, Tags
from filmforge.engine import Engine
from filmforge.errors import Conflict, FilmError
from filmforge.gateway.app import build_app
from filmforge.gateway.state import Gateway
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.gates import Gate
from filmforge.ledger.migrate import migrate
from filmforge.ledger.posting import Claim
from filmforge.providers.registry import build_registry
from filmforge.settings import Settings
from filmforge.store import AssetStore

SIGNING_KEY = "whsec_ZmlsbWZvcmdlLWdhdGV3YXktdGVzdC1rZXktMDE="
BUCKET = "frames"


Wish = Retry | Skip | Replace | Resolve | Accept | SetBudget | TryAgain | Cancel
_FIELDS: dict[type[Wish], str] = {
    Retry: "retry",
    Skip: "skip",
    Replace: "replace",
    Resolve: "resolve",
    Accept: "accept",
    SetBudget: "budget",
    Cancel: "cancel",
}


@dataclass
class Desk:
    """Decides over a real ledger as the film workflow does, for tests that run no workflow."""

    ledger: Ledger
    error: FilmError | None = None
    answer: Answer | None = None
    commands: list[Decide] = field(default_factory=list)
    wishes: list[Wish] = field(default_factory=list)
    bulks: list[DecideMany] = field(default_factory=list)

    async def command(self, film_id: str, command: Decide | Wish) -> Answer:
        """Record a verdict, of which the first one wins, or what else a person asks for."""
        if not isinstance(command, Decide):
            return await self._carry_out(film_id, command)
        self.commands.append(command)
        if self.error:
            raise self.error
        if self.answer:
            return self.answer
        done = await asyncio.to_thread(
            self.ledger.gates.decide,
            film_id,
            command.shot_id,
            command.digest,
            {"approve": "approved", "reject": "rejected"}[command.verdict],
            command.who,
            command.note,
            command.link_id,
        )
        return Answer(outcome="accepted" if done else "already_decided", message="")

    async def running(self, film_id: str) -> bool:
        """Whether a workflow would work on the film."""
        return not (await asyncio.to_thread(self.ledger.films.read, film_id)).ended

    async def _carry_out(self, film_id: str, wish: Wish) -> Answer:
        self.wishes.append(wish)
        if self.error:
            raise self.error
        if not isinstance(wish, TryAgain):
            given = {"film_id": film_id, "command_id": uuid.uuid4().hex, _FIELDS[type(wish)]: wish}
            books = Books(self.ledger, window=1, reminder_s=1)
            try:
                await books.record(Command.model_validate(given))
            except ApplicationError as error:
                raise Conflict(error.message) from error
        return Answer(outcome="accepted", message="Recorded.")

    async def decide_many(self, film_id: str, many: DecideMany) -> Sequence[Answer]:
        """Record those whose frame waits, all in one step, and answer each."""
        self.bulks.append(many)
        if self.error:
            raise self.error
        late = {n: self._late(film_id, each) for n, each in enumerate(many.decisions)}
        taken = tuple(each for n, each in enumerate(many.decisions) if late[n] is None)
        recorded = iter(await self._record(film_id, taken))
        return [
            why or Answer(outcome=next(recorded).outcome, message="Recorded.")
            for why in late.values()
        ]

    async def _record(self, film_id: str, taken: tuple[Decide | Choose, ...]) -> Sequence[Recorded]:
        if not taken:
            return ()
        books = Books(self.ledger, window=1, reminder_s=1)
        wish = DecideMany(decisions=taken)
        command = Command(film_id=film_id, command_id=uuid.uuid4().hex, decide_many=wish)
        return (await books.record(command)).each

    def _late(self, film_id: str, wish: Decide | Choose) -> Answer | None:
        open_gates = {gate.shot_id: gate for gate in self.ledger.gates.waiting(film_id)}
        gate = open_gates.get(wish.shot_id)
        if gate is None:
            return Answer(outcome="not_waiting", message="This frame does not wait any more.")
        if gate.digest != wish.judged:
            return Answer(outcome="replaced", message="A newer frame has taken its place.")
        return None


@dataclass
class Studio:
    """The parts of a gateway with ways to bring films into a state."""

    gateway: Gateway
    desk: Desk

    @property
    def ledger(self) -> Ledger:
        return self.gateway.ledger

    @property
    def settings(self) -> Settings:
        return self.gateway.settings

    def film(self, film_id: str = "attic", callback_url: str | None = None, **more: Any) -> str:
        """A film of two shots."""
        shot = {
            "shot_id": "shot_001",
            "enhanced_prompt": "A woman opens the <b>trunk</b> under the rafters.",
            "duration": 3,
            "dialogue": "So this is where he kept it.",
            "characters": ["Mara"],
            "mood": "uneasy",
        }
        body = {
            "film_id": film_id,
            "title": f"The {film_id}",
            "callback_url": callback_url,
            "approval": {"frames": "required"},
            "shots": [shot, {**shot, "shot_id": "shot_002"}],
            **more,
        }
        self.ledger.films.create(read_film(body), Decimal("5.00"))
        return film_id

    def frame(
        self, film_id: str, digest: str, shot_id: str = "shot_001", note: str | None = None
    ) -> None:
        """A take of the frame, paid for and in use."""
        request = GenerationRequest(
            kind=Kind.IMAGE,
            provider="fake",
            model="fake/image",
            parameters={"prompt": digest},
        )
        journal, price = self.ledger.journal, Decimal("0.003")
        journal.reserve(request, price, Claim(film_id=film_id, shot_id=shot_id, intent="first"))
        journal.begin_submitting(request.key)
        journal.accept(request.key, {"id": "job-1", "urls": {}}, "submit")
        asset = Asset(digest=digest, media_type="image/png", size=1, width=1280, height=720)
        posting = journal.succeed(request.key, asset, Tags(), price)
        self.ledger.takes.link(film_id, shot_id, posting, note)

    def gate(
        self, film_id: str = "attic", digest: str = "a" * 64, shot_id: str = "shot_001"
    ) -> Gate:
        """An open gate before a frame."""
        self.frame(film_id, digest, shot_id)
        return self.ledger.gates.open(film_id, shot_id, digest)

    def retake(self, film_id: str, digest: str, note: str) -> None:
        """What a rejection with a note leads to: another frame before the gate."""
        self.ledger.shots.direct(
            film_id, "shot_001", Direction(notes=(note,), retakes=1), Review.RETAKE
        )
        self.frame(film_id, digest, note=note)

    def app(self) -> FastAPI:
        """The whole gateway."""
        gateway = self.gateway
        return build_app(
            gateway.settings, gateway.ledger, gateway.store, gateway.engine, gateway.registry
        )

    def client(self) -> httpx.AsyncClient:
        """A client of it."""
        transport = httpx.ASGITransport(self.app())
        return httpx.AsyncClient(transport=transport, base_url=self.settings.public_url)


@functools.cache
def _empty_ledger() -> Path:
    """A migrated ledger, made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="filmforge-ledger-"))
    atexit.register(shutil.rmtree, folder)
    migrate(f"sqlite:///{folder / 'ledger.db'}")
    return folder / "ledger.db"


def open_studio(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    s3_store: AssetStore | None = None,
    **settings: Any,
) -> Studio:
    """A studio with an empty ledger in a folder; close its ledger at the end.

    Without a store of its own it has one that is nowhere.
    """
    if s3_store is None:
        # boto3 keeps the first credentials it sees; other tests of this process have real ones.
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    folder.mkdir(exist_ok=True)
    shutil.copy(_empty_ledger(), folder / "ledger.db")
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}")
    given = {
        "signing_key": SecretStr(SIGNING_KEY),
        "public_url": "http://studio.test",
        "allow_private_urls": True,
        **settings,
    }
    store = s3_store or AssetStore(BUCKET, given.pop("s3_endpoint", "http://127.0.0.1:9"))
    chosen = Settings(**given)

    async def fetch(digest: str, path: Path) -> None:
        await store.fetch(digest, path)

    desk = Desk(ledger)
    registry = build_registry(chosen, fetch)
    gateway = Gateway(chosen, ledger, store, cast(Engine, desk), registry)
    return Studio(gateway, desk)


@asynccontextmanager
async def beside(
    run: Callable[[Gateway, asyncio.Event], Coroutine[Any, Any, None]], studio: Studio
) -> AsyncIterator[None]:
    """What runs beside a gateway, such as its outbox."""
    stop = asyncio.Event()
    task = asyncio.create_task(run(studio.gateway, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def until(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for what lies in a database."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the condition lies in a database
            await asyncio.sleep(0.01)
