"""Commands about caps: what each month and each project may cost at most."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from filmforge.cli.connect import connect, say, tell
from filmforge.cli.options import AsJson, State

app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})

Scope = Annotated[
    str, typer.Argument(metavar="SCOPE", help="month, which is each month, or project:NAME.")
]


@app.callback(invoke_without_command=True)
def caps(context: typer.Context, state: State = None, as_json: AsJson = False) -> None:
    """List the caps on all films together, or set and remove one.

    A film's own budget is set with `filmforge budget`.
    """
    if context.invoked_subcommand is not None:
        context.obj = (state, as_json)
        return
    from filmforge.cli.accounts import caps_table

    with connect(state) as api:
        tell(api.get("/v1/caps"), as_json, caps_table)


@app.command("set")
def set_cap(
    context: typer.Context,
    scope: Scope,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help='US dollars, such as "100.00".')],
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Refuse nothing; count what would have been refused.")
    ] = False,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Set a cap; films that waited for it go on by themselves."""
    body = {"limit_usd": limit, "mode": "shadow" if shadow else "enforce"}
    state, as_json = _options(context, state, as_json)
    with connect(state) as api:
        answer = api.put(_path(scope), body)
    _tell(answer, as_json)


@app.command("remove")
def remove_cap(
    context: typer.Context, scope: Scope, state: State = None, as_json: AsJson = False
) -> None:
    """Take a cap away; films that waited for it go on by themselves."""
    state, as_json = _options(context, state, as_json)
    with connect(state) as api:
        answer = api.delete(_path(scope))
    _tell(answer, as_json)


def _path(scope: str) -> str:
    return f"/v1/caps/{quote(scope, safe='')}"


def _options(context: typer.Context, state: Any, as_json: bool) -> tuple[Any, bool]:
    """The options as given after the command or before it."""
    before = context.obj or (None, False)
    return state or before[0], as_json or before[1]


def _tell(answer: Any, as_json: bool) -> None:
    tell(answer, as_json, lambda told: told["message"])
    if not answer["not_told"]:
        return
    if not as_json:
        say(f"not told: {', '.join(answer['not_told'])}")
    raise typer.Exit(1)
