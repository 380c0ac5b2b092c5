"""Sound spans: the stretches of a film's sound, each measured and encoded once for all films."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import JsonValue

from activities.workshop import CORES, MadeFile, Workshop, few_at_once
from filmforge.domain import GenerationRequest, Ingredient, Kind
from filmforge.ledger import Ledger
from filmforge.media.aac import SpanSpec, encode_span, span_spec
from filmforge.media.aside import Pause, aside
from filmforge.media.loudness import Level, Way
from filmforge.media.progress import Progress
from filmforge.media.sound_spans import Extract, heard_in, shot_spans
from filmforge.media.soundtrack import Encoded, MixedSpan, encode_mixed, measure_span
from filmforge.recipe import EDITION, recipe_of

AAC = "audio/aac"
# Writes the file of a span; tells how loud that is where it is wanted.
Encode = Callable[[Mapping[str, Path], Path, Pause], Encoded | None]


class HeardSpan(NamedTuple):
    """A stored span of a film's sound and how many frames of AAC it has."""

    digest: str
    frames: int


class Span(NamedTuple):
    """A span to be encoded: its recipe, its sources, its length, and how it is done.

    `level` is the recipe of its level before it is encoded, where that is wanted.
    """

    recipe: GenerationRequest
    sources: Sequence[str]
    frames: int
    encode: Encode
    level: GenerationRequest | None = None


def copied_spans(extracts: Sequence[Extract]) -> list[Span]:
    """A film of sounds one after the other: their insides, and the seams between them."""
    spans = shot_spans([extract.samples for extract in extracts])
    return [copied_span(span_spec(span, heard_in(span, extracts))) for span in spans]


def copied_span(spec: SpanSpec) -> Span:
    """A span that is heard as its sources are."""
    sources = list(dict.fromkeys(extract.source for extract in spec.extracts))

    def encode(files: Mapping[str, Path], path: Path, pause: Pause) -> None:
        encode_span(spec, files, path, lambda _: pause())

    told: dict[str, JsonValue] = {"span": spec.model_dump(mode="json")}
    recipe = recipe_of("sound-span", told, sounds(sources), Kind.AUDIO)
    return Span(recipe=recipe, sources=sources, frames=spec.frames, encode=encode)


def mixed_span(span: MixedSpan, way: Way) -> Span:
    """A span that is mixed."""

    def encode(files: Mapping[str, Path], path: Path, pause: Pause) -> Encoded:
        return encode_mixed(span, files, way, path, pause)

    recipe = _recipe("sound-span", span, way)
    level = None if way.ceiling_dbtp is None else _level_recipe(span, way)
    return Span(recipe, span.sources, span.frames, encode, level)


def sounds(sources: Sequence[str]) -> list[Ingredient]:
    """The ingredients of a sound."""
    return [Ingredient(role="sound", digest=digest) for digest in sources]


def _level_recipe(span: MixedSpan, way: Way) -> GenerationRequest:
    return _recipe("sound-level", span, way)


def _recipe(step: str, span: MixedSpan, way: Way) -> GenerationRequest:
    told: dict[str, JsonValue] = {
        "span": span.model_dump(mode="json"),
        "way": way.model_dump(mode="json"),
    }
    return recipe_of(step, told, sounds(span.sources), Kind.AUDIO)


class SoundSpans:
    """Makes and measures spans, over the ledger and the workshop."""

    def __init__(self, ledger: Ledger, workshop: Workshop) -> None:
        self._ledger = ledger
        self._workshop = workshop

    async def encoded(
        self, spans: Sequence[Span], progress: Progress | None = None
    ) -> list[HeardSpan]:
        """Every span as it is stored; only what is not known yet is encoded."""
        known = await self._workshop.made_before([span.recipe for span in spans])
        missing = {span.recipe.key: span for span in spans if span.recipe.key not in known}
        encoding = [self._encode(span) for span in missing.values()]
        made = await few_at_once(encoding, CORES, progress)
        known |= dict(zip(missing, made, strict=True))
        return [HeardSpan(known[span.recipe.key], span.frames) for span in spans]

    async def heard(self, spans: Sequence[Span]) -> list[Level]:
        """How loud each encoded span is, for those that were mixed."""
        found = await self._found([span.recipe for span in spans])
        return [found[span.recipe.key] for span in spans]

    async def levels(
        self, spans: Sequence[MixedSpan], way: Way, progress: Progress | None = None
    ) -> list[Level]:
        """How loud each span is mixed in a way; only what is not known yet is measured."""
        recipes = [_level_recipe(span, way) for span in spans]
        levels = await self._found(recipes)
        missing = {
            recipe.key: (recipe, span)
            for recipe, span in zip(recipes, spans, strict=True)
            if recipe.key not in levels
        }
        measuring = [self._measure(*each, way) for each in missing.values()]
        levels |= dict(zip(missing, await few_at_once(measuring, CORES, progress), strict=True))
        return [levels[recipe.key] for recipe in recipes]

    async def _encode(self, span: Span) -> str:
        async def make(folder: Path, sources: Sequence[Path]) -> Sequence[MadeFile]:
            path, files = folder / "span.aac", dict(zip(span.sources, sources, strict=True))
            levels = await aside(lambda pause: span.encode(files, path, pause))
            if levels:
                await self._keep(span.recipe, levels.after)
                if span.level:
                    await self._keep(span.level, levels.before)
            return [MadeFile(name="", path=path, media_type=AAC)]

        (making,) = await self._workshop.made_files(span.recipe, make, intermediate=True)
        return making.digest

    async def _measure(self, recipe: GenerationRequest, span: MixedSpan, way: Way) -> Level:
        async with self._workshop.bench(recipe) as (_, sources):
            files = dict(zip(span.sources, sources, strict=True))
            level = await aside(lambda pause: measure_span(span, files, way, pause))
        await self._keep(recipe, level)
        return level

    async def _keep(self, recipe: GenerationRequest, level: Level) -> None:
        found = level.model_dump(mode="json")
        await asyncio.to_thread(self._ledger.measurements.keep, recipe.key, EDITION, found)

    async def _found(self, recipes: Sequence[GenerationRequest]) -> dict[str, Level]:
        keys = [recipe.key for recipe in recipes]
        known = await asyncio.to_thread(self._ledger.measurements.among, keys, EDITION)
        return {key: Level.model_validate(found) for key, found in known.items()}
