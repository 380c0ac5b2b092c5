"""The sound of any file as 48 kHz stereo floats, read block by block and never held whole.

Full scale is 1, and what goes beyond it is kept.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Stream
from numpy.typing import NDArray

from filmforge.errors import BadMedia
from filmforge.media.sample_clock import SAMPLE_RATE
from filmforge.media.sniff import open_media

Samples = NDArray[np.float32]
Blocks = Generator[Samples, None, None]

BLOCK = SAMPLE_RATE // 2
_EXACT_SCALE = {"s16": 2.0**-15, "s32": 2.0**-31, "flt": 1.0}
_PCM = ("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le")
# Files round their times (Matroska to the millisecond): only more than this is a gap.
_GAP_S = Fraction(1, 10)
_LONGEST_GAP_S = 600
_LOUDEST = 1_000


class SoundReader:
    """A file's sound from the sample `offset` on, taken in order.

    One channel is spread to both at its own level, more than two are folded down by ITU-R BS.775.
    The sound keeps its place under the file's picture, and gaps are silent. In PCM of 48 kHz the
    offset is found at no cost; anything else is decoded from its beginning, so that samples are
    the same wherever reading begins. Methods raise BadMedia.
    """

    def __init__(self, path: Path, offset: int = 0) -> None:
        self._blocks = _decoded(path, offset)
        self._held: Samples = np.zeros((0, 2), np.float32)
        self.lacking = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._blocks.close()

    def take(self, count: int) -> Samples:
        """The next samples, of shape (count, 2): silence after the end, counted in `lacking`."""
        parts, held = [self._held], len(self._held)
        while held < count:
            block = next(self._blocks, None)
            if block is None:
                block = np.zeros((count - held, 2), np.float32)
                self.lacking += len(block)
            parts.append(block)
            held += len(block)
        together = np.concatenate(parts)
        if not np.abs(together).max(initial=0) <= _LOUDEST:  # not-a-number is not under it either
            raise BadMedia("the file's sound holds levels beyond all measure: export it again")
        self._held = together[count:]
        return together[:count]

    def blocks(self) -> Iterator[Samples]:
        """What is left, in blocks of shape (BLOCK, 2); the last may be shorter."""
        while len(block := self._up_to(BLOCK)):
            yield block

    def _up_to(self, count: int) -> Samples:
        before = self.lacking
        block = self.take(count)
        return block[: count - (self.lacking - before)]


def sound_samples(path: Path) -> int:
    """How many samples of 48 kHz a file's sound has, decoding it where headers only guess."""
    with _opened(path) as (media, stream):
        if _is_exact(stream) and stream.duration:
            return stream.duration + _lead(media, stream)
    with SoundReader(path) as reader:
        return sum(len(block) for block in reader.blocks())


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    try:
        with _open(path) as media:
            if not media.streams.audio:
                raise BadMedia("the file holds no sound")
            stream = media.streams.audio[0]
            # Streams of codecs that ffmpeg doesn't know have no context, whatever the types say.
            if not getattr(getattr(stream, "codec_context", None), "sample_rate", 0):
                raise BadMedia("the file's sound is in a format that is not known")
            for other in media.streams:
                other.discard = Discard.default if other is stream else Discard.all
            yield media, stream
    except av.FFmpegError as error:
        raise BadMedia(f"the file's sound is damaged: {error.strerror}") from None


def _open(path: Path) -> InputContainer:
    """Open a file; headers say all there is to say of PCM, so no picture beside it is decoded."""
    media = open_media(path, ",".join(_PCM))
    sounds = media.streams.audio
    if sounds and getattr(sounds[0].codec_context, "name", "") in _PCM:
        return media
    media.close()
    return open_media(path)


def _decoded(path: Path, offset: int) -> Blocks:
    with _opened(path) as (media, stream):
        if _is_exact(stream):
            yield from _exact(media, stream, offset)
        else:
            yield from _after(offset, _resampled(media, stream))


def _is_exact(stream: AudioStream) -> bool:
    context = stream.codec_context
    return (
        context.name.startswith("pcm_")
        and stream.time_base == Fraction(1, SAMPLE_RATE)
        and context.sample_rate == SAMPLE_RATE
        and context.format.name in _EXACT_SCALE
        and context.channels in (1, 2)
    )


def _exact(media: InputContainer, stream: AudioStream, offset: int) -> Blocks:
    first = (stream.start_time or 0) - _lead(media, stream)
    if offset:
        media.seek(first + offset, stream=stream)
    scale = np.float32(_EXACT_SCALE[stream.codec_context.format.name])
    place = offset
    for frame in media.decode(stream):
        begins = place if frame.pts is None else frame.pts - first
        yield from _silence(begins - place)
        block = frame.to_ndarray().reshape(-1, stream.channels)[max(0, place - begins) :]
        place = max(place, begins + frame.samples)
        yield _on_both(block.astype(np.float32) * scale)


def _resampled(media: InputContainer, stream: AudioStream) -> Blocks:
    mono = stream.codec_context.channels == 1
    # ffmpeg would make one channel 3 dB quieter on two.
    resampler = av.AudioResampler("flt", "mono" if mono else "stereo", SAMPLE_RATE)
    beginning = _start_s(stream) - Fraction(_lead(media, stream), SAMPLE_RATE)
    heard_s = Fraction(0)
    for frame in media.decode(stream):
        if frame.pts is not None and frame.time_base is not None:
            gap_s = frame.pts * frame.time_base - beginning - heard_s
            if gap_s > _GAP_S or not heard_s:
                yield from _silence(round(gap_s * SAMPLE_RATE))
                heard_s += max(gap_s, Fraction(0))
        heard_s += Fraction(frame.samples, frame.sample_rate)
        yield from _converted(resampler, frame)
    yield from _converted(resampler, None)


def _converted(resampler: av.AudioResampler, frame: av.AudioFrame | None) -> Blocks:
    try:
        made = resampler.resample(frame)
    except ValueError:
        raise BadMedia("the file's sound changes its format half-way") from None
    for each in made:
        if each is not None:  # what a resampler with nothing to do gives back at the end
            block = np.asarray(each.to_ndarray(), np.float32)
            yield _on_both(block.reshape(-1, each.layout.nb_channels))


def _on_both(block: Samples) -> Samples:
    return block if block.shape[1] == 2 else np.broadcast_to(block, (len(block), 2))


def _silence(samples: int) -> Blocks:
    if samples > _LONGEST_GAP_S * SAMPLE_RATE:
        raise BadMedia(f"the file's sound has a gap of {samples / SAMPLE_RATE:.0f} s")
    for begin in range(0, samples, BLOCK):
        yield np.zeros((min(BLOCK, samples - begin), 2), np.float32)


def _after(offset: int, blocks: Blocks) -> Blocks:
    for block in blocks:
        kept = block[offset:]
        offset = max(0, offset - len(block))
        if len(kept):
            yield kept


def _lead(media: InputContainer, stream: AudioStream) -> int:
    """Samples of 48 kHz from the beginning of a file to that of its sound."""
    first = min(_start_s(each) for each in (*media.streams.video, stream))
    return round((_start_s(stream) - first) * SAMPLE_RATE)


def _start_s(stream: Stream) -> Fraction:
    return (stream.start_time or 0) * (stream.time_base or Fraction(0))
