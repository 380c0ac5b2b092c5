"""Play the entries of a score: each source from where it is first heard, lap by lap in a loop."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from filmforge.errors import BadMedia
from filmforge.media.envelope import Envelope, amplitude, fade
from filmforge.media.listen import Samples, SoundReader, sound_samples
from filmforge.media.sample_clock import SAMPLE_RATE
from filmforge.media.score import STEM_OF, Entry, Score, Stem

_SLACK = SAMPLE_RATE // 10
_SHORTEST_LOOP = SAMPLE_RATE // 2


class Lap(NamedTuple):
    """One run through a source, whose first sample lies at `first` in the score, its end at `last`.

    It rises and falls over its neighbours in a loop.
    """

    first: int
    last: int
    rise: int = 0
    fall: int = 0


class Play:
    """What is heard of one lap of an entry, from sample `start` of the score to `stop`."""

    def __init__(self, order: int, entry: Entry, lap: Lap, score: Score, path: Path) -> None:
        self.order = (order, lap.first)
        self.stem: Stem = STEM_OF[entry.role]
        self.start = max(lap.first, entry.start, 0)
        self.stop = min(lap.last, entry.stop, score.length)
        self._entry, self._lap, self._path = entry, lap, path
        self._gain = amplitude(entry.gain_db)
        self._ducked = 1.0 - amplitude(score.ducking.depth_db(entry.role))
        self._reader: SoundReader | None = None

    def add_to(self, stem: Samples, block: int, level: Envelope | None) -> None:
        """Add what it sounds like in the block that begins at sample `block` of the score.

        `level` is how much dialogue there is in the block, None for none. Blocks come in order.
        Raises BadMedia.
        """
        begin, end = max(self.start, block), min(self.stop, block + len(stem))
        if begin < end:
            near = None if level is None else level[begin - block : end - block]
            stem[begin - block : end - block] += self._heard(end - begin) * self._gains(
                begin, end, near
            )

    def close(self) -> None:
        """Close the file."""
        if self._reader:
            self._reader.close()

    def _heard(self, count: int) -> Samples:
        with _naming(self._entry.source):
            if self._reader is None:
                self._reader = SoundReader(self._path, self.start - self._lap.first)
            samples = self._reader.take(count)
            if self._reader.lacking > _SLACK:
                wanted_s = (self.stop - self._lap.first) / SAMPLE_RATE
                raise BadMedia(f"its sound ends before {wanted_s:.2f} s: play less of it")
        return samples

    def _gains(self, begin: int, end: int, level: Envelope | None) -> Samples | np.float32:
        entry, lap = self._entry, self._lap
        faded = fade(begin, end, entry.start, entry.stop, entry.fade_in, entry.fade_out)
        seams = fade(begin, end, *lap)
        ducked = None if level is None or not self._ducked else 1.0 - self._ducked * level
        parts = [part for part in (faded, seams, ducked) if part is not None]
        if not parts:
            return np.float32(self._gain)
        together = np.prod(parts, axis=0) * self._gain
        return np.asarray(together, np.float32)[:, np.newaxis]


def plays(score: Score, files: Mapping[str, Path], stems: Collection[Stem]) -> Iterator[Play]:
    """Everything heard in these stems. Raises BadMedia for a loop whose source is no use."""
    for order, entry in enumerate(score.entries):
        if STEM_OF[entry.role] in stems:
            path = files[entry.source]
            for lap in _laps(entry, path):
                play = Play(order, entry, lap, score, path)
                if play.start < play.stop:
                    yield play


def _laps(entry: Entry, path: Path) -> Iterator[Lap]:
    base = entry.start - entry.offset
    if not entry.loop:
        yield Lap(base, entry.stop)
        return
    with _naming(entry.source):
        length = sound_samples(path)
        if length < _SHORTEST_LOOP:
            raise BadMedia(
                f"a loop needs {_SHORTEST_LOOP / SAMPLE_RATE} s of sound, "
                f"it has {length / SAMPLE_RATE:.2f} s"
            )
    seam = min(entry.seam, length // 2)
    period = length - seam
    first = max(0, (entry.offset - length) // period)
    for number in range(first, (entry.offset + entry.length) // period + 1):
        begins = base + number * period
        yield Lap(begins, begins + length, seam if number else 0, seam)


@contextmanager
def _naming(source: str) -> Iterator[None]:
    try:
        yield
    except BadMedia as error:
        raise BadMedia(f"{source}: {error}") from None
