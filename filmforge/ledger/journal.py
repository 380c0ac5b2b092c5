"""The money journal: one row a request key, and the only place where money moves.

reserved → submitting → accepted → succeeded | failed | cancelled, or unknown. Every step is one
transaction; whoever is killed between two of them leaves a row from which another goes on.
"""

import secrets
from decimal import Decimal
from typing import Any, Literal

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from filmforge.domain import Asset, GenerationRequest, Tags
from filmforge.errors import Conflict, FilmStopped, MustWait, NotFound
from filmforge.ledger.assets import Origin, index_asset
from filmforge.ledger.caps import reserve_everywhere
from filmforge.ledger.database import insert_new, now
from filmforge.ledger.pace import (
    Pace,
    keep_waiting,
    lock_lane,
    pause,
    seconds_to_wait,
    sendable,
    take_turn,
)
from filmforge.ledger.posting import IN_FLIGHT, Claim, Posting, State, read_posting
from filmforge.ledger.register import STOPPED_FILMS, Register, known_jobs
from filmforge.ledger.settlement import charge_second_job, record_budget, settle
from filmforge.ledger.tables import films, joins, journal, journal_entries
from filmforge.money import to_micros

Body = dict[str, JsonValue]

_UNANSWERED = (State.SUBMITTING, State.UNKNOWN)


class Journal(Register):
    """The journal in a database, where every method that moves money is one transaction."""

    def reserve(
        self, request: GenerationRequest, estimate: Decimal, claim: Claim, account: str = ""
    ) -> Posting:
        """Take money for a request that nobody has made or is making; otherwise join it.

        `account` is a short fingerprint of the provider's key, never a key. Raises BudgetExceeded,
        or FilmStopped when the film was cancelled; then nothing changed.
        """
        try:
            return self._reserve(request, estimate, claim, account)
        except IntegrityError:  # another film inserted the same key a moment ago: join it
            return self._reserve(request, estimate, claim, account)

    def _reserve(
        self, request: GenerationRequest, estimate: Decimal, claim: Claim, account: str
    ) -> Posting:
        key = request.key
        with self._db.write() as tx:
            row = _lock(tx, key)
            if row is not None and not _may_arm(row, claim):
                _join(tx, row, claim)
                return read_posting(row)
            _refuse_if_stopped(tx, claim.film_id)
            micros = to_micros(estimate)
            scopes = reserve_everywhere(tx, claim, micros)
            values: dict[str, Any] = {
                **claim.model_dump(),
                "state": State.RESERVED,
                "estimate_micros": micros,
                "scopes": scopes,
                "account": account,
                "nonce": None,
                "submits": 0,
                "submitted_at": None,
                "waiting_at": None,
                "job": None,
                "failure_code": None,
                "failure_message": None,
                "updated_at": now(),
            }
            if row is None:
                fresh = {
                    "request_key": key,
                    "request": request.model_dump(mode="json"),
                    "provider": request.provider,
                    "created_at": now(),
                }
                tx.execute(insert(journal).values(**fresh, **values))
            else:
                tx.execute(update(journal).where(journal.c.request_key == key).values(**values))
            _enter(tx, key, State.RESERVED, estimate_micros=micros, **claim.model_dump())
            record_budget(tx, claim.film_id)
            return read_posting(_lock(tx, key))

    def await_turn(self, key: str, pace: Pace, account: str) -> None:
        """Raise MustWait as `begin_submitting` would, and begin nothing."""
        with self._db.write() as tx:
            row = tx.execute(sendable(key)).one_or_none()
            if row is None:
                return
            lane = lock_lane(tx, row.provider, account)
            seconds = seconds_to_wait(tx, lane, row, pace)
            if not seconds:
                return
            keep_waiting(tx, key)
        raise MustWait(seconds)

    def begin_submitting(
        self, key: str, pace: Pace | None = None, account: str | None = None
    ) -> str | None:
        """Write `submitting` with a fresh nonce; only who gets the nonce back may POST.

        `account` is whose key is used, where it changed since the money was reserved.

        None when somebody else wrote it first, or when the paying film was stopped. Raises
        MustWait when the account is paused, its pace leaves no room now, or it is the turn of
        another project that has less in flight there; that the request waits is written down.
        """
        pace = pace or Pace()
        with self._db.write() as tx:
            row = tx.execute(sendable(key)).one_or_none()
            if row is None:
                return None
            lane = lock_lane(tx, row.provider, row.account if account is None else account)
            # Only now is it certain: whoever held the account before may have sent this very one.
            row = tx.execute(
                sendable(key).with_for_update(of=journal, key_share=True)
            ).one_or_none()
            if row is None:
                return None
            seconds = seconds_to_wait(tx, lane, row, pace)
            if not seconds:
                take_turn(tx, lane, pace)
                return _write_submitting(tx, key, lane.account)
            keep_waiting(tx, key)
        raise MustWait(seconds)

    def hold_off(self, provider: str, account: str, seconds: float) -> None:
        """The provider asked for a pause: nothing is submitted to the account until it is over."""
        with self._db.write() as tx:
            pause(tx, provider, account, seconds)

    def accept(self, key: str, job: Body, source: str) -> Posting:
        """Write down the provider's job; the first of submitter, webhook and reconciler wins.

        The same job told again may add what was not known of it. One that was given up before is
        not taken up again. A second job for the same request is written into the history, never
        over the first, and its estimate is spent: the provider takes money for it too.
        """
        with self._db.write() as tx:
            row = _must(tx, key)
            known = known_jobs(tx, key)
            if _same_job(row.job, job):
                told = {**job, **row.job}
                if told != row.job:
                    tx.execute(update(journal).where(_is(key)).values(job=told))
            elif row.state in (State.RESERVED, State.SUBMITTING, State.UNKNOWN):
                if job["id"] not in known:
                    _move(tx, key, State.ACCEPTED, job=job)
                    _enter(tx, key, State.ACCEPTED, job=job, source=source, second=False)
            elif job["id"] not in known:
                _enter(tx, key, State(row.state), job=job, source=source, second=True)
                charge_second_job(tx, row, jobs=len(known) + 1)
            return read_posting(_must(tx, key))

    def refuse(self, key: str, nonce: str, code: str, message: str) -> Posting:
        """`failed`: the provider refused the submit of this nonce for good and took nothing.

        A job that was told of meanwhile, by a callback of an earlier submit, is left alone.
        """
        with self._db.write() as tx:
            row = _must(tx, key)
            if row.state in _UNANSWERED and row.nonce == nonce:
                return self._end(key, State.FAILED, code, message, Decimal(0), None)
            return read_posting(row)

    def not_accepted(self, key: str, nonce: str | None, why: str) -> None:
        """Back to `reserved`: the submit of this nonce provably reached nobody."""
        with self._db.write() as tx:
            row = _must(tx, key)
            if row.state in _UNANSWERED and row.nonce == nonce:
                _move(tx, key, State.RESERVED, nonce=None)
                _enter(tx, key, State.RESERVED, why=why)

    def resubmit(self, key: str, why: str, job: Body | None = None) -> None:
        """Back to `reserved` after an unbilled failure that may pass; the job is forgotten.

        `job` is the job that failed: another job that took its place meanwhile is left alone.
        """
        with self._db.write() as tx:
            row = _must(tx, key)
            if row.state == State.ACCEPTED and _speaks_of(row, job):
                _move(tx, key, State.RESERVED, nonce=None, job=None)
                _enter(tx, key, State.RESERVED, why=why, job=row.job)

    def doubt(self, key: str, why: str, nonce: str | None = None) -> None:
        """`unknown`: nobody can tell whether the submit was billed; the money stays reserved.

        With `nonce` only while that submit is the last one.
        """
        with self._db.write() as tx:
            row = _must(tx, key)
            if row.state == State.UNKNOWN:
                _move(tx, key, State.UNKNOWN)  # looked again just now, and for nothing
            elif row.state == State.SUBMITTING and nonce in (None, row.nonce):
                _move(tx, key, State.UNKNOWN)
                _enter(tx, key, State.UNKNOWN, why=why)

    def wake(self, key: str) -> None:
        """A genuine callback came: the next poll is due now. Raises NotFound."""
        with self._db.write() as tx:
            _must(tx, key)
            tx.execute(update(journal).where(journal.c.request_key == key).values(woken_at=now()))

    def succeed(self, key: str, asset: Asset, tags: Tags, cost: Decimal | None) -> Posting:
        """Settle: the cost to spent, the rest of the estimate released, the asset linked.

        What arrives after the request was given up is kept, and charged once in all.
        """
        with self._db.write() as tx:
            row = _must(tx, key)
            if row.state == State.SUCCEEDED:
                return read_posting(row)
            micros = row.estimate_micros if cost is None else to_micros(cost)
            settle(tx, row, micros, "made")
            request = GenerationRequest.model_validate(row.request)
            index_asset(tx, asset, Origin.of(request, micros), tags)
            # The estimate column keeps what the asset cost: it is what a reuse saves.
            _move(tx, key, State.SUCCEEDED, digest=asset.digest, estimate_micros=micros)
            _enter(tx, key, State.SUCCEEDED, digest=asset.digest, cost_micros=micros)
            return read_posting(_must(tx, key))

    def fail(
        self, key: str, code: str, message: str, cost: Decimal, job: Body | None = None
    ) -> Posting:
        """`failed` for good: what was billed is spent, the rest of the estimate released.

        `job` as for `resubmit`.
        """
        return self._end(key, State.FAILED, code, message, cost, job)

    def cancel(self, key: str, message: str, cost: Decimal, job: Body | None = None) -> Posting:
        """`cancelled`: what was billed is spent, the rest of the estimate released.

        `job` as for `resubmit`.
        """
        return self._end(key, State.CANCELLED, "cancelled", message, cost, job)

    def release(self, key: str, claim: Claim) -> None:
        """Give back the money that this shot reserved for a request nobody has sent, if any."""
        with self._db.write() as tx:
            row = _lock(tx, key)
            payer = row and (row.film_id, row.shot_id)
            if row and row.state == State.RESERVED and payer == (claim.film_id, claim.shot_id):
                _release(tx, row)

    def release_unsent(self, film_id: str) -> None:
        """Give back the money of everything a film reserved and nobody has sent."""
        mine = (journal.c.film_id == film_id, journal.c.state == State.RESERVED)
        with self._db.read() as view:
            keys = view.execute(select(journal.c.request_key).where(*mine)).scalars().all()
        for key in keys:  # one by one: requests of several months lock their caps in any order
            with self._db.write() as tx:
                row = _must(tx, key)
                if (row.film_id, row.state) == (film_id, State.RESERVED):
                    _release(tx, row)

    def resolve(
        self, key: str, choice: Literal["look_again", "send_again", "write_off"], who: str
    ) -> Posting:
        """Do what a person chose about an `unknown` request. Raises Conflict if it is not one."""
        with self._db.write() as tx:
            row = _must(tx, key)
            if row.state != State.UNKNOWN:
                raise Conflict(f"the request is {row.state}, not unknown: nothing to resolve")
            _enter(tx, key, State.UNKNOWN, choice=choice, who=who)
            if choice == "look_again":
                _move(tx, key, State.SUBMITTING)
            elif choice == "send_again":
                _move(tx, key, State.RESERVED, nonce=None)
            else:
                why, micros = f"written off by {who}", row.estimate_micros
                settle(tx, row, micros, "written_off")
                _move(tx, key, State.FAILED, failure_code="written_off", failure_message=why)
                _enter(tx, key, State.FAILED, why=why, cost_micros=micros)
            return read_posting(_must(tx, key))

    def _end(
        self, key: str, state: State, code: str, message: str, cost: Decimal, job: Body | None
    ) -> Posting:
        with self._db.write() as tx:
            row = _must(tx, key)
            if row.state in IN_FLIGHT and _speaks_of(row, job):
                settle(tx, row, to_micros(cost), state.value)
                _move(tx, key, state, failure_code=code, failure_message=message[:2000])
                detail = {"code": code, "message": message[:2000], "cost_micros": to_micros(cost)}
                _enter(tx, key, state, **detail)
            return read_posting(_must(tx, key))


def _write_submitting(tx: Connection, key: str, account: str) -> str:
    nonce = secrets.token_hex(16)
    _move(
        tx,
        key,
        State.SUBMITTING,
        nonce=nonce,
        submits=journal.c.submits + 1,
        submit=journal.c.submit + 1,
        submitted_at=now(),
        waiting_at=None,
        account=account,
    )
    _enter(tx, key, State.SUBMITTING, nonce=nonce)
    return nonce


def _join(tx: Connection, row: Row[Any], claim: Claim) -> None:
    if (row.film_id, row.shot_id) == (claim.film_id, claim.shot_id) or row.state not in IN_FLIGHT:
        return
    mine = {"film_id": claim.film_id, "shot_id": claim.shot_id}
    insert_new(tx, joins, request_key=row.request_key, **mine)


def _speaks_of(row: Row[Any], job: Body | None) -> bool:
    return job is None or _same_job(row.job, job)


def _same_job(one: Body | None, other: Body) -> bool:
    """Whether two accounts are of one job; one found by its answer has no other name than that."""
    if one is None:
        return False
    asset = one.get("asset")
    return one["id"] == other["id"] or (asset is not None and asset == other.get("asset"))


def _is(key: str) -> ColumnElement[bool]:
    return journal.c.request_key == key


def _may_arm(row: Row[Any], claim: Claim) -> bool:
    """A failure is final for the wish it served; what was released unsent is not."""
    unsent = row.state == State.CANCELLED and row.job is None
    ended = row.state in (State.FAILED, State.CANCELLED)
    return unsent or (ended and row.intent != claim.intent)


def _release(tx: Connection, row: Row[Any]) -> None:
    settle(tx, row, 0, "released")
    _move(tx, row.request_key, State.CANCELLED, failure_code="cancelled")
    _enter(tx, row.request_key, State.CANCELLED, why="released before it was sent")


def _refuse_if_stopped(tx: Connection, film_id: str) -> None:
    stands = select(films.c.execution).where(films.c.film_id == film_id)
    execution = tx.execute(stands.with_for_update(read=True)).scalar()
    if execution is None:
        raise NotFound(f"there is no film {film_id}")
    if execution in STOPPED_FILMS:
        raise FilmStopped(f"the film {film_id} was cancelled")


def _lock(tx: Connection, key: str) -> Row[Any] | None:
    return tx.execute(
        select(journal).where(journal.c.request_key == key).with_for_update(key_share=True)
    ).one_or_none()


def _must(tx: Connection, key: str) -> Row[Any]:
    row = _lock(tx, key)
    if row is None:
        raise NotFound(f"there is no request {key}")
    return row


def _move(tx: Connection, key: str, state: State, **values: Any) -> None:
    tx.execute(
        update(journal)
        .where(journal.c.request_key == key)
        .values(state=state, updated_at=now(), **values)
    )


def _enter(tx: Connection, key: str, state: State, **detail: Any) -> None:
    tx.execute(
        insert(journal_entries).values(request_key=key, at=now(), state=state, detail=detail)
    )
