"""Consequences: what another limit, or cancelling, would lead to; nothing here changes anything."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from filmforge.domain import Kind
from filmforge.errors import BadInput, BudgetExceeded
from filmforge.gateway.estimate import Estimate, ShotEstimate, estimate_of_rest
from filmforge.gateway.state import Gateway
from filmforge.ledger.budget import Budget
from filmforge.ledger.caps import Cap, month_scope, project_scope
from filmforge.ledger.database import now
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.posting import Posting, State
from filmforge.money import ZERO

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Standing:
    """How a film stands with money; `parked` are its shots that wait for budget, in film order.

    `rest` is what is still to be made, None where that cannot be told; `untold` says why. `caps`
    are those of its project and of this month.
    """

    budget: Budget
    parked: Sequence[str]
    rest: Estimate | None
    untold: str
    caps: Sequence[Cap]

    @property
    def free(self) -> Decimal:
        """What the film's own limit leaves."""
        return max(self.budget.limit - self.budget.spent - self.budget.reserved, ZERO)

    @property
    def to_finish(self) -> Decimal | None:
        """The limit under which everything that is still to be made fits, in whole cents."""
        if self.rest is None:
            return None
        needed = self.budget.spent + self.rest.total_usd
        return max(needed, self.budget.spent + self.budget.reserved).quantize(_CENT, ROUND_CEILING)

    @property
    def tightest(self) -> Cap | None:
        """The cap around this film that refuses and has the least room."""
        strict = [cap for cap in self.caps if not cap.shadow]
        return min(strict, key=room, default=None)


@dataclass(frozen=True)
class Consequences:
    """What a limit would lead to: which parked shots go on at once and which stay.

    `beyond` is what is committed above it; `reached_at` is the first shot that would not be made
    to its end if every request costs its estimate, None where all fit. `held_by` is a cap that
    keeps shots back which the film's own limit would let go.
    """

    old: Decimal
    limit: Decimal
    goes_on: Sequence[str]
    stays: Sequence[str]
    beyond: Decimal
    reached_at: str | None
    held_by: Cap | None

    @property
    def print(self) -> str:
        """What whoever confirms has seen; it changes with every figure that matters."""
        figures = (*self.goes_on, "|", *self.stays, "|", self.beyond, self.reached_at)
        text = repr((self.old, self.limit, *map(str, figures)))
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Flight:
    """A request that has not ended, and what cancelling does to it."""

    shot_id: str
    kind: Kind
    model: str
    usd: Decimal
    becomes: str
    may_cost: bool

    @property
    def part(self) -> str:
        """What people call it."""
        return {Kind.IMAGE: "frame", Kind.VIDEO: "clip"}.get(self.kind, "sound")


def room(cap: Cap) -> Decimal:
    """What a cap leaves."""
    return max(cap.limit - cap.spent - cap.reserved, ZERO)


def standing(gateway: Gateway, film: FilmRecord) -> Standing:
    """How a film stands with money; reads the database."""
    ledger = gateway.ledger
    troubled = () if film.ended else ledger.shots.in_trouble(film.film_id)
    scopes = {month_scope(now()), project_scope(film.brief.project or "")}
    rest, untold = None, ""
    try:
        rest = estimate_of_rest(gateway, film)
    except BadInput as error:  # a model that was taken away; the limit can be set all the same
        untold = str(error)
    return Standing(
        budget=ledger.budget(film.film_id),
        parked=[r.shot.shot_id for r in troubled if r.reason == BudgetExceeded.code],
        rest=rest,
        untold=untold,
        caps=[cap for cap in ledger.caps() if cap.scope in scopes],
    )


def consequences(stands: Standing, limit: Decimal) -> Consequences:
    """What a limit would lead to, as things stand."""
    budget, cap = stands.budget, stands.tightest
    committed = budget.spent + budget.reserved
    own = max(limit - committed, ZERO)
    left = min(own, room(cap)) if cap else own
    lines = {shot.shot_id: shot for shot in _to_make(stands)}
    goes_on, stays = _released(stands.parked, lines, left)
    held = cap is not None and bool(stays) and _released(stands.parked, lines, own)[1] != stays
    return Consequences(
        old=budget.limit,
        limit=limit,
        goes_on=goes_on,
        stays=stays,
        beyond=max(committed - limit, ZERO),
        reached_at=_reached_at(stands, limit - budget.spent),
        held_by=cap if held else None,
    )


def in_flight(gateway: Gateway, film: FilmRecord) -> Sequence[Flight]:
    """What a film has under way and what cancelling does to each; reads the database."""
    found = gateway.ledger.journal.in_flight(film.film_id)
    return [_flight(gateway, film, posting) for posting in found]


def _to_make(stands: Standing) -> Sequence[ShotEstimate]:
    return (*stands.rest.shots, *stands.rest.sounds) if stands.rest else ()


def _released(
    parked: Sequence[str], lines: dict[str, ShotEstimate], left: Decimal
) -> tuple[Sequence[str], Sequence[str]]:
    """Who goes on and who stays: each takes the price of its next step, in film order."""
    goes_on, stays = [], []
    for shot_id in parked:
        step = _next_step(lines.get(shot_id))
        if step is not None and step <= left:
            left -= step
            goes_on.append(shot_id)
        else:
            stays.append(shot_id)
    return goes_on, stays


def _next_step(shot: ShotEstimate | None) -> Decimal | None:
    """The price of what is made next; None where it cannot be told."""
    if shot is None:
        return None
    return next((line.estimate_usd for line in shot.lines if not line.cached), ZERO)


def _reached_at(stands: Standing, left: Decimal) -> str | None:
    for shot in _to_make(stands):
        left -= shot.estimate_usd
        if left < 0:
            return shot.shot_id
    return None


def _flight(gateway: Gateway, film: FilmRecord, posting: Posting) -> Flight:
    becomes, may_cost = _fate(gateway, film, posting)
    request = posting.request
    return Flight(
        shot_id=posting.payer.shot_id,
        kind=request.kind,
        model=f"{request.provider}:{request.model}",
        usd=posting.estimate,
        becomes=becomes,
        may_cost=may_cost,
    )


def _fate(gateway: Gateway, film: FilmRecord, posting: Posting) -> tuple[str, bool]:
    match posting.state:
        case State.RESERVED:
            return "Not sent yet: its money is given back.", False
        case State.SUBMITTING:
            return "Being sent now: if the provider takes it, it is paid for and kept.", True
        case State.UNKNOWN:
            return "Its answer was lost: it stays reserved until it is found or written off.", True
    if gateway.ledger.journal.wanted_elsewhere(posting.request_key, film.film_id):
        return "Another film counts on it: it goes on, and this film pays.", True
    return "The provider is asked to stop it; what it bills all the same is paid.", True
