"""Find where one shot becomes another: cuts, dissolves, and fades through black or white.

PySceneDetect's detectors find cuts and fades; they are given frames decoded here, so that it
opens no file. It has none for dissolves: a dissolve is known by its middle frames, which are the
mixture of the frames at its ends.
"""

from collections import deque
from collections.abc import Iterable
from fractions import Fraction
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scenedetect.common import FrameTimecode
from scenedetect.detectors import AdaptiveDetector, ThresholdDetector

Picture = NDArray[np.uint8]
Thumb = NDArray[np.float32]
Kind = Literal["cut", "dissolve", "fade"]

LEAST_SHOT_S = Fraction(1, 8)
_THUMB = (64, 36)
_FADED = {ThresholdDetector.Method.FLOOR: 8, ThresholdDetector.Method.CEILING: 245}
_WITHOUT_LIGHT = 6.0
_AROUND = 2
_AFTER = 4
_FLASH = 0.35
_DISSOLVE_S = (Fraction(1, 4), Fraction(2, 5), Fraction(3, 5), Fraction(1), Fraction(3, 2))
_DISSOLVE_CHANGE = 10.0
_DISSOLVE_ERROR = 0.2
_ALIKE = 0.8
_TEXTURE = 4.0


class Change(NamedTuple):
    """A shot begins at `frame`; `first` and `last` are the frames that its transition touches.

    `confidence` is a measured share. Of a cut: of the change at it, what the motion around it
    does not explain; of a dissolve: what the mixture of its ends explains; of a fade: of the
    light, what went away.
    """

    frame: int
    kind: Kind
    confidence: float
    first: int
    last: int


class ShotChanges:
    """Takes the frames of a film in order; holds two seconds of thumbnails, and what it found."""

    def __init__(self, fps: Fraction) -> None:
        self._fps = fps
        least = max(2, round(LEAST_SHOT_S * fps))
        self._detector = AdaptiveDetector(min_scene_len=least)
        self._fades = [_Fades(method, least) for method in ThresholdDetector.Method]
        self._dissolves = _Dissolves(fps)
        self._thumbs = _Thumbs(2 * round(fps) + 2 * _AFTER)
        self._pending: deque[int] = deque()
        self._cuts: list[Change] = []

    def add(self, frame: int, picture: Picture) -> None:
        """See the next frame as BGR, of shape (height, width, 3)."""
        stamp = FrameTimecode(frame, self._fps)
        self._thumbs.add(frame, picture)
        self._pending.extend(cut.frame_num for cut in self._detector.process_frame(stamp, picture))
        for fades in self._fades:
            fades.add(stamp, picture)
            if fades.ended_at(frame - _AFTER) and self._is_flash(*fades.ends):
                fades.forget()
        self._dissolves.add(frame, self._thumbs)
        while self._pending and self._pending[0] + _AFTER <= frame:
            self._judge(self._pending.popleft())

    def found(self) -> list[Change]:
        """The changes in order, once the last frame was added."""
        for cut in self._pending:
            self._judge(cut)
        self._pending.clear()
        fades = [fade.at_its_cut(self._cuts) for each in self._fades for fade in each.found]
        cuts = _apart_from(self._cuts, fades)
        sharp = sorted([*fades, *cuts])
        return sorted([*sharp, *_apart_from(self._dissolves.found(), sharp)])

    def _is_flash(self, first: int, last: int) -> bool:
        """Whether the shot goes on after a cut or fade as it was before."""
        before, after = first - 1, min(last + _AFTER, self._thumbs.newest)
        return self._thumbs.change(before, after) < _FLASH * self._thumbs.change(before, last - 1)

    def _judge(self, cut: int) -> None:
        """Keep a cut unless it is a flash."""
        if self._is_flash(cut, cut + 1):
            return
        change = self._thumbs.change(cut - 1, cut)
        around = [
            self._thumbs.change(frame - 1, frame)
            for frame in range(cut - _AROUND, min(cut + _AROUND, self._thumbs.newest) + 1)
            if frame != cut
        ]
        stirred = float(np.mean(around)) / max(change, 0.01)
        self._cuts.append(Change(cut, "cut", round(max(0.0, 1 - stirred), 3), cut - 1, cut))


def _apart_from(changes: Iterable[Change], others: list[Change]) -> list[Change]:
    return [
        change
        for change in changes
        if not any(
            other.first - 1 <= change.last and change.first <= other.last + 1 for other in others
        )
    ]


class _Thumbs:
    """The last few pictures, small and grey."""

    def __init__(self, most: int) -> None:
        self._held: deque[Thumb] = deque(maxlen=most)
        self.newest = -1

    def add(self, frame: int, picture: Picture) -> None:
        small = Image.fromarray(picture).resize(_THUMB, Image.Resampling.BOX)
        self._held.append(np.asarray(small, np.float32).mean(axis=2))
        self.newest = frame

    def has(self, frame: int) -> bool:
        return 0 <= self.newest - frame < len(self._held)

    def at(self, frame: int) -> Thumb:
        return self._held[len(self._held) - 1 - (self.newest - frame)]

    def change(self, before: int, after: int) -> float:
        if not self.has(before):
            return 0.0
        return float(np.abs(self.at(after) - self.at(before)).mean())


class _Fade(NamedTuple):
    """A fade, and the frames from the first one without light up to the first with it again."""

    change: Change
    out: int
    into: int

    def at_its_cut(self, cuts: Iterable[Change]) -> Change:
        """A fade on one side only ends, or begins, with a cut: then the shot begins there."""
        near = [cut.frame for cut in cuts if self.out - 1 <= cut.frame <= self.into + 1]
        return self.change._replace(frame=near[-1]) if near else self.change


class _Fades:
    """Fades through one colour: to black below its threshold, to white above."""

    def __init__(self, method: ThresholdDetector.Method, least: int) -> None:
        self._detector = ThresholdDetector(_FADED[method], least, method=method)
        self._is_black = method is ThresholdDetector.Method.FLOOR
        self._out: int | None = None
        self._dimming_since = self._dimmed_from = 0
        self._brightening = False
        self._light = self._most = self._least = 0.0
        self.found: list[_Fade] = []

    def add(self, stamp: FrameTimecode, picture: Picture) -> None:
        level = float(picture.mean())
        light = level if self._is_black else 255 - level
        changes = self._detector.process_frame(stamp, picture)
        self._follow(stamp.frame_num, light)
        # A film that opens out of a colour has no shot before it.
        if changes and self._out and self._least <= _WITHOUT_LIGHT:
            self._end(changes[0].frame_num, self._out, stamp.frame_num)
        if self._detector.last_fade["type"] == "in":
            self._out, self._most = None, max(self._most, light)
        elif self._out is None:
            self._out, self._least = stamp.frame_num, light
        self._least = min(self._least, light)
        self._light = light

    @property
    def ends(self) -> tuple[int, int]:
        """Where the last fade begins, and its first frame with light again."""
        return self.found[-1].change.first, self.found[-1].into

    def ended_at(self, frame: int) -> bool:
        """Whether the last fade let the light in at this frame."""
        return bool(self.found) and self.found[-1].into == frame

    def forget(self) -> None:
        """Take the last fade for none."""
        self.found.pop()
        self._brightening = False

    def _end(self, middle: int, out: int, into: int) -> None:
        gone = round(1 - self._least / max(self._most, 1.0), 3)
        first = min(self._dimmed_from, out)
        self.found.append(_Fade(Change(middle, "fade", max(0.0, gone), first, into), out, into))
        self._brightening = True

    def _follow(self, frame: int, light: float) -> None:
        """Know where the dimming began, and reach to where the brightening ends."""
        if self._out is None:
            if light >= self._light:
                self._dimming_since = frame
            self._dimmed_from = self._dimming_since
        if self._brightening and light > self._light:
            fade = self.found[-1]
            self.found[-1] = fade._replace(change=fade.change._replace(last=frame))
        else:
            self._brightening = False


class _Dissolves:
    """Windows whose inner frames are the mixture of their ends, which are not alike."""

    def __init__(self, fps: Fraction) -> None:
        quarters = sorted({max(1, round(seconds * fps / 4)) for seconds in _DISSOLVE_S})
        self._windows = [4 * quarter for quarter in quarters]
        self._group: list[tuple[int, int, float]] = []
        self._found: list[Change] = []

    def add(self, frame: int, thumbs: _Thumbs) -> None:
        for window in self._windows:
            if thumbs.has(frame - window):
                error = _mixture_error(thumbs, frame - window, frame)
                if error <= _DISSOLVE_ERROR:
                    self._group.append((window, frame, error))
        if self._group and frame - self._group[-1][1] > self._windows[-1] // 2:
            self._close()

    def found(self) -> list[Change]:
        self._close()
        return self._found

    def _close(self) -> None:
        """The longest window fits best; where several do, the dissolve is in their middle."""
        if not self._group:
            return
        window = max(window for window, _, _ in self._group)
        ends = [frame for length, frame, _ in self._group if length == window]
        error = min(error for length, _, error in self._group if length == window)
        middle = (ends[0] + ends[-1] - window + 1) // 2
        # A dissolve longer than the longest window reaches from the first one to the last.
        self._found.append(
            Change(middle, "dissolve", round(1 - error, 3), ends[0] - window, ends[-1])
        )
        self._group = []


def _mixture_error(thumbs: _Thumbs, first: int, last: int) -> float:
    """How far the quarters of a window are from the mixture of its ends; 1 where it is none."""
    start, end = thumbs.at(first), thumbs.at(last)
    change = float(np.abs(end - start).mean())
    if change < _DISSOLVE_CHANGE or min(start.std(), end.std()) < _TEXTURE:
        return 1.0
    if float(np.corrcoef(start.ravel(), end.ravel())[0, 1]) > _ALIKE:
        return 1.0
    errors = []
    for quarter in (1, 2, 3):
        mixed = start + (end - start) * np.float32(quarter / 4)
        shown = thumbs.at(first + (last - first) * quarter // 4)
        errors.append(float(np.abs(shown - mixed).mean()) / change)
    return max(errors)
