"""Mix the sounds of a score into one, or into stems that add up to it, sample for sample."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np

from filmforge.media.envelope import speech_level
from filmforge.media.listen import BLOCK, Samples
from filmforge.media.play import Play, plays
from filmforge.media.score import STEMS, Score, Stem
from filmforge.media.wav import wav_writer

Bus = Literal["mix", "dialogue", "effects", "music"]
Progress = Callable[[int], None]


def mix(
    score: Score,
    files: Mapping[str, Path],
    outputs: Mapping[Bus, Path],
    progress: Progress | None = None,
) -> None:
    """Write the mix or stems asked for in one pass, as WAV of 32-bit floats, 48 kHz, stereo.

    `files` has the file of every source; one may end 0.1 s early. Effects are all that is neither
    dialogue nor music; the mix is (dialogue + effects) + music in floats, so stems add up to it
    exactly. `progress` is told the samples written so far; what it raises ends the mix. A failure
    leaves no file. Raises BadMedia, naming the source, and MediaToolFailed.
    """
    wanted = [stem for stem in STEMS if stem in outputs or "mix" in outputs]
    with ExitStack() as stack:
        writers = {bus: stack.enter_context(wav_writer(path)) for bus, path in outputs.items()}
        written = 0
        for stems in mixed(score, files, wanted):
            for bus, write in writers.items():
                write(bus_of(stems, bus))
            written += len(stems[wanted[0]])
            if progress:
                progress(written)


def bus_of(stems: Mapping[Stem, Samples], bus: Bus) -> Samples:
    """The mix of all stems, or one of them."""
    if bus == "mix":
        return stems["dialogue"] + stems["effects"] + stems["music"]
    return stems[bus]


def mixed(
    score: Score, files: Mapping[str, Path], wanted: Sequence[Stem] = STEMS
) -> Iterator[dict[Stem, Samples]]:
    """Every wanted stem, block by block; only files that sound just then are open.

    Raises BadMedia, naming the source.
    """
    waiting = sorted(plays(score, files, wanted), key=lambda play: play.start, reverse=True)
    sounding: list[Play] = []
    try:
        for begin in range(0, score.length, BLOCK):
            end = min(begin + BLOCK, score.length)
            while waiting and waiting[-1].start < end:
                sounding.append(waiting.pop())
            yield _block(score, sounding, wanted, begin, end)
            _close(play for play in sounding if play.stop <= end)
            sounding = [play for play in sounding if play.stop > end]
    finally:
        _close(sounding)


def _block(
    score: Score, sounding: Sequence[Play], wanted: Sequence[Stem], begin: int, end: int
) -> dict[Stem, Samples]:
    level = speech_level(score, begin, end)
    stems = {stem: np.zeros((end - begin, 2), np.float32) for stem in wanted}
    # Floats add up to the same sum only in the same order.
    for play in sorted(sounding, key=lambda play: play.order):
        play.add_to(stems[play.stem], begin, level)
    return stems


def _close(plays_done: Iterable[Play]) -> None:
    for play in plays_done:
        play.close()
