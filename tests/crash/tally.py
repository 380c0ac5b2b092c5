"""The tally: what each kill came to, counted, and the table that is printed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from filmforge.fields import Frozen
from filmforge.money import ZERO, Money

# Providers that count in tokens or credits come to fractions, which we round up.
MICRO = Decimal("0.000001")


class Outcome(Frozen):
    """What one case came to, after its film had ended.

    `charges` and `charged` are the fake provider's count and sum; `chosen` sends a person asked
    for after a doubt, beside the first if that was `sent`; `doubts` how often a request was
    `unknown`; `estimate` what was quoted; `trouble` whatever else went wrong, in words.
    """

    maker: str
    name: str = ""
    point: str = ""
    undecidable: bool = False
    sent: bool = True
    kills: int = 0
    charges: int = 0
    charged: Money = ZERO
    requests: int = 0
    estimate: Money = ZERO
    spent: Money = ZERO
    reserved: Money = ZERO
    assets: int = 0
    chosen: int = 0
    written_off: bool = False
    doubts: int = 0
    seconds: float = 0
    trouble: str = ""

    @property
    def doubles(self) -> int:
        """Charges that nobody asked for."""
        asked = self.requests + self.chosen if self.sent else max(self.requests, self.chosen)
        return max(0, self.charges - asked)

    @property
    def lost(self) -> int:
        """Requests that were paid for and came to no asset, unless a person gave them up."""
        return 0 if self.written_off or not self.charges else max(0, self.requests - self.assets)

    @property
    def left(self) -> int:
        """1 when money is still reserved."""
        return int(self.reserved != 0)

    @property
    def wrong(self) -> int:
        """1 when the books say something else than the provider took.

        After a person's choice about a doubt they hold what the person was told, once.
        """
        right = [self.charged]
        if self.written_off:
            right = [self.estimate]
        elif self.chosen and self.charges:
            right.append(self.charged / self.charges)
        return int(all(abs(self.spent - each) > MICRO for each in right))

    @property
    def undue(self) -> int:
        """Doubts that the provider could have settled."""
        return 0 if self.undecidable else self.doubts

    @property
    def failures(self) -> list[str]:
        """What missed a goal, in words."""
        found = {
            "double charges": self.doubles,
            "lost": self.lost,
            "reservations left": self.left,
            f"wrong ledgers (spent {self.spent}, charged {self.charged})": self.wrong,
            "undue doubts": self.undue,
        }
        missed = [f"{count} {what}" for what, count in found.items() if count]
        return [*missed, self.trouble] if self.trouble else missed


COLUMNS: dict[str, Callable[[Sequence[Outcome]], int]] = {
    "cases": len,
    "kills": lambda rows: sum(row.kills for row in rows),
    "charges": lambda rows: sum(row.charges for row in rows),
    "distinct requests": lambda rows: sum(row.requests for row in rows),
    "chosen by a person": lambda rows: sum(row.chosen for row in rows),
    "double charges": lambda rows: sum(row.doubles for row in rows),
    "assets lost": lambda rows: sum(row.lost for row in rows),
    "reservations left": lambda rows: sum(row.left for row in rows),
    "wrong ledgers": lambda rows: sum(row.wrong for row in rows),
    "unknown": lambda rows: sum(bool(row.doubts) for row in rows),
    "decidable": lambda rows: sum(bool(row.undue) for row in rows),
    "resolved": lambda rows: sum(bool(row.doubts) and not row.trouble for row in rows),
}


def table(outcomes: Iterable[Outcome], points: Sequence[str]) -> list[list[str]]:
    """Rows of cells: a head, a row for each point and calamity, one for each maker, the sum."""
    outcomes = list(outcomes)
    by_point, by_maker = (
        defaultdict[str, list[Outcome]](list),
        defaultdict[str, list[Outcome]](list),
    )
    for outcome in outcomes:
        by_point[outcome.point].append(outcome)
        by_maker[outcome.maker].append(outcome)
    ordered = [point for point in points if point in by_point]
    ordered += sorted(set(by_point) - set(points))
    groups = [(point, by_point[point]) for point in ordered]
    groups += [(maker, by_maker[maker]) for maker in sorted(by_maker)]
    rows = [[name, *_cells(rows)] for name, rows in [*groups, ("all", outcomes)]]
    return [["", *COLUMNS], *rows]


def _cells(rows: Sequence[Outcome]) -> list[str]:
    return [str(count(rows)) for count in COLUMNS.values()]


def plain(rows: Sequence[Sequence[str]]) -> str:
    """The table in columns for a terminal."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """The table in Markdown."""
    rule = ["---", *("---:" for _ in rows[0][1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in [rows[0], rule, *rows[1:]])
