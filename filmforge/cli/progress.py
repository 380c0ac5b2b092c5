"""The progress of a film: a live table on a terminal, a line for each change elsewhere."""

import time
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.style import Style
from rich.text import Text

from filmforge.cli.pace import Pace, clock
from filmforge.cli.tables import budget_line, shot_grid, shot_rows, state_text
from filmforge.cli.verdict import Wish, ended, waits_for_person, wants, worked_on

Film = dict[str, Any]

_BAR_CELLS = 24
_LINES_AROUND = 8
_FEWEST_ROWS = 3


class View(Protocol):
    """Something that shows how a film goes."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the last state readable."""
        ...

    def show(self, film: Film) -> None:
        """Show the film as it is now."""
        ...

    def lost(self, why: str) -> None:
        """Say that nothing is heard for now."""
        ...


def view_for(console: Console) -> View:
    """The live table for a terminal, plain lines for everything else."""
    return LiveTable(console) if console.is_terminal else Lines(console)


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""

    def show(self, film: Film) -> None:
        """Show nothing."""

    def lost(self, why: str) -> None:
        """Say nothing."""


class Lines(Silence):
    """A plain line whenever a shot or the film changes, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._known: dict[str, str] = {}
        self._lost = False

    def show(self, film: Film) -> None:
        """Print what is new."""
        self._lost = False
        for shot in worked_on(film):
            self._tell(shot["shot_id"], _standing(shot))
        reason = f", {film['reason']}" if film.get("reason") else ""
        line = f"{film['execution']}{reason}{_at_work(film)}"
        if self._known.get("") != line:
            self._tell("", line, f"{film['film_id']}: {line} · {budget_line(film['budget'])}")

    def lost(self, why: str) -> None:
        """Print it once."""
        if not self._lost:
            self._print(f"{why} Trying again.")
        self._lost = True

    def _tell(self, name: str, line: str, text: str = "") -> None:
        if self._known.get(name) != line:
            self._known[name] = line
            self._print(text or f"{name}: {line}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


class LiveTable(Silence):
    """A table that fills at most the screen, drawn again a few times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._film: Film | None = None
        self._lost = ""
        self._pace = Pace()
        self._since = time.monotonic()
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=4,
            transient=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._since = time.monotonic()
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Draw the last state and leave it there."""
        self._live.stop()

    def show(self, film: Film) -> None:
        """Keep the film for the next drawing."""
        self._film, self._lost = film, ""
        self._pace.note(time.monotonic(), film)

    def lost(self, why: str) -> None:
        """Say it under the table."""
        self._lost = f"{why} Trying again."

    def _draw(self) -> RenderableType:
        if self._film is None:
            return Text(self._lost or "Looking…", "dim")
        now = time.monotonic()
        left = None if ended(self._film) else self._pace.left_s(now)
        foot = [Text(self._lost, "yellow")] if self._lost else []
        height = self._console.height - len(foot)
        return Group(screen(self._film, height, now - self._since, left), *foot)


def screen(film: Film, height: int, elapsed_s: float, left_s: float | None) -> RenderableType:
    """A film in at most `height` lines: header, the shots that matter most, what is asked."""
    asked = [_asked(wish) for wish in wants(film)[: max(1, height // 4)]]
    room = max(_FEWEST_ROWS, height - _LINES_AROUND - len(asked))
    shots = most_telling(film["shots"], room)
    table = shot_grid()
    shot_rows(table, shots)
    return Group(
        _title(film, elapsed_s, left_s),
        _money(film["budget"]),
        table,
        Text(_tally(film["shots"], len(shots)), "dim", no_wrap=True, overflow="ellipsis"),
        *asked,
    )


def most_telling(shots: list[Film], room: int) -> list[Film]:
    """All shots in film order if there is room, else those that wait, then run, then the rest."""
    if len(shots) <= room:
        return shots
    return sorted(shots, key=_rank)[:room]


def _rank(shot: Film) -> int:
    if waits_for_person(shot):
        return 0
    order = {"running": 1, "cancelling": 1, "queued": 2}
    return order.get(shot["execution"], 3)


def _title(film: Film, elapsed_s: float, left_s: float | None) -> Text:
    times = f"{clock(elapsed_s)} here" + ("" if ended(film) else f" · {clock(left_s)} left")
    return Text.assemble(
        (film.get("title") or film["film_id"], "bold"),
        ("" if film.get("title") in (None, "", film["film_id"]) else f"  {film['film_id']}", "dim"),
        "  ",
        state_text(film["execution"]),
        f"  {film['reason']}{_at_work(film)}" if film.get("reason") else "",
        f"   {times}",
        no_wrap=True,
        overflow="ellipsis",
    )


def _money(budget: Film) -> Text:
    limit = float(budget["limit_usd"]) or 1.0
    spent = min(_BAR_CELLS, round(_BAR_CELLS * float(budget["spent_usd"]) / limit))
    held = min(_BAR_CELLS - spent, round(_BAR_CELLS * float(budget["reserved_usd"]) / limit))
    return Text.assemble(
        ("█" * spent, "green"),
        ("▒" * held, "yellow"),
        ("░" * (_BAR_CELLS - spent - held), "dim"),
        f"  {budget_line(budget)}",
        no_wrap=True,
        overflow="ellipsis",
    )


def _asked(wish: Wish) -> Text:
    """The command, since an address may be wider than the screen; many terminals open the link."""
    style = Style(color="yellow", link=wish.url or None)
    return Text(f"{wish.what}: {wish.command}", style, no_wrap=True, overflow="ellipsis")


def _tally(shots: list[Film], shown: int) -> str:
    counts: dict[str, int] = {}
    for shot in shots:
        counts[shot["review"]] = counts.get(shot["review"], 0) + 1
    states = " · ".join(f"{count} {review}" for review, count in sorted(counts.items()))
    more = "" if shown == len(shots) else f", {shown} shown"
    return f"{len(shots)} shots{more}: {states}"


def _standing(shot: Film) -> str:
    parts = [shot["execution"], shot["review"], shot.get("reason")]
    return " · ".join(str(part) for part in parts if part)


def _at_work(film: Film) -> str:
    """How far the film's long step is."""
    step = film.get("at_work")
    return f", {step['step']} {step['share']:.0%}" if step else ""
