"""Finish: a shot's clip and voice become a piece of the film, and the pieces the film."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import cast

from pydantic import JsonValue
from temporalio import activity

from activities.boundary import film_errors
from activities.marks import Marks
from activities.presence import heartbeats
from activities.workshop import Workshop, few_at_once, recipe_of
from filmforge.contracts import AssembleOrder, ConformOrder
from filmforge.cut.layout import Slot, lay_out
from filmforge.cut.reel import Copied, Passage, reel_of
from filmforge.direction import directed
from filmforge.domain import Brief, GenerationRequest, Ingredient, Output, Review
from filmforge.errors import BadInput
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord
from filmforge.media.assemble import Run, assemble
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.passage import Piece, Way, draw_blend, draw_fade
from filmforge.media.soundtrack import Stretch
from filmforge.store import AssetStore


class Finish:
    """The CPU steps, over the ledger and the store."""

    def __init__(
        self, ledger: Ledger, store: AssetStore, work_dir: Path, marks: Marks | None = None
    ) -> None:
        self._ledger = ledger
        self._workshop = Workshop(ledger, store, work_dir)
        self._marks = marks or Marks()

    @activity.defn(name="conform")
    @film_errors
    async def conform(self, order: ConformOrder) -> None:
        """Make the shot a piece that joins any other piece without being encoded again."""
        async with heartbeats():
            record = await asyncio.to_thread(self._ledger.shots.read, order.film_id, order.shot_id)
            brief = (await asyncio.to_thread(self._ledger.films.read, order.film_id)).brief
            start = max(0, record.position - 1)
            near = await asyncio.to_thread(self._ledger.shots.of_film, order.film_id, start, 3)
            slots = _slots(near, brief)
            await self._conform(record, slots[order.shot_id], brief.output)

    @activity.defn(name="assemble")
    @film_errors
    async def assemble(self, order: AssembleOrder) -> None:
        """Join every piece into the film and deliver it; a film without shots has none."""
        async with heartbeats():
            brief = (await asyncio.to_thread(self._ledger.films.read, order.film_id)).brief
            timeline = await asyncio.to_thread(self._cutting.timeline, order.film_id)
            if slots_of(timeline):
                await self._assemble(order.film_id, timeline, brief)

    async def _conform(self, record: ShotRecord, slot: Slot, output: Output) -> str:
        """The digest of the shot's piece: this one, one made before from the same, or a new one."""
        recipe = _piece_recipe(record, slot, output)
        if record.conformed_digest and record.conformed_key == recipe.key:
            return record.conformed_digest

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            self._marks.reach("conforming", recipe.key)
            piece = folder / "piece.mov"
            await conform(sources[0], sources[1] if sources[1:] else None, piece, spec)
            return piece

        spec = _spec(slot, output)
        piece = await self._workshop.made(recipe, make)
        self._marks.reach("conformed", recipe.key)
        shot_id = record.shot.shot_id
        await asyncio.to_thread(
            self._ledger.shots.conformed, record.film_id, shot_id, piece, recipe
        )
        return piece.digest

    async def _assemble(
        self, film_id: str, records: Sequence[ShotRecord], slots: dict[str, Slot], output: Output
    ) -> None:
        cut, fps = [slots[record.shot.shot_id] for record in records], output.fps
        pieces = await few_at_once(
            [self._conform(record, slot, output) for record, slot in zip(records, cut, strict=True)]
        )
        reel = reel_of(cut)
        drawn = await few_at_once(
            [self._draw(each, cut, pieces, fps) for each in reel if isinstance(each, Passage)]
        )
        recipe = _film_recipe(reel, pieces, drawn, fps)

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            self._marks.reach("assembling", recipe.key)
            film = folder / "film.mp4"
            await assemble(_runs(reel, cut, sources), _stretches(cut, sources), film, fps)
            return film

        film = await self._workshop.made(recipe, make)
        self._marks.reach("assembled", recipe.key)
        await asyncio.to_thread(self._ledger.films.deliver, film_id, "film", film, recipe)

    async def _draw(
        self, passage: Passage, cut: Sequence[Slot], pieces: Sequence[str], fps: Fraction
    ) -> str:
        """The digest of a passage between shots; the same one is drawn once."""
        recipe = _passage_recipe(passage, cut, pieces, fps)

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            path = folder / "passage.mov"
            lengths = [cut[shot].frames for shot in _shots(passage)]
            given = [Piece(path=p, frames=n) for p, n in zip(sources, lengths, strict=True)]
            if passage.colour:
                way: Way = "from" if passage.leaving is None else "to"
                await draw_fade(way, passage.colour, given[0], passage.frames, path, fps)
            else:
                leaving, coming = given
                await draw_blend(passage.look, leaving, coming, passage.frames, path, fps)
            return path

        return (await self._workshop.made(recipe, make)).digest


def _shots(passage: Passage) -> list[int]:
    return [shot for shot in (passage.leaving, passage.coming) if shot is not None]


def _runs(
    reel: Sequence[Copied | Passage], cut: Sequence[Slot], sources: Sequence[Path]
) -> list[Run]:
    """What is copied into the film: the pieces come first among the sources, then the passages."""
    drawn = iter(sources[len(cut) :])
    return [
        Run(path=sources[e.shot], frames=cut[e.shot].frames, start=e.start, stop=e.stop)
        if isinstance(e, Copied)
        else Run(path=next(drawn), frames=e.frames, start=0, stop=e.frames)
        for e in reel
    ]


def _stretches(cut: Sequence[Slot], sources: Sequence[Path]) -> list[Stretch]:
    starts = accumulate((slot.frames - slot.overlap for slot in cut), initial=0)
    return [
        Stretch(path=path, start=start, end=start + slot.frames)
        for slot, path, start in zip(cut, sources, starts, strict=False)
    ]


def _piece_recipe(record: ShotRecord, slot: Slot, output: Output) -> GenerationRequest:
    if record.video_digest is None:
        raise BadInput("video", "the shot has no clip yet", "Retry the shot.")
    inputs = [Ingredient(role="clip", digest=record.video_digest)]
    if directed(record.shot, record.direction).dialogue and record.audio_digest:
        inputs.append(Ingredient(role="voice", digest=record.audio_digest))
    spec = _spec(slot, output).model_dump(mode="json")
    return recipe_of("conform", {"spec": spec}, inputs)


def _passage_recipe(
    passage: Passage, cut: Sequence[Slot], pieces: Sequence[str], fps: Fraction
) -> GenerationRequest:
    lengths = [cut[shot].frames for shot in _shots(passage)]
    told = passage.model_dump(mode="json", include={"look", "frames", "colour"})
    roles = {"leaving": passage.leaving, "coming": passage.coming}
    inputs = [
        Ingredient.model_validate({"role": role, "digest": pieces[shot]})
        for role, shot in roles.items()
        if shot is not None
    ]
    parameters = {**told, "fps": str(fps), "lengths": cast(JsonValue, lengths)}
    return recipe_of("passage", parameters, inputs)


def _film_recipe(
    reel: Sequence[Copied | Passage], pieces: Sequence[str], drawn: Sequence[str], fps: Fraction
) -> GenerationRequest:
    order: list[JsonValue] = [each.model_dump(mode="json") for each in reel]
    inputs = [Ingredient(role="piece", digest=digest) for digest in pieces]
    inputs += [Ingredient(role="passage", digest=digest) for digest in drawn]
    return recipe_of("assemble", {"reel": order, "fps": str(fps)}, inputs)


def _slots(records: Sequence[ShotRecord], brief: Brief) -> dict[str, Slot]:
    kept = [r for r in records if r.review != Review.OMITTED]
    shots = [directed(record.shot, record.direction) for record in kept]
    slots = lay_out(shots, brief.output.fps, brief.transition, brief.opening, brief.trim)
    return {slot.shot_id: slot for slot in slots}


def _spec(slot: Slot, output: Output) -> ConformSpec:
    return ConformSpec(
        width=output.width,
        height=output.height,
        fps=output.fps,
        frames=slot.frames,
        head_frames=slot.head,
        tail_frames=slot.tail,
    )
