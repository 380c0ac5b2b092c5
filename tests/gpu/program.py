"""A GPU worker that paints in place of SDXL: `python -m tests.gpu.program FOLDER`.

It writes each stripe it paints into FOLDER/painted, and after two it waits while FOLDER/hang is
there.
"""

import asyncio
import sys
import time
from pathlib import Path

from filmforge.domain import Work
from filmforge.settings import Settings
from gpu_functions.desk import Desk
from gpu_functions.device import Device
from gpu_functions.maker import Made, Room
from gpu_functions.residency import Residency
from tests.gpu.makers import Painter
from workers.gpu import serve_queue

FOLDER = Path(sys.argv[-1])


class Hang:
    """A gate that is shut by a file."""

    def wait(self, timeout: float) -> bool:
        """Wait a little; whether the file is gone."""
        if (FOLDER / "hang").exists():
            time.sleep(timeout)
            return False
        return True


class ImageSdxl(Painter):
    """Paints whatever it is asked for in red."""

    name = "image_sdxl"
    pause = Hang()

    def make(self, work: Work, room: Room) -> Made:
        return super().make(work.model_copy(update={"parameters": {}}), room)

    def paints(self, stripe: str) -> None:
        with (FOLDER / "painted").open("a") as file:
            file.write(f"{stripe}\n")


async def main(settings: Settings) -> None:
    desk = Desk.opened(settings.s3_bucket, settings.s3_endpoint)
    device = Device("cpu", "a processor", 8.0)
    makers = {"image_sdxl": ImageSdxl}.__getitem__
    await serve_queue(settings, desk, Residency(device, settings.gpu_weights, makers))


if __name__ == "__main__":
    asyncio.run(main(Settings()))
