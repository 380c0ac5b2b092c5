"""The GPU worker's process: `python -m workers.gpu`, the GPU functions on this machine."""

import asyncio
import signal
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from activities.gpu_work import GpuWork
from filmforge.contracts import GPU_QUEUE
from filmforge.domain import Receipt, Work
from filmforge.engine import connect
from filmforge.settings import Settings
from filmforge.store import AssetStore
from gpu_functions.catalogue import maker_of
from gpu_functions.desk import Desk
from gpu_functions.device import Device
from gpu_functions.maker import Stopped
from gpu_functions.residency import Residency
from gpu_functions.serving import serve
from workers.logs import log_as_json

HEARTBEAT_THROTTLE = timedelta(seconds=5)
# One step of a large model may take this long; a work that is not done by then is begun again by
# another worker, from its last checkpoint.
GRACE = timedelta(seconds=30)

log = structlog.get_logger()


def build_gpu_worker(
    client: Client, settings: Settings, desk: Desk, residency: Residency
) -> Worker:
    """A worker on the GPU queue, for one work at a time."""
    store = AssetStore(settings.s3_bucket, settings.s3_endpoint)
    work = GpuWork(store, partial(_serve, residency, desk))
    return Worker(
        client,
        task_queue=GPU_QUEUE,
        activities=[work.make_work],
        max_concurrent_activities=1,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=GRACE,
    )


def _serve(
    residency: Residency,
    desk: Desk,
    work: Work,
    call_id: str,
    ended: Callable[[], bool],
) -> Receipt:
    def tell(_share: float) -> None:
        if ended():
            raise Stopped("the work was cancelled")

    return serve(work, residency.make, desk, call_id, tell=tell, gpu=residency.device.name)


async def run_gpu_worker(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM. Raises FilmError when a part cannot be used."""
    device = await asyncio.to_thread(Device.here, settings.gpu_budget_gib)
    desk = Desk.opened(settings.s3_bucket, settings.s3_endpoint)
    await serve_queue(settings, desk, Residency(device, settings.gpu_weights, maker_of))


async def serve_queue(settings: Settings, desk: Desk, residency: Residency) -> None:
    """Serve the GPU queue until a signal comes; then what is resident is unloaded."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    client = await connect(settings)
    async with build_gpu_worker(client, settings, desk, residency):
        log.info(
            "gpu worker is ready",
            device=residency.device.name,
            budget_gib=round(residency.device.budget_gib, 1),
            weights=str(settings.gpu_weights),
        )
        if settings.ready_file:
            await asyncio.to_thread(settings.ready_file.touch)
        await stop.wait()
    await asyncio.to_thread(residency.close)


if __name__ == "__main__":
    log_as_json()
    asyncio.run(run_gpu_worker(Settings()))
