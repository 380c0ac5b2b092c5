"""A theatre: the CPU steps of one worker over a real ledger and store, and clips to try them on."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.finish import Finish
from activities.sound_spans import SoundSpans, copied_spans, sounds
from activities.workshop import Workshop, few_at_once
from filmforge.brief import read_film
from filmforge.contracts import Assembled, AssembleOrder, ConformOrder
from filmforge.cut.room import CuttingRoom
from filmforge.cut.scoring import score_of
from filmforge.cut.timeline import slots_of
from filmforge.domain import Asset, GenerationRequest, Kind, Tags
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.migrate import migrate
from filmforge.media.aac import EncodedSpan
from filmforge.media.assemble import Run, assemble
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.probe import probe
from filmforge.media.score import Ducking
from filmforge.media.soundtrack import as_extracts
from filmforge.recipe import recipe_of
from filmforge.settings import Settings
from filmforge.shelf import Shelf
from filmforge.store import AssetStore

_numbers = itertools.count(1)


class Rushes:
    """Clips by number, all different, each rendered once; `sound` is heard in all of them."""

    sound = ""

    def __init__(self, folder: Path, size: str, fps: int, seconds: int) -> None:
        self.folder, self.size, self.fps, self.seconds = folder, size, fps, seconds

    async def clip(self, number: int) -> Path:
        """A picture that moves, with a murmur that comes and goes."""
        path = self.folder / f"clip-{number:04d}.mp4"
        if path.exists():
            return path
        long = f"d={self.seconds}"
        picture = f"testsrc2=s={self.size}:r={self.fps}:{long},hue=h={7 * number}"
        noise = f"anoisesrc={long}:r=48000:a=0.15:seed={number}:c=pink"
        voice = (
            self.sound or f"{noise},aformat=channel_layouts=stereo,tremolo=f={1 + number % 5}:d=0.9"
        )
        await run_ffmpeg(
            [
                *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", voice),
                *("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-threads", "1"),
                *("-pix_fmt", "yuv420p", "-c:a", "aac", str(path)),
            ]
        )
        return path

    async def clips(self, count: int) -> list[Path]:
        """The first clips."""
        return await few_at_once([self.clip(n) for n in range(count)], os.cpu_count() or 1)


class Theatre:
    """One worker's CPU steps over a real ledger and a real store, without Temporal around them."""

    def __init__(self, folder: Path, ledger: Ledger, store: AssetStore) -> None:
        self.folder, self.ledger, self.store = folder, ledger, store
        self.finish = Finish(ledger, store, folder / "finish")
        self.workshop = Workshop(ledger, store, folder / "finish")
        self.spans = SoundSpans(ledger, self.workshop)
        self.room = CuttingRoom(ledger)

    async def film(
        self, rushes: Rushes, count: int, *, clips: int | None = None, **said: Any
    ) -> str:
        """Keep a film whose shots all have their clips, `clips` different ones; returns its id."""
        document = {
            "film_id": f"film-{next(_numbers)}",
            "output": {
                "width": int(rushes.size.partition("x")[0]),
                "height": int(rushes.size.partition("x")[2]),
                "fps": rushes.fps,
            },
            "shots": [
                {"shot_id": f"s{n:04d}", "enhanced_prompt": "x", "duration": rushes.seconds}
                for n in range(count)
            ],
            **said,
        }
        film_id = self.ledger.films.create(read_film(document), Decimal(10))[0].film_id
        for number in range(count):
            clip = await rushes.clip(number % (clips or count))
            await self.show(film_id, f"s{number:04d}", clip)
        return film_id

    async def show(self, film_id: str, shot_id: str, clip: Path) -> None:
        """Let a shot use a clip from now on."""
        facts = probe(clip)
        stored = await self.store.put(clip, facts.media_type)
        asset = Asset(
            digest=stored.digest,
            media_type=stored.media_type,
            size=stored.size,
            width=facts.width,
            height=facts.height,
            duration_s=facts.duration_s,
        )
        request = GenerationRequest(
            kind=Kind.VIDEO, provider="upload", model="upload", parameters={"clip": clip.name}
        )
        takes = self.ledger.takes
        takes.upload(film_id, shot_id, request, asset, Tags())
        takes.replace(film_id, shot_id, Kind.VIDEO, asset.digest, "bench")

    async def conform(self, film_id: str, count: int, first: int = 0) -> None:
        """Let clips land, as many at once as there are cores."""
        orders = [
            ConformOrder(film_id=film_id, shot_id=f"s{n:04d}") for n in range(first, first + count)
        ]
        work = [self._conform(order) for order in orders]
        await few_at_once(work, os.cpu_count() or 1)

    async def _conform(self, order: ConformOrder) -> None:
        await ActivityEnvironment().run(self.finish.conform, order)

    async def assemble(self, film_id: str) -> Assembled:
        """Assemble the film."""
        return await ActivityEnvironment().run(self.finish.assemble, AssembleOrder(film_id=film_id))

    async def joined_again(self, film_id: str) -> None:
        """Join the film's pieces and spans as the step does, without storing what comes of it."""
        timeline = self.room.timeline(film_id)
        slots, fps = slots_of(timeline), self.ledger.films.read(film_id).brief.output.fps
        records = self.ledger.shots.of_film(film_id)
        pieces = [record.conformed_digest or "" for record in records]
        extracts = as_extracts(score_of(timeline, pieces, Ducking()))
        assert extracts, "the film has no sound but that of its clips"
        spans = await self.spans.encoded(copied_spans(extracts))
        recipe = recipe_of("join", {}, sounds([*pieces, *(span.digest for span in spans)]))
        async with self.workshop.bench(recipe) as (folder, sources):
            runs = [
                Run(path=path, frames=slot.frames, start=0, stop=slot.frames)
                for path, slot in zip(sources, slots, strict=False)
            ]
            heard = [
                EncodedSpan(path=path, frames=span.frames)
                for path, span in zip(sources[len(pieces) :], spans, strict=True)
            ]
            await assemble(runs, heard, folder / "film.mp4", fps)


@asynccontextmanager
async def theatre(folder: Path) -> AsyncIterator[Theatre]:
    """A theatre on the servers that the environment names."""
    settings = Settings(database_url=SecretStr(f"sqlite:///{folder / 'ledger.db'}"))
    url = settings.database_url.get_secret_value()
    await asyncio.to_thread(migrate, url)
    ledger = open_ledger(url)
    shelf = Shelf(folder / "shelf", settings.cut_cache_bytes)
    try:
        yield Theatre(folder, ledger, AssetStore(settings.s3_bucket, settings.s3_endpoint, shelf))
    finally:
        ledger.close()
