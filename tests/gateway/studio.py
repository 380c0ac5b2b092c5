"""A gateway over a real ledger, and films whose frames wait, for tests of links and outboxes."""

import asyncio
import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import boto3
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from filmforge.brief import read_film
from filmforge.contracts import Answer, Decide
from filmforge.domain import Asset, Direction, GenerationRequest, Kind, Review, Tags
from filmforge.engine import Engine
from filmforge.errors import FilmError
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


@dataclass
class Desk:
    """Decides over a real ledger as the film workflow does, for tests that run no workflow."""

    ledger: Ledger
    error: FilmError | None = None
    answer: Answer | None = None
    commands: list[Decide] = field(default_factory=list)

    async def command(self, film_id: str, command: Decide) -> Answer:
        """Record the verdict; the first one wins."""
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
