"""Charts: figures placed for SVG that is drawn by attributes alone.

Along the page everything is a percentage, so that a chart is as wide as its page and its letters
keep their size; down the page everything is in pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from filmforge.money import ZERO, format_money

ROW_PX, AXIS_PX = 42, 26
PLOT_PX, HEAD_PX = 200, 22
_MOST_ROWS, _MOST_COLUMNS, _MOST_CHARS = 12, 62, 30
_STEPS = (1, 2, 5, 10)
# A limit this many times what was spent would press the columns flat: it is told in words.
_FAR = 4


class Tick(NamedTuple):
    """A round figure on an axis: where, how it reads, and by which end it is placed."""

    at: str
    name: str
    anchor: str = "middle"


class Row(NamedTuple):
    """A bar: its short and its full name, its figure and its length."""

    label: str
    name: str
    value: str
    width: str
    y: int


@dataclass(frozen=True)
class Bars:
    """Horizontal bars, the longest first, on an axis of round figures."""

    title: str
    description: str
    rows: Sequence[Row]
    ticks: Sequence[Tick]

    @property
    def height(self) -> int:
        """Of the whole chart, in pixels."""
        return len(self.rows) * ROW_PX + AXIS_PX


class Column(NamedTuple):
    """What one day, or some days, came to."""

    x: str
    width: str
    y: float
    height: float
    name: str


@dataclass(frozen=True)
class Days:
    """Columns of each day's spend, the sum of them as a line, and the limit as another.

    `line` is in a square of 100 by 100, `limit_y` in pixels, None where the limit is far above.
    """

    title: str
    description: str
    columns: Sequence[Column]
    line: str
    ticks: Sequence[Tick]
    dates: Sequence[Tick]
    limit_y: float | None
    limit_name: str

    @property
    def height(self) -> int:
        """Of the whole chart, in pixels."""
        return HEAD_PX + PLOT_PX + AXIS_PX


def shares_of(parts: Sequence[Decimal], whole: Decimal) -> Sequence[tuple[str, str]]:
    """Where each part begins in one bar, and how long it is; what is too much is cut off."""
    placed, begin = [], ZERO
    for part in parts:
        end = min(begin + part, whole)
        placed.append((_percent(begin, whole), _percent(end - begin, whole)))
        begin = end
    return placed


def round_ticks(top: Decimal) -> Sequence[Decimal]:
    """Three to six round figures from nothing up to at least `top`."""
    raw = max(top, Decimal("0.000001")) / 4
    power = Decimal(10) ** raw.adjusted()
    step = next(power * n for n in _STEPS if power * n >= raw)
    count = int((top / step).to_integral_value("ROUND_CEILING"))
    return [step * n for n in range(max(count, 1) + 1)]


def bars(title: str, figures: Mapping[str, Decimal]) -> Bars | None:
    """A bar for each of the largest figures, the rest as one; None where nothing was spent."""
    spent = sorted(((usd, name) for name, usd in figures.items() if usd), key=_largest_first)
    if not spent:
        return None
    most = _MOST_ROWS if len(spent) > _MOST_ROWS + 1 else len(spent)
    shown, rest = spent[:most], spent[most:]
    if rest:
        shown.append((sum((usd for usd, _ in rest), ZERO), f"{len(rest)} others"))
    ticks = round_ticks(max(usd for usd, _ in shown))
    told = ", ".join(f"{name} {format_money(usd)} USD" for usd, name in shown)
    return Bars(
        title=title,
        description=told,
        rows=[
            Row(
                label=_short(name),
                name=name,
                value=f"{format_money(usd)} USD",
                width=_percent(usd, ticks[-1]),
                y=number * ROW_PX,
            )
            for number, (usd, name) in enumerate(shown)
        ],
        ticks=_along(ticks),
    )


def days(title: str, figures: Mapping[date, Decimal], limit: Decimal | None) -> Days | None:
    """What was spent from the first day to the last, against a limit; None where nothing was."""
    spent = {day: usd for day, usd in figures.items() if usd}
    if not spent:
        return None
    heaps, step = _heaps(spent)
    total = sum(spent.values(), ZERO)
    near = limit is not None and limit <= total * _FAR
    ticks = round_ticks(max(total, limit or ZERO) if near else total)
    top, sums = ticks[-1], _running(heaps)
    return Days(
        title=title,
        description=_described(spent, total, limit),
        columns=_columns(heaps, step, top),
        line=_line(sums, top),
        ticks=[Tick(f"{_y(tick, top):g}", format_money(tick)) for tick in ticks[1:]],
        dates=_dates([day for day, _ in heaps]),
        limit_y=_y(limit, top) if near and limit is not None else None,
        limit_name="" if limit is None else f"limit {format_money(limit)} USD",
    )


def _heaps(spent: Mapping[date, Decimal]) -> tuple[Sequence[tuple[date, Decimal]], int]:
    """Every day in its place, several in one column where there are too many."""
    first, last = min(spent), max(spent)
    step = (last - first).days // _MOST_COLUMNS + 1
    count = (last - first).days // step + 1
    heaps = [ZERO] * count
    for day, usd in spent.items():
        heaps[(day - first).days // step] += usd
    return [(first + timedelta(days=step * n), usd) for n, usd in enumerate(heaps)], step


def _columns(heaps: Sequence[tuple[date, Decimal]], step: int, top: Decimal) -> Sequence[Column]:
    each = Decimal(100) / len(heaps)
    width = min(each * Decimal("0.7"), Decimal(12))
    return [
        Column(
            x=f"{each * number + (each - width) / 2:.2f}%",
            width=f"{width:.2f}%",
            y=_y(usd, top),
            height=round(HEAD_PX + PLOT_PX - _y(usd, top), 1),
            name=f"{_span(day, step)}: {format_money(usd)} USD",
        )
        for number, (day, usd) in enumerate(heaps)
    ]


def _running(heaps: Sequence[tuple[date, Decimal]]) -> Sequence[Decimal]:
    sums, total = [], ZERO
    for _, usd in heaps:
        total += usd
        sums.append(total)
    return sums


def _line(sums: Sequence[Decimal], top: Decimal) -> str:
    each = 100 / len(sums)
    points = [
        (each * (number + 0.5), 100 - float(usd / top) * 100) for number, usd in enumerate(sums)
    ]
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in [(0, 100.0), *points, (100, points[-1][1])])


def _along(ticks: Sequence[Decimal]) -> Sequence[Tick]:
    """The ticks of an axis along the page, the outer two within it."""
    last = len(ticks) - 1
    anchors = {0: "start", last: "end"}
    return [
        Tick(
            _percent(tick, ticks[-1]), format_money(tick) if tick else "0", anchors.get(n, "middle")
        )
        for n, tick in enumerate(ticks)
    ]


def _dates(shown: Sequence[date]) -> Sequence[Tick]:
    if len(shown) == 1:
        return [Tick("50%", f"{shown[0]:%-d %b %Y}")]
    ends = [
        Tick("0%", f"{shown[0]:%-d %b}", "start"),
        Tick("100%", f"{shown[-1]:%-d %b %Y}", "end"),
    ]
    return (
        ends
        if len(shown) < 5
        else [ends[0], Tick("50%", f"{shown[len(shown) // 2]:%-d %b}"), ends[1]]
    )


def _described(spent: Mapping[date, Decimal], total: Decimal, limit: Decimal | None) -> str:
    dearest = max(spent, key=lambda day: spent[day])
    words = f"{format_money(total)} USD from {min(spent)} to {max(spent)}, most on {dearest}"
    return words if limit is None else f"{words}; the limit is {format_money(limit)} USD"


def _span(day: date, step: int) -> str:
    return f"{day}" if step == 1 else f"{day} to {day + timedelta(days=step - 1)}"


def _largest_first(figure: tuple[Decimal, str]) -> tuple[Decimal, str]:
    return -figure[0], figure[1]


def _short(name: str) -> str:
    return name if len(name) <= _MOST_CHARS else f"{name[: _MOST_CHARS - 1]}…"


def _percent(part: Decimal, whole: Decimal) -> str:
    return f"{float(part / whole) * 100 if whole else 0:.2f}%"


def _y(usd: Decimal, top: Decimal) -> float:
    return round(HEAD_PX + PLOT_PX * (1 - float(usd / top)), 1)
