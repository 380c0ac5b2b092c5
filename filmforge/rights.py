"""Rights: what a person may do on the pages and by the API, each including those before it."""

from enum import IntEnum, StrEnum


class Right(IntEnum):
    """What somebody may do."""

    SEE = 1
    COMMENT = 2
    DECIDE = 3
    PRODUCE = 4
    ADMINISTER = 5


class Role(StrEnum):
    """What a member of the team is."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    PRODUCER = "producer"
    ADMIN = "admin"

    @property
    def right(self) -> Right:
        """What the role may do: producers spend money, administrators let people in."""
        return _OF_ROLE[self]


class Given(StrEnum):
    """What a share link may give."""

    SEE = "see"
    COMMENT = "comment"
    DECIDE = "decide"

    @property
    def right(self) -> Right:
        """The right of that name."""
        return Right[self.name]


_OF_ROLE = {
    Role.VIEWER: Right.SEE,
    Role.REVIEWER: Right.DECIDE,
    Role.PRODUCER: Right.PRODUCE,
    Role.ADMIN: Right.ADMINISTER,
}
