"""The command that tells what was spent and what reuse saved."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filmforge.cli.connect import connect, say, tell
from filmforge.cli.options import AsJson, State
from filmforge.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable


def costs(
    film: Annotated[
        str | None, typer.Argument(metavar="[FILM]", help="One film; all by default.")
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="One month, in UTC.")
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="The films of one project.")
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Write every charge as CSV; - is stdout."),
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Show what was spent and what reuse saved, by month, project, film, model and the rest.

    Of one film it also tells what it takes to finish it.
    """
    from filmforge.cli.accounts import cost_view
    from filmforge.cli.api import film_path

    if film and project:
        raise BadInput("--project", "goes with all films", "Leave out the film or the project")
    if csv and as_json:
        raise BadInput("--csv", "cannot be JSON as well", "Leave out --csv or --json")
    path = film_path(film, "costs") if film else "/v1/costs"
    wanted = {"month": month, "project": project, "format": "csv" if csv else None}
    params = {name: value for name, value in wanted.items() if value is not None}
    with connect(state) as api:
        if csv:
            _write(api.pieces(path, params), csv)
        else:
            tell(api.get(path, params), as_json, cost_view)


def _write(pieces: "Iterable[bytes]", target: str) -> None:
    """Write to a file, or to stdout for -; a file is there when all of it is."""
    if target == "-":
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()
        return
    path = Path(target)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.writelines(pieces)
        draft.replace(path)
    except OSError as error:
        raise BadInput(target, f"cannot be written ({error.strerror})", "Name another") from None
    finally:
        draft.unlink(missing_ok=True)
    say(str(path))
