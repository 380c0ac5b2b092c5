"""The rhythm of a reference film: where each of its shots begins."""

import time
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from threading import Event

import av
import numpy as np

from filmforge.domain import Kind
from filmforge.errors import BadMedia
from filmforge.media.picture_checks import within
from filmforge.media.probe import Limits, verify
from filmforge.media.shot_changes import Change, Picture, ShotChanges
from filmforge.media.sniff import open_media
from filmforge.media.tempo import Beat, Rhythm

REFERENCE_LIMITS = Limits(
    max_bytes=4_000_000_000, max_pixels=9_000_000, max_duration_s=3_600, decode_s=60
)
PATIENCE_S = 1_800.0
_MAX_FRAMES = 500_000
_NEAR = Fraction(1, 5_000)
_NTSC = Fraction(1000, 1001)
_FINEST = 1001


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
