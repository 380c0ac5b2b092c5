"""Where every sound of a film lies on its clock of 48,000 samples a second.

A part of a score is a score itself: equal parts sound equal wherever they lie in a film, so a
part's `model_dump(mode="json")` is the whole recipe of its mix.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from filmforge.fields import Frozen

Role = Literal["dialogue", "production", "effects", "ambience", "music"]
Stem = Literal["dialogue", "effects", "music"]
Span = tuple[int, int]

STEM_OF: dict[Role, Stem] = {
    "dialogue": "dialogue",
    "production": "effects",
    "effects": "effects",
    "ambience": "effects",
    "music": "music",
}
STEMS: tuple[Stem, ...] = ("dialogue", "effects", "music")

Samples = Annotated[int, Field(ge=0)]
DuckingDb = Annotated[float, Field(ge=-60, le=0, allow_inf_nan=False)]


class Entry(Frozen):
    """One sound of the film, all times in samples.

    `source` is the name its file goes by, its digest for instance; `start` counts from the score's
    beginning, below 0 when it began before; `offset` is what is skipped of the source. Fades are
    of equal power, so neighbours that overlap by a fade of the same length crossfade. A sound that
    loops overlaps itself by `seam` samples, or half of itself when it is shorter than two seams.
    """

    role: Role
    source: Annotated[str, Field(min_length=1, max_length=200)]
    start: int
    offset: Samples = 0
    length: Annotated[int, Field(ge=1)]
    gain_db: Annotated[float, Field(ge=-100, le=40, allow_inf_nan=False)] = 0.0
    fade_in: Samples = 0
    fade_out: Samples = 0
    loop: bool = False
    seam: Samples = 480

    @property
    def stop(self) -> int:
        """The sample after its last one."""
        return self.start + self.length

    @model_validator(mode="after")
    def _fades_fit(self) -> Self:
        longest = max(self.fade_in, self.fade_out)
        if longest > self.length:
            raise ValueError(
                f"a fade of {longest} samples is longer than the sound, which has {self.length}: "
                "shorten the fade"
            )
        return self

    def between(self, start: int, stop: int) -> "Entry":
        """What of it sounds from `start` to `stop`, on a clock that begins at `start`.

        What was faded in before, or will be faded out after, is left out.
        """
        rises = self.start + self.fade_in > start
        falls = self.stop - self.fade_out < stop
        # A fade that reaches into the span keeps its whole length.
        first = self.start if rises else min(start, self.stop - self.fade_out)
        last = self.stop if falls else max(stop, self.start + self.fade_in)
        return self.model_copy(
            update={
                "start": first - start,
                "offset": self.offset + first - self.start,
                "length": last - first,
                "fade_in": self.fade_in if rises else 0,
                "fade_out": self.fade_out if falls else 0,
            }
        )


class Ducking(Frozen):
    """How far sounds are lowered under dialogue, in dB, and how fast, in samples.

    The ramp down ends as dialogue begins, the ramp up begins as it ends; between two lines that
    would leave less than `hold` at full level everything stays low.
    """

    music_db: DuckingDb = -12.0
    ambience_db: DuckingDb = -6.0
    production_db: DuckingDb = -8.0
    attack: Annotated[int, Field(ge=1)] = 12_000
    release: Annotated[int, Field(ge=1)] = 28_800
    hold: Samples = 48_000

    def depth_db(self, role: Role) -> float:
        """By how many dB a role is lowered under dialogue."""
        depths: dict[Role, float] = {
            "music": self.music_db,
            "ambience": self.ambience_db,
            "production": self.production_db,
        }
        return depths.get(role, 0.0)


class Score(Frozen):
    """The sounds of a film or a part of it; `speech` is where sounds are ducked, in order."""

    entries: tuple[Entry, ...]
    length: Annotated[int, Field(ge=1)]
    speech: tuple[Span, ...] = ()
    ducking: Ducking = Ducking()

    @classmethod
    def of(cls, entries: Sequence[Entry], length: int, ducking: Ducking | None = None) -> Self:
        """The score of a whole film of `length` samples."""
        ducking = ducking or Ducking()
        heard = tuple(entry for entry in entries if entry.start < length and entry.stop > 0)
        speech = _speech(heard, length, ducking.attack + ducking.hold + ducking.release)
        return cls(entries=heard, length=length, speech=speech, ducking=ducking)

    def part(self, start: int, stop: int) -> Self:
        """The score of the samples from `start` to `stop`: what touches them, and nothing else."""
        return next(self.parts([start, stop]))

    def parts(self, boundaries: Sequence[int]) -> Iterator[Self]:
        """The score of each part between neighbouring boundaries, which ascend."""
        touching: list[list[Entry]] = [[] for _ in boundaries[1:]]
        for entry in self.entries:
            first = max(0, bisect_right(boundaries, entry.start) - 1)
            for index in range(first, min(bisect_left(boundaries, entry.stop), len(touching))):
                touching[index].append(entry)
        for entries, (start, stop) in zip(touching, pairwise(boundaries), strict=True):
            yield self._part(entries, start, stop)

    def _part(self, entries: Sequence[Entry], start: int, stop: int) -> Self:
        ducked = any(self.ducking.depth_db(entry.role) for entry in entries)
        speech = self._speech_near(start, stop) if ducked else ()
        return type(self)(
            entries=tuple(entry.between(start, stop) for entry in entries),
            length=stop - start,
            speech=speech,
            ducking=self.ducking if speech else Ducking(),
        )

    def _speech_near(self, start: int, stop: int) -> tuple[Span, ...]:
        """The speech whose ramps reach into a part, without what can't be told from inside it."""
        first = bisect_right(self.speech, start - self.ducking.release, key=lambda span: span[1])
        last = bisect_left(self.speech, stop + self.ducking.attack, key=lambda span: span[0])
        return tuple(
            (min(max(begin, start), end) - start, max(min(end, stop), begin) - start)
            for begin, end in self.speech[first:last]
        )


def _speech(entries: Sequence[Entry], length: int, least_gap: int) -> tuple[Span, ...]:
    """Where dialogue is, lines closer to each other than `least_gap` taken as one."""
    joined: list[Span] = []
    for entry in sorted(entries, key=lambda entry: entry.start):
        if entry.role != "dialogue":
            continue
        span = (max(0, entry.start), min(entry.stop, length))
        if joined and span[0] - joined[-1][1] < least_gap:
            joined[-1] = (joined[-1][0], max(joined[-1][1], span[1]))
        else:
            joined.append(span)
    return tuple(joined)
