"""A film's sound as AAC-LC: spans of frames are encoded apart and joined packet by packet.

The encoder keeps its quality, not its bit rate, so what it makes of a frame hardly depends on
where it began, and spans join as if encoded in one pass. A quality of 220 makes about
192 kbit/s of noise and music, and less of what is simple.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self, TypeAlias

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from pydantic import Field, model_validator

from filmforge.errors import BadInput, BadMedia, MediaToolFailed
from filmforge.fields import Frozen
from filmforge.media.listen import BLOCK, Samples, SoundReader
from filmforge.media.sample_clock import SAMPLE_RATE
from filmforge.media.sound_spans import FRAME, Extract, SoundSpan, film_frames

# Noise substitution and intensity stereo lose more than they save at this rate, and twoloop takes
# three times as long; the band ends where that of 192 kbit/s does.
_OPTIONS = {
    "flags": "+qscale+bitexact",
    "global_quality": "220",
    "cutoff": "18000",
    "aac_coder": "fast",
    "aac_pns": "0",
    "aac_is": "0",
}
# Another release may choose other windows, and only windows of one kind add up at a seam.
ENCODER = f"libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))} " + " ".join(
    f"{name}={value}" for name, value in _OPTIONS.items()
)
_SLACK = 2
_BATCH = 47  # 1 s
_HEADER = 7

# Quoted, because PyAV's packet is generic to the type checker only.
AnyPacket: TypeAlias = "Packet[Any]"
Timed: TypeAlias = tuple[Fraction, list[AnyPacket]]
Write = Callable[[bytes], None]
Progress = Callable[[int], None]


class SpanSpec(Frozen):
    """The whole recipe of an encoded span: sounds one after the other, and which frames to keep.

    Of the frames they make, `skipped` are left out, then `frames` are kept.
    """

    extracts: Annotated[tuple[Extract, ...], Field(min_length=1)]
    skipped: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(ge=1)]
    encoder: str = ENCODER

    @model_validator(mode="after")
    def _has_the_frames(self) -> Self:
        made = film_frames(sum(extract.samples for extract in self.extracts))
        if self.skipped + self.frames > made:
            raise ValueError(
                f"the sounds make {made} frames, {self.skipped + self.frames} are asked for: "
                "give all that the span hears"
            )
        return self


class EncodedSpan(Frozen):
    """The file of a span and how many frames it has."""

    path: Path
    frames: Annotated[int, Field(ge=1)]


def span_spec(span: SoundSpan, extracts: Sequence[Extract]) -> SpanSpec:
    """The recipe of a span, given all that it hears. Raises BadInput when that has gaps."""
    start, stop = span.heard
    given = sum(extract.samples for extract in extracts)
    if given != stop - start:
        raise BadInput(
            "extracts",
            f"there are {given} samples, the span hears {stop - start}",
            "Give the film's samples from the first to the last one heard",
        )
    return SpanSpec(extracts=tuple(extracts), skipped=span.skipped, frames=span.frames)


def encode_span(
    spec: SpanSpec, files: Mapping[str, Path], path: Path, progress: Progress | None = None
) -> None:
    """Write a span as ADTS (ISO/IEC 14496-3, 1.A.3.2), which most players play as it is.

    `files` has the file of every source; one may end two samples early. `progress` is told the
    samples read so far; what it raises ends the work. A failure leaves no file. Raises BadMedia
    and MediaToolFailed.
    """
    if spec.encoder != ENCODER:
        raise MediaToolFailed(f"the span is to be encoded by {spec.encoder}, here is {ENCODER}")
    encode_blocks(
        _reported(_sound(spec.extracts, files), progress), spec.skipped, spec.frames, path
    )


def encode_blocks(blocks: Iterable[Samples], skipped: int, frames: int, path: Path) -> None:
    """Write as ADTS the `frames` that a sound makes after the first `skipped`.

    A failure leaves no file. Raises MediaToolFailed.
    """
    with _adts_writer(path) as write:
        for packet in islice(_encoded(blocks), skipped, skipped + frames):
            write(packet)


def add_sound(film: OutputContainer) -> AudioStream:
    """Add the stream that packets of spans go into."""
    stream = film.add_stream("aac", rate=SAMPLE_RATE, layout="stereo", options=dict(_OPTIONS))
    assert isinstance(stream, AudioStream)
    return stream


def timed_sound(stream: AudioStream, spans: Sequence[EncodedSpan], length: int) -> Iterator[Timed]:
    """The packets of a film of `length` samples, with the second at which each batch begins.

    Raises BadInput when the spans are not the whole film, BadMedia for a file that is no span.
    """
    frames = sum(span.frames for span in spans)
    if frames != film_frames(length):
        raise BadInput(
            "spans",
            f"they have {frames} frames, the film has {film_frames(length)}",
            "Give all spans of the film, in order",
        )
    packets = _packets(stream, spans, length)
    for first in range(0, frames, _BATCH):
        yield Fraction(first * FRAME, SAMPLE_RATE), list(islice(packets, _BATCH))


def _packets(stream: AudioStream, spans: Iterable[EncodedSpan], length: int) -> Iterator[AnyPacket]:
    time_base = Fraction(1, SAMPLE_RATE)
    # The encoder's first frame ends where the film begins.
    place = -FRAME
    for span in spans:
        for data in _adts_frames(span):
            packet = Packet(data)
            packet.stream, packet.time_base = stream, time_base
            packet.pts = packet.dts = place
            packet.duration = min(FRAME, length - place)
            yield packet
            place += FRAME


def _sound(extracts: Iterable[Extract], files: Mapping[str, Path]) -> Iterator[Samples]:
    for extract in extracts:
        with SoundReader(files[extract.source], extract.offset) as reader:
            for begin in range(0, extract.samples, BLOCK):
                yield reader.take(min(BLOCK, extract.samples - begin))
            # A piece rounds its own length, the film the place of each frame: they differ by one.
            if reader.lacking > _SLACK:
                raise BadMedia(
                    f"{extract.source}: its sound is {reader.lacking} samples too short: "
                    "conform it again"
                )


def _reported(blocks: Iterable[Samples], progress: Progress | None) -> Iterator[Samples]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        if progress:
            progress(done)


def _encoded(blocks: Iterable[Samples]) -> Iterator[bytes]:
    context = AudioCodecContext.create("aac", "w")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout, context.format = SAMPLE_RATE, "stereo", "fltp"
    context.time_base = Fraction(1, SAMPLE_RATE)
    context.options = dict(_OPTIONS)
    try:
        for block in blocks:
            yield from map(bytes, context.encode(_planar(block)))
        yield from map(bytes, context.encode(None))
    except av.FFmpegError as error:
        raise MediaToolFailed(f"the sound cannot be encoded: {error.strerror}") from None


def _planar(block: Samples) -> av.AudioFrame:
    planes = np.ascontiguousarray(block.T, np.float32)
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
    frame.sample_rate = SAMPLE_RATE
    return frame


@contextmanager
def _adts_writer(path: Path) -> Iterator[Write]:
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield lambda data: file.writelines((_header(len(data)), data))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _header(size: int) -> bytes:
    """The ADTS header of a frame of `size` bytes: MPEG-4, no checksum, LC, 48 kHz, two channels."""
    fixed = 0xFFF14C80 << 24
    return (fixed | (size + _HEADER) << 13 | 0x1FFC).to_bytes(_HEADER, "big")


def _adts_frames(span: EncodedSpan) -> Iterator[bytes]:
    with span.path.open("rb") as file:
        for _ in range(span.frames):
            head = file.read(_HEADER)
            size = (int.from_bytes(head, "big") >> 13 & 0x1FFF) - _HEADER
            data = file.read(max(0, size))
            if head != _header(size) or len(data) < size:
                raise BadMedia(f"{span.path.name} does not hold {span.frames} frames: mix it again")
            yield data
        if file.read(1):
            raise BadMedia(f"{span.path.name} holds more than {span.frames} frames: mix it again")
