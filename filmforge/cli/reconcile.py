"""The command that lays the journal beside a provider's own list."""

from typing import Annotated

import typer

from filmforge.cli.connect import connect, tell
from filmforge.cli.options import AsJson, State


def reconcile(
    provider: Annotated[str, typer.Option("--provider", metavar="NAME", help="Whose list.")],
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="In UTC, such as 2026-11-20T00:00.")
    ],
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="In UTC; now by default.")
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Compare what was sent to a provider with what it lists; nothing is changed.

    Exits with 3 if anything did not match.
    """
    from filmforge.cli.accounts import reconciliation

    wanted = {"provider": provider, "since": since, "until": until}
    params = {name: value for name, value in wanted.items() if value is not None}
    with connect(state) as api:
        answer = api.get("/v1/reconciliations", params, patient=True)
    tell(answer, as_json, reconciliation)
    if any(line["outcome"] != "matched" for line in answer["lines"]):
        raise typer.Exit(3)
