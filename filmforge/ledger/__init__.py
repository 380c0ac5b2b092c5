"""The ledger: the money journal and the read model in one database."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from filmforge.commands import Seen
from filmforge.ledger import caps
from filmforge.ledger.assets import Assets
from filmforge.ledger.board import Board
from filmforge.ledger.budget import Budget, film_scope, read_budget, set_limit
from filmforge.ledger.callbacks import Callbacks
from filmforge.ledger.caps import Cap, CapChange
from filmforge.ledger.channels import Channels
from filmforge.ledger.comments import Comments
from filmforge.ledger.costs import Costs
from filmforge.ledger.database import Database
from filmforge.ledger.drafts import Drafts
from filmforge.ledger.events import Events
from filmforge.ledger.films import Films
from filmforge.ledger.gates import Gates, record_audit
from filmforge.ledger.holds import Holds
from filmforge.ledger.journal import Journal
from filmforge.ledger.makings import Makings
from filmforge.ledger.measurements import Measurements
from filmforge.ledger.members import Members
from filmforge.ledger.notices import Notices
from filmforge.ledger.overview import Overview
from filmforge.ledger.settlement import record_budget
from filmforge.ledger.shares import Shares
from filmforge.ledger.shots import ShotRecord, Shots
from filmforge.ledger.takes import Takes
from filmforge.ledger.trail import Trail
from filmforge.money import format_money


@dataclass(frozen=True)
class Ledger:
    """Every part of the ledger over one database."""

    db: Database
    films: Films
    shots: Shots
    takes: Takes
    gates: Gates
    journal: Journal
    assets: Assets
    costs: Costs
    events: Events
    callbacks: Callbacks
    makings: Makings
    measurements: Measurements
    holds: Holds
    members: Members
    shares: Shares
    drafts: Drafts
    board: Board
    overview: Overview
    channels: Channels
    notices: Notices
    comments: Comments
    trail: Trail

    def budget(self, film_id: str) -> Budget:
        """The four figures of a film. Raises NotFound."""
        with self.db.read() as tx:
            return read_budget(tx, film_scope(film_id))

    def set_budget(
        self, film_id: str, limit: Decimal, who: str, seen: Decimal | None = None
    ) -> None:
        """Raise or lower the limit of a film, with its audit entry.

        Raises NotFound, or Conflict when the limit is not the one that was seen any more.
        """
        with self.db.write() as tx:
            set_limit(tx, film_scope(film_id), limit, seen=seen)
            record_audit(tx, film_id, None, who, "budget", limit_usd=format_money(limit))
            record_budget(tx, film_id)

    def stand(self, shot: ShotRecord) -> Seen:
        """How a shot stands, for whoever is to choose what to do about it."""
        doubt = self.journal.in_doubt(shot.film_id, shot.shot.shot_id)
        submits = doubt.submits if doubt else 0
        return Seen(attempt=shot.attempt, reason=shot.reason, submits=submits)

    def set_cap(self, scope: str, limit: Decimal, shadow: bool, who: str) -> None:
        """Set the cap `project:NAME`, `month:2026-11` or `month:*`, what every month starts from.

        It counts what its project or month has spent before; a shadow counts and refuses nothing.
        Raises BadInput for another scope.
        """
        with self.db.write() as tx:
            caps.set_cap(tx, scope, limit, shadow, who)

    def remove_cap(self, scope: str, who: str = "filmforge") -> None:
        """Take a cap away; months that have begun outlive `month:*`. Raises NotFound, BadInput."""
        with self.db.write() as tx:
            caps.remove_cap(tx, scope, who)

    def caps(self) -> Sequence[Cap]:
        """Every cap with its figures, without the budgets of films."""
        with self.db.read() as tx:
            return caps.read_caps(tx)

    def cap_changes(self) -> Sequence[CapChange]:
        """Who set or removed which cap, oldest first."""
        with self.db.read() as tx:
            return caps.read_changes(tx)

    def close(self) -> None:
        """Close every connection."""
        self.db.close()


def open_ledger(url: str) -> Ledger:
    """The ledger in the database at an SQLAlchemy URL; its schema must be up to date."""
    db = Database(url)
    return Ledger(
        db=db,
        films=Films(db),
        shots=Shots(db),
        takes=Takes(db),
        gates=Gates(db),
        journal=Journal(db),
        assets=Assets(db),
        costs=Costs(db),
        events=Events(db),
        callbacks=Callbacks(db),
        makings=Makings(db),
        measurements=Measurements(db),
        holds=Holds(db),
        members=Members(db),
        shares=Shares(db),
        drafts=Drafts(db),
        board=Board(db),
        overview=Overview(db),
        channels=Channels(db),
        notices=Notices(db),
        comments=Comments(db),
        trail=Trail(db),
    )
