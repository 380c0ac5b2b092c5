"""The journal under any order of calls: the sums always agree, and nothing is paid twice."""

import contextlib
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select

from filmforge.domain import Execution, Stage, Tags
from filmforge.errors import BudgetExceeded, Conflict, FilmStopped, NotFound
from filmforge.ledger.budget import film_scope
from filmforge.ledger.posting import IN_FLIGHT, State
from filmforge.ledger.tables import budgets, charges, journal
from filmforge.money import from_micros, to_micros
from tests.ledger.conftest import add_film, asset, claim, job, passing_ledger, request

FILMS = ("attic", "harbour")
STOPPED = ("cancelling", "cancelled")

films = st.sampled_from(FILMS)
slots = st.sampled_from((0, 1))
shots = st.sampled_from(("s0", "s1"))
wishes = st.sampled_from(("first", "second", "third"))
estimates = st.integers(0, 3_000_000).map(from_micros)
costs = st.none() | st.integers(0, 4_000_000).map(from_micros)
jobs = st.sampled_from(("job-1", "job-2")).map(job)
about = st.sampled_from(("any", "the job", "another job"))


class JournalMachine(RuleBasedStateMachine):
    """Two films with little money, requests, and everybody's calls in any order.

    Two requests are in hand at a time; one that succeeded makes room for a new one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.ledger = self.stack.enter_context(passing_ledger())
        self.journal = self.ledger.journal
        self.paid: dict[str, int] = {}
        self.prompts = ["lamp", "door"]
        for film in FILMS:
            add_film(self.ledger, film, budget="5")

    def teardown(self) -> None:
        self.stack.close()

    @initialize(estimate=estimates)
    def reserve_both(self, estimate: Decimal) -> None:
        for slot, film in enumerate(FILMS):
            self.reserve(slot, film, "s0", "first", estimate)

    def row(self, key: str) -> Any:
        with self.ledger.db.read() as tx:
            found = select(journal).where(journal.c.request_key == request(key).key)
            return tx.execute(found).one_or_none()

    def figures(self, film: str) -> Any:
        with self.ledger.db.read() as tx:
            return tx.execute(select(budgets).where(budgets.c.scope == film_scope(film))).one()

    def stopped(self, film: str) -> bool:
        return self.ledger.films.read(film).execution in STOPPED

    def anyhow(self, call: Any, *arguments: Any) -> None:
        """A call that may come before its row exists."""
        with contextlib.suppress(NotFound):
            call(*arguments)

    @rule(slot=slots, film=films, shot=shots, wish=wishes, estimate=estimates)
    def reserve(self, slot: int, film: str, shot: str, wish: str, estimate: Decimal) -> None:
        key = self.prompts[slot]
        before, row, stopped = self.figures(film), self.row(key), self.stopped(film)
        try:
            self.journal.reserve(request(key), estimate, claim(film, shot, wish))
        except BudgetExceeded:
            held = before.spent_micros + before.reserved_micros
            assert held + to_micros(estimate) > before.limit_micros
            assert self.row(key) == row
        except FilmStopped:
            assert stopped
            assert self.row(key) == row
        after = self.figures(film)
        if after.reserved_micros > before.reserved_micros:
            assert not stopped
            assert after.spent_micros + after.reserved_micros <= after.limit_micros
            assert row is None or row.state in (State.FAILED, State.CANCELLED)

    @rule(slot=slots)
    def begin_submitting(self, slot: int) -> None:
        key = self.prompts[slot]
        before = self.row(key)
        nonces = {self.journal.begin_submitting(request(key).key) for _ in range(2)}
        may = before and before.state == State.RESERVED and not self.stopped(before.film_id)
        assert len(nonces - {None}) == (1 if may else 0)
        if may:
            assert self.row(key).nonce in nonces

    @rule(slot=slots, by=jobs)
    def accept(self, slot: int, by: dict[str, Any]) -> None:
        key = self.prompts[slot]
        before = self.row(key)
        self.anyhow(self.journal.accept, request(key).key, by, "submit")
        if before and before.state in (State.SUCCEEDED, State.FAILED, State.CANCELLED):
            assert self.row(key).state == before.state
        if before and before.state == State.ACCEPTED:
            assert self.row(key).job == before.job

    @rule(slot=slots, stale=st.booleans())
    def not_accepted(self, slot: int, stale: bool) -> None:
        key = self.prompts[slot]
        row = self.row(key)
        nonce = "stale" if stale or row is None else row.nonce
        self.anyhow(self.journal.not_accepted, request(key).key, nonce, "nobody there")
        if row is not None and stale:
            assert self.row(key) == row

    @rule(slot=slots, of=about)
    def resubmit(self, slot: int, of: str) -> None:
        key = self.prompts[slot]
        self.news(key, of, self.journal.resubmit, "may pass")

    @rule(slot=slots, of=about, cost=costs)
    def fail(self, slot: int, of: str, cost: Decimal | None) -> None:
        key = self.prompts[slot]
        self.news(key, of, self.journal.fail, "broken", "it broke", cost or Decimal(0))

    @rule(slot=slots, of=about, cost=costs)
    def cancel(self, slot: int, of: str, cost: Decimal | None) -> None:
        key = self.prompts[slot]
        self.news(key, of, self.journal.cancel, "stopped", cost or Decimal(0))

    def news(self, key: str, of: str, call: Any, *arguments: Any) -> None:
        """News of one job changes nothing where another one stands."""
        before = self.row(key)
        told = {"any": None, "the job": before and before.job, "another job": job("elsewhere")}
        self.anyhow(call, request(key).key, *arguments, told[of])
        if before is not None and of == "another job":
            assert self.row(key) == before

    @rule(slot=slots)
    def doubt(self, slot: int) -> None:
        key = self.prompts[slot]
        self.anyhow(self.journal.doubt, request(key).key, "who knows")

    @rule(slot=slots, cost=costs)
    def succeed(self, slot: int, cost: Decimal | None) -> None:
        key = self.prompts[slot]
        if key in self.paid:
            self.prompts[slot] += "'"
        self.anyhow(self.journal.succeed, request(key).key, asset(key), Tags(), cost)
        row = self.row(key)
        if row is not None:
            assert row.state == State.SUCCEEDED
            assert row.digest == asset(key).digest

    @rule(slot=slots, film=films, shot=shots)
    def release(self, slot: int, film: str, shot: str) -> None:
        key = self.prompts[slot]
        before = self.row(key)
        self.anyhow(self.journal.release, request(key).key, claim(film, shot))
        payer = before and (before.film_id, before.shot_id)
        if before and (payer != (film, shot) or before.state != State.RESERVED):
            assert self.row(key) == before

    @rule(slot=slots, choice=st.sampled_from(("look_again", "send_again", "write_off")))
    def resolve(self, slot: int, choice: Any) -> None:
        key = self.prompts[slot]
        before = self.row(key)
        try:
            self.anyhow(self.journal.resolve, request(key).key, choice, "ada")
        except Conflict:
            assert before.state != State.UNKNOWN
            assert self.row(key) == before

    @rule(film=films, limit=st.integers(0, 8).map(Decimal))
    def set_budget(self, film: str, limit: Decimal) -> None:
        self.ledger.set_budget(film, limit, "ada")

    @rule(film=films, state=st.sampled_from((Execution.CANCELLING, Execution.CANCELLED)))
    def stop(self, film: str, state: Execution) -> None:
        self.ledger.films.set(film, state)

    @precondition(lambda self: any(self.stopped(film) for film in FILMS))
    @rule(film=films)
    def resume(self, film: str) -> None:
        with contextlib.suppress(Conflict):
            self.ledger.films.reopen(film, Stage.FILM)

    @invariant()
    def the_sums_agree(self) -> None:
        in_flight = journal.c.state.in_(IN_FLIGHT)
        with self.ledger.db.read() as tx:
            for film in FILMS:
                figures = tx.execute(
                    select(budgets).where(budgets.c.scope == film_scope(film))
                ).one()
                held = select(func.sum(journal.c.estimate_micros)).where(
                    in_flight, journal.c.film_id == film
                )
                spent = select(func.sum(charges.c.micros)).where(charges.c.film_id == film)
                assert figures.reserved_micros == (tx.execute(held).scalar() or 0)
                assert figures.spent_micros == (tx.execute(spent).scalar() or 0)
                assert min(figures.reserved_micros, figures.spent_micros) >= 0

    @invariant()
    def what_succeeded_is_never_paid_again(self) -> None:
        for key, paid in self.paid.items():
            assert self.row(key).state == State.SUCCEEDED
            assert self.charged(key) == paid
        for key in self.prompts:
            row = self.row(key)
            if row is not None and row.state == State.SUCCEEDED:
                self.paid.setdefault(key, self.charged(key))

    def charged(self, key: str) -> int:
        spent = select(func.sum(charges.c.micros)).where(charges.c.request_key == request(key).key)
        with self.ledger.db.read() as tx:
            return tx.execute(spent).scalar() or 0


JournalMachine.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestJournal = JournalMachine.TestCase
