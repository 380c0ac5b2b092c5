"""What the cut costs: sixty clips of five seconds, beside plain ffmpeg over the same pieces.

The cut is the whole activity over a real ledger and a real store, its film stored at the end.
Passages are drawn as clips land, before it: what that takes is told, and counted in a ratio too.
FILMFORGE_BENCH_CLIPS makes it shorter.
"""

import asyncio
import logging
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import structlog

from filmforge.embedded import serve
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments
from filmforge.settings import Settings
from tests.theatre import Rushes, Theatre, theatre

CLIPS = int(os.environ.get("FILMFORGE_BENCH_CLIPS", "60"))
SECONDS, OVERLAP_S = 5, 0.5
RUNS = 3
FPS = Fraction(24)
CUTS: dict[str, Any] = {"sound": {"loudness": None}}
FADES: dict[str, Any] = {"transition": {"type": "crossfade", "duration": OVERLAP_S}}
# Pieces of their own and no passage: landing them is what landing costs, once takes are checked.
TRIMMED = {"trim": {f"s{n:04d}": {"start": 0.042} for n in range(CLIPS)}}


async def seconds(work: Callable[[], Awaitable[Any]]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def stream_copy(pieces: list[Path], out: Path) -> None:
    """Join pieces as ffmpeg's concat does, copying picture and sound."""
    script = out.with_suffix(".txt")
    script.write_text("".join(f"file '{piece}'\n" for piece in pieces))
    joined = ["-f", "concat", "-safe", "0", "-i", str(script), "-c", "copy"]
    await run_ffmpeg([*joined, "-movflags", "+faststart", str(out)])


async def chain(pieces: list[Path], out: Path) -> None:
    """The same film as one chain of xfade and acrossfade, every frame encoded again."""
    graph, picture, sound = [], "0:v", "0:a"
    for number in range(1, len(pieces)):
        offset = number * (SECONDS - OVERLAP_S)
        graph.append(
            f"[{picture}][{number}:v]xfade=duration={OVERLAP_S}:offset={offset}[v{number}]"
        )
        graph.append(f"[{sound}][{number}:a]acrossfade=d={OVERLAP_S}:c1=qsin:c2=qsin[a{number}]")
        picture, sound = f"v{number}", f"a{number}"
    graph += [f"[{picture}]{TAGGED}[v]", f"[{sound}]loudnorm=I=-16:TP=-1,aresample=48000[a]"]
    inputs = [word for piece in pieces for word in ("-i", str(piece))]
    mapped = ["-filter_complex", ";".join(graph), "-map", "[v]", "-map", "[a]"]
    encoded = [*encoder_arguments(FPS), "-c:a", "aac", "-b:a", "192k", *BITEXACT]
    await run_ffmpeg([*inputs, *mapped, *encoded, "-movflags", "+faststart", str(out)], 1_800)


async def pieces_of(stage: Theatre, film_id: str) -> list[Path]:
    """A film's pieces as files."""
    records = await asyncio.to_thread(stage.ledger.shots.of_film, film_id)
    paths = []
    for record in records:
        path = stage.folder / f"{film_id}-{record.position:04d}.mov"
        await stage.store.fetch(record.conformed_digest or "", path)
        paths.append(path)
    return paths


class Landed(NamedTuple):
    """A film whose clips have all landed, its pieces, and how long the landing took."""

    film_id: str
    pieces: list[Path]
    landing_s: float


async def landed(stage: Theatre, rushes: Rushes, said: dict[str, Any]) -> Landed:
    """Let all clips of a film land."""
    film_id = await stage.film(rushes, CLIPS, **said)
    landing_s = await seconds(lambda: stage.conform(film_id, CLIPS))
    return Landed(film_id, await pieces_of(stage, film_id), landing_s)


async def cuts_only(stage: Theatre, film: Landed) -> str:
    """(a): cuts and the clips' own sound; both films end in the store."""
    film_id, pieces, _ = film
    whole = await seconds(lambda: stage.assemble(film_id))
    joined, copies, stored = [], [], []
    for number in range(RUNS):
        out = stage.folder / f"copy-{number}.mov"
        copies.append(await seconds(partial(stream_copy, pieces, out)))
        stored.append(await seconds(partial(stage.store.put, out, "video/quicktime")))
        out.unlink()
        joined.append(await seconds(partial(stage.joined_again, film_id)))
    copy, put = statistics.median(copies), statistics.median(stored)
    join = statistics.median(joined)
    return (
        f"cuts only joined in {join:.2f} s, a stream copy {copy:.2f} s: {join / copy:.2f} x "
        f"(goal 1.3); the whole step {whole:.2f} s, a copy that is stored too {copy + put:.2f} s: "
        f"{whole / (copy + put):.2f} x"
    )


async def faded(stage: Theatre, rushes: Rushes) -> list[str]:
    """(b) and (c): a crossfade at every seam, all of the sound mixed and normalised."""
    plain = await landed(stage, rushes, TRIMMED)
    film_id, pieces, landing_s = await landed(stage, rushes, FADES)
    early = landing_s - plain.landing_s
    whole = await seconds(lambda: stage.assemble(film_id))
    chained = await seconds(lambda: chain(pieces, stage.folder / "chain.mp4"))
    changes, copies, stored = [], [], []
    for number in range(RUNS):
        shot = CLIPS // 2 + 3 * number
        await stage.show(film_id, f"s{shot:04d}", await rushes.clip(CLIPS + number))
        await stage.conform(film_id, 1, shot)
        changes.append(await seconds(partial(stage.assemble, film_id)))
        out = stage.folder / f"copy-{number}.mov"
        copies.append(await seconds(partial(stream_copy, pieces, out)))
        stored.append(await seconds(partial(stage.store.put, out, "video/quicktime")))
    change, copy, put = map(statistics.median, (changes, copies, stored))
    return [
        f"crossfades, mixed and normalised {whole:.1f} s, an xfade chain {chained:.1f} s: "
        f"{chained / whole:.1f} x faster (goal 8); landing took {early:.1f} s longer than without "
        f"passages: {chained / (whole + early):.1f} x with it",
        f"one shot changed {change:.2f} s, a stream copy {copy:.2f} s: {change / copy:.1f} x "
        f"(goal 3); a copy that is stored too {copy + put:.2f} s: {change / (copy + put):.1f} x",
    ]


async def measure(folder: Path) -> list[str]:
    """The lines of the report."""
    async with theatre(folder) as stage:
        rushes = Rushes(folder, "1280x720", int(FPS), SECONDS)
        await rushes.clips(CLIPS + RUNS)
        plain = await landed(stage, rushes, CUTS)
        return [await cuts_only(stage, plain), *await faded(stage, rushes)]


def main() -> None:
    """Print what each goal comes to."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with (
        TemporaryDirectory() as name,
        serve(Path(name) / "state", Settings(), temporal=False) as servers,
    ):
        os.environ.update(servers.environment)
        for line in asyncio.run(measure(Path(name))):
            print(f"cut of {CLIPS} clips:", line)


if __name__ == "__main__":
    main()
