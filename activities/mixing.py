"""Mixing: a film's sound in spans, of which only those are made that are not known yet."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import JsonValue

from activities.workshop import MadeFile, Workshop, few_at_once
from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.ledger import Ledger
from filmforge.media.aac import SpanSpec, encode_span, span_spec
from filmforge.media.aside import Pause, aside
from filmforge.media.loudness import Level, Normalised, Way, normalise
from filmforge.media.mix import Bus
from filmforge.media.progress import Progress, part
from filmforge.media.score import STEMS, Score
from filmforge.media.sound_spans import Extract, heard_in, shot_spans
from filmforge.media.soundtrack import (
    MixedSpan,
    as_extracts,
    encode_mixed,
    measure_span,
    mixed_spans,
    write_sound,
)
from filmforge.recipe import EDITION, recipe_of
from filmforge.sound import Sound, Target, target_lufs

R = TypeVar("R")

AAC, WAV = "audio/aac", "audio/wav"
SOUND_EVENT = "film.sound"
MEASURED, ENCODED = "sound-level", "sound-span"

Encode = Callable[[Mapping[str, Path], Path, Pause], None]


class HeardSpan(NamedTuple):
    """A stored span of a film's sound and how many frames of AAC it has."""

    digest: str
    frames: int


class Heard(NamedTuple):
    """A film's sound: its spans in order, and its stems by name where they are asked for."""

    spans: Sequence[HeardSpan]
    stems: Mapping[str, str]


class Span(NamedTuple):
    """A span to be encoded: its recipe, its sources, its length, and how it is done."""

    recipe: GenerationRequest
    sources: Sequence[str]
    frames: int
    encode: Encode


class Mixing:
    """Makes the sound of films, over the ledger and the workshop."""

    def __init__(self, ledger: Ledger, workshop: Workshop) -> None:
        self._ledger = ledger
        self._workshop = workshop

    async def soundtrack(
        self, film_id: str, score: Score, sound: Sound, progress: Progress | None = None
    ) -> Heard:
        """A film's sound, brought to its loudness; what was made before of equal spans is used.

        A sound that no limiter brings to its loudness is left as near to it as it comes, which
        the event `film.sound` tells. Raises BadMedia and MediaToolFailed.
        """
        extracts = as_extracts(score)
        if sound.loudness is not None:
            way, made = await self._normalised(film_id, mixed_spans(score), sound, progress)
        else:
            way, plain = Way(), [_mixed(span, Way()) for span in mixed_spans(score)]
            made = await self.encoded(copied_spans(extracts) if extracts else plain, progress)
        stems = await self._stems(score, way) if sound.stems else {}
        return Heard(spans=made, stems=stems)

    async def _normalised(
        self, film_id: str, mixed: Sequence[MixedSpan], sound: Sound, progress: Progress | None
    ) -> tuple[Way, list[HeardSpan]]:
        """Encode spans so that what a decoder hears has the loudness: AAC loses some of it."""
        assert sound.loudness is not None
        wanted = target_lufs(sound.loudness)
        plain = await self._levels(mixed, Way(), part(progress, 0, 2))
        usual = await self._usual(film_id, wanted)

        async def measure(way: Way, places: Sequence[int]) -> list[Level]:
            return await self._levels([mixed[place] for place in places], way)

        for _ in range(_ROUNDS):
            found = await normalise(plain, wanted + usual.lost_lu, measure, usual.gain_db)
            spans = [self._measured(_mixed(span, found.way)) for span in mixed]
            made = await self.encoded(spans, part(progress, 1, 2))
            levels = await self._known([span.recipe.key for span in spans])
            heard = integrated_lufs(levels.values())
            if found.left_alone or not found.reached or heard is None:
                break
            usual = _Usual(None, usual.lost_lu + wanted - heard)
            if abs(wanted - heard) <= CLOSE_LU:
                break
        ...
        return found.way, made

    async def encoded(
        self, spans: Sequence[Span], progress: Progress | None = None
    ) -> list[HeardSpan]:
        """Every span as it is stored."""
        known = await self._workshop.made_before([span.recipe for span in spans])
        missing = {span.recipe.key: span for span in spans if span.recipe.key not in known}
        counted = _Counted(len(missing), progress)
        encoding = [counted.of(self._encode(span)) for span in missing.values()]
        known |= dict(zip(missing, await few_at_once(encoding, _cores()), strict=True))
        return [HeardSpan(known[span.recipe.key], span.frames) for span in spans]

    async def _encode(self, span: Span) -> str:
        async def make(folder: Path, sources: Sequence[Path]) -> Sequence[MadeFile]:
            path, files = folder / "span.aac", dict(zip(span.sources, sources, strict=True))
            await aside(lambda pause: span.encode(files, path, pause))
            return [MadeFile(name="", path=path, media_type=AAC)]

        (making,) = await self._workshop.made_files(span.recipe, make, intermediate=True)
        return making.digest

    async def _way(
        self,
        film_id: str,
        spans: Sequence[MixedSpan],
        target: Target | None,
        progress: Progress | None,
    ) -> Way:
        if target is None:
            return Way()

        async def measure(way: Way, places: Sequence[int]) -> list[Level]:
            return await self._levels([spans[place] for place in places], way)

        plain = await self._levels(spans, Way(), progress)
        last = await asyncio.to_thread(self._ledger.events.last, film_id, SOUND_EVENT)
        before = last.data if last else {}
        found = await normalise(plain, target, measure, _usual_db(before, target))
        if (told := _told(found)) != before:
            await asyncio.to_thread(self._ledger.events.tell, film_id, SOUND_EVENT, told)
        return found.way

    async def _levels(
        self, spans: Sequence[MixedSpan], way: Way, progress: Progress | None = None
    ) -> list[Level]:
        """How loud each span is in a way."""
        recipes = [_recipe(MEASURED, span, way) for span in spans]
        keys = [recipe.key for recipe in recipes]
        known = await asyncio.to_thread(self._ledger.measurements.among, keys, EDITION)
        levels = {key: Level.model_validate(found) for key, found in known.items()}
        missing = {
            recipe.key: (recipe, span)
            for recipe, span in zip(recipes, spans, strict=True)
            if recipe.key not in levels
        }
        counted = _Counted(len(missing), progress)
        measured = [counted.of(self._measure(*each, way)) for each in missing.values()]
        levels |= dict(zip(missing, await few_at_once(measured, _cores()), strict=True))
        return [levels[key] for key in keys]

    async def _measure(self, recipe: GenerationRequest, span: MixedSpan, way: Way) -> Level:
        async with self._workshop.bench(recipe) as (_, sources):
            files = dict(zip(span.sources, sources, strict=True))
            level = await aside(lambda pause: measure_span(span, files, way, pause))
        found = level.model_dump(mode="json")
        await asyncio.to_thread(self._ledger.measurements.keep, recipe.key, EDITION, found)
        return level

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

        recipe = recipe_of("stems", told, _sounds(sources), Kind.AUDIO)
        return {each.name: each.digest for each in await self._workshop.made_files(recipe, make)}


class _Counted:
    """Tells how much of some work is done."""

    def __init__(self, of: int, progress: Progress | None) -> None:
        self._of, self._done, self._progress = of, 0, progress

    async def of(self, work: Coroutine[Any, Any, R]) -> R:
        """The result of one piece of it."""
        result = await work
        self._done += 1
        if self._progress:
            self._progress(self._done / self._of)
        return result


def copied_spans(extracts: Sequence[Extract]) -> list[Span]:
    """A film of sounds one after the other: their insides, and the seams between them."""
    spans = shot_spans([extract.samples for extract in extracts])
    return [_copied(span_spec(span, heard_in(span, extracts))) for span in spans]


def _copied(spec: SpanSpec) -> Span:
    sources = list(dict.fromkeys(extract.source for extract in spec.extracts))

    def encode(files: Mapping[str, Path], path: Path, pause: Pause) -> None:
        encode_span(spec, files, path, lambda _: pause())

    told: dict[str, JsonValue] = {"span": spec.model_dump(mode="json")}
    recipe = recipe_of(ENCODED, told, _sounds(sources), Kind.AUDIO)
    return Span(recipe=recipe, sources=sources, frames=spec.frames, encode=encode)


def _mixed(span: MixedSpan, way: Way) -> Span:
    def encode(files: Mapping[str, Path], path: Path, pause: Pause) -> None:
        encode_mixed(span, files, way, path, pause)

    recipe = _recipe(ENCODED, span, way)
    return Span(recipe=recipe, sources=span.sources, frames=span.frames, encode=encode)


def _recipe(step: str, span: MixedSpan, way: Way) -> GenerationRequest:
    told: dict[str, JsonValue] = {
        "span": span.model_dump(mode="json"),
        "way": way.model_dump(mode="json"),
    }
    return recipe_of(step, told, _sounds(span.sources), Kind.AUDIO)


def _sounds(sources: Sequence[str]) -> list[Ingredient]:
    return [Ingredient(role="sound", digest=digest) for digest in sources]


def _usual_db(before: Mapping[str, JsonValue], target: Target) -> float | None:
    """The gain that the film had last, so that what did not change in it is not encoded again."""
    gain_db = before.get("gain_db")
    same = before.get("target_lufs") == target_lufs(target)
    return float(gain_db) if same and isinstance(gain_db, int | float) else None


def _told(found: Normalised) -> dict[str, JsonValue]:
    """What is said of a film's loudness."""
    return {
        "target_lufs": found.target_lufs,
        "loudness_lufs": _rounded(found.after_lufs),
        "true_peak_dbtp": _rounded(found.true_peak_dbtp),
        "gain_db": found.way.gain_db,
        "reached": found.reached,
        "left_alone": found.left_alone,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _cores() -> int:
    return os.cpu_count() or 1
