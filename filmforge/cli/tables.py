"""Answers of the API as tables for people."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from filmforge.cli.verdict import asked_lines, found_lines, worked_on

Document = dict[str, Any]

STYLES = {
    "running": "cyan",
    "wip": "cyan",
    "wfa": "bold yellow",
    "needs_attention": "bold red",
    "failed": "bold red",
    "retake": "magenta",
    "succeeded": "green",
    "done": "green",
    "cancelled": "dim",
    "omitted": "dim",
    "queued": "dim",
    "ready": "dim",
}


def grid(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """A table with plain headings; the columns named in `right` hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table


def unbroken(line: str, style: str = "") -> Text:
    """A line that only the terminal itself wraps, so that an address in it stays whole."""
    return Text(line, style, no_wrap=True, overflow="ignore")


def state_text(state: Any) -> Text:
    """A state in its colour."""
    return Text(str(state or ""), STYLES.get(str(state), ""))


def usd(amount: Any) -> str:
    """An amount as the API gave it, with its sign of currency."""
    return f"${amount}"


def total_usd(amounts: Iterable[Any]) -> Decimal:
    """The sum of amounts as the API gives them."""
    return sum((Decimal(str(amount)) for amount in amounts), Decimal(0))


def budget_line(budget: Document) -> str:
    """Cost against limit in one line, with what it takes to finish the film where that is told."""
    line = (
        f"spent {usd(budget['spent_usd'])} of {usd(budget['limit_usd'])}"
        f" · reserved {usd(budget['reserved_usd'])} · saved {usd(budget['saved_usd'])}"
    )
    rest = budget.get("cost_to_finish_usd")
    return f"{line} · {to_finish(rest)}" if rest else line


def to_finish(rest: Document) -> str:
    """What it takes to finish a film: the estimate, and what retakes are likely to make of it."""
    low, likely = usd(rest["low"]), usd(rest["likely"])
    return f"to finish {low}" if low == likely else f"to finish {low}, likely {likely}"


def takes_text(shot: Document) -> str:
    """How many takes of each kind a shot has: "image 2 · video 1"."""
    counts: dict[str, int] = {}
    for take in shot.get("takes") or ():
        counts[take["kind"]] = counts.get(take["kind"], 0) + 1
    return " · ".join(f"{kind} {count}" for kind, count in counts.items())


def shot_cost(shot: Document) -> str:
    """What the takes of a shot cost together."""
    takes = shot.get("takes") or ()
    return usd(money_text(total_usd(take["cost_usd"] for take in takes))) if takes else ""


def money_text(amount: Decimal) -> str:
    """An amount with two to six decimal places."""
    from filmforge.money import format_money

    return format_money(amount)


def shot_rows(table: Table, shots: Iterable[Document]) -> None:
    """Add shots as rows: id, both axes, reason, takes, cost."""
    for shot in shots:
        table.add_row(
            Text(shot["shot_id"]),
            state_text(shot["execution"]),
            state_text(shot["review"]),
            Text(str(shot.get("reason") or "")),
            Text(takes_text(shot)),
            Text(shot_cost(shot)),
        )


def shot_grid() -> Table:
    """The empty table that `shot_rows` fills."""
    return grid("shot", "execution", "review", "reason", "takes", "cost", right=["cost"])


def film_view(film: Document) -> RenderableType:
    """A film with its shots, what waits for a person, and its files."""
    head = Text.assemble(
        (film.get("title") or film["film_id"], "bold"),
        f"  {film['film_id']}  ",
        f"project {film['project']}  " if film.get("project") else "",
        state_text(film["execution"]),
        f"  {film['reason']}" if film.get("reason") else "",
    )
    table = shot_grid()
    shot_rows(table, worked_on(film))
    parts: list[RenderableType] = [head, Text(budget_line(film["budget"])), table]
    parts += [unbroken(line, "yellow") for line in asked_lines(film)]
    parts += [unbroken(line, "dim") for line in found_lines(film)]
    parts += [unbroken(f"{made['kind']}: {made['url']}") for made in film.get("outputs") or ()]
    return Group(*parts)


def films_table(answer: Document) -> RenderableType:
    """The films, a row each."""
    numbers = ["shots", "done", "spent", "saved"]
    words = ["film", "title", "project", "execution", "reason"]
    table = grid(*words, *numbers, "created", right=numbers)
    for film in answer["films"]:
        table.add_row(
            Text(film["film_id"]),
            Text(film["title"]),
            Text(film.get("project") or ""),
            state_text(film["execution"]),
            Text(film["reason"] or ""),
            str(film["shot_count"]),
            str(film["progress"].get("done", 0)),
            usd(film["budget"]["spent_usd"]),
            usd(film["budget"]["saved_usd"]),
            film["created_at"][:16].replace("T", " "),
        )
    return table if table.row_count else Text("There are no films yet.")


def estimate_table(answer: Document) -> RenderableType:
    """What a film would cost at most: a row for each asset, the sum, and whether it fits."""
    table = grid("shot", "kind", "made by", "cost", "", right=["cost"])
    for shot in worked_on(answer):
        for line in shot["lines"]:
            table.add_row(
                Text(shot["shot_id"]),
                line["kind"],
                Text(f"{line['provider']}:{line['model']}"),
                usd(line["estimate_usd"]),
                f"cached, saves {usd(line['saves_usd'])}" if line["cached"] else "",
            )
    fits = "fits" if answer["fits"] else "does not fit"
    rest = answer.get("cost_to_finish_usd")
    return Group(
        table,
        Text(f"Total {usd(answer['total_usd'])} · saved {usd(answer['saved_usd'])}", "bold"),
        *([Text(to_finish(rest))] if rest else []),
        Text(f"It {fits}: {usd(answer['free_usd'])} of {usd(answer['limit_usd'])} is free."),
    )


def assets_table(answer: Document) -> RenderableType:
    """The assets found, a row each."""
    numbers = ["cost", "reuses", "saved"]
    table = grid("digest", "kind", "made by", "prompt", *numbers, right=numbers)
    for asset in answer["assets"]:
        table.add_row(
            asset["digest"][:12],
            asset["kind"],
            Text(f"{asset['provider']}:{asset['model']}"),
            Text(_short(asset["prompt"], 60)),
            usd(asset["cost_usd"]),
            str(asset["reuses"]),
            usd(asset["saved_usd"]),
        )
    return table if table.row_count else Text("Nothing was found.")


def findings_table(answer: Document) -> RenderableType:
    """What the doctor found, and what to do."""
    table = grid("", "looked at", "found", "what to do")
    for finding in answer["findings"]:
        mark = Text("ok", "green") if finding["ok"] else Text("NO", "bold red")
        table.add_row(mark, Text(finding["name"]), Text(finding["found"]), Text(finding["remedy"]))
    return table


def _short(text: str, length: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
