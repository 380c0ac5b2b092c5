"""A film: its shots in a bounded window, the people it waits for, and the assembly."""

import asyncio
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ChildWorkflowError,
    WorkflowAlreadyStartedError,
    is_cancelled_exception,
)
from temporalio.workflow import ChildWorkflowCancellationType

with workflow.unsafe.imports_passed_through():
    from filmforge.contracts import (
        ASSEMBLING,
        FILM_WORKFLOW,
        TASK_TIMEOUT_S,
        Assembled,
        AssembleOrder,
        DeliveryOrder,
        FilmNews,
        FilmOrder,
        FilmPlan,
        MasterOrder,
        Page,
        Progress,
        ShotOrder,
        ShotOutcome,
        ShotPlan,
        ShotResult,
        Waiting,
        shot_workflow_id,
    )
    from filmforge.domain import Execution, Stage
    from filmforge.fields import Frozen
    from filmforge.quality import Verdict
    from workflows.desk import Desk
    from workflows.failure import code_of, words_of
    from workflows.policies import BOOKS, FINISH
    from workflows.shot import ShotWorkflow

R = TypeVar("R")

PAGE = 50
# Each is an encoder that wants every core.
DELIVERIES_AT_ONCE = 2
# Well under Temporal's 51,200: a run that has grown this long drains and continues as new.
FULL_HISTORY_EVENTS = 4_000


@workflow.defn(name=FILM_WORKFLOW)
class FilmWorkflow(Desk):
    """A film until it is finished or cancelled; people's commands arrive at its desk."""

    @workflow.init
    def __init__(self, order: FilmOrder) -> None:
        super().__init__(order)
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: tuple[Execution, str | None] | None = None

    @workflow.run
    async def run(self, order: FilmOrder) -> Progress:
        """Make the film. Returns its last progress."""
        try:
            self._plan = await workflow.execute_activity(
                "open_film", order, result_type=FilmPlan, **BOOKS
            )
            if self._film.ended:
                await workflow.wait_condition(workflow.all_handlers_finished)
                return self.progress()
            while not await self._finished():
                await self._work()
        except asyncio.CancelledError:
            self._cancelled = True
        if self._cancelled:
            await self._wind_down()
        await workflow.wait_condition(workflow.all_handlers_finished)
        self._closed = True
        await self._tell(Execution.CANCELLED if self._cancelled else Execution.SUCCEEDED)
        return self.progress()

    async def _work(self) -> None:
        """Start what fits, then sleep until something happens or a gate's time has come."""
        seen = self._changes
        if not self._history_is_full():
            await self._fill_window()
        elif not self._active:
            await self._continue_as_new()
        await self._tell(*self._standing())
        try:
            await workflow.wait_condition(
                lambda: self._changes != seen or self._settled(), timeout=self._next_alarm_s()
            )
        except TimeoutError:
            await self._ring_alarms()

    async def _finished(self) -> bool:
        if self._cancelled:
            return True
        if not self._settled():
            return False
        seen = self._changes
        if self._film.stop_after == Stage.FILM:
            await self._assemble(seen)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self._unchanged(seen)

    def _unchanged(self, seen: int) -> bool:
        """Whether the film is as it was then; what was made of it otherwise is made anew."""
        return self._settled() and self._changes == seen

    async def _assemble(self, seen: int) -> None:
        """Join the pieces and deliver the film; what can't be blocks it until a person acts."""
        await self._tell(Execution.RUNNING, ASSEMBLING)
        try:
            # None is the answer of a worker of the version before, which has delivered the film.
            made: Assembled | None = await self._step(
                "assemble", AssembleOrder(film_id=self._film_id), Assembled
            )
            if made and made.digest and self._unchanged(seen):
                master = MasterOrder(film_id=self._film_id, digest=made.digest, stems=made.stems)
                checked = await self._step("check_film", master, Verdict)
                if self._unchanged(seen):
                    await self._deliver(master, checked)
        except (ActivityError, asyncio.CancelledError) as error:
            if not is_cancelled_exception(error):
                self._block(code_of(error) or "assembly_failed", words_of(error))

    async def _deliver(self, master: MasterOrder, checked: Verdict) -> None:
        if not checked.passes:
            self._block("quality", "; ".join(checked.words))
            return
        await self._step("release", master)
        few = asyncio.Semaphore(DELIVERIES_AT_ONCE)

        async def deliver(place: int) -> None:
            order = DeliveryOrder(film_id=self._film_id, digest=master.digest, place=place)
            async with few:
                await self._step("deliver", order)

        places = range(self._film.deliveries)
        ended = await asyncio.gather(*map(deliver, places), return_exceptions=True)
        if failed := [error for error in ended if error and not is_cancelled_exception(error)]:
            workflow.logger.warning("deliveries failed: %s", failed)
            self._block("undelivered", "; ".join(map(words_of, failed)))

    def _block(self, reason: str, words: str) -> None:
        self._blocked, self._words = reason, words

    async def _step(self, name: str, order: Frozen, result: type[R] | None = None) -> R:
        """A step on the CPU queue, given up when the film is cancelled meanwhile."""
        handle = workflow.start_activity(name, order, result_type=result, **FINISH)
        await workflow.wait_condition(lambda: handle.done() or self._cancelled)
        if self._cancelled:
            handle.cancel()
        made: R = await handle
        return made

    async def _fill_window(self) -> None:
        self._give_budget_another_chance()
        while len(self._active) < self._film.window and not self._cancelled:
            if not self._queue:
                await self._plan_page()
            if not self._queue or self._queue[0].shot_id in self._in_hand:
                return  # what is being recorded for a shot decides whether it is to be started
            plan = self._queue.popleft()
            if plan.omitted:
                self._omitted += 1
            elif plan.finished:
                self._done += 1
            else:
                self._active[plan.shot_id] = plan
                task = asyncio.create_task(self._shoot(plan))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _plan_page(self) -> None:
        count = min(PAGE, len(self._requeue))
        positions = tuple(self._requeue.popleft() for _ in range(count))
        if not positions:
            end = min(self._cursor + PAGE, self._film.shots)
            positions = tuple(range(self._cursor, end))
            self._cursor = end
        if positions:
            page = Page(film_id=self._film_id, positions=positions)
            self._planning.update(positions)
            plans = await workflow.execute_activity(
                "plan_shots", page, result_type=list[ShotPlan], **BOOKS
            )
            self._queue.extend(plan for plan in plans if plan.position in self._planning)
            self._planning.clear()

    async def _shoot(self, plan: ShotPlan) -> None:
        order = ShotOrder(
            film_id=self._film_id,
            shot_id=plan.shot_id,
            has_dialogue=plan.has_dialogue,
            approval=plan.approval,
            own_clip=plan.own_clip,
            stop_after=self._film.stop_after,
            sound=plan.sound,
            takes=plan.takes,
        )
        try:
            result = await workflow.execute_child_workflow(
                ShotWorkflow.run,
                order,
                id=shot_workflow_id(order.film_id, order.shot_id),
                cancellation_type=ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
                static_summary=plan.shot_id,
                task_timeout=timedelta(seconds=TASK_TIMEOUT_S),
            )
        except (ChildWorkflowError, WorkflowAlreadyStartedError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                result = ShotResult(outcome=ShotOutcome.CANCELLED)
            else:
                workflow.logger.exception("a shot's workflow ended in a way it should not")
                result = ShotResult(outcome=ShotOutcome.ATTENTION, reason="internal_error")
        self._land(plan, result)

    def _land(self, plan: ShotPlan, result: ShotResult) -> None:
        del self._active[plan.shot_id]
        self._changes += 1
        if result.outcome != ShotOutcome.BUDGET:
            self._money_moved = True
        if result.outcome == ShotOutcome.DONE:
            self._done += 1
        elif result.reason == "film_stopped":
            self._cancelled = True  # the ledger knew it before we did
        elif not self._cancelled:
            now, timeout_s = workflow.time(), self._film.timeout_s
            timed = result.outcome == ShotOutcome.GATE and timeout_s
            self._waiting[plan.shot_id] = Waiting(
                position=plan.position,
                reason=result.reason or result.outcome,
                digest=result.digest,
                since=now,
                deadline=now + timeout_s if timed and timeout_s else None,
            )

    def _give_budget_another_chance(self) -> None:
        """When all else has come to rest, money that was reserved may be free again."""
        if not self._active and not self._unstarted():
            self._short = self._money_moved and self._unpark()
            self._money_moved = False

    async def _tell(self, execution: Execution, reason: str | None = None) -> None:
        if self._told != (execution, reason):
            self._told = (execution, reason)
            said = self._words if reason and reason == self._blocked else ""
            news = FilmNews(film_id=self._film_id, execution=execution, reason=reason, message=said)
            await workflow.execute_activity("report_film", news, **BOOKS)

    async def _wind_down(self) -> None:
        """Cancel what is being made, and wait for it: what the provider finished is kept."""
        for task in list(self._tasks):
            task.cancel()
        await self._tell(Execution.CANCELLING)
        await workflow.wait_condition(lambda: not self._active)

    def _history_is_full(self) -> bool:
        info = workflow.info()
        long = info.get_current_history_length() > FULL_HISTORY_EVENTS
        return long or info.is_continue_as_new_suggested()

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._cancelled:
            return
        workflow.continue_as_new(
            FilmOrder(
                film_id=self._film_id,
                stop_after=self._film.stop_after,
                cursor=self._cursor,
                requeue=(*(plan.position for plan in self._queue), *self._requeue),
                waiting=self._waiting,
                short=self._short,
                done=self._done,
                omitted=self._omitted,
            )
        )
