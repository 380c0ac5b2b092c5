"""The tempo of a reference film, and what a film's shots would be cut to if they took it on."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from filmforge.errors import BadInput
from filmforge.fields import Frozen, Identifier, Rate
from filmforge.transition import Trim

Mapping = Literal["scaled", "cyclic"]
Frames = Annotated[int, Field(ge=1)]


class Beat(Frozen):
    """One shot of the reference: where it begins and how long it is, in frames.

    `by` is what brings it in, with the confidence of that; None for the first.
    """

    start: Annotated[int, Field(ge=0)]
    frames: Frames
    by: Literal["cut", "dissolve", "fade"] | None = None
    confidence: float = 1.0


class Rhythm(Frozen):
    """A film's shots in frames of an exact rate.

    `per_minute` counts the shots that begin in each minute; `confidence` is the mean of the
    changes', 1 for a film of one shot. Of a film without a constant rate the frames are those
    that it would have at its mean rate.
    """

    fps: Rate
    frames: Frames
    beats: Annotated[tuple[Beat, ...], Field(min_length=1)]
    average_s: float
    per_minute: tuple[int, ...]
    confidence: float


class Material(Frozen):
    """A shot of the film: `frames` is all there is of it, `least` what it must keep."""

    shot_id: Identifier
    frames: Frames
    least: Frames = 1


class Suggestion(Frozen):
    """What a shot would be cut to; `wanted` is its length if there were enough material."""

    shot_id: Identifier
    frames: int
    wanted: int
    trim: Trim


def apply_rhythm(
    shots: Sequence[Material], rhythm: Rhythm, fps: Fraction, mapping: Mapping = "scaled"
) -> tuple[Suggestion, ...]:
    """New lengths for a film's shots, in its own frames; nothing is made anew or paid for.

    "cyclic" gives each shot the length of the reference's next shot, from the first again after
    the last. "scaled" lays the whole reference over the whole film: a shot takes the mean length
    of the reference's shots at the same part of it, and all are stretched by the one factor with
    which the film's mean shot is as long as theirs, as far as the material allows. No shot grows
    beyond its material or shrinks below its least; what is too much is cut off its end.
    Raises BadInput when there are no shots or one must keep more than there is.
    """
    _check_materials(shots)
    lengths = [beat.frames / rhythm.fps * fps for beat in rhythm.beats]
    wanted = (
        [lengths[index % len(lengths)] for index in range(len(shots))]
        if mapping == "cyclic"
        else _scaled(shots, _resampled(lengths, len(shots)))
    )
    return tuple(
        _suggestion(shot, length, fps) for shot, length in zip(shots, _whole(wanted), strict=True)
    )


def _check_materials(shots: Sequence[Material]) -> None:
    if not shots:
        raise BadInput("shots", "there are none", "Give at least one shot.")
    for index, shot in enumerate(shots):
        if shot.least > shot.frames:
            raise BadInput(
                f"shots[{index}].least",
                f"{shot.least} frames are to be kept of {shot.frames}",
                "Keep at most what there is.",
            )


def _resampled(lengths: Sequence[Fraction], count: int) -> list[Fraction]:
    """The mean length over each of `count` equal parts of a row of lengths."""
    ends = [Fraction(0)]
    for length in lengths:
        ends.append(ends[-1] + length)

    def up_to(place: Fraction) -> Fraction:
        whole = int(place)
        part = place - whole
        return ends[whole] + (lengths[whole] * part if part else 0)

    part = Fraction(len(lengths), count)
    return [(up_to((i + 1) * part) - up_to(i * part)) / part for i in range(count)]


def _scaled(shots: Sequence[Material], wanted: Sequence[Fraction]) -> list[Fraction]:
    """The wanted lengths times the factor with which their sum is kept within the bounds."""
    total = float(sum(wanted))
    low, high = 0.0, max(shot.frames / float(w) for shot, w in zip(shots, wanted, strict=True))
    for _ in range(60):
        factor = (low + high) / 2
        bounded = sum(
            min(max(factor * float(want), shot.least), shot.frames)
            for shot, want in zip(shots, wanted, strict=True)
        )
        low, high = (factor, high) if bounded < total else (low, factor)
    return [Fraction(high).limit_denominator(1_000_000) * want for want in wanted]


def _whole(lengths: Sequence[Fraction]) -> Iterator[int]:
    """Whole frames that never drift from the exact sum by more than half of one."""
    end = Fraction(0)
    for length in lengths:
        start, end = end, end + length
        yield int(end + Fraction(1, 2)) - int(start + Fraction(1, 2))


def _suggestion(shot: Material, wanted: int, fps: Fraction) -> Suggestion:
    frames = min(max(wanted, shot.least), shot.frames)
    off = Fraction(shot.frames - frames) / fps
    cut_off = (Decimal(off.numerator) / off.denominator).quantize(Decimal("0.001"))
    return Suggestion(shot_id=shot.shot_id, frames=frames, wanted=wanted, trim=Trim(end=cut_off))
