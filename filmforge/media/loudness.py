"""Bring a film to a loudness (EBU R128), its true peaks under a ceiling, span by span.

Loudness ties all spans of a film together, by one gain only: each span is measured once for all,
and the film's loudness is reckoned from what its spans measured.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

import numpy as np

from filmforge.fields import Frozen
from filmforge.media.envelope import Envelope, amplitude
from filmforge.media.limiter import limiting_gains
from filmforge.media.listen import BLOCK, Samples
from filmforge.media.meter import STEP, LoudnessMeter
from filmforge.sound import Target, target_lufs

# AAC raises peaks a little: what is delivered is to stay under -1 dBTP (EBU R128 s2).
CEILING_DBTP = -1.6

# Below this a sound is as good as silent, and is left as it is.
FAINTEST_LUFS = -60.0
_SILENT_LUFS = -120.0
# A gating block lasts so many of the steps in which it moves on (ITU-R BS.1770-4).
_BLOCK_STEPS = 4
_GATE_LUFS, _RELATIVE_GATE_LU, _OFFSET_LU = -70.0, -10.0, -0.691
_PROMISED_LU = 0.5
# Nearer than that, so that another meter agrees.
_CLOSE_LU = 0.3
# Coarse, so that a film that changes a little keeps its gain, and the spans that did not change.
_STEPS_A_DB = 5
_MOST_LIMITED_DB = 18.0
_ROUNDS = 6
_LEAST_HEARD = 0.25


class Way(Frozen):
    """How a sound is made louder: by `gain_db`, its true peaks kept under the ceiling if any."""

    gain_db: float = 0.0
    ceiling_dbtp: float | None = None


class Level(Frozen):
    """How loud a span is.

    `momentary_lufs` has, for each tenth of a second of it, the 0.4 s that end there: the blocks
    that ITU-R BS.1770-4 gates. `true_peak_dbtp` is None for silence.
    """

    momentary_lufs: tuple[float, ...]
    true_peak_dbtp: float | None

    def louder(self, gain_db: float) -> "Level":
        """The level of the same span at a gain."""
        peak = self.true_peak_dbtp
        return Level(
            momentary_lufs=tuple(lufs + gain_db for lufs in self.momentary_lufs),
            true_peak_dbtp=None if peak is None else peak + gain_db,
        )

    def passes(self, way: Way) -> bool:
        """Whether its peaks pass the ceiling at that gain."""
        peak = self.true_peak_dbtp
        return (
            way.ceiling_dbtp is not None
            and peak is not None
            and peak + way.gain_db > way.ceiling_dbtp
        )


class Normalised(Frozen):
    """What is done to a film's sound: all of it is made louder by the way's gain, peaks by less.

    `left_alone` says why nothing is done, None otherwise.
    """

    target_lufs: float
    before_lufs: float | None
    after_lufs: float | None
    true_peak_dbtp: float | None
    way: Way = Way()
    left_alone: str | None = None

    @property
    def reached(self) -> bool:
        """Whether it is within 0.5 LU of its target."""
        return reaches(self.after_lufs, self.target_lufs)


def reaches(lufs: float | None, target: Target) -> bool:
    """Whether a loudness is within 0.5 LU of a target."""
    return lufs is not None and abs(lufs - target_lufs(target)) <= _PROMISED_LU


# The levels of spans, told by their places, when they are made louder in a way.
Measure = Callable[[Way, Sequence[int]], Awaitable[Sequence[Level]]]


async def normalise(
    plain: Sequence[Level], target: Target, measure: Measure, usual_db: float | None = None
) -> Normalised:
    """Find the way that brings a film to a loudness, within 0.5 LU or as near as limiting goes.

    `plain` are its spans' levels as they are mixed; `measure` is asked for those whose peaks have
    to be limited. `usual_db` is tried first. Silence, and what is below -60 LUFS, stays as it is.
    """
    wanted, before = target_lufs(target), integrated_lufs(plain)
    peak = highest_dbtp(plain)
    if before is None or before < FAINTEST_LUFS or peak is None:
        reason = f"nothing in it is louder than {FAINTEST_LUFS:.0f} LUFS"
        return Normalised(
            target_lufs=wanted,
            before_lufs=before,
            after_lufs=before,
            true_peak_dbtp=peak,
            left_alone=reason,
        )
    unlimited_db = CEILING_DBTP - peak
    most_db = unlimited_db + _MOST_LIMITED_DB
    gain_db = _stepped(min(wanted - before, most_db)) if usual_db is None else usual_db
    tried: list[Normalised] = []
    while len(tried) < _ROUNDS and gain_db not in {each.way.gain_db for each in tried}:
        tried.append(await _tried(plain, wanted, gain_db, measure))
        if _miss(tried[-1]) <= _CLOSE_LU:
            return tried[-1]
        gain_db = _stepped(min(_following_db(tried), most_db))
    tried.append(await _tried(plain, wanted, _stepped(unlimited_db - 0.1), measure))
    return min(tried, key=_miss)


async def _tried(
    plain: Sequence[Level], wanted: float, gain_db: float, measure: Measure
) -> Normalised:
    way = Way(gain_db=gain_db, ceiling_dbtp=CEILING_DBTP)
    after = await _levels(plain, way, measure)
    return Normalised(
        target_lufs=wanted,
        before_lufs=integrated_lufs(plain),
        after_lufs=integrated_lufs(after),
        true_peak_dbtp=highest_dbtp(after),
        way=way,
    )


def _miss(found: Normalised) -> float:
    return abs(found.target_lufs - _lufs(found))


def _lufs(found: Normalised) -> float:
    return _SILENT_LUFS if found.after_lufs is None else found.after_lufs


def _following_db(tried: Sequence[Normalised]) -> float:
    """The gain to try next: the more is limited, the less of it is heard."""
    last, slope = tried[-1], 1.0
    if len(tried) > 1:
        before = tried[-2]
        heard = (_lufs(last) - _lufs(before)) / (last.way.gain_db - before.way.gain_db)
        slope = min(1.0, max(_LEAST_HEARD, heard))
    return last.way.gain_db + (last.target_lufs - _lufs(last)) / slope


async def _levels(plain: Sequence[Level], way: Way, measure: Measure) -> list[Level]:
    loud = [place for place, level in enumerate(plain) if level.passes(way)]
    limited = dict(zip(loud, await measure(way, loud), strict=True)) if loud else {}
    return [limited.get(place) or level.louder(way.gain_db) for place, level in enumerate(plain)]


def integrated_lufs(levels: Iterable[Level]) -> float | None:
    """The programme loudness of spans together, None where all is under the gate."""
    heard = np.array([lufs for level in levels for lufs in level.momentary_lufs])
    heard = heard[heard > _GATE_LUFS]
    if not len(heard):
        return None
    return _mean_lufs(heard[heard > _mean_lufs(heard) + _RELATIVE_GATE_LU])


def _mean_lufs(lufs: Envelope) -> float:
    power = 10 ** ((lufs - _OFFSET_LU) / 10)
    return float(_OFFSET_LU + 10 * np.log10(power.mean()))


def highest_dbtp(levels: Iterable[Level]) -> float | None:
    """The true peak of spans together, None for silence."""
    peaks = [level.true_peak_dbtp for level in levels if level.true_peak_dbtp is not None]
    return max(peaks, default=None)


def _stepped(gain_db: float) -> float:
    return round(gain_db * _STEPS_A_DB) / _STEPS_A_DB


def level_of(
    sound: Iterable[Samples],
    lead: int,
    own: int | None = None,
    ceiling_dbtp: float | None = None,
) -> Level:
    """The level of `own` samples after the first `lead`, both a whole number of 0.1 s.

    All that follows them if None. Peaks count wherever they are in the sound. As the standard has
    it, only whole blocks of 0.4 s count: none that begins before the sound or ends after it.
    Peaks that were brought down to a ceiling are taken to reach it.
    """
    meter, heard = LoudnessMeter(peaks=ceiling_dbtp is None), 0
    for block in sound:
        meter.add(block)
        heard += len(block)
    peak = meter.loudness().true_peak_dbtp if ceiling_dbtp is None else ceiling_dbtp
    first = max(lead // STEP, _BLOCK_STEPS - 1)
    stop = (heard if own is None else lead + own) // STEP
    return Level(
        momentary_lufs=tuple(max(_SILENT_LUFS, lufs) for lufs in meter.momentary_lufs[first:stop]),
        true_peak_dbtp=peak,
    )


def gains_of(sound: Iterable[Samples], way: Way) -> Iterator[Envelope]:
    """The gain of each sample of a sound in blocks as it is read; a limiter looks 0.1 s around."""
    gain = amplitude(way.gain_db)
    if way.ceiling_dbtp is None:
        for block in sound:
            yield np.full(len(block), gain)
        return
    held = np.zeros(0)
    for some in limiting_gains(sound, gain, amplitude(way.ceiling_dbtp)):
        held = np.concatenate((held, some))
        while len(held) >= BLOCK:
            yield held[:BLOCK]
            held = held[BLOCK:]
    if len(held):
        yield held


def made_louder(sound: Samples, way: Way) -> Iterator[Samples]:
    """A sound in a way, block by block."""
    if way == Way():
        yield from blocks_of(sound)
        return
    for block, gain in zip(blocks_of(sound), gains_of(blocks_of(sound), way), strict=True):
        yield block * gain.astype(np.float32)[:, np.newaxis]


def blocks_of(sound: Samples) -> Iterator[Samples]:
    """A sound in blocks."""
    for begin in range(0, len(sound), BLOCK):
        yield sound[begin : begin + BLOCK]
