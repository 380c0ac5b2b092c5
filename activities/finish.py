"""Finish: a shot's clip becomes a piece of the film, and the pieces and sounds the film."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

from opentimelineio.schema import Timeline
from pydantic import JsonValue
from temporalio import activity

from activities.boundary import film_errors
from activities.cutting import CuttingRoom, shown, slots_of_shots
from activities.marks import Marks
from activities.presence import heartbeats
from activities.workshop import Workshop, few_at_once, recipe_of
from filmforge.contracts import Assembled, AssembleOrder, ConformOrder
from filmforge.cut.layout import Slot
from filmforge.cut.reel import Copied, Passage, reel_of
from filmforge.cut.scoring import score_of
from filmforge.cut.timeline import PICTURE, media_of, slots_of
from filmforge.domain import Asset, GenerationRequest, Ingredient, Output
from filmforge.errors import BadInput
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord
from filmforge.media.assemble import Run, assemble
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.passage import Piece, Way, draw_blend, draw_fade
from filmforge.media.score import Ducking, Score
from filmforge.media.soundtrack import render_sound
from filmforge.sound import Sound
from filmforge.store import AssetStore


class Finish:
    """The CPU steps, over the ledger and the store."""

    def __init__(
        self, ledger: Ledger, store: AssetStore, work_dir: Path, marks: Marks | None = None
    ) -> None:
        self._ledger = ledger
        self._cutting = CuttingRoom(ledger)
        self._workshop = Workshop(ledger, store, work_dir)
        self._marks = marks or Marks()

    @activity.defn(name="conform")
    @film_errors
    async def conform(self, order: ConformOrder) -> None:
        """Make the shot a piece that joins any other piece without being encoded again."""
        async with heartbeats():
            record = await asyncio.to_thread(self._ledger.shots.read, order.film_id, order.shot_id)
            brief = (await asyncio.to_thread(self._ledger.films.read, order.film_id)).brief
            if record.video_digest is None:
                raise BadInput("video", "the shot has no clip yet", "Retry the shot.")
            start = max(0, record.position - 1)
            near = await asyncio.to_thread(self._ledger.shots.of_film, order.film_id, start, 3)
            slots = {slot.shot_id: slot for slot in slots_of_shots(shown(near), brief)}
            await self._conform(record, record.video_digest, slots[order.shot_id], brief.output)

    @activity.defn(name="assemble")
    @film_errors
    async def assemble(self, order: AssembleOrder) -> Assembled:
        """Join what the timeline shows into the film; no shots, no film."""
        async with heartbeats():
            brief = (await asyncio.to_thread(self._ledger.films.read, order.film_id)).brief
            timeline = await asyncio.to_thread(self._cutting.timeline, order.film_id)
            if not slots_of(timeline):
                return Assembled()
            film = await self._assemble(order.film_id, timeline, brief.output, brief.sound)
            return Assembled(digest=film.digest)

    async def _conform(self, record: ShotRecord, clip: str, slot: Slot, output: Output) -> str:
        """The digest of the shot's piece: this one, one made before from the same, or a new one."""
        spec = _spec(slot, output)
        inputs = [Ingredient(role="clip", digest=clip)]
        recipe = recipe_of("conform", {"spec": spec.model_dump(mode="json")}, inputs)
        if record.conformed_digest and record.conformed_key == recipe.key:
            return record.conformed_digest

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            self._marks.reach("conforming", recipe.key)
            piece = folder / "piece.mov"
            await conform(sources[0], piece, spec)
            return piece

        piece = await self._workshop.made(recipe, make)
        self._marks.reach("conformed", recipe.key)
        await asyncio.to_thread(
            self._ledger.shots.conformed, record.film_id, record.shot.shot_id, piece, recipe
        )
        return piece.digest

    async def _assemble(
        self, film_id: str, timeline: Timeline, output: Output, sound: Sound
    ) -> Asset:
        slots, fps = slots_of(timeline), output.fps
        pieces = await self._pieces(film_id, timeline, slots, output)
        reel = reel_of(slots)
        drawn = await few_at_once(
            [self._draw(each, slots, pieces, fps) for each in reel if isinstance(each, Passage)]
        )
        score = score_of(timeline, pieces, _ducking(sound))
        recipe = _film_recipe(reel, score, sound, fps, [*pieces, *drawn])

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            self._marks.reach("assembling", recipe.key)
            files = {part.digest: path for part, path in zip(recipe.inputs, sources, strict=True)}
            heard = await render_sound(score, files, folder, sound.loudness)
            film = folder / "film.mp4"
            await assemble(_runs(reel, slots, sources), heard.spans, film, fps)
            return film

        film = await self._workshop.made(recipe, make)
        self._marks.reach("assembled", recipe.key)
        return film

    async def _pieces(
        self, film_id: str, timeline: Timeline, slots: Sequence[Slot], output: Output
    ) -> list[str]:
        """The digest of every shot's piece, in order."""
        records = await asyncio.to_thread(self._ledger.shots.of_film, film_id)
        by_id = {record.shot.shot_id: record for record in records}
        clips = media_of(timeline, PICTURE)
        return await few_at_once(
            [
                self._conform(by_id[slot.shot_id], clip, slot, output)
                for slot, clip in zip(slots, clips, strict=True)
            ]
        )

    async def _draw(
        self, passage: Passage, slots: Sequence[Slot], pieces: Sequence[str], fps: Fraction
    ) -> str:
        """The digest of a passage between shots; the same one is drawn once."""
        lengths = [slots[shot].frames for shot in passage.shots]

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            path = folder / "passage.mov"
            given = [Piece(path=p, frames=n) for p, n in zip(sources, lengths, strict=True)]
            if passage.colour:
                way: Way = "from" if passage.leaving is None else "to"
                await draw_fade(way, passage.colour, given[0], passage.frames, path, fps)
            else:
                leaving, coming = given
                await draw_blend(passage.look, leaving, coming, passage.frames, path, fps)
            return path

        told = passage.model_dump(mode="json", include={"look", "frames", "colour"})
        parameters = {**told, "fps": str(fps), "lengths": cast(JsonValue, lengths)}
        inputs = [Ingredient(role="piece", digest=pieces[shot]) for shot in passage.shots]
        return (await self._workshop.made(recipe_of("passage", parameters, inputs), make)).digest


def _runs(
    reel: Sequence[Copied | Passage], slots: Sequence[Slot], sources: Sequence[Path]
) -> list[Run]:
    """What is copied into the film: the pieces come first among the sources, then the passages."""
    drawn = iter(sources[len(slots) :])
    return [
        Run(
            path=sources[each.shot],
            frames=slots[each.shot].frames,
            start=each.start,
            stop=each.stop,
        )
        if isinstance(each, Copied)
        else Run(path=next(drawn), frames=each.frames, start=0, stop=each.frames)
        for each in reel
    ]


def _film_recipe(
    reel: Sequence[Copied | Passage],
    score: Score,
    sound: Sound,
    fps: Fraction,
    pictures: Sequence[str],
) -> GenerationRequest:
    parameters: dict[str, JsonValue] = {
        "reel": [each.model_dump(mode="json") for each in reel],
        "score": score.model_dump(mode="json"),
        "loudness": sound.loudness,
        "fps": str(fps),
    }
    heard = dict.fromkeys(e.source for e in score.entries if e.source not in set(pictures))
    inputs = [Ingredient(role="piece", digest=digest) for digest in pictures]
    inputs += [Ingredient(role="sound", digest=digest) for digest in heard]
    return recipe_of("assemble", parameters, inputs)


def _ducking(sound: Sound) -> Ducking:
    by = sound.ducking_db
    return Ducking(music_db=by.music, ambience_db=by.ambience, production_db=by.production)


def _spec(slot: Slot, output: Output) -> ConformSpec:
    return ConformSpec(
        width=output.width,
        height=output.height,
        fps=output.fps,
        start_frames=slot.start,
        frames=slot.frames,
        head_frames=slot.head,
        tail_frames=slot.tail,
    )
