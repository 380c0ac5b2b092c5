"""The register: everything that can be read of the journal."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import ColumnElement, Connection, and_, exists, func, not_, or_, select

from filmforge.domain import GenerationRequest
from filmforge.errors import CreateAmbiguous, NotFound
from filmforge.ledger.database import Database, now
from filmforge.ledger.posting import IN_FLIGHT, Made, Posting, State, read_posting
from filmforge.ledger.tables import charges, films, joins, journal, journal_entries, shots
from filmforge.money import from_micros

STOPPED_FILMS = ("cancelling", "cancelled")
MOVING = tuple(state for state in IN_FLIGHT if state != State.UNKNOWN)


class Register:
    """The journal as it is read; nothing here changes it."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def read(self, key: str) -> Posting:
        """The row of a request key. Raises NotFound."""
        with self._db.read() as tx:
            row = tx.execute(select(journal).where(journal.c.request_key == key)).one_or_none()
        if row is None:
            raise NotFound(f"there is no request {key}")
        return read_posting(row)

    def made(self, keys: Sequence[str]) -> dict[str, Made]:
        """What the requests among `keys` that succeeded have come to, by key."""
        found: dict[str, Made] = {}
        with self._db.read() as tx:
            for start in range(0, len(keys), 500):
                rows = tx.execute(
                    select(
                        journal.c.request_key, journal.c.digest, journal.c.estimate_micros
                    ).where(
                        journal.c.request_key.in_(keys[start : start + 500]),
                        journal.c.state == State.SUCCEEDED,
                    )
                )
                found.update(
                    {row[0]: Made(digest=row[1], cost=from_micros(row[2])) for row in rows}
                )
        return found

    def requests(self, keys: Sequence[str]) -> dict[str, GenerationRequest]:
        """Those of the requests that were ever written down, by key."""
        found: dict[str, GenerationRequest] = {}
        with self._db.read() as tx:
            for start in range(0, len(keys), 500):
                few = journal.c.request_key.in_(keys[start : start + 500])
                rows = tx.execute(select(journal.c.request_key, journal.c.request).where(few))
                found.update({row[0]: GenerationRequest.model_validate(row[1]) for row in rows})
        return found

    def wanted_elsewhere(self, key: str, film_id: str) -> bool:
        """Whether another film that goes on has joined this request and counts on it."""
        over = (*STOPPED_FILMS, "succeeded")
        active = select(films.c.film_id).where(films.c.execution.not_in(over))
        others = select(joins.c.film_id).where(
            joins.c.request_key == key, joins.c.film_id != film_id, joins.c.film_id.in_(active)
        )
        with self._db.read() as tx:
            return tx.execute(others).first() is not None

    def jobs(self, key: str) -> frozenset[str]:
        """The ids of every job ever written down for a request."""
        with self._db.read() as tx:
            return known_jobs(tx, key)

    def jobs_of(self, provider: str, since: datetime) -> frozenset[str]:
        """The ids of every job of a provider that was written down since then, by any request."""
        wanted = (
            select(journal_entries.c.detail)
            .join(journal, journal.c.request_key == journal_entries.c.request_key)
            .where(journal.c.provider == provider, journal_entries.c.at >= since)
        )
        with self._db.read() as tx:
            rows = tx.execute(wanted).scalars()
            return frozenset(str(row["job"]["id"]) for row in rows if row.get("job"))

    def was_in_doubt(self, key: str) -> bool:
        """Whether the last submit of a request was given up as unknown once already."""
        mine = select(journal_entries.c.state).where(
            journal_entries.c.request_key == key,
            journal_entries.c.state.in_((State.SUBMITTING, State.UNKNOWN)),
        )
        with self._db.read() as tx:
            last = tx.execute(mine.order_by(journal_entries.c.id.desc()).limit(1)).scalar()
        return last == State.UNKNOWN

    def doubtful(self, idle_s: float, count: int = 20) -> Sequence[Posting]:
        """Requests in doubt that nobody has looked at for a while, the longest first."""
        return self._idle((State.UNKNOWN,), idle_s, count)

    def unsettled(self, idle_s: float, count: int = 200) -> Sequence[Posting]:
        """Requests of films that ended which nobody has touched for a while, for the sweeper."""
        over = films.c.execution.in_((*STOPPED_FILMS, "succeeded"))
        return self._idle(MOVING, idle_s, count, over)

    def _idle(
        self, states: Sequence[State], idle_s: float, count: int, *also: ColumnElement[bool]
    ) -> Sequence[Posting]:
        before = now() - timedelta(seconds=idle_s)
        with self._db.read() as tx:
            rows = tx.execute(
                select(journal)
                .join(films, films.c.film_id == journal.c.film_id)
                .where(journal.c.state.in_(states), journal.c.updated_at < before, *also)
                .order_by(journal.c.updated_at)
                .limit(count)
            ).all()
        return [read_posting(row) for row in rows]

    def of_provider(
        self, provider: str, since: datetime, until: datetime | None = None
    ) -> Sequence[Posting]:
        """Every request last submitted to a provider between two moments, oldest first."""
        wanted = select(journal).where(
            journal.c.provider == provider, journal.c.submitted_at >= since
        )
        if until is not None:
            wanted = wanted.where(journal.c.submitted_at < until)
        with self._db.read() as tx:
            rows = tx.execute(wanted.order_by(journal.c.submitted_at, journal.c.request_key)).all()
        return [read_posting(row) for row in rows]

    def charged(self, keys: Sequence[str]) -> dict[str, Decimal]:
        """What was charged for each of the requests in all; those without a charge are absent."""
        found: dict[str, Decimal] = {}
        with self._db.read() as tx:
            for start in range(0, len(keys), 500):
                rows = tx.execute(
                    select(charges.c.request_key, func.sum(charges.c.micros))
                    .where(charges.c.request_key.in_(keys[start : start + 500]))
                    .group_by(charges.c.request_key)
                )
                found.update({row[0]: from_micros(int(row[1])) for row in rows})
        return found

    def stuck_after_doubt(self) -> Sequence[tuple[str, str]]:
        """Shots of films that go on which wait for a doubt that has passed, by film and shot."""
        joined = exists().where(
            joins.c.request_key == journal.c.request_key,
            joins.c.film_id == shots.c.film_id,
            joins.c.shot_id == shots.c.shot_id,
        )
        paid = and_(journal.c.film_id == shots.c.film_id, journal.c.shot_id == shots.c.shot_id)
        doubt = exists().where(
            journal.c.state == State.UNKNOWN, or_(paid, joined.correlate(shots, journal))
        )
        over = (*STOPPED_FILMS, "succeeded")
        wanted = (
            select(shots.c.film_id, shots.c.shot_id)
            .join(films, films.c.film_id == shots.c.film_id)
            .where(
                shots.c.reason == CreateAmbiguous.code,
                films.c.execution.not_in(over),
                not_(doubt.correlate(shots)),
            )
            .order_by(shots.c.film_id, shots.c.position)
        )
        with self._db.read() as tx:
            return [(row.film_id, row.shot_id) for row in tx.execute(wanted)]

    def in_flight(self, film_id: str) -> Sequence[Posting]:
        """The requests that a film pays for and that have not ended, oldest first."""
        mine = (journal.c.film_id == film_id, journal.c.state.in_(IN_FLIGHT))
        with self._db.read() as tx:
            rows = tx.execute(select(journal).where(*mine).order_by(journal.c.created_at)).all()
        return [read_posting(row) for row in rows]

    def in_doubt(self, film_id: str, shot_id: str) -> Posting | None:
        """The request, paid or joined by a shot, that waits for a person's choice, if any."""
        joined = select(joins.c.request_key).where(
            joins.c.film_id == film_id, joins.c.shot_id == shot_id
        )
        with self._db.read() as tx:
            row = tx.execute(
                select(journal)
                .where(
                    journal.c.state == State.UNKNOWN,
                    or_(
                        and_(journal.c.film_id == film_id, journal.c.shot_id == shot_id),
                        journal.c.request_key.in_(joined),
                    ),
                )
                .order_by(journal.c.updated_at.desc())
            ).first()
        return read_posting(row) if row else None


def known_jobs(tx: Connection, key: str) -> frozenset[str]:
    """The ids of every job ever written down for a request."""
    mine = select(journal_entries.c.detail).where(journal_entries.c.request_key == key)
    rows = tx.execute(mine).scalars()
    return frozenset(str(row["job"]["id"]) for row in rows if row.get("job"))
