"""The outlet: what a film is given out as, signed where a file can carry credentials."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import JsonValue

from activities.workshop import MadeFile, Workshop
from filmforge.domain import Asset, GenerationRequest, Ingredient
from filmforge.ledger import Ledger
from filmforge.provenance.facts import Claim
from filmforge.provenance.identity import Identity
from filmforge.provenance.native import CARRIERS
from filmforge.provenance.sign import sign
from filmforge.recipe import recipe_of


class Outlet:
    """Signs files and records them as outputs; `identity` is asked for at every signing."""

    def __init__(
        self, ledger: Ledger, workshop: Workshop, identity: Callable[[], Identity]
    ) -> None:
        self._ledger = ledger
        self._workshop = workshop
        self._identity = identity

    async def give(
        self,
        film_id: str,
        kind: str,
        asset: Asset,
        recipe_key: str | None,
        *,
        beside: str | None = None,
    ) -> None:
        """Record a file as one that the film was made into, `beside` the film it is of.

        Raises Conflict when another film was released since.
        """
        await asyncio.to_thread(
            self._ledger.films.deliver,
            film_id,
            kind,
            asset.digest,
            asset.media_type,
            recipe_key,
            beside=beside,
        )

    async def give_signed(
        self, film_id: str, kind: str, asset: Asset, claim: Claim, *, beside: str | None = None
    ) -> Asset:
        """Sign a file and record it as one that the film was made into."""
        signed, recipe = await self._signed(asset, claim)
        await self.give(film_id, kind, signed, recipe.key, beside=beside)
        return signed

    async def give_text(
        self, film_id: str, kind: str, text: str, media_type: str, *, beside: str
    ) -> None:
        """Record a text as a file that the film was made into."""
        recipe = recipe_of("text", {"content": text, "media_type": media_type})

        async def make(folder: Path, _: Sequence[Path]) -> list[MadeFile]:
            path = folder / "text"
            path.write_text(text, encoding="utf-8", newline="")
            return [MadeFile("", path, media_type)]

        [made] = await self._workshop.made_files(recipe, make)
        asset = Asset(digest=made.digest, media_type=media_type, size=made.size)
        await self.keep(asset, recipe)
        await self.give(film_id, kind, asset, recipe.key, beside=beside)

    async def keep(self, asset: Asset, recipe: GenerationRequest) -> None:
        """Put what was made into the index of assets, where outputs refer to it."""
        await asyncio.to_thread(self._ledger.assets.keep, asset, recipe)

    async def signed(self, asset: Asset, claim: Claim) -> Asset:
        """The signed copy of a file; what was signed once with this claim is not signed again."""
        return (await self._signed(asset, claim))[0]

    async def _signed(self, asset: Asset, claim: Claim) -> tuple[Asset, GenerationRequest]:
        identity = await asyncio.to_thread(self._identity)
        told: dict[str, JsonValue] = {
            "claim": claim.model_dump(mode="json"),
            "signer": identity.fingerprint,
            "timestamps_from": identity.timestamps_from,
        }
        recipe = recipe_of("sign", told, [Ingredient(role="film", digest=asset.digest)])

        async def make(folder: Path, sources: Sequence[Path]) -> list[MadeFile]:
            path = folder / "signed"
            await sign(sources[0], path, claim, identity)
            return [MadeFile("", path, asset.media_type)]

        [made] = await self._workshop.made_files(recipe, make)
        signed = asset.model_copy(update={"digest": made.digest, "size": made.size})
        await self.keep(signed, recipe)
        return signed, recipe


def can_be_signed(media_type: str) -> bool:
    """Whether a file of this type can carry credentials."""
    return media_type in CARRIERS
