"""Watch a picture frame by frame: where it is black, where it stands still, what frames it."""

from fractions import Fraction
from typing import Annotated, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from PIL import Image
from pydantic import PlainSerializer

from filmforge.fields import Frozen
from filmforge.media.spans import Seen, joined

Luma = NDArray[np.uint8]
Blocks = NDArray[np.float32]

_ACROSS = 256

# Luma is full range here: 0 is black, 255 white.
_DARK = 14
_BLACK_SHARE = 0.995
_STILL_MEAN = 0.5
_STILL_ANYWHERE = 4.0
_BLOCKS_ACROSS = 64
_STILL_S = 1.0
_SAME_MEAN = 0.15
_MOVING_MEAN = 1.5
_APART = 36
_BAR = 12
_LIT = 24
_LIT_SHARE = 0.25
_UNEVEN = 0.02
_MAX_SPANS = 10_000


class Bars(Frozen):
    """How much of the picture black bars take on each side, as shares of its height or width."""

    top: float = 0.0
    bottom: float = 0.0
    left: float = 0.0
    right: float = 0.0


class PictureMeasures(Frozen):
    """What was seen. Sizes are as shown, times in seconds from the first frame.

    `fps` is what the timestamps come to; `declared` is how many frames the file claims to have,
    None where it doesn't say. `repeated` counts lone frames equal to the one before in the midst
    of motion, `lost` the frames that gaps in the timestamps leave room for, `backwards` the
    timestamps that don't increase.
    """

    width: int
    height: int
    frames: int
    duration_s: float
    fps: Annotated[Fraction, PlainSerializer(str, return_type=str)] | None = None
    declared: int | None = None
    black: tuple[Seen, ...] = ()
    black_share: float = 0.0
    frozen: tuple[Seen, ...] = ()
    bars: Bars = Bars()
    repeated: int = 0
    lost: int = 0
    backwards: int = 0


class PictureWatch:
    """Takes the frames of one picture in order; its memory does not grow with their number.

    `interval` is the time from one frame to the next, in seconds, as the file declares it.
    """

    def __init__(self, interval: Fraction) -> None:
        self._interval = interval
        self._size = (0, 0)
        self._turned = False
        self._frames = 0
        self._dark_frames = 0
        self._first = Fraction(0)
        self._last = Fraction(0)
        self._lost = 0
        self._backwards = 0
        self._before: Luma | None = None
        self._brightest: Luma | None = None
        self._black = _Stretches()
        self._still = _Standstill()
        self._repeats = _Repeats()

    def add(self, frame: VideoFrame, at: Fraction) -> None:
        """See the next frame, shown `at` a time in seconds."""
        if not self._frames:
            self._size = (frame.width, frame.height)
            self._turned = frame.rotation % 180 != 0
            self._first = self._last = at
        elif at <= self._last:
            self._backwards += 1
            return
        else:
            self._lost += max(0, round((at - self._last) / self._interval) - 1)
        self._last = at
        self._frames += 1
        self._look(reduced(frame, within(*self._size)), float(at - self._first))

    def _look(self, luma: Luma, at: float) -> None:
        dark = black_share(luma) >= _BLACK_SHARE
        self._dark_frames += dark
        self._black.add(dark, at)
        self._still.add(luma, dark, at)
        if self._before is None or self._brightest is None:
            self._brightest = luma.copy()
        else:
            np.maximum(self._brightest, luma, out=self._brightest)
            self._repeats.add(change(self._before, luma))
        self._before = luma

    def measures(self, declared: int | None) -> PictureMeasures:
        """What was seen, once the last frame was added."""
        shown = self._last - self._first
        duration_s = float(shown + self._interval) if self._frames else 0.0
        return PictureMeasures(
            width=self._size[self._turned],
            height=self._size[not self._turned],
            frames=self._frames,
            duration_s=round(duration_s, 6),
            fps=(self._frames - 1) / shown if self._frames > 1 else None,
            declared=declared,
            black=self._black.ended(duration_s),
            black_share=self._dark_frames / max(1, self._frames),
            frozen=self._still.ended(duration_s),
            bars=bars_of(self._brightest) if self._brightest is not None else Bars(),
            repeated=self._repeats.stray,
            lost=self._lost,
            backwards=self._backwards,
        )


def picture_measures(picture: Image.Image) -> PictureMeasures:
    """What is seen in one picture; `black_share` is the share of its pixels."""
    size = within(picture.width, picture.height)
    luma = np.asarray(picture.convert("L").resize(size, Image.Resampling.BOX), np.uint8)
    return PictureMeasures(
        width=picture.width,
        height=picture.height,
        frames=1,
        duration_s=0.0,
        black_share=black_share(luma),
        bars=bars_of(luma),
    )


def reduced(frame: VideoFrame, size: tuple[int, int]) -> Luma:
    """A frame's luma in full range, of this width and height, each the mean of its area."""
    small = frame.reformat(*size, format="gray", interpolation="AREA")
    return np.asarray(small.to_ndarray(), np.uint8)


def change(before: Luma, after: Luma) -> float:
    """How much a pixel changes from one picture to another, in the mean."""
    return float(_apart(before, after).mean())


def black_share(luma: Luma) -> float:
    """The share of pixels that nobody can tell from black."""
    return float((luma <= _DARK).mean())


def bars_of(brightest: Luma) -> Bars:
    """The black bars around a picture, given the brightest that each pixel ever was.

    Bars are black all along, alike on both sides, and end at a sharp edge: a night sky is none.
    """
    top, bottom = _bars(brightest)
    left, right = _bars(brightest.T)
    return Bars(top=top, bottom=bottom, left=left, right=right)


def _bars(brightest: Luma) -> Seen:
    lines = len(brightest)
    lit = np.flatnonzero(brightest.max(axis=1) > _BAR)
    if not len(lit) or lit[0] == 0 or lit[-1] == lines - 1:
        return 0.0, 0.0
    first, last = int(lit[0]), lines - 1 - int(lit[-1])
    # The outermost line may lie half on the bar.
    edges = (brightest[first : first + 2], brightest[lines - last - 2 : lines - last])
    sharp = all((edge.max(axis=0) > _LIT).mean() >= _LIT_SHARE for edge in edges)
    if not sharp or abs(first - last) > max(1, lines * _UNEVEN):
        return 0.0, 0.0
    return first / lines, last / lines


def within(width: int, height: int) -> tuple[int, int]:
    """The size that pictures are looked at: at most 256 pixels across."""
    scale = max(1.0, max(width, height) / _ACROSS)
    return max(1, round(width / scale)), max(1, round(height / scale))


def _apart(before: Luma, after: Luma) -> Luma:
    # In bytes: twice as fast as the difference of wider integers.
    apart: Luma = np.maximum(before, after) - np.minimum(before, after)
    return apart


class _Stretches:
    """Where something holds, from frame to frame."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._spans: list[Seen] = []

    def add(self, holds: bool, at: float) -> None:
        if holds and self._since is None:
            self._since = at
        elif not holds and self._since is not None:
            self._end(at)

    def ended(self, at: float) -> tuple[Seen, ...]:
        if self._since is not None:
            self._end(at)
        return tuple(self._spans)

    def _end(self, at: float) -> None:
        if self._since is not None and len(self._spans) < _MAX_SPANS:
            self._spans.append((round(self._since, 3), round(at, 3)))
        self._since = None


class _Held(NamedTuple):
    blocks: Blocks
    since: float


class _Standstill:
    """Where the picture is the one at the beginning of the stretch, so that a slow pan moves.

    Black stretches are left out: they are told of as black.
    """

    def __init__(self) -> None:
        self._held: _Held | None = None
        self._spans: list[Seen] = []

    def add(self, luma: Luma, dark: bool, at: float) -> None:
        blocks = _blocks(luma)
        if self._held and not dark and _is_still(self._held.blocks, blocks):
            return
        self._end(at)
        self._held = None if dark else _Held(blocks, at)

    def ended(self, at: float) -> tuple[Seen, ...]:
        self._end(at)
        return joined(self._spans, 0.0)

    def _end(self, at: float) -> None:
        if self._held and at - self._held.since >= _STILL_S and len(self._spans) < _MAX_SPANS:
            self._spans.append((round(self._held.since, 3), round(at, 3)))


def _blocks(luma: Luma) -> Blocks:
    """Means of square blocks: what the encoder does to a standing picture evens out in them."""
    side = max(1, max(luma.shape) // _BLOCKS_ACROSS)
    down, across = (max(1, length // side) for length in luma.shape)
    whole = luma[: down * side, : across * side]
    blocks: Blocks = whole.reshape(down, -1, across, whole.shape[1] // across).mean(
        axis=(1, 3), dtype=np.float32
    )
    return blocks


def _is_still(before: Blocks, after: Blocks) -> bool:
    apart = np.abs(after - before)
    return bool(apart.max() <= _STILL_ANYWHERE and apart.mean() <= _STILL_MEAN)


class _Repeats:
    """Counts repeats that stand alone: those in a rhythm come from a clip of another rate."""

    def __init__(self) -> None:
        self.stray = 0
        self._changes: tuple[float, float] = (0.0, 0.0)
        self._frame = 0
        self._latest = -_APART
        self._counted = 0

    def add(self, moved: float) -> None:
        before, candidate = self._changes
        self._changes = (candidate, moved)
        self._frame += 1
        if candidate > _SAME_MEAN or min(before, moved) < _MOVING_MEAN:
            return
        alone = self._frame - self._latest > _APART
        # One that comes soon after another takes that one back.
        self.stray += 1 if alone else -self._counted
        self._counted = 1 if alone else 0
        self._latest = self._frame
