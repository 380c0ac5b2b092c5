"""Record the histories that test_replay.py replays: `python -m tests.replay.record`.

To be run after a deliberate change of what the workflows do, never to make a red test green:
films that run while a worker is replaced replay with the new code.
"""

import asyncio
import json
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from temporalio.client import Client, WorkflowHistory

from filmforge.commands import Cancel, Decide, DecideMany, Retry, SetBudget
from filmforge.contracts import (
    ORCHESTRATION_QUEUE,
    SWEEP_WORKFLOW,
    film_workflow_id,
    gpu_work_id,
    rhythm_workflow_id,
    shot_workflow_id,
)
from filmforge.domain import Review, Work
from filmforge.embedded import Servers, serve
from filmforge.settings import Settings
from gpu_functions.desk import Desk
from gpu_functions.device import Device
from gpu_functions.residency import Residency
from tests.fake_process import FakeServer, fake_server
from tests.gpu.makers import MAKERS
from tests.world import World, film_document, open_world
from workers.gpu import build_gpu_worker
from workflows import film

HISTORIES = Path(__file__).parent / "histories"
# What films did that were made by a version before, which this code must go on with.
OF_EARLIER_VERSIONS = "-before-"
FULL_FOR_THE_RECORD = 60
OF_THE_MACHINE = ("identity", "stackTrace", "binaryChecksum", "workerVersion")


async def direct_a_film(world: World) -> str:
    """A film with gates, a reject, a refusal, a retry, a tight budget, a poster; it begins anew."""
    refusal = {"fault": "refuse_content", "match": "shot 1 of", "times": 1}
    await asyncio.to_thread(world.fake.set_faults, refusal)
    given = {"approval": {"frames": "required"}, "deliveries": [{"format": "poster"}]}
    document = film_document(shots=4, budget_usd="0.009", **given)
    document["shots"][3]["dialogue"] = "Look, an attic."
    film_id = await world.submit(document)
    await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == 3)
    await judge(world, film_id, "s000", "reject")
    await world.until_shot(film_id, "s000", reason="budget_exceeded")
    await world.command(film_id, SetBudget(limit_usd="1", who="recorder"))
    await world.until_shot(film_id, "s000", review=Review.WFA)
    kinder = {"enhanced_prompt": "something kinder"}
    await world.command(film_id, Retry(shot_id="s001", changes=kinder, who="recorder"))
    await world.until_shot(film_id, "s001", review=Review.WFA)
    for shot_id in ("s000", "s001", "s002", "s003"):
        await judge(world, film_id, shot_id, "approve")
    await world.finish(film_id)
    return film_id


async def decide_together(world: World) -> str:
    """A film whose frames are decided together, with several takes for one and a choice."""
    given = {"approval": {"frames": "required"}, "stop_after": "clips"}
    film_id = await world.submit(film_document(shots=3, **given))
    await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == 3)
    first, *others = (world.shot(film_id, f"s{n:03d}").image_digest for n in range(3))
    wishes: list[dict[str, Any]] = [
        {"shot_id": "s000", "digest": first, "verdict": "reject", "takes": 3},
        *(
            {"shot_id": f"s{n:03d}", "digest": digest, "verdict": "approve"}
            for n, digest in enumerate(others, 1)
        ),
    ]
    await hand_in(world, film_id, wishes)
    await world.until(lambda: len(world.ledger.gates.waiting(film_id)) == 1)
    await world.until_waiting(film_id, "s000")
    waiting = world.shot(film_id, "s000").image_digest
    choice = {"shot_id": "s000", "digest": first, "verdict": "choose", "instead_of": waiting}
    await hand_in(world, film_id, [choice])
    await world.finish(film_id)
    return film_id


async def hand_in(world: World, film_id: str, wishes: list[dict[str, Any]]) -> None:
    """Decide together; every decision is taken."""
    many = {"decisions": [{**wish, "who": "recorder"} for wish in wishes]}
    answers = await world.engine.decide_many(film_id, DecideMany.model_validate(many))
    assert all(answer.outcome == "accepted" for answer in answers), answers


async def cancel_a_film(world: World) -> str:
    """A film that is cancelled while its frames are made."""
    await asyncio.to_thread(world.fake.settings, latency_scale=100)
    before = len(world.jobs())
    film_id = await world.submit(film_document(shots=2))
    await world.until(lambda: len(world.jobs()) == before + 2)
    await world.command(film_id, Cancel(who="recorder"))
    await world.finish(film_id)
    return film_id


async def make_a_work(world: World, folder: Path) -> str:
    """A work for one's own GPU, made by a worker of this process; its request key."""
    (folder / "weights" / "painter").mkdir(parents=True)
    desk = Desk.opened(world.settings.s3_bucket, world.settings.s3_endpoint)
    device = Device("cpu", "a processor", 8.0)
    residency = Residency(device, folder / "weights", MAKERS.__getitem__)
    work = Work(key="ab" * 32, function="painter", seed=1)
    async with build_gpu_worker(world.client, world.settings, desk, residency):
        await world.engine.start_work(work)
        await world.client.get_workflow_handle(gpu_work_id(work.key)).result()
    return work.key


async def judge(world: World, film_id: str, shot_id: str, verdict: str) -> None:
    """Decide on the frame as soon as the film lets it wait."""
    await world.until_waiting(film_id, shot_id)
    wish = {"shot_id": shot_id, "digest": world.shot(film_id, shot_id).image_digest}
    words = {"verdict": verdict, "note": "more light", "who": "recorder"}
    answer = await world.command(film_id, Decide.model_validate(wish | words))
    assert answer.outcome == "accepted", answer


async def keep(client: Client, workflow_id: str, name: str) -> int:
    """Write every run of a workflow to a file; returns how many there were."""
    runs = [run async for run in client.list_workflows(f"WorkflowId = '{workflow_id}'")]
    runs.sort(key=lambda run: run.start_time)
    for number, run in enumerate(runs):
        handle = client.get_workflow_handle(workflow_id, run_id=run.run_id)
        write(await handle.fetch_history(), f"{name}-{number}")
    return len(runs)


def write(history: WorkflowHistory, name: str) -> None:
    """One history as JSON, without what tells of the machine it was recorded on."""
    told = json.dumps(_anonymous(json.loads(history.to_json())), indent=1)
    (HISTORIES / f"{name}.json").write_text(told + "\n")


def _anonymous(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _anonymous(v) for k, v in value.items() if k not in OF_THE_MACHINE}
    if isinstance(value, list):
        return [_anonymous(part) for part in value]
    return re.sub(r"^\d+@.*", "worker", value) if isinstance(value, str) else value


async def record(world: World, folder: Path) -> None:
    """Play everything that is to be recorded, and keep it."""
    key = await make_a_work(world, folder)
    await keep(world.client, gpu_work_id(key), "gpu-work")
    film.FULL_HISTORY_EVENTS = FULL_FOR_THE_RECORD
    told = await direct_a_film(world)
    together = await decide_together(world)
    cancelled = await cancel_a_film(world)
    reference = world.shot(told, "s000").video_digest
    assert reference
    assert await world.engine.find_rhythm(reference, patience_s=60)
    await world.client.execute_workflow(SWEEP_WORKFLOW, id="swept", task_queue=ORCHESTRATION_QUEUE)
    runs = await keep(world.client, film_workflow_id(told), "film")
    assert runs > 1, "the film was to continue as new"
    await keep(world.client, shot_workflow_id(told, "s000"), "shot-rejected")
    await keep(world.client, shot_workflow_id(told, "s001"), "shot-refused")
    await keep(world.client, shot_workflow_id(told, "s003"), "shot-spoken")
    await keep(world.client, film_workflow_id(together), "film-together")
    await keep(world.client, shot_workflow_id(together, "s000"), "shot-several")
    await keep(world.client, film_workflow_id(cancelled), "film-cancelled")
    await keep(world.client, shot_workflow_id(cancelled, "s000"), "shot-cancelled")
    await keep(world.client, "swept", "sweep")
    await keep(world.client, rhythm_workflow_id(reference), "rhythm")


async def play(servers: Servers, fake: FakeServer, folder: Path) -> None:
    """Record on a worker of this process."""
    async with open_world(servers, fake, folder) as world:
        await record(world, folder)


def main() -> None:
    """Start the servers in a folder that is thrown away, and record."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    HISTORIES.mkdir(exist_ok=True)
    for old in HISTORIES.glob("*.json"):
        if OF_EARLIER_VERSIONS not in old.stem:
            old.unlink()
    with (
        TemporaryDirectory() as folder,
        serve(Path(folder) / "state", Settings()) as servers,
        fake_server(Path(folder) / "fake.db", latency_scale=0.02) as fake,
    ):
        os.environ.update(servers.environment)
        asyncio.run(play(servers, fake, Path(folder)))
    sys.stdout.write(f"{len(list(HISTORIES.glob('*.json')))} histories in {HISTORIES}\n")


if __name__ == "__main__":
    main()
