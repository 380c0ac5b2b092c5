"""A house where a film is looked at: a whole gateway over a real ledger and a real store.

Films are brought into a state by hand; commands are decided over the ledger as a film's workflow
does (`tests.gateway.studio.Desk`). Nothing here is paid for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn

from filmforge.brief import read_film
from filmforge.domain import Asset, Direction, GenerationRequest, Kind, Review, Tags
from filmforge.gateway.keys import fresh_key, key_print
from filmforge.gateway.tokens import sign_share
from filmforge.ledger.gates import Gate
from filmforge.ledger.posting import Claim
from filmforge.media.panel import PanelBrief, draw_panel
from filmforge.media.probe import probe
from filmforge.rights import Given, Role
from tests.gateway.studio import Studio

KEY = "the-key-of-the-house"


class House(Studio):
    """A studio whose films have real pictures, and people who come in."""

    folder: Path

    def shot_list(self, count: int, film_id: str = "attic", **more: Any) -> str:
        """A film of so many shots, not begun."""
        shots = [
            {
                "shot_id": f"shot_{n:03d}",
                "enhanced_prompt": f"A woman opens the <b>trunk</b> number {n} under the rafters.",
                "duration": 3,
                "dialogue": "So this is where he kept it." if n % 2 else None,
                "shot_type": ("wide", "medium", "close_up")[n % 3],
            }
            for n in range(1, count + 1)
        ]
        body = {
            "film_id": film_id,
            "title": "Attic",
            "approval": {"frames": "required"},
            "shots": shots,
            **more,
        }
        self.ledger.films.create(read_film(body), Decimal("5.00"))
        return film_id

    async def picture(self, words: str, mood: str = "calm") -> str:
        """A drawn frame in the store; returns its digest."""
        path = self.folder / f"{abs(hash((words, mood)))}.png"
        path.write_bytes(await asyncio.to_thread(drawn, words, mood))
        return await self.stored(path)

    async def stored(self, path: Path) -> str:
        """A file in the store; returns its digest."""
        return (await self.store.put(path, probe(path).media_type)).digest

    @property
    def store(self) -> Any:
        """The store of the gateway."""
        return self.gateway.store

    async def take(
        self,
        digest: str,
        shot_id: str = "shot_001",
        film_id: str = "attic",
        kind: Kind = Kind.IMAGE,
        note: str | None = None,
        price: str = "0.003",
        duration_s: float | None = None,
    ) -> None:
        """A stored file as a take that was paid for and is in use."""
        request = GenerationRequest(
            kind=kind, provider="fake", model=f"{kind}-1", parameters={"take": digest}
        )
        journal, cost = self.ledger.journal, Decimal(price)
        journal.reserve(request, cost, Claim(film_id=film_id, shot_id=shot_id, intent="first"))
        journal.begin_submitting(request.key)
        journal.accept(request.key, {"id": "job-1", "urls": {}}, "submit")
        size = await self.store.size(digest)
        media_type = {Kind.IMAGE: "image/png", Kind.VIDEO: "video/mp4"}.get(kind, "audio/wav")
        asset = Asset(digest=digest, media_type=media_type, size=size, duration_s=duration_s)
        posting = journal.succeed(request.key, asset, Tags(), cost)
        self.ledger.takes.link(film_id, shot_id, posting, note)

    async def waiting(
        self, words: str, shot_id: str = "shot_001", film_id: str = "attic", mood: str = "calm"
    ) -> Gate:
        """A frame that was made and waits for a person."""
        digest = await self.picture(words, mood)
        await self.take(digest, shot_id, film_id)
        return self.ledger.gates.open(film_id, shot_id, digest)

    def directed(self, shot_id: str, note: str, film_id: str = "attic") -> None:
        """A shot that is to be made again after a note."""
        wish = Direction(notes=(note,), retakes=1)
        self.ledger.shots.direct(film_id, shot_id, wish, Review.RETAKE)

    def member(self, name: str, role: Role) -> str:
        """A member of the team; returns the key."""
        key = fresh_key()
        self.ledger.members.add(name, role, key_print(key), "test")
        return key

    def share(
        self,
        gives: Given,
        film_id: str = "attic",
        name: str = "Acme",
        passphrase: str | None = None,
        lasts: timedelta = timedelta(hours=1),
    ) -> str:
        """The address of a share link; `passphrase` is the hash of one."""
        ends = datetime.now(UTC) + lasts
        share = self.ledger.shares.create(film_id, name, gives, ends, "test", passphrase)
        return sign_share(self.settings, share.share_id)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        """The gateway over HTTP, for browsers; yields its address."""
        url = self.settings.public_url
        config = uvicorn.Config(
            self.app(), "127.0.0.1", int(url.rpartition(":")[2]), log_level="error"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve())
        async with asyncio.timeout(60):
            while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to wait for
                await asyncio.sleep(0.01)
        try:
            yield url
        finally:
            config.app.state.stopping.set()
            server.should_exit = True
            await task


@cache
def drawn(words: str, mood: str) -> bytes:
    """A drawn frame, which takes a while, as a PNG."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "frame.png")
        draw_panel(PanelBrief(words, mood=mood), path)
        return path.read_bytes()


def field(page: str, name: str) -> str:
    """The value of a hidden field of a page."""
    return page.partition(f'name="{name}" value="')[2].partition('"')[0]


async def sign_in(client: httpx.AsyncClient, key: str) -> httpx.Response:
    """Sign a client in, as the page does."""
    page = await client.get("/sign-in")
    form = {"key": key, "form_key": field(page.text, "form_key")}
    return await client.post("/sign-in", data=form)


async def come_in(
    client: httpx.AsyncClient, address: str, name: str = "Kim", passphrase: str = ""
) -> httpx.Response:
    """Let a client in by a share link, as the page does."""
    page = await client.get(address)
    form = {"name": name, "passphrase": passphrase, "form_key": field(page.text, "form_key")}
    return await client.post(address, data=form)
