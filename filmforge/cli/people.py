"""People as tables for people: who was given a link, who is of the team."""

from rich.console import RenderableType
from rich.text import Text

from filmforge.cli.tables import Document, grid


def shares_table(answer: Document) -> RenderableType:
    """The links of a film, a row each."""
    table = grid("link", "for", "gives", "state", "until", "used", "last", right=["used"])
    for link in answer["shares"]:
        table.add_row(
            link["share_id"],
            Text(link["name"]),
            link["gives"] + (", passphrase" if link["has_passphrase"] else ""),
            link["state"],
            _minute(link["expires_at"]),
            str(link["opened"]),
            _minute(link["last_opened_at"]),
        )
    none = "Nobody was given a link; make one with `filmforge share FILM --name NAME`."
    return table if table.row_count else Text(none)


def members_table(answer: Document) -> RenderableType:
    """The members, a row each."""
    table = grid("member", "name", "role", "since", "revoked")
    for member in answer["members"]:
        table.add_row(
            member["member_id"],
            Text(member["name"]),
            member["role"],
            _minute(member["created_at"]),
            _minute(member["revoked_at"]),
        )
    none = "Nobody has a key of their own; make one with `filmforge members add NAME`."
    return table if table.row_count else Text(none)


def _minute(moment: str | None) -> str:
    return moment[:16].replace("T", " ") if moment else ""
