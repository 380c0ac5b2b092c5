"""Finish: a shot's clip and voice become a piece of the film, and the pieces the film."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from temporalio import activity

from activities.boundary import film_errors
from activities.download import asset_of
from activities.generate import Marks
from activities.presence import heartbeats
from filmforge.contracts import AssembleOrder, ConformOrder
from filmforge.cut import Slot, lay_out
from filmforge.direction import directed
from filmforge.domain import Asset, Brief, Output, Review
from filmforge.errors import BadInput
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord
from filmforge.media.assemble import Piece, assemble
from filmforge.media.conform import ConformSpec, conform
from filmforge.media.probe import probe
from filmforge.store import AssetStore

FETCHES = 8


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
            if not kept:
                return
            with tempfile.TemporaryDirectory(dir=self._work_dir) as folder:
                pieces = await self._pieces(kept, slots, brief.output, Path(folder))
                film = Path(folder) / "film.mp4"
                self._marks.reach("assembling", order.film_id)
                await assemble(pieces, film, Path(folder), brief.output.fps)
                made = await self._keep(film)
            self._marks.reach("assembled", order.film_id)
            await asyncio.to_thread(self._ledger.films.deliver, order.film_id, "film", made)

    async def _conform(self, record: ShotRecord, slot: Slot, output: Output) -> str:
        if record.video_digest is None:
            raise BadInput("video", "the shot has no clip yet", "Retry the shot.")
        speaks = directed(record.shot, record.direction).dialogue and record.audio_digest
        spec = _spec(slot, output)
        with tempfile.TemporaryDirectory(dir=self._work_dir) as folder:
            clip, voice = Path(folder) / "clip", Path(folder) / "voice"
            piece = Path(folder) / "piece.mov"
            await self._store.fetch(record.video_digest, clip)
            if speaks:
                await self._store.fetch(speaks, voice)
            self._marks.reach("conforming", record.video_digest)
            await conform(clip, voice if speaks else None, piece, spec)
            made = await self._keep(piece)
        self._marks.reach("conformed", record.video_digest)
        await asyncio.to_thread(
            self._ledger.shots.conformed,
            record.film_id,
            record.shot.shot_id,
            made,
            _describe(spec),
        )
        return made.digest

    async def _pieces(
        self, records: Sequence[ShotRecord], slots: dict[str, Slot], output: Output, folder: Path
    ) -> list[Piece]:
        gate = asyncio.Semaphore(FETCHES)

        async def piece(number: int, record: ShotRecord) -> Piece:
            slot = slots[record.shot.shot_id]
            path = folder / f"{number:05d}.mov"
            async with gate:
                digest = record.conformed_digest
                if digest is None or record.conformed_spec != _describe(_spec(slot, output)):
                    digest = await self._conform(record, slot, output)
                await self._store.fetch(digest, path)
            return Piece(
                path=path,
                frames=slot.frames,
                transition=slot.transition,
                overlap_frames=slot.tail,
            )

        work = [asyncio.create_task(piece(n, record)) for n, record in enumerate(records)]
        try:
            return list(await asyncio.gather(*work))
        finally:
            for task in work:
                task.cancel()

    async def _keep(self, path: Path) -> Asset:
        facts = await asyncio.to_thread(probe, path)
        return asset_of(await self._store.put(path, facts.media_type), facts)


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


def _describe(spec: ConformSpec) -> str:
    return (
        f"{spec.width}x{spec.height}@{spec.fps}"
        f" {spec.frames} head {spec.head_frames} tail {spec.tail_frames}"
    )
