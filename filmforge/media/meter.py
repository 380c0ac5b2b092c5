"""Measure how loud a sound is by EBU R128 and ITU-R BS.1770-4, with ffmpeg's ebur128."""

import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph

from filmforge.fields import Frozen
from filmforge.media.listen import Samples, SoundReader
from filmforge.media.sample_clock import SAMPLE_RATE
from filmforge.media.wav import sound_frame

_TICK = Fraction(1, SAMPLE_RATE)
# It speaks once every tenth of a second.
STEP = SAMPLE_RATE // 10
# What the filter says when nothing passed its absolute gate.
_GATE_LUFS = -70.0
# Its first windows of 3 s are filled with silence, which counts for less than a tenth from here on.
_SHORTEST_RANGED = 30 * SAMPLE_RATE


class Loudness(Frozen):
    """How loud a sound is, None where all of it is under the gate or under 0.4 s.

    `range_lu` is the loudness range of EBU Tech 3342, None also for less than 30 s of sound.
    """

    integrated_lufs: float | None
    true_peak_dbtp: float | None
    range_lu: float | None


class LoudnessMeter:
    """Measures 48 kHz stereo floats as they pass.

    `momentary_lufs` grows with each tenth of a second: the loudness of the 0.4 s before. Peaks
    cost three times as much as all else.
    """

    def __init__(self, *, peaks: bool = True) -> None:
        self._graph = Graph()
        self._source = self._graph.add_abuffer(
            sample_rate=SAMPLE_RATE, format="flt", layout="stereo", time_base=_TICK
        )
        meter = self._graph.add("ebur128", f"peak={'true' if peaks else 'none'}:metadata=1")
        self._sink = self._graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        self._graph.configure()
        self._samples = 0
        self._said: Mapping[str, str] = {}
        self.momentary_lufs: list[float] = []

    def add(self, block: Samples) -> None:
        """Hear the next samples."""
        if len(block):
            frame = sound_frame(block)
            frame.pts, frame.time_base = self._samples, _TICK
            self._samples += len(block)
            self._source.push(frame)
            self._drain()

    def loudness(self) -> Loudness:
        """What was heard, once the last samples were added."""
        # What comes after the last whole step is heard with this.
        self.add(np.zeros((-self._samples % STEP, 2), np.float32))
        self._source.push(None)
        self._drain()
        integrated = self._value("I")
        heard = integrated > _GATE_LUFS
        peak = self._value("true_peak")
        ranged = heard and self._samples >= _SHORTEST_RANGED
        return Loudness(
            integrated_lufs=integrated if heard else None,
            true_peak_dbtp=20 * math.log10(peak) if peak > 0 else None,
            range_lu=self._value("LRA") if ranged else None,
        )

    def _value(self, name: str) -> float:
        return float(self._said.get(f"lavfi.r128.{name}", "-inf"))

    def _drain(self) -> None:
        while True:
            try:
                frame = self._sink.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            if frame.metadata:
                self._said = frame.metadata
                self.momentary_lufs.append(self._value("M"))


def measure(path: Path) -> Loudness:
    """Measure the sound of any file, as 48 kHz stereo. Raises BadMedia."""
    meter = LoudnessMeter()
    with SoundReader(path) as reader:
        for block in reader.blocks():
            meter.add(block)
    return meter.loudness()
