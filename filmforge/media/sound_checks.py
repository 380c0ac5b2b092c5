"""Listen to a sound block by block: where it is heard, how loud it is, where it is clipped."""

import math

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.filter import Graph
from av.filter.context import FilterContext
from numpy.typing import NDArray

from filmforge.fields import Frozen
from filmforge.media.spans import Seen, joined

Block = NDArray[np.float64]

_HEARD_DB = -55.0
_PAUSE_S = 0.3
_FULL = 32_767 / 32_768
_STEP = 1.01 / 32_768
_OVERS = 3
_FLAT = 9
_NEAR_PEAK = 0.99
_LEAST_PEAK = 0.1
_NO_LOUDNESS = -70.0  # EBU Tech 3341: what the gate leaves of silence


class SoundMeasures(Frozen):
    """What was heard; times in seconds, `heard` joined over pauses of up to 0.3 s.

    `clipped_share` is the share of samples beyond full scale or on flat tops. `lufs` is the
    integrated loudness and `peak_dbtp` the true peak (EBU R128), None where nothing is loud
    enough to be measured.
    """

    duration_s: float
    start_s: float = 0.0
    heard: tuple[Seen, ...] = ()
    heard_s: float = 0.0
    loudest_db: float | None = None
    clipped_share: float = 0.0
    lufs: float | None = None
    peak_dbtp: float | None = None


class SoundListener:
    """Takes the decoded frames of one sound in order; holds a tenth of a second of them."""

    def __init__(self, stream: AudioStream) -> None:
        self._rate = stream.sample_rate
        self._graph, self._source = _loudness_graph(stream)
        self._start_s: float | None = None
        self._samples = 0
        self._heard: list[Seen] = []
        self._heard_s = 0.0
        self._loudest = 0.0
        self._clipping = _Clipping()
        self._loudness: dict[str, str] = {}

    def add(self, frame: AudioFrame) -> None:
        """Hear the next frame."""
        if self._start_s is None:
            self._start_s = frame.time or 0.0
        # Gaps and leaps of the clock are not for the filter: it hears samples.
        frame.pts = None
        self._source.push(frame)
        self._drain()

    def measures(self) -> SoundMeasures:
        """What was heard, once the last frame was added."""
        if self._start_s is not None:
            self._source.push(None)
            self._drain()
        lufs = float(self._loudness.get("lavfi.r128.I", "nan"))
        return SoundMeasures(
            duration_s=round(self._samples / self._rate, 6),
            start_s=round(self._start_s or 0.0, 6),
            heard=tuple(self._heard),
            heard_s=round(self._heard_s, 3),
            loudest_db=_db(self._loudest),
            clipped_share=self._clipping.share,
            lufs=lufs if lufs > _NO_LOUDNESS else None,
            peak_dbtp=_db(float(self._loudness.get("lavfi.r128.true_peak", 0))),
        )

    def _drain(self) -> None:
        while True:
            try:
                frame = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(frame, AudioFrame)
            self._loudness = frame.metadata or self._loudness
            channels = len(frame.layout.channels)
            self._hear(np.asarray(frame.to_ndarray(), np.float64).reshape(-1, channels))

    def _hear(self, block: Block) -> None:
        start_s, block_s = self._samples / self._rate, len(block) / self._rate
        self._samples += len(block)
        self._clipping.add(block)
        level = float(np.sqrt(np.mean(np.square(block), axis=0).max()))
        self._loudest = max(self._loudest, level)
        if level >= 10 ** (_HEARD_DB / 20):
            self._heard_s += block_s
            span = (round(start_s, 3), round(start_s + block_s, 3))
            self._heard[-1:] = joined([*self._heard[-1:], span], _PAUSE_S)


def _loudness_graph(stream: AudioStream) -> tuple[Graph, FilterContext]:
    graph = Graph()
    source = graph.add_abuffer(template=stream)
    meter = graph.add("ebur128", "peak=true:metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    return graph, source


def _db(level: float) -> float | None:
    return round(20 * math.log10(level), 2) if level > 0 else None


class _Clipping:
    """Counts samples beyond full scale, and flat tops at the highest level so far.

    A top that a later peak shows to be none is forgotten.
    """

    def __init__(self) -> None:
        self._peak = 0.0
        self._overs = 0
        self._flat = 0
        self._samples = 0

    @property
    def share(self) -> float:
        return round(max(self._overs, self._flat) / max(1, self._samples), 6)

    def add(self, block: Block) -> None:
        self._samples += block.size
        size = np.abs(block)
        peak = float(size.max(initial=0.0))
        if peak * _NEAR_PEAK > self._peak:
            self._flat = 0
        self._peak = max(self._peak, peak)
        self._overs += _in_runs(size >= _FULL, _OVERS)
        if peak < max(_LEAST_PEAK, self._peak * _NEAR_PEAK):
            return
        level = (np.abs(np.diff(block, axis=0, prepend=np.inf)) <= _STEP) & (
            size >= self._peak * _NEAR_PEAK
        )
        self._flat += _in_runs(level, _FLAT - 1)


def _in_runs(holds: NDArray[np.bool_], least: int) -> int:
    """How many entries lie in vertical runs of at least `least`."""
    if not holds.any():
        return 0
    padded = np.pad(holds, ((1, 1), (0, 0))).astype(np.int8)
    edges = np.diff(padded, axis=0).T
    lengths = np.flatnonzero((edges == -1).ravel()) - np.flatnonzero((edges == 1).ravel())
    return int(lengths[lengths >= least].sum())
