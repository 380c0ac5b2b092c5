"""Join the pieces of a film: pictures are copied, only crossfades are encoded again."""

import asyncio
import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream
from pydantic import Field

from filmforge.errors import BadInput, BadMedia, MediaToolFailed
from filmforge.fields import Frozen
from filmforge.media.ffmpeg import run_ffmpeg
from filmforge.media.picture import BITEXACT, TAGGED, encoder_arguments, frame_ticks, timescale
from filmforge.media.sniff import input_arguments, open_media
from filmforge.media.soundtrack import SAMPLE_RATE, Samples, Stretch, soundtrack

_AUDIO_BITS_S = 192_000
_AT_ONCE = min(4, os.cpu_count() or 1)
# Crossfades are drawn side by side, so one thread for each is enough.
_ONE_THREAD = ("-threads", "1")

# Quoted, because PyAV's packet is generic to the type checker only.
AnyPacket: TypeAlias = "Packet[Any]"
Timed: TypeAlias = tuple[Fraction, list[AnyPacket]]


class Piece(Frozen):
    """A conformed shot and how the film goes on from it; the last one's transition is not used.

    `frames` is its length; `overlap_frames` is how many it shares with the next, 0 for a cut.
    """

    path: Path
    frames: Annotated[int, Field(ge=1)]
    transition: Literal["cut", "crossfade"] = "cut"
    overlap_frames: Annotated[int, Field(ge=0)] = 0


class _Run(NamedTuple):
    """Frames `start` to `stop` of a file of `frames`, which go into the film as they are."""

    path: Path
    frames: int
    start: int
    stop: int


def film_frames(pieces: Sequence[Piece]) -> int:
    """The film's length in frames. Raises BadInput naming a piece whose overlaps don't fit."""
    return sum(piece.frames for piece in pieces) - sum(_overlaps(pieces))


async def assemble(pieces: Sequence[Piece], path: Path, work_dir: Path, fps: Fraction) -> None:
    """Write the film as MP4: H.264 copied from the pieces, AAC 48 kHz stereo, index in front.

    Crossfades are encoded in `work_dir`. Raises BadInput for overlaps that don't fit, BadMedia
    for a piece that was not conformed alike, MediaToolFailed. `path` is written whole or not at
    all, also when cancelled.
    """
    overlaps = _overlaps(pieces)
    partial = path.with_name(f"{path.name}.part")
    try:
        fades = await _crossfades(pieces, overlaps, work_dir, fps)
        runs = _runs(pieces, overlaps, fades)
        await _in_thread(partial, runs, _stretches(pieces, overlaps), fps)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _overlaps(pieces: Sequence[Piece]) -> list[int]:
    if not pieces:
        raise BadInput("pieces", "there are none", "Give at least one piece.")
    wanted = [piece.overlap_frames if piece.transition == "crossfade" else 0 for piece in pieces]
    overlaps = [*wanted[:-1], 0]
    for index, piece in enumerate(pieces):
        head, tail = (overlaps[index - 1] if index else 0), overlaps[index]
        if head + tail > piece.frames:
            raise BadInput(
                f"pieces[{index}]",
                f"its crossfades take {head} + {tail} frames and it has {piece.frames}",
                "Make the shot longer or its transitions shorter.",
            )
    return overlaps


async def _crossfades(
    pieces: Sequence[Piece], overlaps: Sequence[int], work_dir: Path, fps: Fraction
) -> dict[int, Path]:
    """Encode every crossfade, a few at once; paths by piece."""
    slots = asyncio.Semaphore(_AT_ONCE)
    paths = {i: work_dir / f"crossfade-{i:05d}.mov" for i, n in enumerate(overlaps) if n}

    async def draw(index: int, path: Path) -> None:
        async with slots:
            await draw_crossfade(pieces[index], pieces[index + 1], overlaps[index], path, fps)

    try:
        async with asyncio.TaskGroup() as group:
            for index, path in paths.items():
                group.create_task(draw(index, path))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return paths


async def draw_crossfade(
    leaving: Piece, coming: Piece, frames: int, path: Path, fps: Fraction
) -> None:
    """Write a silent .mov of the last `frames` of one piece fading into the first of the next.

    Frame k of n shows (k + 1) / (n + 1) of the coming piece. Raises MediaToolFailed.
    """
    start_s = float((leaving.frames - frames) / fps)
    # xfade counts from 100 %: begun one frame early, both ends are mixed alike.
    graph = (
        f"[0:v:0]fps={fps},settb=1/{timescale(fps)}[a];"
        f"[1:v:0]fps={fps},settb=1/{timescale(fps)}[b];"
        f"[a][b]xfade=fade:duration={float((frames + 1) / fps):.6f}"
        f":offset={-float(1 / fps):.6f},{TAGGED}"
    )
    await run_ffmpeg(
        [
            *("-ss", f"{start_s:.6f}", *_ONE_THREAD, *input_arguments(leaving.path)),
            *(*_ONE_THREAD, *input_arguments(coming.path)),
            *("-filter_complex", graph, "-an", "-frames:v", str(frames)),
            *(*encoder_arguments(fps), *_ONE_THREAD),
            *BITEXACT,
            *("-f", "mov", f"file:{path}"),
        ]
    )


def _runs(pieces: Sequence[Piece], overlaps: Sequence[int], fades: dict[int, Path]) -> list[_Run]:
    runs = []
    head = 0
    for index, (piece, tail) in enumerate(zip(pieces, overlaps, strict=True)):
        if head + tail < piece.frames:
            runs.append(_Run(piece.path, piece.frames, head, piece.frames - tail))
        if tail:
            runs.append(_Run(fades[index], tail, 0, tail))
        head = tail
    return runs


def _stretches(pieces: Sequence[Piece], overlaps: Sequence[int]) -> list[Stretch]:
    stretches = []
    start = 0
    for piece, overlap in zip(pieces, overlaps, strict=True):
        stretches.append(Stretch(path=piece.path, start=start, end=start + piece.frames))
        start += piece.frames - overlap
    return stretches


async def _in_thread(
    path: Path, runs: Sequence[_Run], stretches: Sequence[Stretch], fps: Fraction
) -> None:
    """Mux in a thread, which is told to stop and waited for when this is cancelled."""
    stop = Event()
    work = asyncio.ensure_future(asyncio.to_thread(_mux, path, runs, stretches, fps, stop))
    try:
        await asyncio.shield(work)
    except av.FFmpegError as error:
        raise MediaToolFailed(f"the film cannot be joined: {error.strerror}") from None
    except asyncio.CancelledError:
        stop.set()
        with suppress(Exception):
            await work
        raise


def _mux(
    path: Path, runs: Sequence[_Run], stretches: Sequence[Stretch], fps: Fraction, stop: Event
) -> None:
    options = {
        "movflags": "+faststart",
        "video_track_timescale": str(timescale(fps)),
        "fflags": "+bitexact",
    }
    with (
        av.open(f"file:{path}", "w", format="mp4", container_options=options) as film,
        open_media(runs[0].path) as first,
    ):
        source = first.streams.video[0]
        if source.average_rate != fps:
            raise BadMedia(f"{runs[0].path.name} runs at {source.average_rate} fps, not {fps}")
        picture = film.add_stream_from_template(source)
        sound = film.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        assert isinstance(sound, AudioStream)
        sound.bit_rate = _AUDIO_BITS_S
        sound.codec_context.flags |= av.codec.context.Flags.bitexact
        packets = heapq.merge(
            _timed_picture(picture, runs, fps),
            _timed_sound(sound, soundtrack(stretches, fps)),
            key=lambda timed: timed[0],
        )
        for _, batch in packets:
            if stop.is_set():
                return
            film.mux(batch)


def _timed_picture(stream: VideoStream, runs: Sequence[_Run], fps: Fraction) -> Iterator[Timed]:
    """Every frame of the film, numbered anew, with the second at which it is shown."""
    ticks, time_base = frame_ticks(fps), Fraction(1, timescale(fps))
    frame = 0
    for run in runs:
        for packet in _copied(run, stream):
            packet.stream, packet.time_base = stream, time_base
            packet.pts = packet.dts = frame * ticks
            packet.duration = ticks
            yield frame / fps, [packet]
            frame += 1


def _copied(run: _Run, stream: VideoStream) -> Iterator[AnyPacket]:
    """The packets of a run. Raises BadMedia when it can't be cut or joined without encoding."""
    with open_media(run.path) as media:
        source = media.streams.video[0]
        if source.codec_context.extradata != stream.codec_context.extradata:
            raise BadMedia(f"{run.path.name} was encoded in another way: conform it again")
        if source.frames != run.frames:
            raise BadMedia(f"{run.path.name} has {source.frames} frames, not {run.frames}")
        packets = (packet for packet in media.demux(source) if packet.size)
        for position, packet in enumerate(islice(packets, run.stop)):
            if position == run.start and not packet.is_keyframe:
                raise BadMedia(f"{run.path.name} has no key frame {run.start}: conform it again")
            if position >= run.start:
                yield packet


def _timed_sound(stream: AudioStream, blocks: Iterator[Samples]) -> Iterator[Timed]:
    """The sound, encoded block by block, with the second at which each block begins."""
    position = 0
    for block in blocks:
        if not len(block):
            continue
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, position
        frame.time_base = Fraction(1, SAMPLE_RATE)
        yield Fraction(position, SAMPLE_RATE), list(stream.encode(frame))
        position += len(block)
    yield Fraction(position, SAMPLE_RATE), list(stream.encode(None))
