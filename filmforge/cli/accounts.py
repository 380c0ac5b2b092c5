"""Money as tables for people: what was spent, what is capped, what the provider's list says."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from filmforge.cli.tables import Document, grid, to_finish, unbroken, usd

_GROUPS = ("month", "project", "film", "model", "provider", "kind", "shot")
_MATCHED = "matched"
_MOST_ROWS = 200


def cost_view(answer: Document) -> RenderableType:
    """Spent and saved, in total and by each grouping that has something to tell."""
    head = f"spent {usd(answer['spent_usd'])} · saved {usd(answer['saved_usd'])}"
    parts: list[RenderableType] = [Text(head, "bold")]
    if rest := answer.get("cost_to_finish_usd"):
        parts.append(Text(to_finish(rest)))
    if why := answer.get("cost_to_finish_unknown"):
        parts.append(unbroken(f"what it takes to finish cannot be told: {why}", "yellow"))
    groups = ((group, answer["by"].get(group)) for group in _GROUPS)
    parts += [_cost_table(lines, f"by {group}") for group, lines in groups if lines]
    return Group(*parts)


def _cost_table(lines: Sequence[Document], title: str) -> Table:
    numbers = ["spent", "saved", "charges", "reuses"]
    table = grid("", *numbers, right=numbers, title=title)
    for line in lines:
        table.add_row(
            Text(line["name"]),
            usd(line["spent_usd"]),
            usd(line["saved_usd"]),
            str(line["charges"]),
            str(line["reuses"]),
        )
    return table


def caps_table(answer: Document) -> RenderableType:
    """The caps, a row each."""
    numbers = ["limit", "reserved", "spent", "saved"]
    table = grid("cap", "mode", *numbers, "would have refused", right=numbers)
    for cap in answer["caps"]:
        refused = cap["would_have_refused"]
        table.add_row(
            Text(cap["scope"]),
            cap["mode"],
            usd(cap["limit_usd"]),
            usd(cap["reserved_usd"]),
            usd(cap["spent_usd"]),
            usd(cap["saved_usd"]),
            f"{refused['count']} times, {usd(refused['usd'])}" if refused["count"] else "",
        )
    none = "There are no caps; set one with `filmforge caps set month LIMIT`."
    return table if table.row_count else Text(none)


def reconciliation(answer: Document) -> RenderableType:
    """What did not match, a row each, under what was compared and how often it matched."""
    span = f"{answer['since'][:16]} to {answer['until'][:16]} UTC"
    counts = " · ".join(
        f"{count} {outcome.replace('_', ' ')}"
        for outcome, count in answer["counts"].items()
        if count
    )
    parts: list[RenderableType] = [
        Text(f"{answer['provider']}, {span}: {counts or 'nothing was sent'}", "bold")
    ]
    parts += [unbroken(note, "yellow") for note in answer["notes"]]
    lines = [line for line in answer["lines"] if line["outcome"] != _MATCHED]
    if lines:
        parts.append(_lines_table(lines[:_MOST_ROWS]))
    if len(lines) > _MOST_ROWS:
        parts.append(Text(f"and {len(lines) - _MOST_ROWS} more: --json tells all of them"))
    return Group(*parts)


def _lines_table(lines: Sequence[Document]) -> Table:
    numbers = ["ours", "theirs"]
    table = grid("", "sent", "shot", "job", *numbers, "what to do", right=numbers)
    for line in lines:
        shot = f"{line['film_id']}/{line['shot_id']}" if line["film_id"] else ""
        ours, theirs = line["ours_usd"], line["theirs_usd"]
        table.add_row(
            line["outcome"].replace("_", " "),
            line["at"][:16].replace("T", " "),
            Text(shot),
            Text(", ".join(line["jobs"])),
            usd(ours) if ours else "",
            usd(theirs) if theirs else "",
            Text(line["remedy"]),
        )
    return table
