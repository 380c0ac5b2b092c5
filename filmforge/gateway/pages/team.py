"""The page of the team: who has a key, what they may do, and who let them in."""

import asyncio

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from filmforge.errors import BadInput
from filmforge.gateway.members import MemberAdded, NewMember, NewRole, add_member
from filmforge.gateway.pages.forms import Pressed, read_form
from filmforge.gateway.pages.viewer import Administering, Viewer
from filmforge.gateway.problems import Refusal
from filmforge.gateway.rendering import QUIET_HEADERS, page
from filmforge.gateway.state import Gateway, Parts
from filmforge.ledger.members import Member, MemberChange
from filmforge.rights import Role

router = APIRouter(prefix="/team", include_in_schema=False)

ROLES = {
    Role.VIEWER: "viewer: sees every film",
    Role.REVIEWER: "reviewer: also comments and decides",
    Role.PRODUCER: "producer: also makes films and spends",
    Role.ADMIN: "admin: also lets people in and sets caps",
}
_MOST_CHANGES = 100


@router.get("")
async def show_team(viewer: Administering, gateway: Parts) -> Response:
    """The members of the team."""
    return await _shown(viewer, gateway)


@router.post("")
async def add_to_team(request: Request, viewer: Administering, gateway: Parts) -> Response:
    """Let a person in, and show their key this once."""
    try:
        wish = await read_form(request, NewMember, viewer.form_key)
        added = await asyncio.to_thread(add_member, gateway, wish, viewer.who)
    except (Refusal, BadInput) as error:
        if isinstance(error, Refusal) and error.status != 422:
            raise
        return await _shown(viewer, gateway, wrong=str(error))
    return await _shown(viewer, gateway, added=added)


@router.post("/{member_id}/role")
async def change_role(
    request: Request, viewer: Administering, gateway: Parts, member_id: str
) -> Response:
    """Give a member another role."""
    role = (await read_form(request, NewRole, viewer.form_key)).role
    await asyncio.to_thread(gateway.ledger.members.change_role, member_id, role, viewer.who)
    return _go()


@router.post("/{member_id}/revoke")
async def revoke(
    request: Request, viewer: Administering, gateway: Parts, member_id: str
) -> Response:
    """Let a member in no more."""
    await read_form(request, Pressed, viewer.form_key)
    await asyncio.to_thread(gateway.ledger.members.revoke, member_id, viewer.who)
    return _go()


async def _shown(
    viewer: Viewer, gateway: Gateway, *, added: MemberAdded | None = None, wrong: str = ""
) -> Response:
    def read() -> tuple[list[Member], list[MemberChange]]:
        known = gateway.ledger.members
        return [*known.all()], [*known.changes()][: -_MOST_CHANGES - 1 : -1]

    members, changes = await asyncio.to_thread(read)
    return page(
        "team.html",
        422 if wrong else 200,
        live=True,
        viewer=viewer,
        scripts=("copy.js",) if added else (),
        members=[member for member in members if not member.revoked_at],
        names={member.member_id: member.name for member in members},
        changes=changes,
        roles=ROLES,
        added=added,
        wrong=wrong,
    )


def _go() -> Response:
    return RedirectResponse("/team", 303, QUIET_HEADERS)
