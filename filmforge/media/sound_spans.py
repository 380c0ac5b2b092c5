"""Which frames of a film's AAC belong together, and which samples each such span must hear.

Frame k of AAC spans the samples (k - 1) * 1024 to (k + 1) * 1024 of the film, so the first one
reaches back before its beginning. All places are in samples of 48 kHz or in these frames.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from filmforge.fields import Frozen

FRAME = 1_024
# The encoder chooses a frame's windows by what it hears up to one frame later and remembers of
# three before. A frame more on either side is for safety.
PRE_ROLL = 4
POST_ROLL = 2

# 9.6 s: whole frames of AAC that are whole tenths of a second too, in which loudness is measured.
SPAN_FRAMES = 450
_Sample = Annotated[int, Field(ge=0)]
_Samples = Annotated[int, Field(ge=1)]


class Extract(Frozen):
    """`samples` of a sound from `offset` on; `source` is the name it goes by, such as a digest."""

    source: Annotated[str, Field(min_length=1, max_length=200)]
    offset: _Sample = 0
    samples: _Samples


class SoundSpan(Frozen):
    """Frames `first` to `stop` of a film whose sound has `length` samples."""

    first: Annotated[int, Field(ge=0)]
    stop: int
    length: _Samples

    @model_validator(mode="after")
    def _lies_in_the_film(self) -> Self:
        if not self.first < self.stop <= film_frames(self.length):
            raise ValueError(
                f"frames {self.first} to {self.stop} are not in a film of "
                f"{film_frames(self.length)}: ask for at least one of its frames"
            )
        return self

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.stop - self.first

    @property
    def skipped(self) -> int:
        """Frames that are encoded before its first one and not kept."""
        return min(self.first, PRE_ROLL)

    @property
    def heard(self) -> tuple[int, int]:
        """The film's samples it is encoded from, its neighbourhood included."""
        stop = (self.stop + POST_ROLL) * FRAME
        return (self.first - self.skipped) * FRAME, min(self.length, stop)


def film_frames(length: int) -> int:
    """How many frames a film of `length` samples has."""
    return -(-length // FRAME) + 1


def even_spans(length: int, frames: int = SPAN_FRAMES) -> list[SoundSpan]:
    """A whole film in spans of `frames`, 9.6 s each unless told, the last one shorter."""
    total = film_frames(length)
    starts = range(0, total, frames)
    return [SoundSpan(first=at, stop=min(total, at + frames), length=length) for at in starts]


def shot_spans(shots: Sequence[int]) -> list[SoundSpan]:
    """A film of shots joined by cuts, given their lengths: interiors, and seams around the cuts."""
    places = [*accumulate(shots, initial=0)]
    length = places[-1]
    inside = (interior(start, stop, length) for start, stop in pairwise(places))
    return with_seams((span for span in inside if span), length)


def interior(start: int, stop: int, length: int) -> SoundSpan | None:
    """The most frames that hear nothing but the samples `start` to `stop` of a film.

    They can be encoded before anything else of the film is there: what is heard depends on
    `length` only where the film ends.
    """
    first = -(-start // FRAME) + PRE_ROLL if start else 0
    end = stop // FRAME - POST_ROLL if stop < length else film_frames(length)
    return SoundSpan(first=first, stop=end, length=length) if first < end else None


def with_seams(interiors: Iterable[SoundSpan], length: int) -> list[SoundSpan]:
    """These spans, which are in order and apart, and what lies between: all frames of a film."""
    return list(_filled(interiors, length))


def _filled(interiors: Iterable[SoundSpan], length: int) -> Iterator[SoundSpan]:
    reached = 0
    for span in interiors:
        if reached < span.first:
            yield SoundSpan(first=reached, stop=span.first, length=length)
        yield span
        reached = span.stop
    if reached < film_frames(length):
        yield SoundSpan(first=reached, stop=film_frames(length), length=length)


def heard_in(span: SoundSpan, sounds: Iterable[Extract]) -> list[Extract]:
    """What a span hears of sounds that make up the film, one after the other."""
    start, stop = span.heard
    return list(_between(sounds, start, stop))


def _between(sounds: Iterable[Extract], start: int, stop: int) -> Iterator[Extract]:
    place = 0
    for sound in sounds:
        first, last = max(start, place), min(stop, place + sound.samples)
        if first < last:
            offset = sound.offset + first - place
            yield Extract(source=sound.source, offset=offset, samples=last - first)
        place += sound.samples
