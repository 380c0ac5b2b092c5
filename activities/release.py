"""Release: the assembled film becomes the files that people are given."""

import asyncio

from temporalio import activity

from activities.boundary import film_errors
from activities.presence import heartbeats
from filmforge.contracts import MasterOrder
from filmforge.ledger import Ledger


class Release:
    """The last steps of a film, over the ledger and the store."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name="release")
    @film_errors
    async def release(self, order: MasterOrder) -> None:
        """Give the film out."""
        async with heartbeats():
            film = (await asyncio.to_thread(self._ledger.assets.read, order.digest)).asset
            await asyncio.to_thread(
                self._ledger.films.deliver, order.film_id, "film", film.digest, film.media_type
            )
