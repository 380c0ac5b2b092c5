"""A shot: the frame, the gate, the clip, the voice, and its piece of the film."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from filmforge.contracts import (
        SHOT_WORKFLOW,
        Conformed,
        ConformOrder,
        GateOrder,
        GateState,
        Generated,
        GenerateOrder,
        RemakeOrder,
        ShotNews,
        ShotOrder,
        ShotOutcome,
        ShotResult,
    )
    from filmforge.domain import Kind, Stage
    from filmforge.quality import Outcome
    from workflows.failure import code_of
    from workflows.policies import BOOKS, FINISH, GENERATE


@workflow.defn(name=SHOT_WORKFLOW)
class ShotWorkflow:
    """One run through a shot; what exists already costs nothing to pass by again.

    It ends when the shot is done and also when it must wait: the film keeps waiting shots and
    runs them again when somebody has decided, so a shot may wait for ever at no cost.
    """

    @workflow.run
    async def run(self, order: ShotOrder) -> ShotResult:
        """Shoot as far as the film asks for."""
        try:
            return await self._shoot(order)
        except (ActivityError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error) or workflow.cancellation_reason() is not None:
                return ShotResult(outcome=ShotOutcome.CANCELLED)
            return await self._lay_aside(order, error)

    async def _shoot(self, order: ShotOrder) -> ShotResult:
        if order.sound:
            return await self._record_sound(order)
        if not order.own_clip:
            for before_last in range(order.takes - 1, 0, -1):
                await self._generate(order, Kind.IMAGE, before_last)
            frame = await self._generate(order, Kind.IMAGE)
            if order.approval and not await self._approved(order, frame):
                return ShotResult(outcome=ShotOutcome.GATE, reason="wfa", digest=frame.digest)
        if order.stop_after == Stage.FRAMES:
            return await self._report(order, ShotResult(outcome=ShotOutcome.DONE))
        if not order.own_clip:
            await self._generate(order, Kind.VIDEO)
        if order.has_dialogue:
            await self._generate(order, Kind.AUDIO)
        return await self._conform(order)

    async def _record_sound(self, order: ShotOrder) -> ShotResult:
        """A sound is made when voices are, and lies under the film as it is."""
        wanted = order.stop_after != Stage.FRAMES
        if wanted:
            await self._generate(order, Kind.AUDIO)
        return await self._report(order, ShotResult(outcome=ShotOutcome.DONE), landed=wanted)

    async def _conform(self, order: ShotOrder) -> ShotResult:
        """Make the shot's piece, its takes again first where their quality asks for it."""
        while True:
            # None is the answer of a worker of the version before, which checks nothing.
            made: Conformed | None = await workflow.execute_activity(
                "conform",
                ConformOrder(film_id=order.film_id, shot_id=order.shot_id),
                result_type=Conformed,
                **FINISH,
            )
            if made is None or made.passes:
                return ShotResult(outcome=ShotOutcome.DONE)
            if made.outcome is Outcome.ATTENTION or not await self._remake(order, made):
                waiting = ShotResult(outcome=ShotOutcome.ATTENTION, reason="quality")
                return await self._report(order, waiting, "; ".join(made.words))

    async def _remake(self, order: ShotOrder, found: Conformed) -> bool:
        """Make takes again; False when a model has nothing else to offer for the same request."""
        await workflow.execute_activity(
            "remake",
            RemakeOrder(
                film_id=order.film_id,
                shot_id=order.shot_id,
                takes=found.retake,
                why="; ".join(found.words),
            ),
            **BOOKS,
        )
        made = [await self._generate(order, kind) for kind in found.retake]
        return all(take.digest not in found.retake.values() for take in made)

    async def _generate(self, order: ShotOrder, kind: Kind, before_last: int = 0) -> Generated:
        made: Generated = await workflow.execute_activity(
            "generate",
            GenerateOrder(
                film_id=order.film_id,
                shot_id=order.shot_id,
                kind=kind,
                before_last=before_last,
            ),
            result_type=Generated,
            **GENERATE,
        )
        return made

    async def _approved(self, order: ShotOrder, frame: Generated) -> bool:
        gate: GateState = await workflow.execute_activity(
            "open_gate",
            GateOrder(film_id=order.film_id, shot_id=order.shot_id, digest=frame.digest),
            result_type=GateState,
            **BOOKS,
        )
        return gate.approved

    async def _lay_aside(self, order: ShotOrder, error: BaseException) -> ShotResult:
        code = code_of(error)
        if code == "film_stopped":
            return ShotResult(outcome=ShotOutcome.CANCELLED, reason=code)
        over = code == "budget_exceeded"
        outcome = ShotOutcome.BUDGET if over else ShotOutcome.ATTENTION
        result = ShotResult(outcome=outcome, reason=code or "timed_out")
        return await self._report(order, result, str(error.__cause__ or error))

    async def _report(
        self, order: ShotOrder, result: ShotResult, message: str = "", *, landed: bool = False
    ) -> ShotResult:
        await workflow.execute_activity(
            "report_shot",
            ShotNews(
                film_id=order.film_id,
                shot_id=order.shot_id,
                outcome=result.outcome,
                reason=result.reason,
                message=message,
                landed=landed,
            ),
            **BOOKS,
        )
        return result
