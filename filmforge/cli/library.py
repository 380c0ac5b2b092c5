"""The commands that bring in materials, and look up what can be used again."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from filmforge.cli.connect import connect, print_json, say, tell
from filmforge.cli.options import AsJson, State


def upload(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True),
    ],
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Keep files that films name by digest: sounds, .cube LUTs, fonts, subtitles, pictures, clips.

    Prints one line a file: its digest, what its content is, its name.
    """
    kept = []
    with connect(state) as api:
        for file in files:
            answer = api.upload("/v1/assets", file, name=file.name)
            kept.append({**answer, "name": file.name})
            if not as_json:
                say(f"{answer['digest']}  {answer['kind']}  {file.name}")
    if as_json:
        print_json({"assets": kept})


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
    kind: Annotated[
        Literal["image", "video", "audio", "lut", "font", "captions"] | None,
        typer.Option("--kind"),
    ] = None,
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
