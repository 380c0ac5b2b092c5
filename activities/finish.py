"""Finish: a shot's clip and voice become a piece of the film, and the pieces the film."""

import asyncio
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import JsonValue
from temporalio import activity

from activities.boundary import film_errors
from activities.download import asset_of
from activities.marks import Marks
from activities.presence import heartbeats
from filmforge.contracts import AssembleOrder, ConformOrder
from filmforge.cut import Slot, lay_out
from filmforge.direction import directed
from filmforge.domain import Asset, Brief, GenerationRequest, Ingredient, Kind, Output, Review
from filmforge.errors import BadInput, NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord
from filmforge.media.assemble import Piece, assemble
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.probe import probe
from filmforge.store import AssetStore

R = TypeVar("R")

AT_ONCE = 8
# Part of every recipe: raise it when filmforge.media makes other bytes from the same sources.
EDITION = 1


class Finish:
    """The CPU steps, over the ledger and the store."""

    def __init__(
        self, ledger: Ledger, store: AssetStore, work_dir: Path, marks: Marks | None = None
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._work_dir = work_dir
        self._marks = marks or Marks()
        work_dir.mkdir(parents=True, exist_ok=True)

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
            records = await asyncio.to_thread(self._ledger.shots.of_film, order.film_id)
            slots = _slots(records, brief)
            kept = [record for record in records if record.shot.shot_id in slots]
            if kept:
                await self._assemble(order.film_id, kept, slots, brief.output)

    async def _conform(self, record: ShotRecord, slot: Slot, output: Output) -> str:
        """The digest of the shot's piece: this one, one made before from the same, or a new one."""
        recipe = _piece_recipe(record, slot, output)
        if record.conformed_digest and record.conformed_key == recipe.key:
            return record.conformed_digest
        piece = await self._made_before(recipe)
        if piece is None:
            piece = await self._make_piece(recipe, _spec(slot, output))
            self._marks.reach("conformed", recipe.key)
        shot_id = record.shot.shot_id
        await asyncio.to_thread(
            self._ledger.shots.conformed, record.film_id, shot_id, piece, recipe
        )
        return piece.digest

    async def _make_piece(self, recipe: GenerationRequest, spec: ConformSpec) -> Asset:
        with tempfile.TemporaryDirectory(dir=self._work_dir) as folder:
            sources = {part.role: Path(folder) / part.role for part in recipe.inputs}
            for part in recipe.inputs:
                await self._store.fetch(part.digest, sources[part.role])
            self._marks.reach("conforming", recipe.key)
            piece = Path(folder) / "piece.mov"
            await conform(sources["clip"], sources.get("voice"), piece, spec)
            return await self._keep(piece)

    async def _assemble(
        self, film_id: str, records: Sequence[ShotRecord], slots: dict[str, Slot], output: Output
    ) -> None:
        cut = [slots[record.shot.shot_id] for record in records]
        digests = await _few_at_once(
            [self._conform(record, slot, output) for record, slot in zip(records, cut, strict=True)]
        )
        recipe = _film_recipe(cut, digests, output)
        film = await self._made_before(recipe)
        if film is None:
            film = await self._make_film(cut, digests, output)
            self._marks.reach("assembled", recipe.key)
        await asyncio.to_thread(self._ledger.films.deliver, film_id, "film", film, recipe)

    async def _make_film(
        self, cut: Sequence[Slot], digests: Sequence[str], output: Output
    ) -> Asset:
        with tempfile.TemporaryDirectory(dir=self._work_dir) as name:
            folder = Path(name)
            paths = [folder / f"{number:05d}.mov" for number in range(len(cut))]
            await _few_at_once(
                [self._store.fetch(d, path) for d, path in zip(digests, paths, strict=True)]
            )
            pieces = [
                Piece(
                    path=path,
                    frames=slot.frames,
                    transition=slot.transition,
                    overlap_frames=slot.tail,
                )
                for path, slot in zip(paths, cut, strict=True)
            ]
            self._marks.reach("assembling", digests[0])
            await assemble(pieces, folder / "film.mp4", folder, output.fps)
            return await self._keep(folder / "film.mp4")

    async def _made_before(self, recipe: GenerationRequest) -> Asset | None:
        """What the same recipe came to before, if the store still has it."""
        found = await asyncio.to_thread(self._ledger.assets.made_by, recipe.key)
        try:
            present = found and await self._store.size(found.digest) == found.size
        except NotFound:
            return None
        return found if present else None

    async def _keep(self, path: Path) -> Asset:
        facts = await asyncio.to_thread(probe, path)
        return asset_of(await self._store.put(path, facts.media_type), facts)


async def _few_at_once(work: Sequence[Coroutine[Any, Any, R]]) -> list[R]:
    """The results of all work in order, with little of it going on at any time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(each: Coroutine[Any, Any, R]) -> R:
        async with gate:
            return await each

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(each)) for each in work]
    return [task.result() for task in tasks]


def _piece_recipe(record: ShotRecord, slot: Slot, output: Output) -> GenerationRequest:
    if record.video_digest is None:
        raise BadInput("video", "the shot has no clip yet", "Retry the shot.")
    inputs = [Ingredient(role="clip", digest=record.video_digest)]
    if directed(record.shot, record.direction).dialogue and record.audio_digest:
        inputs.append(Ingredient(role="voice", digest=record.audio_digest))
    spec = _spec(slot, output).model_dump(mode="json")
    return _recipe("conform", {"spec": spec}, inputs)


def _film_recipe(cut: Sequence[Slot], digests: Sequence[str], output: Output) -> GenerationRequest:
    slots: list[JsonValue] = [slot.model_dump(mode="json", exclude={"shot_id"}) for slot in cut]
    inputs = [Ingredient(role="piece", digest=digest) for digest in digests]
    return _recipe("assemble", {"cut": slots, "fps": str(output.fps)}, inputs)


def _recipe(
    step: str, parameters: dict[str, JsonValue], inputs: Sequence[Ingredient]
) -> GenerationRequest:
    return GenerationRequest(
        kind=Kind.VIDEO,
        provider="filmforge",
        model=f"{step}-{EDITION}",
        parameters=parameters,
        inputs=tuple(inputs),
    )


def _slots(records: Sequence[ShotRecord], brief: Brief) -> dict[str, Slot]:
    kept = [r for r in records if r.review != Review.OMITTED]
    shots = [directed(record.shot, record.direction) for record in kept]
    return {slot.shot_id: slot for slot in lay_out(shots, brief.output.fps)}


def _spec(slot: Slot, output: Output) -> ConformSpec:
    return ConformSpec(
        width=output.width,
        height=output.height,
        fps=output.fps,
        frames=slot.frames,
        head_frames=slot.head,
        tail_frames=slot.tail,
    )
