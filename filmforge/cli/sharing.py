"""Commands about who may look at films: links for guests, keys for members of the team."""

import re
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from filmforge.cli.connect import connect, say, tell
from filmforge.cli.options import AsJson, FilmId, State
from filmforge.errors import BadInput
from filmforge.rights import Given, Role

team = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})

_SPAN = re.compile(r"([0-9]{1,6})([mhd])")
_UNIT_S = {"m": 60, "h": 3_600, "d": 86_400}


Member = Annotated[
    str, typer.Argument(metavar="MEMBER", help="The id of a member, as `filmforge members` tells.")
]


def share(
    film: FilmId,
    name: Annotated[
        str | None, typer.Option("--name", help="For whom it is; the audit trail says so.")
    ] = None,
    gives: Annotated[Given, typer.Option("--gives", help="What they may do.")] = Given.SEE,
    lasts: Annotated[
        str, typer.Option("--for", metavar="SPAN", help="How long it works: 30m, 12h or 7d.")
    ] = "7d",
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Ask for a passphrase, or read one from stdin.")
    ] = False,
    show: Annotated[
        str | None, typer.Option("--show", metavar="ID", help="Print the address of a link again.")
    ] = None,
    revoke: Annotated[
        str | None, typer.Option("--revoke", metavar="ID", help="Let nobody in by it any more.")
    ] = None,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Make a link by which somebody without a key looks at a film; print its address."""
    from filmforge.cli.api import film_path

    if sum(given is not None for given in (name, show, revoke)) != 1:
        raise BadInput("share", "can do one thing at a time", "Give --name, --show or --revoke")
    with connect(state) as api:
        if revoke is not None:
            gone = api.delete(film_path(film, "shares", revoke))
            tell(gone, as_json, lambda link: f"the link for {link['name']} lets nobody in now")
            return
        if show is not None:
            link = api.get(film_path(film, "shares", show))
        else:
            wish = {"name": name, "gives": gives, "lasts_s": span_s(lasts)}
            secret = {"passphrase": _passphrase()} if passphrase else {}
            link = api.post(film_path(film, "shares"), wish | secret)
    _tell_address(link, as_json)


def shares(film: FilmId, state: State = None, as_json: AsJson = False) -> None:
    """List the links of a film: what they give, until when, how often they were used."""
    from filmforge.cli.api import film_path
    from filmforge.cli.people import shares_table

    with connect(state) as api:
        tell(api.get(film_path(film, "shares")), as_json, shares_table)


@team.callback(invoke_without_command=True)
def members(context: typer.Context, state: State = None, as_json: AsJson = False) -> None:
    """List the members of the team, or let somebody in, change a role, revoke a key."""
    if context.invoked_subcommand is not None:
        context.obj = (state, as_json)
        return
    from filmforge.cli.people import members_table

    with connect(state) as api:
        tell(api.get("/v1/members"), as_json, members_table)


@team.command("add")
def add_member(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who it is.")],
    role: Annotated[Role, typer.Option("--role", help="What they are.")] = Role.REVIEWER,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody in; the key is printed this once and can never be shown again."""
    state, as_json = _options(context, state, as_json)
    with connect(state) as api:
        added = api.post("/v1/members", {"name": name, "role": role})
    tell(added, as_json, lambda told: told["key"])


@team.command("role")
def change_role(
    context: typer.Context,
    member: Member,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="What they are from now on.")],
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """Give a member another role, which holds at once."""
    state, as_json = _options(context, state, as_json)
    with connect(state) as api:
        told = api.patch(_path(member), {"role": role})
    tell(told, as_json, lambda known: f"{known['name']} is {known['role']}")


@team.command("revoke")
def revoke_member(
    context: typer.Context, member: Member, state: State = None, as_json: AsJson = False
) -> None:
    """Let a member in no more."""
    state, as_json = _options(context, state, as_json)
    with connect(state) as api:
        told = api.delete(_path(member))
    tell(told, as_json, lambda known: f"the key of {known['name']} opens nothing now")


def span_s(text: str) -> int:
    """The seconds of a span such as 30m, 12h or 7d. Raises BadInput."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise BadInput("--for", f"{text!r} is no span of time", "Write it as 30m, 12h or 7d")
    return int(found[1]) * _UNIT_S[found[2]]


def _passphrase() -> str:
    """A passphrase that stands in no command line, where others could read it."""
    if sys.stdin.isatty():
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def _tell_address(link: Any, as_json: bool) -> None:
    if as_json or link["url"]:
        tell(link, as_json, lambda told: told["url"])
        return
    say(f"the link for {link['name']} is {link['state']}: make another")
    raise typer.Exit(1)


def _path(member: str) -> str:
    return f"/v1/members/{quote(member, safe='')}"


def _options(context: typer.Context, state: Any, as_json: bool) -> tuple[Any, bool]:
    """The options as given after the command or before it."""
    before = context.obj or (None, False)
    return state or before[0], as_json or before[1]
