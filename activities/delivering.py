"""Delivering: the finished film in the formats that people asked for, each made once."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import JsonValue
from temporalio import activity

from activities.boundary import film_errors
from activities.dossier import Dossier
from activities.outlet import Outlet, can_be_signed
from activities.presence import heartbeats
from activities.telling import telling
from activities.workshop import MadeFile, Workshop
from filmforge.brief import Brief
from filmforge.contracts import DeliveryOrder
from filmforge.cut.room import CuttingRoom
from filmforge.delivery import Delivery, FilmFacts
from filmforge.domain import Asset, GenerationRequest, Ingredient
from filmforge.errors import FilmError
from filmforge.ledger import Ledger
from filmforge.media.deliver import deliver
from filmforge.media.fonts import document_fonts, fonts_edition
from filmforge.provenance.facts import Edit
from filmforge.provenance.identity import Identity
from filmforge.recipe import recipe_of
from filmforge.store import AssetStore

# Of the others the shots decide nothing but where a picture is cropped, which is its middle.
_TELL_OF_SHOTS = ("poster", "contact_sheet", "storyboard")


class Delivering:
    """Makes deliveries of a film as it was joined, over the ledger and the store."""

    def __init__(
        self, ledger: Ledger, store: AssetStore, work_dir: Path, identity: Callable[[], Identity]
    ) -> None:
        self._ledger = ledger
        self._cutting = CuttingRoom(ledger)
        self._workshop = Workshop(ledger, store, work_dir)
        self._outlet = Outlet(ledger, self._workshop, identity)

    @activity.defn(name="deliver")
    @film_errors
    async def deliver(self, order: DeliveryOrder) -> None:
        """Make one delivery; why it can't be made stands among the film's events."""
        async with heartbeats():
            timeline = await asyncio.to_thread(self._cutting.timeline, order.film_id)
            dossier = await asyncio.to_thread(Dossier, self._ledger, order.film_id, timeline)
            delivery = dossier.brief.deliveries[order.place]
            films = self._ledger.films
            beside = await asyncio.to_thread(films.released, order.film_id)
            try:
                await self._deliver(order, delivery, dossier, beside)
            except FilmError as error:
                if not error.retryable:
                    told = (order.film_id, delivery.stem, error)
                    await asyncio.to_thread(films.undelivered, *told, beside=beside)
                raise

    async def _deliver(
        self, order: DeliveryOrder, delivery: Delivery, dossier: Dossier, beside: str | None
    ) -> None:
        facts = dossier.facts if delivery.format in _TELL_OF_SHOTS else FilmFacts()
        recipe = _recipe(order.digest, delivery, facts, dossier.brief)

        async def make(folder: Path, sources: Sequence[Path]) -> list[MadeFile]:
            film, *own_fonts = sources
            fonts = (*own_fonts, *document_fonts())
            async with telling(self._ledger, order.film_id, delivery.stem) as progress:
                made = await deliver(film, delivery, folder, facts, fonts=fonts, progress=progress)
            return [MadeFile(*file) for file in made]

        made = await self._workshop.made_files(recipe, make)
        outlet, film_id, kind = self._outlet, order.film_id, delivery.stem
        entry = made[0]
        asset = Asset(digest=entry.digest, media_type=entry.media_type, size=entry.size)
        if len(made) == 1 and can_be_signed(asset.media_type):
            told = Edit(action="transcoded", description=f"Delivered as {kind}")
            claim = dossier.claim
            claim = claim.model_copy(update={"edits": (*claim.edits, told)})
            await outlet.give_signed(film_id, kind, asset, claim, beside=beside)
        else:
            await outlet.keep(asset, recipe)
            await outlet.give(film_id, kind, asset, recipe.key, beside=beside)


def _recipe(film: str, delivery: Delivery, facts: FilmFacts, brief: Brief) -> GenerationRequest:
    told: dict[str, JsonValue] = {
        "delivery": delivery.model_dump(mode="json"),
        "facts": facts.model_dump(mode="json"),
    }
    inputs = [Ingredient(role="film", digest=film)]
    if delivery.format == "storyboard":
        told["fonts"] = fonts_edition()
        if brief.subtitles and brief.subtitles.font:
            inputs.append(Ingredient(role="font", digest=brief.subtitles.font))
    return recipe_of("deliver", told, inputs)
