"""Members by the API: people of the team with a key of their own, for administrators."""

import asyncio
from datetime import datetime

from fastapi import APIRouter, Depends, Request, Response

from filmforge.fields import Frozen, Label
from filmforge.gateway.auth import Administrator, administrator
from filmforge.gateway.bodies import read_model
from filmforge.gateway.keys import fresh_key, key_print
from filmforge.gateway.replies import body_of, json_response
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.ledger.members import Member, MemberChange
from filmforge.rights import Role

router = APIRouter(prefix="/v1/members", tags=["members"], dependencies=[Depends(administrator)])


class NewMember(Frozen):
    """The body of a call, or the form, that lets a person in."""

    name: Label
    role: Role = Role.REVIEWER


class NewRole(Frozen):
    """The body of a call, or the form, that gives a member another role."""

    role: Role


class MemberView(Frozen):
    """A person of the team; one that was revoked is let in no more."""

    member_id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class MemberAdded(Frozen):
    """A member with the key, which is told this once and kept nowhere."""

    member: MemberView
    key: str


class MemberChangeView(Frozen):
    """Who let whom in or out, or gave them which role."""

    at: datetime
    who: str
    member_id: str
    action: str
    role: Role


class MemberList(Frozen):
    """The members by name, and what changed among them, oldest first."""

    members: tuple[MemberView, ...]
    changes: tuple[MemberChangeView, ...]


@router.get("", response_model=MemberList)
async def members(request: Request) -> Response:
    """Every member there is or was, and who let whom in or out."""
    ledger = gateway_of(request).ledger

    def read() -> MemberList:
        known, changes = ledger.members.all(), ledger.members.changes()
        return MemberList(
            members=tuple(map(member_view, known)),
            changes=tuple(_change_view(change) for change in changes),
        )

    return json_response(await asyncio.to_thread(read))


@router.post("", status_code=201, response_model=MemberAdded, openapi_extra=body_of(NewMember))
async def add(request: Request, who: Administrator) -> Response:
    """Let a person in; the key is told in this answer and never again."""
    wish = await read_model(request, NewMember)
    return json_response(await asyncio.to_thread(add_member, gateway_of(request), wish, who), 201)


@router.patch("/{member_id}", response_model=MemberView, openapi_extra=body_of(NewRole))
async def change_role(request: Request, member_id: str, who: Administrator) -> Response:
    """Give a member another role, which holds at once."""
    role = (await read_model(request, NewRole)).role
    known = gateway_of(request).ledger.members
    return json_response(
        member_view(await asyncio.to_thread(known.change_role, member_id, role, who))
    )


@router.delete("/{member_id}", response_model=MemberView)
async def revoke(request: Request, member_id: str, who: Administrator) -> Response:
    """Let a member in no more; sessions of theirs end at once."""
    known = gateway_of(request).ledger.members
    return json_response(member_view(await asyncio.to_thread(known.revoke, member_id, who)))


def add_member(gateway: Gateway, wish: NewMember, who: str) -> MemberAdded:
    """Let a person in with a fresh key, of which only the print is kept."""
    key = fresh_key()
    made = gateway.ledger.members.add(wish.name, wish.role, key_print(key), who)
    return MemberAdded(member=member_view(made), key=key)


def member_view(member: Member) -> MemberView:
    """A member as told to administrators."""
    return MemberView(**dict(member))


def _change_view(change: MemberChange) -> MemberChangeView:
    return MemberChangeView(**dict(change))
