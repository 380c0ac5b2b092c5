"""Commands about who is told what happens: by Slack, Discord, mail or a webhook."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from filmforge.cli.connect import connect, say, tell
from filmforge.cli.options import AsJson, State

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Tell people what happens: by Slack, Discord, mail or a webhook.",
    no_args_is_help=True,
)


class Kind(StrEnum):
    """How somebody is told."""

    SLACK = "slack"
    DISCORD = "discord"
    EMAIL = "email"
    WEBHOOK = "webhook"


class Links(StrEnum):
    """Whom the links of a message let in."""

    MEMBERS = "members"
    ANYBODY = "anybody"


Channel = Annotated[
    str, typer.Argument(metavar="CHANNEL", help="The id, as `filmforge notify list` tells.")
]


@app.command("list")
def list_channels(state: State = None, as_json: AsJson = False) -> None:
    """List who is told, of what, and where that fails."""
    with connect(state) as api:
        answer = api.get("/v1/channels")
    tell(answer, as_json, _table)
    if answer["warning"] and not as_json:
        say(answer["warning"])


@app.command("add")
def add(
    kind: Annotated[Kind, typer.Argument(help="How they are told.")],
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="A URL or mail address; - reads it from stdin.")
    ],
    name: Annotated[str, typer.Option("--name", help="Who is told.")],
    film: Annotated[
        str | None, typer.Option("--film", metavar="FILM", help="One film; every film without it.")
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option("--on", metavar="EVENT", help="An event such as frame.waiting; repeat it."),
    ] = None,
    after: Annotated[
        int | None, typer.Option("--after", metavar="SECONDS", help="How long events are gathered.")
    ] = None,
    links: Annotated[
        Links | None, typer.Option("--links", help="Whom the links let decide.")
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Tell somebody from now on; the address of Slack and Discord is never shown again."""
    given = sys.stdin.readline().strip() if address == "-" else address
    wish: dict[str, Any] = {"kind": kind, "name": name, "address": given}
    wish |= {"film_id": film, "batch_s": after}
    wish |= {"events": on} if on else {}
    wish |= {"signed_link": links is Links.ANYBODY} if links else {}
    with connect(state) as api:
        tell(api.post("/v1/channels", wish), as_json, _added)


@app.command("test")
def send_test(channel: Channel, state: State = None, as_json: AsJson = False) -> None:
    """Send a test message now."""
    with connect(state) as api:
        answer = api.post(_path(channel, "test"))
    tell(answer, as_json, lambda told: told["message"])
    if not answer["sent"]:
        raise typer.Exit(1)


@app.command("remove")
def remove(channel: Channel, state: State = None, as_json: AsJson = False) -> None:
    """Tell nobody there any more."""
    with connect(state) as api:
        answer = api.delete(_path(channel))
    tell(answer, as_json, lambda gone: f"{gone['name']} is told nothing more by {gone['kind']}")


def _path(channel: str, *rest: str) -> str:
    return "/".join(["/v1/channels", quote(channel, safe=""), *rest])


def _added(channel: Any) -> str:
    if channel["signing_secret"]:
        return f"{channel['channel_id']}\nsigning secret, shown once: {channel['signing_secret']}"
    return str(channel["channel_id"])


def _table(answer: Any) -> "RenderableType":
    from rich.text import Text

    from filmforge.cli.tables import grid

    table = grid("channel", "by", "who", "to", "film", "after", "events", "fails", right=["after"])
    for channel in answer["channels"]:
        table.add_row(
            channel["channel_id"],
            channel["kind"],
            Text(channel["name"]),
            Text(channel["address"]),
            Text(channel["film_id"] or "every film"),
            f"{channel['batch_s']} s",
            ", ".join(channel["events"]),
            Text(channel["problem"] or "", "bold red"),
        )
    return table if table.row_count else Text("Nobody is told of anything yet.")
