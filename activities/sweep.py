"""Sweep: reservations whose film no longer runs are settled, forgotten films are started."""

import asyncio
from datetime import timedelta

import structlog
from temporalio import activity

from activities.boundary import film_errors
from activities.commission import Commissions
from activities.generate import Generate
from activities.presence import heartbeats
from activities.send import Send
from filmforge.commands import Cancel, Retry, SetBudget
from filmforge.domain import Execution
from filmforge.engine import Engine
from filmforge.errors import Conflict, FilmError
from filmforge.ledger import Ledger
from filmforge.ledger.database import now
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.posting import Posting, State
from filmforge.providers.catalogue import Recovery

log = structlog.get_logger()

IDLE_S = 60.0
DOUBT_S = 600.0
AT_ONCE = 32
TRY_AGAIN_AFTER = timedelta(hours=1)
SETTLE_S = 120.0
# A callback can be repeated for five minutes; a provider delivers one late for hours.
REMEMBERED_S = 7 * 86_400.0


class Sweep:
    """The sweeper, over the ledger, the engine and the paid step itself."""

    def __init__(
        self,
        ledger: Ledger,
        engine: Engine,
        commissions: Commissions,
        send: Send,
        generate: Generate,
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._commissions = commissions
        self._send = send
        self._generate = generate

    @activity.defn(name="sweep")
    @film_errors
    async def sweep(self) -> None:
        """Look once at films that do not run, money in flight, and doubts that have passed."""
        async with heartbeats():
            await self._see_to_films()
            await self._see_to_doubts()
            for film_id, shot_id in await asyncio.to_thread(self._ledger.journal.stuck_after_doubt):
                await self._go_on(film_id, shot_id)
            await self._see_to_caps()
            await asyncio.to_thread(self._ledger.callbacks.prune, REMEMBERED_S)
            await self._see_to_money()

    async def _see_to_films(self) -> None:
        for film in await asyncio.to_thread(self._ledger.films.unended):
            try:
                await self._see_to_film(film)
            except FilmError as error:
                log.warning("left to the next sweep", film=film.film_id, why=str(error))

    async def _see_to_money(self) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def settle(posting: Posting) -> None:
            try:
                async with places:
                    await self._see_to_posting(posting)
            except (FilmError, TimeoutError) as error:
                log.warning("not settled yet", request_key=posting.request_key, why=str(error))

        postings = await asyncio.to_thread(self._ledger.journal.unsettled, IDLE_S)
        await asyncio.gather(*(settle(posting) for posting in postings))

    async def _see_to_doubts(self) -> None:
        """Look again where a provider's list may tell by now; it costs nothing."""
        for posting in await asyncio.to_thread(self._ledger.journal.doubtful, DOUBT_S):
            try:
                commission = await asyncio.to_thread(self._commissions.from_posting, posting)
                if commission.provider.recovery(posting.request) is Recovery.LISTING:
                    await self._send.look(commission, posting)
            except FilmError as error:
                log.info("in doubt still", request_key=posting.request_key, why=str(error))

    async def _see_to_caps(self) -> None:
        """A month may have begun, or a shared cap have room again: let those who wait try."""
        before = now() - TRY_AGAIN_AFTER
        for film_id in await asyncio.to_thread(self._ledger.films.waiting_under_a_cap, before):
            budget = await asyncio.to_thread(self._ledger.budget, film_id)
            wish = SetBudget(limit_usd=budget.limit, who="sweeper")
            try:
                await self._engine.command(film_id, wish)
            except FilmError as error:
                log.info("still waits under a cap", film=film_id, why=str(error))

    async def _go_on(self, film_id: str, shot_id: str) -> None:
        """A callback or another film has told what became of a request that was in doubt."""
        try:
            await self._engine.command(film_id, Retry(shot_id=shot_id, who="sweeper"))
        except FilmError as error:  # it ended meanwhile, or somebody else was quicker
            log.info("goes on already", film=film_id, shot=shot_id, why=str(error))

    async def _see_to_film(self, film: FilmRecord) -> None:
        running = await self._engine.running(film.film_id)
        # Read again: it may have ended since, and an ended film must not be started.
        film = await asyncio.to_thread(self._ledger.films.read, film.film_id)
        if film.ended:
            return
        if film.execution == Execution.CANCELLING:
            if not running:
                await asyncio.to_thread(self._ledger.films.set, film.film_id, Execution.CANCELLED)
                return
            try:
                await self._engine.command(film.film_id, Cancel(who="sweeper"))
            except Conflict as error:  # it ended just now
                log.info("already ended", film=film.film_id, why=str(error))
        elif not running:
            log.warning("starting a film that was left behind", film=film.film_id)
            await self._engine.start_film(film.film_id, film.brief)

    async def _see_to_posting(self, posting: Posting) -> None:
        """A request of a film that does not run: release it unsent, or see it to its end."""
        if await self._engine.running(posting.payer.film_id):
            return
        key = posting.request_key
        if posting.state == State.RESERVED:
            await asyncio.to_thread(self._ledger.journal.release, key, posting.payer)
        elif posting.state != State.UNKNOWN:
            commission = await asyncio.to_thread(self._commissions.from_posting, posting)
            async with asyncio.timeout(SETTLE_S):
                await self._generate.settle(commission, posting)
