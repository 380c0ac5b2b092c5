"""The rhythm of a reference film, and what a film's shots would be cut to if they took it on."""

import time
from array import array
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Annotated, Literal

import av
import numpy as np
from pydantic import Field

from filmforge.domain import Kind
from filmforge.errors import BadInput, BadMedia
from filmforge.fields import Frozen, Identifier, Rate
from filmforge.media.picture_checks import within
from filmforge.media.probe import Limits, verify
from filmforge.media.shot_changes import Change, Picture, ShotChanges
from filmforge.media.sniff import open_media
from filmforge.transition import Trim

REFERENCE_LIMITS = Limits(
    max_bytes=4_000_000_000, max_pixels=9_000_000, max_duration_s=3_600, decode_s=60
)
PATIENCE_S = 1_800.0
_MAX_FRAMES = 500_000
_NEAR = Fraction(1, 5_000)
_NTSC = Fraction(1000, 1001)
_FINEST = 1001

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


def rhythm(
    path: Path,
    limits: Limits = REFERENCE_LIMITS,
    patience_s: float = PATIENCE_S,
    stop: Event | None = None,
) -> Rhythm:
    """Decode a film once and find its shots. Raises BadMedia, also once `stop` is set."""
    facts = verify(path, Kind.VIDEO, limits)
    fps = _nominal(facts.fps)
    changes = ShotChanges(fps)
    clock = _Clock(fps, time.monotonic() + patience_s, stop or Event())
    for frame, picture in enumerate(_pictures(path, clock)):
        changes.add(frame, picture)
    if not clock.frames:
        raise BadMedia("no picture can be decoded from the file")
    return _counted(fps, clock, changes.found())


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


class _Clock:
    """When each frame is shown: eight bytes a frame, so that any rate can be told exactly."""

    def __init__(self, fps: Fraction, deadline: float, stop: Event) -> None:
        self._fps = fps
        self._deadline = deadline
        self._stop = stop
        self._times = array("q")
        self.tick = Fraction(0)

    @property
    def frames(self) -> int:
        """How many frames the film has at its rate."""
        return self.frame(len(self._times) - 1) + 1 if self._times else 0

    def frame(self, index: int) -> int:
        """The frame at the film's rate that a decoded one stands for."""
        return round((self._times[index] - self._times[0]) * self.tick * self._fps)

    def show(self, time_: int) -> bool:
        """Note the next frame; whether it comes after the last. Raises BadMedia."""
        if self._stop.is_set():
            raise BadMedia("the search for shots was stopped")
        if time.monotonic() > self._deadline or len(self._times) >= _MAX_FRAMES:
            raise BadMedia("the film takes too long to decode: make it shorter or smaller")
        if self._times and time_ <= self._times[-1]:
            return False
        self._times.append(time_)
        return True


def _pictures(path: Path, clock: _Clock) -> Iterator[Picture]:
    """Every frame in order, small, as BGR. Raises BadMedia."""
    with open_media(path) as media:
        video = media.streams.video[0]
        clock.tick = Fraction(video.time_base or 1)
        size = within(video.codec_context.width, video.codec_context.height)
        try:
            for frame in media.decode(video):
                if frame.pts is not None and clock.show(frame.pts):
                    small = frame.reformat(*size, format="bgr24", interpolation="AREA")
                    yield np.asarray(small.to_ndarray(), np.uint8)
        except av.FFmpegError as error:
            raise BadMedia(f"the film is damaged: {error.strerror}") from None


def _nominal(fps: Fraction | None) -> Fraction:
    """The rate that was meant: containers with rounded times only come near it."""
    if not fps or not 1 <= fps <= 120:
        raise BadMedia("the film has no frame rate between 1 and 120")
    for rate in (Fraction(round(fps)), round(fps / _NTSC) * _NTSC):
        if abs(fps / rate - 1) < _NEAR:
            return rate
    return min(max(fps.limit_denominator(_FINEST), Fraction(1)), Fraction(120))


def _counted(fps: Fraction, clock: _Clock, changes: Sequence[Change]) -> Rhythm:
    starts = [(0, None), *((clock.frame(change.frame), change) for change in changes)]
    ends = [start for start, _ in starts[1:]] + [clock.frames]
    beats = tuple(
        Beat(
            start=start,
            frames=end - start,
            by=change.kind if change else None,
            confidence=change.confidence if change else 1.0,
        )
        for (start, change), end in zip(starts, ends, strict=True)
        if end > start
    )
    minutes = [int(beat.start / fps / 60) for beat in beats]
    sure = [change.confidence for change in changes] or [1.0]
    return Rhythm(
        fps=fps,
        frames=clock.frames,
        beats=beats,
        average_s=round(float(clock.frames / fps / len(beats)), 3),
        per_minute=tuple(minutes.count(m) for m in range(int((clock.frames - 1) / fps / 60) + 1)),
        confidence=round(sum(sure) / len(sure), 3),
    )
