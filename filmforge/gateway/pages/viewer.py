"""Viewers: who looks at a page, what they may do there, and how the audit trail names them."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Request

from filmforge.errors import NotFound
from filmforge.gateway.keys import is_configured
from filmforge.gateway.pages.sessions import Session, form_key, sessions_of
from filmforge.gateway.problems import Refusal
from filmforge.gateway.rendering import SIGN_IN
from filmforge.gateway.state import Gateway, gateway_of
from filmforge.rights import Right


@dataclass(frozen=True)
class Viewer:
    """Somebody who is let in: `who` is what the audit trail says, `name` what a page says."""

    session: Session
    right: Right
    name: str
    who: str
    form_key: str

    @property
    def principal(self) -> str:
        """What they came in by, whatever name they gave: a key, a member or a link."""
        return f"{self.session.door} {self.session.subject[:24]}".strip()

    @property
    def is_member(self) -> bool:
        """Whether they are of the team and see more than one film."""
        return self.session.film_id is None

    def may(self, right: str) -> bool:
        """Whether they have a right; made for templates: `viewer.may("decide")`."""
        return self.right >= Right[right.upper()]


class NotAllowed(Refusal):
    """A page that this person may not see, or nobody who is not signed in."""


def viewer_of_film(right: Right) -> Callable[..., Awaitable[Viewer]]:
    """A dependency: whoever looks at the film of the address, if they have the right."""

    async def found(request: Request, film_id: Annotated[str, Path()]) -> Viewer:
        # Before anything is said of the film: whoever may not see it learns not even that it is.
        return await _strongest(request, film_id, right)

    return found


def member(right: Right) -> Callable[..., Awaitable[Viewer]]:
    """A dependency: whoever of the team looks at a page that is of no film."""

    async def found(request: Request) -> Viewer:
        return await _strongest(request, None, right)

    return found


Seeing = Annotated[Viewer, Depends(viewer_of_film(Right.SEE))]
Commenting = Annotated[Viewer, Depends(viewer_of_film(Right.COMMENT))]
Deciding = Annotated[Viewer, Depends(viewer_of_film(Right.DECIDE))]
Producing = Annotated[Viewer, Depends(viewer_of_film(Right.PRODUCE))]
AnyMember = Annotated[Viewer, Depends(member(Right.SEE))]
AnyProducer = Annotated[Viewer, Depends(member(Right.PRODUCE))]
Administering = Annotated[Viewer, Depends(member(Right.ADMINISTER))]


def viewer_by(gateway: Gateway, session: Session) -> Viewer | None:
    """Whoever a session lets in now; reads the database."""
    found = _let_in(gateway, session)
    if found is None:
        return None
    right, who = found
    name = session.who or who
    return Viewer(session, right, name, who, form_key(gateway.settings, session))


async def _strongest(request: Request, film_id: str | None, right: Right) -> Viewer:
    gateway = gateway_of(request)
    sessions = sessions_of(request, gateway.settings)
    mine = [each for each in sessions if each.film_id in (None, film_id)]
    seen = [await asyncio.to_thread(viewer_by, gateway, each) for each in mine]
    viewers = [viewer for viewer in seen if viewer]
    if not viewers:
        raise NotAllowed(401, SIGN_IN, "Sign in with your key, or open the link you were sent.")
    best = max(viewers, key=lambda viewer: viewer.right)
    if best.right < right:
        raise NotAllowed(403, "not_allowed", f"You may not {right.name.lower()} here.")
    return best


def _let_in(gateway: Gateway, session: Session) -> tuple[Right, str] | None:
    match session.door:
        case "key" if is_configured(gateway.settings, session.subject):
            return Right.ADMINISTER, f"key {session.subject[:8]}"
        case "member":
            return _member(gateway, session)
        case "share":
            return _guest(gateway, session)
        case "board":
            return Right.DECIDE, f"{session.who} (board link)".strip()
    return None


def _member(gateway: Gateway, session: Session) -> tuple[Right, str] | None:
    try:
        found = gateway.ledger.members.read(session.subject)
    except NotFound:
        return None
    return None if found.revoked_at else (found.role.right, found.name)


def _guest(gateway: Gateway, session: Session) -> tuple[Right, str] | None:
    try:
        share = gateway.ledger.shares.read(session.subject)
    except NotFound:
        return None
    if share.film_id != session.film_id or not share.holds(datetime.now(UTC)):
        return None
    return share.gives.right, f"{session.who} (link {share.name})".strip()
