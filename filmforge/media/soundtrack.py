"""A film's sound in spans: each is mixed, measured and encoded by itself, and joined unheard.

What decides the bytes of a span is a MixedSpan or a SpanSpec: whoever keeps what was made of one
never makes it again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, NamedTuple

import av
import numpy as np
from pydantic import Field

from filmforge.fields import Frozen
from filmforge.media.aac import ENCODER, encode_blocks
from filmforge.media.aside import Pause
from filmforge.media.listen import Samples
from filmforge.media.loudness import Level, Way, blocks_of, gains_of, level_of, made_louder
from filmforge.media.meter import STEP
from filmforge.media.mix import Bus, bus_of, mixed
from filmforge.media.score import Entry, Score
from filmforge.media.sound_spans import FRAME, Extract, SoundSpan, even_spans
from filmforge.media.wav import wav_writer
from filmforge.sound import MAX_TRUE_PEAK_DBTP

# Longer than the meter's filters ring, than its blocks, and than the limiter looks back or ahead.
_BEFORE, _AFTER = 5 * STEP, 2 * STEP
_TRIES = 4


class MixedSpan(Frozen):
    """Everything that decides how a span of a mixed film sounds, wherever in a film it lies.

    `part` is mixed; of that, `own` samples after the first `lead` are the span's. The encoder
    hears `heard` samples after the first `unheard`, leaves out `skipped` frames, keeps `frames`.
    """

    part: Score
    lead: Annotated[int, Field(ge=0)]
    own: Annotated[int, Field(ge=0)]
    unheard: Annotated[int, Field(ge=0)]
    heard: Annotated[int, Field(ge=1)]
    skipped: Annotated[int, Field(ge=0)]
    frames: Annotated[int, Field(ge=1)]
    encoder: str = ENCODER

    @property
    def sources(self) -> list[str]:
        """The sounds that are heard in it, each once."""
        return list(dict.fromkeys(entry.source for entry in self.part.entries))


class Encoded(NamedTuple):
    """How loud a span is as it was encoded, and as a decoder hears it."""

    before: Level
    after: Level


def mixed_spans(score: Score) -> list[MixedSpan]:
    """A whole film in spans that are mixed."""
    spans = even_spans(score.length)
    windows = [_window(span) for span in spans]
    parts = _parts(score, windows)
    return [
        _mixed_span(span, window[0], part)
        for span, window, part in zip(spans, windows, parts, strict=True)
    ]


def as_extracts(score: Score) -> list[Extract] | None:
    """A film that is one sound after the other, as it is: what nothing has to be mixed for."""
    reached, extracts = 0, []
    for entry in score.entries:
        if entry.start != reached or not _is_plain(entry):
            return None
        extracts.append(Extract(source=entry.source, offset=entry.offset, samples=entry.length))
        reached = entry.stop
    return extracts if reached == score.length else None


def _is_plain(entry: Entry) -> bool:
    changed = entry.gain_db or entry.fade_in or entry.fade_out or entry.loop
    return entry.role == "production" and not changed


def _window(span: SoundSpan) -> tuple[int, int]:
    """The film's samples that decide how a span sounds."""
    first, stop = span.first * FRAME, span.stop * FRAME
    return max(0, first - _BEFORE), min(span.length, stop + _AFTER)


def _parts(score: Score, windows: Sequence[tuple[int, int]]) -> list[Score]:
    """The score of each window; one reaches into its neighbours, never further."""
    parts: list[Score] = [score] * len(windows)
    for which in (slice(0, None, 2), slice(1, None, 2)):
        edges = [edge for window in windows[which] for edge in window]
        parts[which] = list(score.parts(edges))[::2]
    return parts


def _mixed_span(span: SoundSpan, begin: int, part: Score) -> MixedSpan:
    first, stop = span.first * FRAME, min(span.stop * FRAME, span.length)
    start, end = span.heard
    return MixedSpan(
        part=part,
        lead=min(first, span.length) - begin,
        own=max(0, stop - first),
        unheard=start - begin,
        heard=end - start,
        skipped=span.skipped,
        frames=span.frames,
    )


def measure_span(span: MixedSpan, files: Mapping[str, Path], way: Way, pause: Pause) -> Level:
    """How loud a span is in a way; `files` has the file of every source.

    Raises BadMedia and MediaToolFailed.
    """
    return _level(span, made_louder(_mix(span, files, pause), way), way)


def encode_mixed(
    span: MixedSpan, files: Mapping[str, Path], way: Way, path: Path, pause: Pause
) -> Encoded:
    """Write a span as ADTS; returns how loud it is in that way, and when it is decoded again.

    Where the way has a ceiling, what a decoder hears stays under -1 dBTP. A failure leaves no file.
    Raises BadMedia and MediaToolFailed.
    """
    sound = _mix(span, files, pause)
    louder = [*made_louder(sound, way)]
    before = _level(span, louder, way)
    for _ in range(_TRIES):
        heard = _between(louder, span.unheard, span.unheard + span.heard)
        encode_blocks(heard, span.skipped, span.frames, path)
        pause()
        level = _decoded_level(path)
        over = (level.true_peak_dbtp or 0.0) - MAX_TRUE_PEAK_DBTP
        if over <= 0 or way.ceiling_dbtp is None:
            break
        way = way.model_copy(update={"ceiling_dbtp": way.ceiling_dbtp - over - 0.1})
        louder = [*made_louder(sound, way)]
    return Encoded(before, level)


def _level(span: MixedSpan, louder: Iterable[Samples], way: Way) -> Level:
    return level_of(louder, span.lead, span.own, way.ceiling_dbtp)


def _decoded_level(path: Path) -> Level:
    with av.open(f"file:{path}", "r", format="aac") as media:
        planes = [np.asarray(frame.to_ndarray(), np.float32) for frame in media.decode(audio=0)]
    # The first frame sounds before the span begins; without it the blocks lie as the film's.
    heard = np.concatenate([np.zeros((2, 0), np.float32), *planes[1:]], axis=1)
    return level_of(blocks_of(np.ascontiguousarray(heard.T)), 0)


def _mix(span: MixedSpan, files: Mapping[str, Path], pause: Pause) -> Samples:
    sound, reached = np.empty((span.part.length, 2), np.float32), 0
    for stems in mixed(span.part, files):
        pause()
        block = bus_of(stems, "mix")
        sound[reached : reached + len(block)] = block
        reached += len(block)
    return sound


def _between(blocks: Iterable[Samples], start: int, stop: int) -> Iterator[Samples]:
    place = 0
    for block in blocks:
        kept = block[max(0, start - place) : max(0, stop - place)]
        place += len(block)
        if len(kept):
            yield kept


def write_sound(
    score: Score,
    files: Mapping[str, Path],
    way: Way,
    outputs: Mapping[Bus, Path],
    pause: Pause,
) -> None:
    """Write the mix or stems of a whole film in a way, as WAV of 32-bit floats.

    Stems are changed sample by sample as the mix is, so that they still add up to it. A failure
    leaves no file. Raises BadMedia and MediaToolFailed.
    """
    with ExitStack() as stack:
        writers = {bus: stack.enter_context(wav_writer(path)) for bus, path in outputs.items()}
        gains = gains_of((bus_of(stems, "mix") for stems in mixed(score, files)), way)
        for stems, gain in zip(mixed(score, files), gains, strict=True):
            pause()
            for bus, write in writers.items():
                write(bus_of(stems, bus) * gain.astype(np.float32)[:, np.newaxis])
