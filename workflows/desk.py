"""The desk: where people's commands reach a film, and what the film keeps for them."""

import contextlib
from collections import deque
from collections.abc import Mapping

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from filmforge.commands import (
        Accept,
        Answer,
        Answers,
        Cancel,
        Choose,
        Command,
        Decide,
        DecideMany,
        Recorded,
        Replace,
        Resolve,
        Retry,
        SetBudget,
        Skip,
        TryAgain,
    )
    from filmforge.contracts import FilmOrder, FilmPlan, Progress, Reminder, ShotPlan, Waiting
    from filmforge.domain import Execution
    from workflows.answers import ACCEPTED, BEING_MADE, NOT_WAITING, RECORDED, REPLACED, refusal
    from workflows.policies import BOOKS

REMINDERS_AT_ONCE = 200
LANDING_S = 5


class Desk:
    """A film's state and the commands that change it.

    `_queue` holds plans to start, `_requeue` positions to be planned (again), `_active` the
    running children, `_waiting` the shots laid aside for a person or for budget, `_in_hand`
    those whose command is being recorded. `_changes` counts everything that happened. `_short`
    means that parked shots are being tried again under the limit that parked them. `_blocked` is
    why the film itself can't go on, `_words` say what is to be done about that.
    """

    def __init__(self, order: FilmOrder) -> None:
        self._film_id = order.film_id
        self._plan: FilmPlan | None = None
        self._cursor = order.cursor
        self._requeue = deque(order.requeue)
        self._queue: deque[ShotPlan] = deque()
        self._planning: set[int] = set()
        self._active: dict[str, ShotPlan] = {}
        self._waiting = dict(order.waiting)
        self._in_hand: set[str] = set()
        self._done = order.done
        self._omitted = order.omitted
        self._changes = 0
        self._money_moved = bool(order.waiting)
        self._short = order.short
        self._cancelled = False
        self._closed = False
        self._blocked: str | None = None
        self._words = ""

    @property
    def _film(self) -> FilmPlan:
        assert self._plan is not None, "commands wait until the film is open"
        return self._plan

    @workflow.query
    def progress(self) -> Progress:
        """The film at a glance."""
        return Progress(
            execution=self._execution(),
            shots=self._plan.shots if self._plan else 0,
            done=self._done,
            omitted=self._omitted,
            active=len(self._active),
            waiting={shot_id: waiting.reason for shot_id, waiting in self._waiting.items()},
        )

    @workflow.update
    async def decide(self, wish: Decide) -> Answer:
        """Approve or reject the very frame that waits; exactly one decision is taken."""
        return await self._decide(wish)

    @workflow.update
    async def decide_many(self, wish: DecideMany) -> Answers:
        """Take many decisions at once; each stands for itself and is answered in its place."""
        await self._landed({each.shot_id for each in wish.decisions})
        taken: dict[str, Decide | Choose] = {}
        late: list[Answer | None] = []
        for each in wish.decisions:
            late.append(NOT_WAITING if each.shot_id in taken else self._late(each))
            if late[-1] is None:
                taken[each.shot_id] = each
        told = await self._record_decisions(taken) if taken else {}
        both = zip(wish.decisions, late, strict=True)
        return Answers(answers=tuple(why or told[each.shot_id] for each, why in both))

    @workflow.update
    async def retry(self, wish: Retry) -> Answer:
        """Make a shot again, with changes where given."""
        if busy := self._busy(wish.shot_id):
            return busy
        await self._shoot_again(wish.shot_id, self._command(retry=wish))
        return ACCEPTED

    @workflow.update
    async def replace(self, wish: Replace) -> Answer:
        """Use an uploaded asset for a shot."""
        if busy := self._busy(wish.shot_id):
            return busy
        await self._shoot_again(wish.shot_id, self._command(replace=wish))
        return ACCEPTED

    @workflow.update
    async def resolve(self, wish: Resolve) -> Answer:
        """Settle what is to be done about a lost answer; a written-off shot goes on waiting."""
        waiting = self._waiting.get(wish.shot_id)
        if waiting is None or waiting.reason != "create_ambiguous":
            return Answer(outcome="not_waiting", message="No request of this shot is in doubt.")
        if wish.choice == "write_off":
            await self._record((wish.shot_id,), self._command(resolve=wish))
            written_off = waiting.model_copy(update={"reason": "written_off"})
            self._waiting[wish.shot_id] = written_off
        else:
            await self._shoot_again(wish.shot_id, self._command(resolve=wish))
        return ACCEPTED

    @workflow.update
    async def accept(self, wish: Accept) -> Answer:
        """Go on with a shot or with the film as it is, whatever was found in it."""
        if wish.shot_id is None:
            return await self._accept_film(wish)
        waiting = self._waiting.get(wish.shot_id)
        if waiting is None or waiting.reason != "quality":
            return Answer(outcome="not_waiting", message="This shot does not wait for its quality.")
        await self._shoot_again(wish.shot_id, self._command(accept=wish))
        return ACCEPTED

    @workflow.update
    async def try_again(self, wish: TryAgain) -> Answer:
        """Assemble and deliver once more what could not be."""
        if self._blocked is None:
            return Answer(outcome="not_waiting", message="The film goes on by itself.")
        self._blocked = None
        self._changes += 1
        return ACCEPTED

    @workflow.update
    async def skip(self, wish: Skip) -> Answer:
        """Leave a shot out of the film."""
        return await self._skip(wish)

    @workflow.update
    async def set_budget(self, wish: SetBudget) -> Answer:
        """Change the limit; what was parked for money goes on."""
        try:
            await self._change_budget(wish)
        except ActivityError as error:
            raise refusal(error) from error
        return ACCEPTED

    @workflow.signal
    async def budget(self, wish: SetBudget) -> None:
        """The same as a signal; one that comes as the film ends changes nothing."""
        if not self._closed:
            # A signal that is refused would fail the film: nobody waits for its answer.
            await self._change_budget(wish.model_copy(update={"seen_limit_usd": None}))

    @workflow.update
    async def cancel(self, wish: Cancel) -> Answer:
        """Stop spending now; what was paid for is kept."""
        self._cancelled = True
        self._changes += 1
        await self._execute(self._command(cancel=wish))
        return Answer(outcome="accepted", message="The film is being cancelled.")

    async def _decide(self, wish: Decide) -> Answer:
        await self._landed({wish.shot_id})
        if late := self._late(wish):
            return late
        command = self._command(decide=wish)
        return self._decided(wish.shot_id, await self._record((wish.shot_id,), command))

    async def _record_decisions(self, taken: Mapping[str, Decide | Choose]) -> dict[str, Answer]:
        """Write them all down in one step, and let their shots go on."""
        wishes = DecideMany(decisions=tuple(taken.values()))
        recorded = await self._record((*taken,), self._command(decide_many=wishes))
        both = zip(taken, recorded.each, strict=True)
        return {shot_id: self._decided(shot_id, one) for shot_id, one in both}

    async def _landed(self, shot_ids: set[str]) -> None:
        """People see the gate in the ledger a moment before the shot's workflow has ended here."""
        if not shot_ids.isdisjoint(self._active):
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: shot_ids.isdisjoint(self._active), timeout=LANDING_S
                )

    def _late(self, wish: Decide | Choose) -> Answer | None:
        """Why a decision comes too late; None when the very frame that was judged waits."""
        waiting = self._waiting.get(wish.shot_id)
        if waiting is None or waiting.reason != "wfa":
            return NOT_WAITING
        return None if waiting.digest == wish.judged else REPLACED

    def _decided(self, shot_id: str, recorded: Recorded) -> Answer:
        """Let a shot go on from what was recorded for it."""
        self._line_up(shot_id, recorded)
        return RECORDED[recorded.outcome]

    async def _accept_film(self, wish: Accept) -> Answer:
        if self._blocked != "quality":
            return Answer(outcome="not_waiting", message="The film does not wait for its quality.")
        try:
            await self._execute(self._command(accept=wish))
        except ActivityError as error:
            raise refusal(error) from error
        self._blocked = None
        self._changes += 1
        return ACCEPTED

    async def _skip(self, wish: Skip) -> Answer:
        if busy := self._busy(wish.shot_id):
            return busy
        recorded = await self._record((wish.shot_id,), self._command(skip=wish))
        if self._looked_at(wish.shot_id, recorded.position):
            self._done -= recorded.was_done
            self._omitted += not recorded.was_omitted
        else:
            self._plan_again(wish.shot_id, recorded.position)
        return ACCEPTED

    async def _change_budget(self, wish: SetBudget) -> None:
        await self._execute(self._command(budget=wish))
        self._unpark()
        self._short = False
        self._changes += 1

    def _unpark(self) -> bool:
        parked = [w for w in self._waiting.items() if w[1].reason == "budget_exceeded"]
        for shot_id, waiting in sorted(parked, key=lambda item: item[1].position):
            del self._waiting[shot_id]
            self._requeue.append(waiting.position)
        return bool(parked)

    async def _shoot_again(self, shot_id: str, command: Command) -> None:
        self._line_up(shot_id, await self._record((shot_id,), command))

    def _line_up(self, shot_id: str, recorded: Recorded) -> None:
        if self._looked_at(shot_id, recorded.position):
            self._done -= recorded.was_done
            self._omitted -= recorded.was_omitted
            self._requeue.append(recorded.position)
        else:
            self._plan_again(shot_id, recorded.position)

    async def _record(self, shot_ids: tuple[str, ...], command: Command) -> Recorded:
        """Write the command down; meanwhile nobody else can command the shots."""
        waiting = {
            shot_id: self._waiting.pop(shot_id) for shot_id in shot_ids if shot_id in self._waiting
        }
        self._in_hand.update(shot_ids)
        try:
            recorded = await self._execute(command)
        except ActivityError as error:
            self._waiting.update(waiting)
            raise refusal(error) from error
        finally:
            self._in_hand.difference_update(shot_ids)
            self._blocked = None
            self._changes += 1
        return recorded

    async def _execute(self, command: Command) -> Recorded:
        if self._closed:
            message = "The film has just ended; resume it first."
            raise ApplicationError(message, type="conflict", non_retryable=True)
        await workflow.wait_condition(lambda: self._plan is not None)
        recorded: Recorded = await workflow.execute_activity(
            "record", command, result_type=Recorded, **BOOKS
        )
        return recorded

    def _command(
        self,
        **wish: Decide
        | DecideMany
        | Retry
        | Replace
        | Resolve
        | Skip
        | Accept
        | SetBudget
        | Cancel,
    ) -> Command:
        return Command.model_validate(
            {"film_id": self._film_id, "command_id": str(workflow.uuid4()), **wish}
        )

    def _busy(self, shot_id: str) -> Answer | None:
        if shot_id in self._active or shot_id in self._in_hand:
            return BEING_MADE
        return None

    def _looked_at(self, shot_id: str, position: int) -> bool:
        queued = any(plan.shot_id == shot_id for plan in self._queue)
        coming = queued or position in self._planning or position in self._requeue
        return position < self._cursor and not coming

    def _plan_again(self, shot_id: str, position: int) -> None:
        """A shot that has not begun: what was planned for it is out of date."""
        stale = [plan for plan in self._queue if plan.shot_id == shot_id]
        for plan in stale:
            self._queue.remove(plan)
        if stale or position in self._planning:
            self._planning.discard(position)
            self._requeue.append(position)

    def _unstarted(self) -> bool:
        shots = self._plan.shots if self._plan else 1
        return bool(self._queue or self._requeue or self._planning) or self._cursor < shots

    def _unfinished(self) -> bool:
        return bool(self._unstarted() or self._active or self._waiting or self._in_hand)

    def _settled(self) -> bool:
        return not self._unfinished() and not self._blocked

    def _standing(self) -> tuple[Execution, str | None]:
        """Where the film stands: at rest with more than approvals outstanding, it needs people."""
        reasons = [waiting.reason for waiting in self._waiting.values()]
        at_work = bool(self._active) or self._unstarted()
        parked = "budget_exceeded" in reasons or (self._short and at_work)
        budget = "budget_exceeded" if parked else None
        if at_work:
            return Execution.RUNNING, budget
        troubles = [reason for reason in reasons if reason not in ("wfa", "budget_exceeded")]
        reason = self._blocked or budget or next(iter(troubles), None)
        return (Execution.NEEDS_ATTENTION if reason else Execution.RUNNING), reason

    def _execution(self) -> Execution:
        if self._cancelled:
            return Execution.CANCELLING if self._active else Execution.CANCELLED
        return Execution.SUCCEEDED if self._settled() else self._standing()[0]

    def _next_alarm_s(self) -> float | None:
        """Seconds until the next gate is due for a reminder or its deadline."""
        alarms = [self._alarm(w) for w in self._waiting.values() if w.reason == "wfa"]
        return max(0.0, min(alarms) - workflow.time()) if alarms else None

    def _alarm(self, gate: Waiting) -> float:
        reminder = gate.since + self._film.reminder_s * (gate.reminded + 1)
        return min(reminder, gate.deadline) if gate.deadline else reminder

    async def _ring_alarms(self) -> None:
        """Remind people of frames that wait; do what the film says about those it waited out."""
        now = workflow.time()
        due = {
            shot_id: gate
            for shot_id, gate in self._waiting.items()
            if gate.reason == "wfa" and self._alarm(gate) <= now
        }
        reminders = []
        for shot_id, gate in list(due.items())[:REMINDERS_AT_ONCE]:
            if gate.deadline and gate.deadline <= now and self._film.on_timeout != "wait":
                await self._time_out(shot_id, gate)
                continue
            assert gate.digest is not None
            reminders.append((shot_id, gate.digest))
            self._waiting[shot_id] = gate.model_copy(
                update={"reminded": gate.reminded + 1, "deadline": self._later(gate, now)}
            )
        if reminders:
            reminder = Reminder(film_id=self._film_id, frames=tuple(reminders))
            await workflow.execute_activity("remind", reminder, **BOOKS)

    def _later(self, gate: Waiting, now: float) -> float | None:
        return gate.deadline if gate.deadline and gate.deadline > now else None

    async def _time_out(self, shot_id: str, gate: Waiting) -> None:
        assert gate.digest is not None
        if self._film.on_timeout == "approve":
            await self._decide(
                Decide(shot_id=shot_id, digest=gate.digest, verdict="approve", who="timeout")
            )
        else:
            await self._skip(Skip(shot_id=shot_id, who="timeout"))
