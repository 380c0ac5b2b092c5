"""Commands that look things up: what was spent, and what can be used again."""

from typing import Annotated, Literal

import typer

from filmforge.cli.connect import connect, tell
from filmforge.cli.options import AsJson, State


def costs(
    film: Annotated[
        str | None, typer.Argument(metavar="[FILM]", help="One film; all by default.")
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="One month, in UTC.")
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Show what was spent and what reuse saved, by film, shot, provider, model and month."""
    from filmforge.cli.api import film_path
    from filmforge.cli.tables import cost_view

    path = film_path(film, "costs") if film else "/v1/costs"
    with connect(state) as api:
        answer = api.get(path, {"month": month} if month else None)
    tell(answer, as_json, cost_view)


def assets(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="[TEXT]...", help="Words of the prompt.")
    ] = None,
    character: Annotated[list[str] | None, typer.Option("--character", help="Repeatable.")] = None,
    landscape: Annotated[list[str] | None, typer.Option("--landscape", help="Repeatable.")] = None,
    style: Annotated[list[str] | None, typer.Option("--style", help="Repeatable.")] = None,
    mood: Annotated[str | None, typer.Option("--mood")] = None,
    time_of_day: Annotated[str | None, typer.Option("--time-of-day")] = None,
    shot_type: Annotated[str | None, typer.Option("--shot-type")] = None,
    kind: Annotated[Literal["image", "video", "audio"] | None, typer.Option("--kind")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=200)] = 50,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Find assets again, most reused first; everything given must match."""
    from filmforge.cli.tables import assets_table

    wanted = {
        "character": character or [],
        "landscape": landscape or [],
        "style": style or [],
        "mood": mood,
        "time_of_day": time_of_day,
        "shot_type": shot_type,
        "kind": kind,
        "text": " ".join(text or []),
        "limit": limit,
    }
    with connect(state) as api:
        answer = api.get("/v1/assets", {k: v for k, v in wanted.items() if v})
    tell(answer, as_json, assets_table)
