"""Release: the assembled film becomes the files that people are given, signed last."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from opentimelineio.schema import Timeline
from pydantic import JsonValue
from temporalio import activity

from activities.boundary import film_errors
from activities.captioning import Captioning, Captions
from activities.dossier import Clip, Dossier
from activities.marks import Marks
from activities.outlet import Outlet, can_be_signed
from activities.presence import heartbeats
from activities.workshop import Workshop, few_at_once
from filmforge.contracts import MasterOrder
from filmforge.cut.room import CuttingRoom
from filmforge.cut.timeline import brief_of, rate_of
from filmforge.domain import Asset, Ingredient
from filmforge.errors import BadMedia
from filmforge.ledger import Ledger
from filmforge.media.burn import SoftTrack, add_subtitles
from filmforge.media.captionfile import srt, webvtt
from filmforge.provenance.credits import credits_of, credits_text
from filmforge.provenance.identity import Identity
from filmforge.recipe import recipe_of
from filmforge.store import AssetStore
from filmforge.subtitles import Subtitles

SRT, VTT = "application/x-subrip; charset=utf-8", "text/vtt; charset=utf-8"
JSON, TEXT = "application/json", "text/plain; charset=utf-8"

_log = structlog.get_logger()


class Release:
    """The last steps of a film, over the ledger and the store."""

    def __init__(
        self,
        ledger: Ledger,
        store: AssetStore,
        work_dir: Path,
        identity: Callable[[], Identity],
        marks: Marks | None = None,
    ) -> None:
        self._ledger = ledger
        self._cutting = CuttingRoom(ledger)
        self._workshop = Workshop(ledger, store, work_dir)
        self._captioning = Captioning(ledger, self._workshop, store)
        self._outlet = Outlet(ledger, self._workshop, identity)
        self._marks = marks or Marks()

    @activity.defn(name="release")
    @film_errors
    async def release(self, order: MasterOrder) -> None:
        """Give the film out: signed, with its subtitles, credits, stems and signed clips."""
        async with heartbeats():
            film_id = order.film_id
            timeline = await asyncio.to_thread(self._cutting.timeline, film_id)
            dossier = await asyncio.to_thread(Dossier, self._ledger, film_id, timeline)
            subtitles = brief_of(timeline).subtitles
            captions = await self._captioning.cues(film_id, subtitles, timeline)
            film = await self._with_tracks(
                await self._asset(order.digest), subtitles, captions, timeline
            )
            self._marks.reach("releasing", film.digest)
            signed = await self._outlet.give_signed(film_id, "film", film, dossier.claim)
            await self._give_captions(film_id, captions, timeline, signed.digest)
            await self._give_credits(film_id, dossier, signed.digest)
            for name, digest in order.stems.items():
                stem = await self._asset(digest)
                kind = f"stem.{name}"
                await self._outlet.give(film_id, kind, stem, None, beside=signed.digest)
            await few_at_once([self._sign_clip(film_id, clip) for clip in dossier.clips])

    async def _asset(self, digest: str) -> Asset:
        return (await asyncio.to_thread(self._ledger.assets.read, digest)).asset

    async def _with_tracks(
        self, film: Asset, subtitles: Subtitles | None, captions: Captions, timeline: Timeline
    ) -> Asset:
        """The film with a text track for each language; itself when nothing is to be read."""
        fps = rate_of(timeline)
        tracks = [
            SoftTrack(language=track.language, cues=cues, name=track.name or "")
            for track in (subtitles.tracks if subtitles and subtitles.soft else ())
            if (cues := captions[track.language])
        ]
        if not tracks:
            return film
        told: list[JsonValue] = [track.model_dump(mode="json") for track in tracks]
        inputs = [Ingredient(role="film", digest=film.digest)]
        recipe = recipe_of("soft-subtitles", {"tracks": told, "fps": str(fps)}, inputs)

        async def make(folder: Path, sources: Sequence[Path]) -> Path:
            path = folder / "film.mp4"
            await add_subtitles(sources[0], tracks, path, fps, folder)
            return path

        return await self._workshop.made(recipe, make)

    async def _give_captions(
        self, film_id: str, captions: Captions, timeline: Timeline, beside: str
    ) -> None:
        fps = rate_of(timeline)
        for language, cues in captions.items():
            kind = f"subtitles.{language}"
            texts = {
                f"{kind}.srt": (srt(cues, fps, language), SRT),
                f"{kind}.vtt": (webvtt(cues, fps, language), VTT),
            }
            for name, (text, media_type) in texts.items():
                await self._outlet.give_text(film_id, name, text, media_type, beside=beside)

    async def _give_credits(self, film_id: str, dossier: Dossier, beside: str) -> None:
        gathered = credits_of(dossier.brief.title, dossier.made_with, dossier.approvals)
        document = gathered.model_dump_json(indent=2) + "\n"
        give = self._outlet.give_text
        await give(film_id, "credits.json", document, JSON, beside=beside)
        await give(film_id, "credits.txt", credits_text(gathered), TEXT, beside=beside)

    async def _sign_clip(self, film_id: str, clip: Clip) -> None:
        """Sign the clip of a shot; one that can't carry credentials goes without, and is logged."""
        asset = await self._asset(clip.digest)
        if not can_be_signed(asset.media_type):
            return
        try:
            signed = await self._outlet.signed(asset, clip.claim)
        except BadMedia as error:
            _log.warning("clip_unsigned", film_id=film_id, shot_id=clip.shot_id, why=str(error))
            return
        await asyncio.to_thread(
            self._ledger.shots.signed, film_id, clip.shot_id, clip.digest, signed.digest
        )
