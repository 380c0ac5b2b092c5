"""What deciding about a frame costs, in the words that stand beside its buttons."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from filmforge.direction import chosen
from filmforge.errors import BadInput
from filmforge.gateway.estimate import estimate_apart
from filmforge.gateway.pages.prices import prices_of
from filmforge.gateway.state import Gateway
from filmforge.ledger.films import FilmRecord
from filmforge.ledger.shots import ShotRecord
from filmforge.money import ZERO, format_money


@dataclass(frozen=True)
class Priced:
    """The prices of one shot, or `why` they cannot be told; `takes`: several can be asked for."""

    approve_usd: Decimal = ZERO
    retake_usd: Decimal = ZERO
    takes: bool = True
    why: str = ""

    @property
    def approving(self) -> str:
        """What approving costs."""
        return self._told(self.approve_usd, "costs nothing more")

    def retaking(self, count: int = 1) -> str:
        """What so many new takes cost."""
        return self._told(self.retake_usd * count, "costs nothing")

    def _told(self, usd: Decimal, nothing: str) -> str:
        if self.why:
            return "its cost can't be told"
        return f"costs up to {format_money(usd)} USD" if usd else nothing


def priced(gateway: Gateway, film: FilmRecord, shot_id: str) -> Priced:
    """What deciding about the frame of a shot costs next; reads the database."""
    try:
        found = prices_of(gateway, film, [shot_id]).shots[shot_id]
    except BadInput as error:
        return Priced(takes=False, why=f"{error.problem}. {error.remedy}")
    return Priced(found.approve_usd, found.retake_usd, found.takes)


def choosing(
    gateway: Gateway, film: FilmRecord, record: ShotRecord, frames: Sequence[str]
) -> dict[str, str]:
    """What going on with each of these frames of a shot costs, in words; reads the database."""
    asked = [(record.shot, chosen(record.direction, frame)) for frame in frames]
    made = estimate_apart(gateway, film, asked)
    found = [
        Priced(each.estimate_usd) if each else Priced(why="no model makes it") for each in made
    ]
    return {frame: each.approving for frame, each in zip(frames, found, strict=True)}
