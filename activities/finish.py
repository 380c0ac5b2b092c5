"""Finish: a shot's clip becomes a piece of the film, and the pieces and sounds the film."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from opentimelineio.schema import Timeline
from pydantic import JsonValue
from temporalio import activity

from activities.boundary import film_errors
from activities.captioning import Captioning
from activities.check import Check
from activities.drawing import Drawing
from activities.early_sound import EarlySound
from activities.marks import Marks
from activities.mixing import Heard, Mixing
from activities.presence import heartbeats
from activities.sound_spans import SoundSpans
from activities.telling import telling
from activities.workshop import CORES, Workshop, few_at_once, first_error
from filmforge.brief import Brief
from filmforge.contracts import Assembled, AssembleOrder, Conformed, ConformOrder
from filmforge.cut.cards import cards_of
from filmforge.cut.layout import Slot
from filmforge.cut.lettering import Part, lettered
from filmforge.cut.reel import Copied, Passage, reel_of
from filmforge.cut.room import CuttingRoom
from filmforge.cut.scoring import score_of
from filmforge.cut.timeline import brief_of, scenes_of, slots_of, sources_of
from filmforge.domain import GenerationRequest, Ingredient
from filmforge.errors import BadInput
from filmforge.ledger import Ledger
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord
from filmforge.look import Look
from filmforge.media.aac import EncodedSpan
from filmforge.media.assemble import Run, assemble
from filmforge.media.progress import Progress, part
from filmforge.media.score import Ducking
from filmforge.recipe import recipe_of
from filmforge.sound import Sound
from filmforge.store import AssetStore
from filmforge.subtitles import Cue


class Finish:
    """The CPU steps, over the ledger and the store."""

    def __init__(
        self, ledger: Ledger, store: AssetStore, work_dir: Path, marks: Marks | None = None
    ) -> None:
        self._ledger = ledger
        self._cutting = CuttingRoom(ledger)
        self._marks = marks or Marks()
        self._check = Check(ledger, store, work_dir)
        self._workshop = Workshop(ledger, store, work_dir)
        self._drawing = Drawing(self._workshop, self._marks)
        spans = SoundSpans(ledger, self._workshop)
        self._mixing = Mixing(ledger, self._workshop, spans)
        self._early_sound = EarlySound(ledger, spans)
        self._captioning = Captioning(ledger, self._workshop, store)

    @activity.defn(name="conform")
    @film_errors
    async def conform(self, order: ConformOrder) -> Conformed:
        """Make the shot a piece that joins any other piece without being encoded again.

        Its takes are checked first: nothing is made of what is to be made again or judged.
        """
        async with heartbeats():
            record = await asyncio.to_thread(self._ledger.shots.read, order.film_id, order.shot_id)
            film = await asyncio.to_thread(self._ledger.films.read, order.film_id)
            if record.video_digest is None:
                raise BadInput("video", "the shot has no clip yet", "Retry the shot.")
            checked = await self._check.shot(record, film.brief)
            if not checked.passes:
                return checked
            near = await asyncio.to_thread(self._cutting.near, film, record.position)
            look = film.brief.look_of(record.shot.scene_id)
            clip, output = record.video_digest, film.brief.output
            slot = near.slot(order.shot_id)
            piece, recipe = await self._drawing.piece(clip, slot, output, look)
            await asyncio.to_thread(
                self._ledger.shots.conformed, order.film_id, order.shot_id, piece, recipe
            )
            await self._seams(film, record)
            await self._early_sound.of_shot(film, order.shot_id, record.position)
            return checked

    @activity.defn(name="assemble")
    @film_errors
    async def assemble(self, order: AssembleOrder) -> Assembled:
        """Join what the timeline shows into the film; no shots, no film."""
        async with heartbeats():
            brief = (await asyncio.to_thread(self._ledger.films.read, order.film_id)).brief
            for card in cards_of(brief).values():
                await self._drawing.card(card, brief.output)
            timeline = await asyncio.to_thread(self._cutting.timeline, order.film_id)
            if not slots_of(timeline):
                return Assembled()
            async with telling(self._ledger, order.film_id, "assemble") as progress:
                return await self._assemble(order.film_id, timeline, brief_of(timeline), progress)

    async def _seams(self, film: FilmRecord, record: ShotRecord) -> None:
        """Draw the passages into and out of a shot, where what they join has landed."""
        if film.recut:
            return
        near = await asyncio.to_thread(self._cutting.near, film, record.position)
        pieces = [near.pieces.get(slot.shot_id, "") for slot in near.slots]
        await few_at_once(
            [
                self._drawing.part(part, near.slots, pieces, film.brief.output, None)
                for part in reel_of(near.slots)
                if isinstance(part, Passage)
                and any(near.slots[shot].shot_id == record.shot.shot_id for shot in part.shots)
                and all(pieces[shot] for shot in part.shots)
            ],
            CORES,
        )

    async def _assemble(
        self, film_id: str, timeline: Timeline, brief: Brief, progress: Progress
    ) -> Assembled:
        slots, fps = slots_of(timeline), brief.output.fps
        pieces = await self._pieces(timeline, slots, brief)
        reel = lettered(reel_of(slots), await self._burnt(film_id, brief, timeline), slots, fps)
        score = score_of(timeline, pieces, _ducking(brief.sound))
        with first_error():
            async with asyncio.TaskGroup() as both:
                drawing = both.create_task(
                    self._drawn(reel, slots, pieces, brief, part(progress, 0, 3))
                )
                mixing = both.create_task(
                    self._mixing.soundtrack(film_id, score, brief.sound, part(progress, 1, 3))
                )
        drawn, heard = drawing.result(), mixing.result()
        pictures = [*pieces, *drawn]
        recipe = _film_recipe(reel, heard, fps, pictures)

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            self._marks.reach("assembling", recipe.key)
            film, spans = folder / "film.mp4", _spans(heard, sources[len(pictures) :])
            runs = _runs(reel, slots, sources)
            await assemble(runs, spans, film, fps, part(progress, 2, 3))
            return film

        film = await self._workshop.made(recipe, make)
        self._marks.reach("assembled", recipe.key)
        return Assembled(digest=film.digest, stems=heard.stems)

    async def _drawn(
        self,
        reel: Sequence[Part],
        slots: Sequence[Slot],
        pieces: Sequence[str],
        brief: Brief,
        progress: Progress | None,
    ) -> list[str]:
        """The digest of every part that is drawn, in order."""
        parts = [
            self._drawing.part(each, slots, pieces, brief.output, brief.subtitles)
            for each in reel
            if not isinstance(each, Copied)
        ]
        return await few_at_once(parts, CORES, progress)

    async def _pieces(self, timeline: Timeline, slots: Sequence[Slot], brief: Brief) -> list[str]:
        """The digest of every slot's piece, in order."""
        cards = cards_of(brief)
        rows = zip(slots, sources_of(timeline), scenes_of(timeline), strict=True)
        made = await few_at_once(
            [
                self._drawing.piece(
                    source,
                    slot,
                    brief.output,
                    Look() if slot.shot_id in cards else brief.look_of(scene_id),
                )
                for slot, source, scene_id in rows
            ],
            CORES,
        )
        return [piece.digest for piece, _ in made]

    async def _burnt(self, film_id: str, brief: Brief, timeline: Timeline) -> Sequence[Cue]:
        """The text that becomes part of the picture."""
        if brief.subtitles is None or brief.subtitles.burn_in is None:
            return ()
        cues = await self._captioning.cues(film_id, brief.subtitles, timeline)
        return cues[brief.subtitles.burn_in]


def _runs(reel: Sequence[Part], slots: Sequence[Slot], sources: Sequence[Path]) -> list[Run]:
    """What is copied into the film: pieces come first among the sources, then what was drawn."""
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


def _spans(heard: Heard, sources: Sequence[Path]) -> list[EncodedSpan]:
    return [
        EncodedSpan(path=path, frames=span.frames)
        for span, path in zip(heard.spans, sources, strict=True)
    ]


def _film_recipe(
    reel: Sequence[Part], heard: Heard, fps: Fraction, pictures: Sequence[str]
) -> GenerationRequest:
    parameters: dict[str, JsonValue] = {
        "reel": [each.model_dump(mode="json") for each in reel],
        "sound": [span.frames for span in heard.spans],
        "fps": str(fps),
    }
    inputs = [Ingredient(role="piece", digest=digest) for digest in pictures]
    inputs += [Ingredient(role="sound", digest=span.digest) for span in heard.spans]
    return recipe_of("assemble", parameters, inputs)


def _ducking(sound: Sound) -> Ducking:
    by = sound.ducking_db
    return Ducking(music_db=by.music, ambience_db=by.ambience, production_db=by.production)
