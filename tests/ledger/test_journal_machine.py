"""The journal under any order of calls: the sums always agree, and nothing is paid twice."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from filmforge.domain import Execution, Stage, Tags
from filmforge.errors import BudgetExceeded, Conflict, FilmStopped, MustWait, NotFound
from filmforge.ledger import Ledger, open_ledger
from filmforge.ledger.budget import film_scope
from filmforge.ledger.caps import month_scope
from filmforge.ledger.database import now
from filmforge.ledger.pace import Pace
from filmforge.ledger.posting import IN_FLIGHT, State
from filmforge.ledger.tables import budgets, charges, journal
from filmforge.money import from_micros, to_micros
from tests.ledger.conftest import add_film, asset, claim, job, passing_ledger, request
from tests.postgres import PostgresServer

FILMS = {"attic": "pilot", "harbour": None}
STOPPED = ("cancelling", "cancelled")
WAITING_FOR_A_JOB = (State.RESERVED, State.SUBMITTING, State.UNKNOWN)
AT_PROVIDER = (State.SUBMITTING, State.ACCEPTED)
Opening = Callable[[], contextlib.AbstractContextManager[Ledger]]

films = st.sampled_from(sorted(FILMS))
slots = st.sampled_from((0, 1))
shots = st.sampled_from(("s0", "s1"))
wishes = st.sampled_from(("first", "second", "third"))
estimates = st.integers(0, 3_000_000).map(from_micros)
costs = st.none() | st.integers(0, 4_000_000).map(from_micros)
jobs = st.sampled_from(("job-1", "job-2")).map(job)
about = st.sampled_from(("any", "the job", "another job"))
paces = st.none() | st.integers(1, 2).map(lambda most: Pace(max_in_flight=most))


class JournalMachine(RuleBasedStateMachine):
    """Two films with little money under two caps, requests, and everybody's calls in any order.

    Two requests are in hand at a time; one that succeeded makes room for a new one.
    """

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.ledger = self.stack.enter_context(opening())
        self.journal = self.ledger.journal
        self.paid: dict[str, int] = {}
        self.prompts = ["lamp", "door"]
        self.may_post: set[str] = set()
        self.caps = ("project:pilot", month_scope(now()))
        for film, project in FILMS.items():
            add_film(self.ledger, film, budget="5", project=project)
        for cap in self.caps:
            self.ledger.set_cap(cap, Decimal(6), False, "ada")

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

    def figures(self) -> dict[str, Any]:
        with self.ledger.db.read() as tx:
            return {row.scope: row for row in tx.execute(select(budgets))}

    def scopes(self, film: str) -> set[str]:
        project, month = self.caps
        return {film_scope(film), month} | ({project} if FILMS[film] else set())

    def stopped(self, film: str) -> bool:
        return self.ledger.films.read(film).execution in STOPPED

    def anyhow(self, call: Any, *arguments: Any) -> None:
        """A call that may come before its row exists."""
        with contextlib.suppress(NotFound):
            call(*arguments)

    @rule(slot=slots, film=films, shot=shots, wish=wishes, estimate=estimates)
    def reserve(self, slot: int, film: str, shot: str, wish: str, estimate: Decimal) -> None:
        key, micros = self.prompts[slot], to_micros(estimate)
        before, row, stopped = self.figures(), self.row(key), self.stopped(film)
        tight = {
            scope for scope in self.scopes(film) if micros and not _fits(before[scope], micros)
        }
        refusing = {scope for scope in tight if not before[scope].shadow}
        refused_by = ""
        try:
            self.journal.reserve(request(key), estimate, claim(film, shot, wish))
        except BudgetExceeded as error:
            refused_by = error.scope
            assert self.row(key) == row
            assert self.figures() == before
        except FilmStopped:
            assert stopped
            assert self.row(key) == row
        assert not refused_by or refused_by in refusing
        after = self.figures()
        if after[film_scope(film)].reserved_micros > before[film_scope(film)].reserved_micros:
            assert not stopped
            assert not refusing
            assert row is None or row.state in (State.FAILED, State.CANCELLED)
            assert set(self.row(key).scopes) == self.scopes(film)
            for scope in self.scopes(film):
                counted = after[scope].refused_count - before[scope].refused_count
                assert counted == (scope in tight)

    @rule(slot=slots, pace=paces)
    def begin_submitting(self, slot: int, pace: Pace | None) -> None:
        key = self.prompts[slot]
        before = self.row(key)
        may = before and before.state == State.RESERVED and not self.stopped(before.film_id)
        nonces: list[str | None] = []
        for _ in range(2):
            held = self.in_flight()
            try:
                nonces.append(self.journal.begin_submitting(request(key).key, pace))
            except MustWait:
                full = pace is not None and held.total() >= (pace.max_in_flight or 0)
                assert may
                assert full or held[before.film_id] > min(held[film] for film in FILMS)
                assert _but_for_waiting(self.row(key)) == _but_for_waiting(before)
                return
        granted = {nonce for nonce in nonces if nonce}
        assert len(granted) == (1 if may else 0)
        if may:
            assert self.row(key).nonce in granted
            assert key not in self.may_post
            assert pace is None or self.in_flight().total() <= (pace.max_in_flight or 0)
            self.may_post.add(key)

    def in_flight(self) -> Counter[str]:
        wanted = select(journal.c.film_id).where(journal.c.state.in_(AT_PROVIDER))
        with self.ledger.db.read() as tx:
            return Counter(tx.execute(wanted).scalars())

    @rule(slot=slots, by=jobs)
    def accept(self, slot: int, by: dict[str, Any]) -> None:
        key = self.prompts[slot]
        before, spent = self.row(key), self.charged(key)
        known = by["id"] in self.journal.jobs(request(key).key)
        self.anyhow(self.journal.accept, request(key).key, by, "submit")
        if more := self.charged(key) - spent:
            assert not known, "the same job was spent twice"
            assert before.state not in WAITING_FOR_A_JOB
            assert more == before.estimate_micros
            if key in self.paid:
                self.paid[key] += more
        if before and known:
            assert self.row(key) == before
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

    @rule(
        which=st.sampled_from((0, 1)), limit=st.integers(0, 12).map(Decimal), shadow=st.booleans()
    )
    def set_cap(self, which: int, limit: Decimal, shadow: bool) -> None:
        self.ledger.set_cap(self.caps[which], limit, shadow, "ada")

    @rule(film=films)
    def release_unsent(self, film: str) -> None:
        self.journal.release_unsent(film)

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
        reserved: Counter[str] = Counter()
        spent: Counter[str] = Counter()
        with self.ledger.db.read() as tx:
            for row in tx.execute(select(journal).where(journal.c.state.in_(IN_FLIGHT))):
                reserved.update(dict.fromkeys(row.scopes, row.estimate_micros))
            for row in tx.execute(select(charges)):
                spent.update(dict.fromkeys(self.scopes(row.film_id), row.micros))
        for scope, row in self.figures().items():
            assert (row.reserved_micros, row.spent_micros) == (reserved[scope], spent[scope])
            beyond = row.reserved_micros + row.spent_micros - row.limit_micros
            assert row.shadow or beyond <= row.overdraft_micros
            assert row.overdraft_micros <= max(0, beyond)

    @invariant()
    def a_submit_is_charged_once_and_only_after_it_began(self) -> None:
        wanted = select(charges, journal.c.submit.label("latest")).join(journal)
        with self.ledger.db.read() as tx:
            rows = tx.execute(wanted).all()
        assert len({(row.request_key, row.submit) for row in rows}) == len(rows)
        assert all(row.submit <= row.latest for row in rows)

    @invariant()
    def who_may_post_may_do_so_until_the_row_moves_on(self) -> None:
        self.may_post = {key for key in self.may_post if self.row(key).state == State.SUBMITTING}

    @invariant()
    def what_succeeded_is_paid_again_only_for_a_second_job(self) -> None:
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


def _but_for_waiting(row: Any) -> dict[str, Any]:
    return {**row._asdict(), "waiting_at": None}


def _fits(row: Any, micros: int) -> bool:
    return bool(row.spent_micros + row.reserved_micros + micros <= row.limit_micros)


def _run(opening: Opening, examples: int) -> None:
    run_state_machine_as_test(
        lambda: JournalMachine(opening),
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_journal_holds_on_sqlite_whatever_comes_in_any_order() -> None:
    _run(passing_ledger, 30)


def test_the_journal_holds_on_postgresql_whatever_comes_in_any_order(
    postgres: PostgresServer, migrated: str
) -> None:
    @contextlib.contextmanager
    def opening() -> Iterator[Ledger]:
        url = postgres.create(like=migrated)
        opened = open_ledger(url)
        yield opened
        opened.close()
        postgres.drop(url)

    _run(opening, 10)
