"""Join the runs of a film: pictures and sound are copied, packet by packet."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Annotated

import av
from av.stream import Discard
from av.video.stream import VideoStream
from pydantic import Field

from filmforge.errors import BadInput, BadMedia, MediaToolFailed
from filmforge.fields import Frozen
from filmforge.media.aac import AnyPacket, EncodedSpan, Timed, add_sound, timed_sound
from filmforge.media.aside import Pause, aside
from filmforge.media.picture import frame_ticks, timescale
from filmforge.media.progress import Progress
from filmforge.media.sample_clock import SAMPLE_RATE, samples_at
from filmforge.media.sniff import open_media

# Headers say all that copying needs, and decoding a frame takes as long as copying a piece.
_UNTRIED = "none"


class Run(Frozen):
    """Frames `start` to `stop` of a file of `frames`, which go into the film as they are."""

    path: Path
    frames: Annotated[int, Field(ge=1)]
    start: Annotated[int, Field(ge=0)]
    stop: int


async def assemble(
    runs: Sequence[Run],
    spans: Sequence[EncodedSpan],
    path: Path,
    fps: Fraction,
    progress: Progress | None = None,
) -> None:
    """Write the film as MP4: H.264 copied from the runs, AAC 48 kHz stereo, index in front.

    Raises BadInput when there is nothing to join, BadMedia for a file that was not encoded alike,
    MediaToolFailed. `path` is written whole or not at all, also when cancelled. `progress` is told
    the share that is joined, from the thread that joins.
    """
    if not runs:
        raise BadInput("shots", "there are none", "Keep at least one shot.")
    partial = path.with_name(f"{path.name}.part")
    try:
        await _in_thread(partial, runs, spans, fps, progress)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


async def _in_thread(
    path: Path,
    runs: Sequence[Run],
    spans: Sequence[EncodedSpan],
    fps: Fraction,
    progress: Progress | None,
) -> None:
    try:
        await aside(lambda pause: _mux(path, runs, spans, fps, _reported(runs, pause, progress)))
    except av.FFmpegError as error:
        raise MediaToolFailed(f"the film cannot be joined: {error.strerror}") from None


def _reported(
    runs: Sequence[Run], pause: Pause, progress: Progress | None
) -> Callable[[int], None]:
    frames = sum(run.stop - run.start for run in runs)

    def reached(frame: int) -> None:
        pause()
        if progress:
            progress(frame / frames)

    return reached


def _mux(
    path: Path,
    runs: Sequence[Run],
    spans: Sequence[EncodedSpan],
    fps: Fraction,
    reached: Callable[[int], None],
) -> None:
    options = {
        "movflags": "+faststart",
        "video_track_timescale": str(timescale(fps)),
        "fflags": "+bitexact",
        # Edit lists count in this: the sound ends at its very sample, not at a millisecond.
        "movie_timescale": str(SAMPLE_RATE),
    }
    with (
        av.open(f"file:{path}", "w", format="mp4", container_options=options) as film,
        open_media(runs[0].path) as first,
    ):
        source = first.streams.video[0]
        if source.average_rate != fps:
            raise BadMedia(f"{runs[0].path.name} runs at {source.average_rate} fps, not {fps}")
        picture = film.add_stream_from_template(source)
        sound = add_sound(film)
        length = samples_at(sum(run.stop - run.start for run in runs), fps)
        packets = heapq.merge(
            _timed_picture(picture, runs, fps),
            timed_sound(sound, spans, length),
            key=lambda timed: timed[0],
        )
        for moment, batch in packets:
            reached(int(moment * fps))
            film.mux(batch)


def _timed_picture(stream: VideoStream, runs: Sequence[Run], fps: Fraction) -> Iterator[Timed]:
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


def _copied(run: Run, stream: VideoStream) -> Iterator[AnyPacket]:
    """The packets of a run. Raises BadMedia when it can't be cut or joined without encoding."""
    with open_media(run.path, _UNTRIED) as media:
        source = media.streams.video[0]
        if source.codec_context.extradata != stream.codec_context.extradata:
            raise BadMedia(f"{run.path.name} was encoded in another way: conform it again")
        if source.frames != run.frames:
            raise BadMedia(f"{run.path.name} has {source.frames} frames, not {run.frames}")
        for other in media.streams:
            other.discard = Discard.default if other is source else Discard.all
        packets = (packet for packet in media.demux(source) if packet.size)
        for position, packet in enumerate(islice(packets, run.stop)):
            if position == run.start and not packet.is_keyframe:
                raise BadMedia(f"{run.path.name} has no key frame {run.start}: conform it again")
            if position >= run.start:
                yield packet
