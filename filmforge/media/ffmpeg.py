"""Run ffmpeg: arguments as a list, bounded in time, killed when its caller is cancelled."""

import asyncio
from collections.abc import Sequence
from functools import cache

import imageio_ffmpeg

from filmforge.errors import MediaToolFailed

QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")


@cache
def ffmpeg_path() -> str:
    """The ffmpeg binary that comes with imageio-ffmpeg."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


async def run_ffmpeg(arguments: Sequence[str], timeout_s: float = 600) -> None:
    """Run ffmpeg to its end; its arguments never pass a shell.

    Raises MediaToolFailed with its last words when it fails or runs out of time.
    """
    process = await asyncio.create_subprocess_exec(
        ffmpeg_path(),
        *QUIET,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        raise MediaToolFailed(f"ffmpeg took more than {timeout_s:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise MediaToolFailed(f"ffmpeg: {said.decode(errors='replace').strip()[-500:]}")
