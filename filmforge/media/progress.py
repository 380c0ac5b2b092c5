"""Run ffmpeg and hear from itself how far it is."""

import asyncio
from collections.abc import Callable, Sequence
from fractions import Fraction

from filmforge.errors import MediaToolFailed
from filmforge.media.ffmpeg import QUIET, ffmpeg_path

Progress = Callable[[float], None]
_SAID_BYTES = 2_000


async def run_with_progress(
    arguments: Sequence[str],
    duration_s: Fraction,
    progress: Progress | None = None,
    stall_s: float = 600,
) -> None:
    """Run ffmpeg to its end, telling `progress` how much of `duration_s` is written, 0 to 1.

    There is no bound on the whole time, which grows with the film: ffmpeg is killed when it gets
    no further for `stall_s` seconds, and within a second when this is cancelled. Raises
    MediaToolFailed.
    """
    process = await asyncio.create_subprocess_exec(
        ffmpeg_path(),
        *QUIET,
        *("-progress", "pipe:1", "-stats_period", "0.25", "-nostats"),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said = asyncio.ensure_future(_last_words(process.stderr))
    try:
        await _follow(process.stdout, duration_s, progress, stall_s)
        await process.wait()
    except TimeoutError:
        raise MediaToolFailed(f"ffmpeg got no further for {stall_s:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        words = await said
    if process.returncode:
        raise MediaToolFailed(f"ffmpeg: {words.strip()[-500:]}")
    if progress:
        progress(1.0)


def part(progress: Progress | None, index: int, of: int) -> Progress | None:
    """The progress of step `index` of `of` steps that take about as long as each other."""
    if progress is None:
        return None
    told = progress
    return lambda done: told((index + done) / of)


async def _follow(
    lines: asyncio.StreamReader, duration_s: Fraction, progress: Progress | None, stall_s: float
) -> None:
    clock = asyncio.get_running_loop()
    reached = 0
    async with asyncio.timeout(stall_s) as limit:
        async for line in lines:
            written = _written_us(line)
            if written <= reached:
                continue
            reached = written
            limit.reschedule(clock.time() + stall_s)
            if progress:
                progress(min(1.0, float(reached / (duration_s * 1_000_000))))


def _written_us(line: bytes) -> int:
    key, _, value = line.strip().partition(b"=")
    # It is N/A until something was written.
    return int(value) if key == b"out_time_us" and value.isdigit() else 0


async def _last_words(stream: asyncio.StreamReader) -> str:
    tail = b""
    while chunk := await stream.read(65_536):
        tail = (tail + chunk)[-_SAID_BYTES:]
    return tail.decode(errors="replace")
