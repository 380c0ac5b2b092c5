"""The command that looks up what can be used again."""

from typing import Annotated, Literal

import typer

from filmforge.cli.connect import connect, tell
from filmforge.cli.options import AsJson, State


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
