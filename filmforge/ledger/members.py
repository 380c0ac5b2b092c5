"""Members: the people of the team, each with a key of their own and a role."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from filmforge.errors import BadInput, NotFound
from filmforge.fields import Frozen
from filmforge.ledger.database import Database, insert_new, now
from filmforge.ledger.people_tables import member_changes, members
from filmforge.rights import Role


class Member(Frozen):
    """A person of the team; one that was revoked is let in no more."""

    member_id: str
    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class MemberChange(Frozen):
    """Who let whom in or out, and when."""

    at: datetime
    who: str
    member_id: str
    action: str
    role: Role


class Members:
    """The members of an installation; of a key only the sha256 is kept."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, name: str, role: Role, key_hash: str, who: str) -> Member:
        """Let a person in. Raises BadInput when a member in force has that name."""
        member_id = secrets.token_hex(8)
        given = {"name": name, "role": role, "key_hash": key_hash}
        with self._db.write() as tx:
            if not insert_new(tx, members, member_id=member_id, **given, created_at=now()):
                raise BadInput("name", f"{name} is a member already", "Revoke that one first.")
            _changed(tx, who, member_id, "added", role)
            return _member(tx.execute(_named(member_id)).one())

    def change_role(self, member_id: str, role: Role, who: str) -> Member:
        """Give a member another role. Raises NotFound."""
        return self._change(member_id, who, "role", role=role)

    def revoke(self, member_id: str, who: str) -> Member:
        """Let a member in no more. Raises NotFound."""
        return self._change(member_id, who, "revoked", revoked_at=now())

    def read(self, member_id: str) -> Member:
        """One member. Raises NotFound."""
        with self._db.read() as tx:
            row = tx.execute(_named(member_id)).one_or_none()
        if row is None:
            raise NotFound(f"there is no member {member_id}")
        return _member(row)

    def by_key(self, key_hash: str) -> Member | None:
        """The member in force whose key has this sha256."""
        mine = (members.c.key_hash == key_hash, members.c.revoked_at.is_(None))
        with self._db.read() as tx:
            row = tx.execute(select(*_SHOWN).where(*mine)).one_or_none()
        return _member(row) if row else None

    def all(self) -> Sequence[Member]:
        """Every member there is or was, by name."""
        with self._db.read() as tx:
            rows = tx.execute(select(*_SHOWN).order_by(members.c.name, members.c.created_at))
            return [_member(row) for row in rows]

    def changes(self) -> Sequence[MemberChange]:
        """Who let whom in or out, oldest first."""
        shown = [member_changes.c[name] for name in MemberChange.model_fields]
        with self._db.read() as tx:
            rows = tx.execute(select(*shown).order_by(member_changes.c.id))
            return [MemberChange.model_validate(dict(row._mapping)) for row in rows]

    def _change(self, member_id: str, who: str, action: str, **values: Any) -> Member:
        mine = (members.c.member_id == member_id, members.c.revoked_at.is_(None))
        with self._db.write() as tx:
            if not tx.execute(update(members).where(*mine).values(**values)).rowcount:
                raise NotFound(f"there is no member {member_id} in force")
            row = tx.execute(_named(member_id)).one()
            _changed(tx, who, member_id, action, Role(row.role))
            return _member(row)


_SHOWN = [members.c[name] for name in Member.model_fields]


def _named(member_id: str) -> Any:
    return select(*_SHOWN).where(members.c.member_id == member_id)


def _changed(tx: Any, who: str, member_id: str, action: str, role: Role) -> None:
    tx.execute(
        insert(member_changes).values(
            at=now(), who=who, member_id=member_id, action=action, role=role
        )
    )


def _member(row: Row[Any]) -> Member:
    return Member.model_validate(dict(row._mapping))
