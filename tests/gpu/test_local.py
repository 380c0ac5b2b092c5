"""Films that name local:image_sdxl are made by a GPU worker on a queue of its own."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from filmforge.commands import Cancel
from filmforge.contracts import gpu_work_id
from filmforge.domain import Execution, GenerationRequest, Kind
from filmforge.embedded import Child
from filmforge.errors import AnswerLost, NotConfigured
from filmforge.media.probe import verify
from filmforge.providers.base import JobStatus, Provider
from filmforge.providers.registry import build_registry
from filmforge.settings import Settings
from tests.gpu.makers import CHUNKS
from tests.world import World, film_document

LOCAL = {"image": "local:image_sdxl", "video": "fake:video-1", "audio": "fake:voice-1"}
NEVER_MIND = (datetime(2026, 1, 1, tzinfo=UTC), frozenset[str]())
# A killed worker is missed once its heartbeats have run out.
MISSED_S = 90


class Bench:
    """The GPU worker's process and what it has painted."""

    def __init__(self, worker: Child, folder: Path) -> None:
        self.worker = worker
        self._folder = folder

    @property
    def painted(self) -> list[str]:
        """The stripes, in the order in which they were painted."""
        file = self._folder / "painted"
        return file.read_text().split() if file.exists() else []

    def hang(self) -> None:
        """Let no work come beyond its second stripe."""
        (self._folder / "hang").touch()

    def go_on(self) -> None:
        """Let works go on."""
        (self._folder / "hang").unlink()


@pytest.fixture
async def bench(world: World, tmp_path: Path) -> AsyncIterator[Bench]:
    folder = tmp_path / "bench"
    (folder / "weights" / "image_sdxl").mkdir(parents=True)
    ready = folder / "ready"
    environment = os.environ | {
        "TEMPORAL_NAMESPACE": world.settings.temporal_namespace,
        "FILMFORGE_GPU_WEIGHTS": str(folder / "weights"),
        "FILMFORGE_READY_FILE": str(ready),
    }

    async def polls() -> bool:
        return ready.exists()

    command = (sys.executable, "-m", "tests.gpu.program", str(folder))
    worker = Child("gpu", command, environment, folder / "log", polls, Path(__file__).parents[2])
    made = Bench(worker, folder)
    await worker.start()
    yield made
    await worker.stop()


def a_film(**changes: Any) -> dict[str, Any]:
    return film_document(shots=1, providers=LOCAL, stop_after="frames", **changes)


async def test_a_film_is_made_of_what_the_gpu_worker_made_at_no_cost(
    world: World, bench: Bench
) -> None:
    film_id = await world.submit(film_document(shots=2, providers=LOCAL))
    assert (await world.finish(film_id)).execution == Execution.SUCCEEDED
    assert len(bench.painted) == 2 * CHUNKS
    takes = [take for n in range(2) for take in world.ledger.takes.of_shot(film_id, f"s{n:03d}")]
    images = [take for take in takes if take.kind is Kind.IMAGE]
    assert {(take.provider, take.model, take.cost) for take in images} == {
        ("local", "image_sdxl", 0)
    }


async def test_a_work_of_a_killed_gpu_worker_goes_on_from_its_last_stripe(
    world: World, bench: Bench
) -> None:
    bench.hang()
    film_id = await world.submit(a_film())
    await world.until(lambda: len(bench.painted) == 2)
    await bench.worker.kill()
    bench.go_on()
    await bench.worker.start()
    await world.finish(film_id, MISSED_S)
    assert len(bench.painted) == len(set(bench.painted)) == CHUNKS


async def test_a_cancelled_film_stops_its_work_at_the_next_step(world: World, bench: Bench) -> None:
    bench.hang()
    film_id = await world.submit(a_film())
    await world.until(lambda: len(bench.painted) == 2)
    await world.command(film_id, Cancel(who="somebody"))
    await world.until_film(film_id, Execution.CANCELLED)
    assert len(bench.painted) == 2
    assert (await world.engine.gpu_queue()).waiting == 0


async def test_a_work_waits_until_a_gpu_worker_is_there(world: World, bench: Bench) -> None:
    await bench.worker.stop()
    film_id = await world.submit(a_film())

    async def waits() -> bool:
        return (await world.engine.gpu_queue()).waiting == 1

    await world.until_told(waits)
    await bench.worker.start()
    await world.finish(film_id)


async def test_the_same_work_asked_for_twice_is_one_run(world: World, bench: Bench) -> None:
    bench.hang()
    local, request = provider_of(world), a_request("twice")
    first = await local.submit(request, {}, None, Path("answer"))
    again = await local.submit(request, {}, None, Path("answer"))
    assert first == again
    assert await local.find(request, *NEVER_MIND) == first
    bench.go_on()
    report = await ended(world, local, request)
    assert report.status is JobStatus.SUCCEEDED
    assert len(bench.painted) == CHUNKS


async def test_a_receipt_counts_although_temporal_has_forgotten_its_run(
    world: World, bench: Bench
) -> None:
    local, request = provider_of(world), a_request("forgotten")
    job = await local.submit(request, {}, None, Path("answer"))
    await ended(world, local, request)
    lost = job.model_copy(update={"id": f"{request.key}/00000000-0000-0000-0000-000000000000"})
    assert (await local.poll(lost, request)).status is JobStatus.SUCCEEDED


async def test_a_work_outside_of_films_is_made_by_a_command_once(
    world: World, bench: Bench, tmp_path: Path
) -> None:
    out, words = tmp_path / "made" / "lamp.png", f"a lamp {os.urandom(8).hex()}"
    first = json.loads(await command(world, "--set", f"prompt={words}", "--out", str(out)))
    assert (first["reused"], first["cost_usd"]) == (False, "0.00")
    assert verify(out, Kind.IMAGE).width == 64
    out.unlink()
    again = json.loads(await command(world, "--set", f"prompt={words}", "--out", str(out)))
    assert again["reused"]
    assert verify(out, Kind.IMAGE).width == 64
    assert len(bench.painted) == CHUNKS


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (("--set", "colour=red"), "colour"),
        (("--set", "prompt"), "--set"),
        (("--input", "pose=/nonexistent"), "--input"),
    ],
)
async def test_a_work_that_cannot_be_asked_for_is_refused_by_its_field(
    world: World, tmp_path: Path, wish: tuple[str, ...], field: str
) -> None:
    said = await command(world, *wish, "--out", str(tmp_path / "x"), status=2)
    assert field in said


async def test_a_work_nobody_asked_for_is_provably_absent(world: World) -> None:
    assert await provider_of(world).find(a_request("never"), *NEVER_MIND) is None


async def test_a_queue_that_does_not_answer_leaves_a_doubt(world: World) -> None:
    class Away:
        async def start_work(self, work: object) -> str:
            await asyncio.sleep(60)
            return ""

    registry = build_registry(
        world.settings.model_copy(update={"submit_timeout_s": 0.1}), world.parts.store.fetch, Away()
    )
    with pytest.raises(AnswerLost, match="may be queued"):
        await registry.get("local").submit(a_request("away"), {}, None, Path("answer"))
    await registry.close()


def test_without_a_queue_there_is_no_local_provider() -> None:
    async def nothing(digest: str, path: Path) -> None:
        raise AssertionError(digest)

    with pytest.raises(NotConfigured, match="queue"):
        build_registry(Settings(), nothing).get("local")


async def command(world: World, *words: str, status: int = 0) -> str:
    """What `filmforge gpu run image_sdxl --on local` says, on stderr where it fails."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "filmforge.cli", "gpu", "run", "image_sdxl", "--on", "local"),
        *("--yes", "--json", "--state", "nowhere"),
        *words,
        env=os.environ | {"TEMPORAL_NAMESPACE": world.settings.temporal_namespace},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(running.communicate(), 60)
    assert running.returncode == status, err.decode()
    return out.decode()


def provider_of(world: World) -> Provider:
    return world.parts.registry.get("local")


def a_request(words: str) -> GenerationRequest:
    """A request that no test has made before."""
    prompt = f"{words} {os.urandom(8).hex()}"
    parameters: dict[str, Any] = {"prompt": prompt, "width": 64, "height": 64}
    return GenerationRequest(
        kind=Kind.IMAGE, provider="local", model="image_sdxl", parameters=parameters, seed=1
    )


async def ended(world: World, local: Provider, request: GenerationRequest) -> Any:
    """The last word on the work of a request."""
    job = await local.find(request, *NEVER_MIND)
    assert job is not None

    async def over() -> bool:
        return (await local.poll(job, request)).status is not JobStatus.RUNNING

    await world.until_told(over)
    assert await world.client.get_workflow_handle(gpu_work_id(request.key)).describe()
    return await local.poll(job, request)
