"""The options and arguments that many commands share."""

import os
import pwd
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_STATE = Path(".filmforge")

State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="DIR",
        help="Where FilmForge runs; .filmforge unless FILMFORGE_API_URL is set.",
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
]
FilmId = Annotated[str, typer.Argument(metavar="FILM", help="The id of the film.")]
ShotId = Annotated[str, typer.Argument(metavar="SHOT", help="The id of the shot.")]
Who = Annotated[
    str | None,
    typer.Option("--who", help="Who decides, for the audit trail; your login name by default."),
]


def login_name() -> str:
    """The name of the user who runs this process, as the system knows it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"
