"""What an editor does with a finished film, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import opentimelineio as otio
import pytest
import pytest_asyncio

from filmforge.commands import Decide
from filmforge.domain import Execution
from filmforge.embedded import Servers
from filmforge.ledger.films import FilmRecord
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.probe import probe
from tests.fake_process import FakeServer, fake_server
from tests.gateway.test_whole import gateway
from tests.world import World, film_document, open_world

FPS = 24
OUTPUT = {"width": 64, "height": 64, "fps": FPS}
# Less than a second of sound has no loudness to speak of, and a colour does not move.
QUALITY = {"loudness": "warn", "peak": "warn", "frozen": "off", "silent": "off"}


class Editor:
    """One finished film, and the API that an editor reaches it by."""

    def __init__(self, world: World, http: httpx.AsyncClient, film_id: str, folder: Path) -> None:
        self.world, self.http, self.film_id, self.folder = world, http, film_id, folder
        self.path = f"/v1/films/{film_id}"

    async def export(self, format_: str = "otio") -> bytes:
        answer = await self.http.get(f"{self.path}/timeline", params={"format": format_})
        assert answer.status_code == 200, answer.text
        return answer.content

    async def timeline(self) -> otio.schema.Timeline:
        return otio.adapters.read_from_string((await self.export()).decode(), "otio_json")

    async def recut(self, body: bytes | str, **params: Any) -> httpx.Response:
        return await self.http.post(f"{self.path}/recut", content=body, params=params)

    async def cut(self, timeline: otio.schema.Timeline) -> dict[str, Any]:
        """Import an edited timeline and wait for the film."""
        answer = await self.recut(timeline.to_json_string())
        assert answer.status_code == 202, answer.text
        await self.made()
        told: dict[str, Any] = answer.json()
        return told

    async def made(self) -> None:
        ended = (Execution.SUCCEEDED, Execution.NEEDS_ATTENTION)
        await self.world.until(lambda: self.record.execution in ended)
        assert self.record.execution is Execution.SUCCEEDED, self.record.reason
        await self.world.until_closed(self.film_id)

    async def clear(self) -> None:
        assert (await self.http.delete(f"{self.path}/recut")).status_code == 202
        await self.made()

    @property
    def record(self) -> FilmRecord:
        return self.world.ledger.films.read(self.film_id)

    async def film(self) -> Path:
        """The film that is delivered now."""
        (digest,) = [
            d for kind, d, _ in self.world.ledger.films.outputs(self.film_id) if kind == "film"
        ]
        file = self.folder / digest
        await self.world.parts.store.fetch(digest, file)
        return file

    async def frames(self) -> int:
        """How many frames it has."""
        facts = await asyncio.to_thread(probe, await self.film())
        assert facts.duration_s
        return round(Fraction(facts.duration_s) * FPS)

    async def picture(self) -> str:
        """A sum over every picture of it."""
        sums = self.folder / "sums"
        await run_ffmpeg(["-i", str(await self.film()), "-map", "0:v", "-f", "md5", str(sums)], 60)
        return sums.read_text()

    async def uploaded(self, path: Path, scenes: list[tuple[str, int]]) -> str:
        """The digest of a clip of one colour after another, each for so many frames."""
        drawn = [f"color={colour}:s=64x64:r=24,trim=end_frame={n}" for colour, n in scenes]
        inputs = [argument for source in drawn for argument in ("-f", "lavfi", "-i", source)]
        await run_ffmpeg([*inputs, "-filter_complex", f"concat=n={len(scenes)}", str(path)], 60)
        content = await asyncio.to_thread(path.read_bytes)
        answer = await self.http.post("/v1/assets", content=content)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["digest"])

    def spending(self) -> tuple[Any, ...]:
        """Everything that would change if anything were asked for or paid."""
        ledger = self.world.ledger
        return (
            ledger.budget(self.film_id),
            len(self.world.jobs()),
            {shot: len(takes) for shot, takes in ledger.takes.of_film(self.film_id).items()},
            self.world.fake.charges(),
        )


def picture(timeline: otio.schema.Timeline) -> otio.schema.Track:
    return timeline.tracks[0]


async def reviewed(world: World) -> str:
    """A film of two shots; the first frame of one was rejected, then both were approved."""
    document = film_document(2, output=OUTPUT, quality=QUALITY, approval={"frames": "required"})
    film_id = await world.submit(document)
    for shot_id in ("s000", "s001"):
        await world.until_waiting(film_id, shot_id)
    rejected = world.shot(film_id, "s000").image_digest
    wish = Decide(shot_id="s000", digest=rejected, verdict="reject", note="Too dark", who="jo")
    await world.command(film_id, wish)
    await world.until(lambda: world.shot(film_id, "s000").image_digest != rejected)
    for shot_id in ("s000", "s001"):
        await world.until_waiting(film_id, shot_id)
        frame = world.shot(film_id, shot_id).image_digest
        await world.command(
            film_id, Decide(shot_id=shot_id, digest=frame, verdict="approve", who="ada")
        )
    await world.until_film(film_id, Execution.SUCCEEDED)
    await world.until_closed(film_id)
    return film_id


@pytest.fixture(scope="module")
def module_fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServer]:
    with fake_server(tmp_path_factory.mktemp("fake") / "fake.db", latency_scale=0.02) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def finished(
    servers: Servers, module_fake: FakeServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Editor]:
    folder = tmp_path_factory.mktemp("interchange")
    async with open_world(servers, module_fake, folder) as world, gateway(world) as http:
        document = film_document(
            4, output=OUTPUT, quality=QUALITY, transition={"type": "crossfade", "duration": "0.25"}
        )
        document["shots"][1]["dialogue"] = "Who is there?"
        document["shots"][2]["seed"] = 7
        film_id = await world.submit(document)
        await world.until_film(film_id, Execution.SUCCEEDED)
        await world.until_closed(film_id)
        yield Editor(world, http, film_id, folder)


@pytest_asyncio.fixture(loop_scope="module")
async def editor(finished: Editor) -> AsyncIterator[Editor]:
    """The film in its own cut, and proof that the test cost nothing."""
    before = finished.spending()
    yield finished
    await finished.made()
    await finished.clear()
    assert finished.spending() == before
