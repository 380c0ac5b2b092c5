"""Books: the short steps in which workflows read and write the ledger."""

import asyncio
from collections.abc import Sequence

from temporalio import activity

from activities.boundary import film_errors
from filmforge.commands import (
    Accept,
    Choose,
    Command,
    Decide,
    Decided,
    Recorded,
    Replace,
    Resolve,
    Retry,
    Seen,
)
from filmforge.contracts import (
    FilmNews,
    FilmOrder,
    FilmPlan,
    GateOrder,
    GateState,
    Page,
    RemakeOrder,
    Reminder,
    ShotNews,
    ShotOutcome,
    ShotPlan,
)
from filmforge.direction import chosen, rejected
from filmforge.domain import Execution, Kind, Review
from filmforge.errors import Conflict, NotFound
from filmforge.ledger import Ledger
from filmforge.ledger.shots import ShotRecord, found_wanting, retrying


class Books:
    """Ledger steps; each is one or two short transactions and safe to repeat."""

    def __init__(self, ledger: Ledger, *, window: int, reminder_s: int) -> None:
        self._ledger = ledger
        self._window = window
        self._reminder_s = reminder_s

    @activity.defn(name="open_film")
    @film_errors
    async def open_film(self, order: FilmOrder) -> FilmPlan:
        """Read what the film workflow goes by; a film that was stopped meanwhile stays so."""
        return await asyncio.to_thread(self._open_film, order)

    @activity.defn(name="plan_shots")
    @film_errors
    async def plan_shots(self, page: Page) -> Sequence[ShotPlan]:
        """What the film workflow needs to know of some shots."""
        return await asyncio.to_thread(self._ledger.shots.plan, page.film_id, page.positions)

    @activity.defn(name="report_film")
    @film_errors
    async def report_film(self, news: FilmNews) -> None:
        """Record where the film stands with the machines."""
        await asyncio.to_thread(self._report_film, news)

    @activity.defn(name="report_shot")
    @film_errors
    async def report_shot(self, news: ShotNews) -> None:
        """Record why a shot waits, or that it came as far as the film was asked to go."""
        await asyncio.to_thread(self._report_shot, news)

    @activity.defn(name="open_gate")
    @film_errors
    async def open_gate(self, order: GateOrder) -> GateState:
        """Let a frame wait for a person, unless this very frame was approved before."""
        gate = await asyncio.to_thread(
            self._ledger.gates.open, order.film_id, order.shot_id, order.digest
        )
        return GateState(approved=gate.state == "approved")

    @activity.defn(name="remind")
    @film_errors
    async def remind(self, reminder: Reminder) -> None:
        """Remind people of frames that have waited long."""
        for shot_id, digest in reminder.frames:
            await asyncio.to_thread(self._ledger.gates.remind, reminder.film_id, shot_id, digest)

    @activity.defn(name="remake")
    @film_errors
    async def remake(self, order: RemakeOrder) -> None:
        """Let takes be made again because of what was found in them."""
        await asyncio.to_thread(
            self._ledger.shots.remake, order.film_id, order.shot_id, order.takes, order.why
        )

    @activity.defn(name="record")
    @film_errors
    async def record(self, command: Command) -> Recorded:
        """Write a person's command into the ledger and the audit trail."""
        recorded = await asyncio.to_thread(
            self._ledger.gates.once,
            command.command_id,
            lambda: self._record(command).model_dump(mode="json"),
        )
        return Recorded.model_validate(recorded)

    def _open_film(self, order: FilmOrder) -> FilmPlan:
        film = self._ledger.films.read(order.film_id)
        if film.execution == Execution.QUEUED:
            self._ledger.films.set(order.film_id, Execution.RUNNING)
        return FilmPlan(
            shots=film.shot_count + len(film.brief.sound.generated),
            stop_after=order.stop_after or film.stop_after,
            window=self._window,
            timeout_s=film.brief.approval.timeout,
            on_timeout=film.brief.approval.on_timeout,
            reminder_s=self._reminder_s,
            deliveries=len(film.brief.deliveries),
            ended=film.ended or film.execution == Execution.CANCELLING,
        )

    def _report_film(self, news: FilmNews) -> None:
        if news.execution == Execution.CANCELLED:
            # What waited for its next try had no attempt left to give its money back.
            self._ledger.journal.release_unsent(news.film_id)
        self._ledger.films.set(news.film_id, news.execution, news.reason, news.message)

    def _report_shot(self, news: ShotNews) -> None:
        execution, event = {
            ShotOutcome.ATTENTION: (Execution.FAILED, "shot.needs_attention"),
            ShotOutcome.BUDGET: (Execution.QUEUED, "shot.changed"),
        }.get(news.outcome, (Execution.SUCCEEDED, "shot.changed"))
        self._ledger.shots.set(
            news.film_id,
            news.shot_id,
            execution=execution,
            review=Review.DONE if news.landed else None,
            reason=news.reason or None,
            message=news.message or None,
            event=event,
        )

    def _record(self, command: Command) -> Recorded:
        film_id = command.film_id
        if command.budget:
            wanted = command.budget
            limit, seen = wanted.limit_usd, wanted.seen_limit_usd
            self._ledger.set_budget(film_id, limit, wanted.who, seen)
        if command.cancel:
            self._ledger.films.set(film_id, Execution.CANCELLING)
            self._ledger.gates.note(film_id, None, command.cancel.who, "cancel")
        if command.decide_many:
            each = command.decide_many.decisions
            return Recorded(each=tuple(self._record_decision(film_id, one) for one in each))
        if command.decide:
            return self._record_decision(film_id, command.decide)
        return self._record_wish(film_id, command)

    def _record_wish(self, film_id: str, command: Command) -> Recorded:
        """What is asked for besides decisions; with no shot named it is for the whole film."""
        wishes = (command.retry, command.skip, command.replace, command.resolve)
        wish = next((each for each in (*wishes, command.accept) if each is not None), None)
        if wish is None:
            return Recorded()
        if wish.shot_id is None:
            seen = wish.digest if isinstance(wish, Accept) else None
            self._ledger.holds.accept(film_id, wish.who, seen)
            return Recorded()
        before = self._ledger.shots.read(film_id, wish.shot_id)
        self._refuse_otherwise(before, wish.seen)
        match wish:
            case Retry():
                self._retry(before, wish)
            case Replace():
                self._replace(before, wish)
            case Resolve():
                self._resolve(before, wish)
            case Accept():
                self._accept(before, wish)
            case _:
                self._skip(before, wish.who)
        return _recorded(before)

    def _record_decision(self, film_id: str, wish: Decide | Choose) -> Recorded:
        before = self._ledger.shots.read(film_id, wish.shot_id)
        if isinstance(wish, Choose):
            outcome = self._choose(before, wish)
        else:
            outcome = self._decide(before, wish)
        return _recorded(before).model_copy(update={"outcome": outcome})

    def _decide(self, before: ShotRecord, wish: Decide) -> Decided:
        film_id, shot_id = before.film_id, wish.shot_id
        state = "approved" if wish.verdict == "approve" else "rejected"
        by = (wish.who, wish.note, wish.link_id, wish.principal, wish.takes)
        if not self._ledger.gates.decide(film_id, shot_id, wish.digest, state, *by):
            return "already_decided"
        if state == "rejected":
            direction = rejected(before.direction, wish.note, wish.takes)
            self._ledger.shots.direct(film_id, shot_id, direction, Review.RETAKE)
        return "accepted"

    def _choose(self, before: ShotRecord, wish: Choose) -> Decided:
        film_id, shot_id, digest = before.film_id, wish.shot_id, wish.digest
        takes = self._ledger.takes.of_shot(film_id, shot_id)
        if digest not in {take.digest for take in takes if take.kind is Kind.IMAGE}:
            return "unknown_take"
        by = (wish.who, wish.note, wish.principal)
        if not self._ledger.gates.choose(film_id, shot_id, digest, wish.instead_of, *by):
            return "already_decided"
        self._ledger.takes.use(film_id, shot_id, Kind.IMAGE, digest)
        self._ledger.shots.direct(film_id, shot_id, chosen(before.direction, digest))
        return "accepted"

    def _retry(self, before: ShotRecord, wish: Retry) -> None:
        takes = self._ledger.takes.of_shot(before.film_id, wish.shot_id)
        direction = retrying(before, takes, wish.changes, wish.providers)
        self._ledger.gates.withdraw(before.film_id, wish.shot_id)
        self._ledger.shots.direct(before.film_id, wish.shot_id, direction)
        self._ledger.gates.note(
            before.film_id,
            wish.shot_id,
            wish.who,
            "retry",
            changes=wish.changes,
            providers=wish.providers.model_dump(exclude_none=True),
        )

    def _replace(self, before: ShotRecord, wish: Replace) -> None:
        film_id, shot_id = before.film_id, wish.shot_id
        replaced = {**before.direction.replaced, wish.kind: wish.digest}
        self._ledger.takes.replace(film_id, shot_id, wish.kind, wish.digest, wish.who)
        if wish.kind == Kind.IMAGE:
            self._ledger.gates.settle_upload(film_id, shot_id, wish.digest, wish.who)
        elif wish.kind == Kind.VIDEO:
            self._ledger.gates.withdraw(film_id, shot_id)  # an own clip needs no frame
        self._ledger.shots.direct(
            film_id, shot_id, before.direction.model_copy(update={"replaced": replaced})
        )
        self._ledger.gates.note(
            film_id, shot_id, wish.who, "replace", kind=wish.kind, digest=wish.digest
        )

    def _resolve(self, before: ShotRecord, wish: Resolve) -> None:
        posting = self._ledger.journal.in_doubt(before.film_id, wish.shot_id)
        if posting is None:
            raise NotFound(f"the shot {wish.shot_id} has no request in doubt")
        self._ledger.journal.resolve(posting.request_key, wish.choice, wish.who)
        if wish.choice == "write_off":
            self._ledger.shots.set(
                before.film_id,
                wish.shot_id,
                execution=Execution.FAILED,
                reason="written_off",
                message="The request was written off; retry, replace or skip the shot.",
            )
        self._ledger.gates.note(
            before.film_id, wish.shot_id, wish.who, "resolve", choice=wish.choice
        )

    def _accept(self, before: ShotRecord, wish: Accept) -> None:
        film_id, shot_id = before.film_id, before.shot.shot_id
        takes = self._ledger.takes.of_shot(film_id, shot_id)
        digests = tuple(take.digest for take in found_wanting(before, takes).values())
        accepted = {"accepted": (*before.direction.accepted, *digests)}
        self._ledger.shots.direct(film_id, shot_id, before.direction.model_copy(update=accepted))
        self._ledger.gates.note(film_id, shot_id, wish.who, "accept", digests=[*digests])

    def _refuse_otherwise(self, before: ShotRecord, seen: Seen | None) -> None:
        """Refuse what somebody chose who saw the shot stand otherwise. Raises Conflict."""
        if seen is not None and seen != self._ledger.stand(before):
            raise Conflict(f"something else became of {before.shot.shot_id}: look at it again")

    def _skip(self, before: ShotRecord, who: str) -> None:
        shot_id = before.shot.shot_id
        self._ledger.gates.withdraw(before.film_id, shot_id)
        self._ledger.shots.set(
            before.film_id, shot_id, execution=Execution.CANCELLED, review=Review.OMITTED
        )
        self._ledger.gates.note(before.film_id, shot_id, who, "skip")


def _recorded(before: ShotRecord) -> Recorded:
    return Recorded(
        position=before.position,
        was_done=before.execution == Execution.SUCCEEDED,
        was_omitted=before.review == Review.OMITTED,
    )
