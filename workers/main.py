"""The worker process: `python -m workers.main`."""

import asyncio
import contextlib
import signal
from datetime import timedelta

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from activities.marks import Marks
from filmforge.contracts import ORCHESTRATION_QUEUE, SWEEP_WORKFLOW
from filmforge.engine import connect
from filmforge.settings import Settings
from workers.composition import assembled, build_workers, clean_work_dir, sender
from workers.logs import log_as_json
from workers.thrift import be_thrifty

SWEEP_EVERY = timedelta(seconds=60)

log = structlog.get_logger()


async def run_worker(settings: Settings, marks: Marks | None = None) -> None:
    """Work until SIGINT or SIGTERM; then finish what takes seconds and leave the rest."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    client = await connect(settings)
    await asyncio.to_thread(clean_work_dir, settings.work_dir)
    async with (
        assembled(settings, client) as parts,
        contextlib.AsyncExitStack() as running,
        asyncio.TaskGroup() as beside,
    ):
        for worker in build_workers(client, parts, marks):
            await running.enter_async_context(worker)
        await schedule_sweep(client)
        answers = beside.create_task(sender(parts, marks).take_up_answers())
        if settings.ready_file:
            await asyncio.to_thread(settings.ready_file.touch)
        log.info("worker is ready", namespace=client.namespace)
        await stop.wait()
        answers.cancel()


async def schedule_sweep(client: Client) -> None:
    """Have the sweeper run once a minute, on whichever worker is there."""
    action = ScheduleActionStartWorkflow(SWEEP_WORKFLOW, id="sweep", task_queue=ORCHESTRATION_QUEUE)
    schedule = Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=SWEEP_EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    with contextlib.suppress(ScheduleAlreadyRunningError):
        await client.create_schedule("sweep", schedule)


if __name__ == "__main__":
    log_as_json()
    be_thrifty()
    asyncio.run(run_worker(Settings()))
