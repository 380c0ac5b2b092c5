"""Charges as CSV (RFC 4180), made so that a spreadsheet runs nothing of it."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice

from filmforge.ledger.costs import ChargeLine
from filmforge.money import format_money

COLUMNS = (
    "at",
    "film_id",
    "project",
    "shot_id",
    "kind",
    "provider",
    "model",
    "usd",
    "why",
    "request_key",
)
# What a spreadsheet takes for a formula, or skips to find one behind it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_ROWS_A_PIECE = 500


def as_csv(lines: Iterable[ChargeLine]) -> Iterator[str]:
    """A header row, then a row for each charge, in pieces; times are ISO 8601 in UTC."""
    yield csv_rows([COLUMNS])
    rest = map(_cells, lines)
    while some := list(islice(rest, _ROWS_A_PIECE)):
        yield csv_rows(some)


def safe(cell: str) -> str:
    """A cell that no spreadsheet computes: one that looks like a formula gets a ' before it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _cells(line: ChargeLine) -> tuple[str, ...]:
    told = {**dict(line), "at": line.at.isoformat(), "usd": format_money(line.usd)}
    return tuple(safe(str(told[name] or "")) for name in COLUMNS)


def csv_rows(rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV; whoever fills their cells makes them `safe`."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()
