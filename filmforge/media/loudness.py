"""Bring a sound to a loudness (EBU R128), its true peaks under a ceiling."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from filmforge.errors import BadMedia
from filmforge.fields import Frozen
from filmforge.media.envelope import Envelope, amplitude
from filmforge.media.limiter import limiting_gains
from filmforge.media.listen import Samples, SoundReader
from filmforge.media.meter import Loudness, LoudnessMeter, measure
from filmforge.media.wav import join_sound, wav_writer
from filmforge.sound import Target, target_lufs

Progress = Callable[[int], None]

MAX_TRUE_PEAK_DBTP = -1.0

_FAINTEST_LUFS = -60.0
_UNMEASURED_DB = -70.0
# Nearer than the 0.5 LU promised, so that another meter agrees.
_CLOSE_LU = 0.3
# Two ways of finding peaks between samples differ by about this much.
_MARGIN_DB = 0.1
_ROUNDS = 8


class Normalised(Frozen):
    """What became of a sound; all of it was made louder by `gain_db`, peaks by less.

    `limited_db` is the most that a peak was lowered by, 0 where no limiter was needed. `left_alone`
    says why nothing was done, None otherwise.
    """

    target_lufs: float
    before: Loudness
    after: Loudness
    gain_db: float = 0.0
    limited_db: float = 0.0
    left_alone: str | None = None


class _Way(NamedTuple):
    """How a sound is made louder: by `gain_db`, peaks kept under `ceiling_db` unless None."""

    gain_db: float
    ceiling_db: float | None


def normalise(
    path: Path,
    out: Path,
    target: Target = "web",
    max_true_peak_dbtp: float = MAX_TRUE_PEAK_DBTP,
    stems: Mapping[Path, Path] | None = None,
    progress: Progress | None = None,
) -> Normalised:
    """Write a sound at a loudness as WAV of 32-bit floats, measured to be within 0.5 LU.

    Its peaks are limited only when they would pass `max_true_peak_dbtp`. `stems` (from path, to
    path) are changed sample by sample as the sound is, so that they still add up to it. Silence
    and what is below -60 LUFS stay as they are. `progress` is told the samples written of each
    pass; what it raises ends the work. Raises BadMedia when the target can't be reached: what is
    at `out` is of no use then.
    """
    wanted, before = target_lufs(target), measure(path)
    if before.integrated_lufs is None or before.integrated_lufs < _FAINTEST_LUFS:
        for source, copy in {path: out, **(stems or {})}.items():
            join_sound([source], copy)
        reason = f"nothing in it is louder than {_FAINTEST_LUFS:.0f} LUFS"
        return Normalised(target_lufs=wanted, before=before, after=before, left_alone=reason)
    way, after, limited_db = _reach(path, out, before, wanted, max_true_peak_dbtp, progress)
    for source, copy in (stems or {}).items():
        _write(source, copy, _gains(path, way), progress)
    return Normalised(
        target_lufs=wanted,
        before=before,
        after=after,
        gain_db=round(way.gain_db, 3),
        limited_db=round(limited_db, 3),
    )


def _reach(
    path: Path,
    out: Path,
    before: Loudness,
    wanted: float,
    highest_db: float,
    progress: Progress | None,
) -> tuple[_Way, Loudness, float]:
    """Write the sound again and again, until it is measured to be as wanted."""
    loud, peak = _level(before.integrated_lufs), _level(before.true_peak_dbtp)
    gain_db, ceiling_db = wanted - loud, highest_db - _MARGIN_DB
    for _ in range(_ROUNDS):
        way = _Way(gain_db, ceiling_db if peak + gain_db > highest_db else None)
        after, lowest = _write(path, out, _gains(path, way), progress)
        miss = wanted - _level(after.integrated_lufs)
        over = _level(after.true_peak_dbtp) - highest_db
        if abs(miss) <= _CLOSE_LU and over <= 0:
            return way, after, abs(way.gain_db - 20 * float(np.log10(lowest)))
        gain_db += miss
        ceiling_db -= max(0.0, over)
    raise BadMedia(
        f"the sound cannot be brought to {wanted:g} LUFS with true peaks under {highest_db:g} "
        f"dBTP: it has {loud:.1f} LUFS and peaks of {peak:.1f} dBTP, and with those limited "
        f"{_level(after.integrated_lufs):.1f} LUFS and {_level(after.true_peak_dbtp):.1f} dBTP. "
        "Ask for less loudness, or for sounds whose peaks stand out less"
    )


def _level(measured: float | None) -> float:
    return _UNMEASURED_DB if measured is None else measured


def _gains(path: Path, way: _Way) -> Iterator[Envelope]:
    gain = amplitude(way.gain_db)
    with SoundReader(path) as reader:
        if way.ceiling_db is not None:
            yield from limiting_gains(reader.blocks(), gain, amplitude(way.ceiling_db))
            return
        for block in reader.blocks():
            yield np.full(len(block), gain)


def _write(
    path: Path, out: Path, gains: Iterable[Envelope], progress: Progress | None
) -> tuple[Loudness, float]:
    """Write a sound with these gains; returns its loudness and the least gain."""
    meter, lowest, written = LoudnessMeter(), np.inf, 0
    with SoundReader(path) as reader, wav_writer(out) as write:
        for gain in gains:
            block: Samples = reader.take(len(gain)) * gain.astype(np.float32)[:, np.newaxis]
            write(block)
            meter.add(block)
            lowest, written = min(lowest, float(gain.min())), written + len(block)
            if progress:
                progress(written)
    return meter.loudness(), lowest
