"""Mixing: a film's sound, of which only those spans are made that are not known yet."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from activities.sound_spans import HeardSpan, SoundSpans, copied_spans, mixed_span, sounds
from activities.workshop import MadeFile, Workshop
from filmforge.domain import Kind
from filmforge.ledger import Ledger
from filmforge.media.aside import aside
from filmforge.media.loudness import (
    Level,
    Normalised,
    Way,
    highest_dbtp,
    integrated_lufs,
    normalise,
    reaches,
)
from filmforge.media.mix import Bus
from filmforge.media.progress import Progress, part
from filmforge.media.score import STEMS, Score
from filmforge.media.soundtrack import MixedSpan, as_extracts, mixed_spans, write_sound
from filmforge.recipe import EDITION, recipe_of
from filmforge.sound import Sound, target_lufs

WAV = "audio/wav"
SOUND_EVENT = "film.sound"

_ROUNDS = 3
# Other meters differ by a little, and 0.5 LU is promised.
_CLOSE_LU = 0.4


class Heard(NamedTuple):
    """A film's sound: its spans in order, and its stems by name where they are asked for."""

    spans: Sequence[HeardSpan]
    stems: Mapping[str, str]


class _Try(NamedTuple):
    """Spans that were encoded in a way, and how loud they are when they are decoded."""

    found: Normalised
    lost_lu: float
    spans: list[HeardSpan]
    lufs: float | None
    true_peak_dbtp: float | None

    def miss_lu(self, wanted: float) -> float:
        """How far it is from a loudness."""
        return 0.0 if self.lufs is None or self.found.left_alone else wanted - self.lufs


class Mixing:
    """Makes the sound of films, over the ledger and the workshop."""

    def __init__(self, ledger: Ledger, workshop: Workshop, spans: SoundSpans) -> None:
        self._ledger = ledger
        self._workshop = workshop
        self._spans = spans

    async def soundtrack(
        self, film_id: str, score: Score, sound: Sound, progress: Progress | None = None
    ) -> Heard:
        """A film's sound, brought to its loudness; what was made before of equal spans is used.

        A sound that no limiter brings to its loudness is left as near to it as it comes, which
        the event `film.sound` tells. Raises BadMedia and MediaToolFailed.
        """
        way = Way()
        if sound.loudness is not None:
            wanted = target_lufs(sound.loudness)
            best = await self._normalised(film_id, score, wanted, progress)
            way, made = best.found.way, best.spans
        elif extracts := as_extracts(score):
            made = await self._spans.encoded(copied_spans(extracts), progress)
        else:
            mixed = [mixed_span(span, way) for span in mixed_spans(score)]
            made = await self._spans.encoded(mixed, progress)
        stems = await self._stems(score, way) if sound.stems else {}
        return Heard(spans=made, stems=stems)

    async def _normalised(
        self, film_id: str, score: Score, wanted: float, progress: Progress | None
    ) -> _Try:
        """Encode so that what a decoder hears is as loud as wanted: AAC loses some of it."""
        mixed, key = mixed_spans(score), _gain_key(score, wanted)
        plain = await self._spans.levels(mixed, Way(), part(progress, 0, 2))
        known = await asyncio.to_thread(self._ledger.measurements.of, key, EDITION)
        before = known or await self._before(film_id, wanted)
        gain_db, lost_lu = before.get("gain_db"), before.get("lost_lu", 0.0)
        tried: list[_Try] = []
        while len(tried) < _ROUNDS:
            encoding = part(progress, 1, 2)
            found = await self._found(mixed, plain, wanted + lost_lu, gain_db, encoding)
            tried.append(await self._try(mixed, found, lost_lu, encoding))
            miss = tried[-1].miss_lu(wanted)
            if abs(miss) <= _CLOSE_LU:
                break
            gain_db, lost_lu = None, round(lost_lu + miss, 1)
        best = min(tried, key=lambda each: abs(each.miss_lu(wanted)))
        # The same score sounds the same again, whatever the film was cut to meanwhile.
        chosen = {"gain_db": best.found.way.gain_db, "lost_lu": best.lost_lu}
        await asyncio.to_thread(self._ledger.measurements.keep, key, EDITION, chosen)
        await self._tell(film_id, wanted, best)
        return best

    async def _found(
        self,
        mixed: Sequence[MixedSpan],
        plain: Sequence[Level],
        wanted: float,
        gain_db: float | None,
        progress: Progress | None,
    ) -> Normalised:
        async def measure(way: Way, places: Sequence[int]) -> list[Level]:
            # The first way is mostly the last, so what is limited is encoded at once.
            limited = [mixed[place] for place in places]
            await self._spans.encoded([mixed_span(span, way) for span in limited], progress)
            return await self._spans.levels(limited, way)

        return await normalise(plain, wanted, measure, gain_db)

    async def _try(
        self,
        mixed: Sequence[MixedSpan],
        found: Normalised,
        lost_lu: float,
        progress: Progress | None,
    ) -> _Try:
        spans = [mixed_span(span, found.way) for span in mixed]
        made = await self._spans.encoded(spans, progress)
        levels = await self._spans.heard(spans)
        return _Try(found, lost_lu, made, integrated_lufs(levels), highest_dbtp(levels))

    async def _before(self, film_id: str, wanted: float) -> dict[str, float]:
        """What was done for this loudness last: what did not change is not encoded again."""
        last = await asyncio.to_thread(self._ledger.events.last, film_id, SOUND_EVENT)
        told = last.data if last and last.data.get("target_lufs") == wanted else {}
        return {
            name: float(value)
            for name in ("gain_db", "lost_lu")
            if isinstance(value := told.get(name), int | float)
        }

    async def _tell(self, film_id: str, wanted: float, best: _Try) -> None:
        told: dict[str, JsonValue] = {
            "target_lufs": wanted,
            "loudness_lufs": _rounded(best.lufs),
            "true_peak_dbtp": _rounded(best.true_peak_dbtp),
            "gain_db": best.found.way.gain_db,
            "lost_lu": best.lost_lu,
            "reached": reaches(best.lufs, wanted),
            "left_alone": best.found.left_alone,
        }
        last = await asyncio.to_thread(self._ledger.events.last, film_id, SOUND_EVENT)
        if last is None or last.data != told:
            await asyncio.to_thread(self._ledger.events.tell, film_id, SOUND_EVENT, told)

    async def _stems(self, score: Score, way: Way) -> dict[str, str]:
        sources = list(dict.fromkeys(entry.source for entry in score.entries))
        told: dict[str, JsonValue] = {
            "score": score.model_dump(mode="json"),
            "way": way.model_dump(mode="json"),
        }

        async def make(folder: Path, paths: Sequence[Path]) -> Sequence[MadeFile]:
            files = dict(zip(sources, paths, strict=True))
            outputs: dict[Bus, Path] = {stem: folder / f"{stem}.wav" for stem in STEMS}
            await aside(lambda pause: write_sound(score, files, way, outputs, pause))
            return [MadeFile(name=stem, path=outputs[stem], media_type=WAV) for stem in STEMS]

        recipe = recipe_of("stems", told, sounds(sources), Kind.AUDIO)
        return {each.name: each.digest for each in await self._workshop.made_files(recipe, make)}


def _gain_key(score: Score, wanted: float) -> str:
    told: dict[str, JsonValue] = {"score": score.model_dump(mode="json"), "wanted": wanted}
    return recipe_of("gain", told).key


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
