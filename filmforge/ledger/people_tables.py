"""The tables of people: who is let in, what they say, and where they are told what happens."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from filmforge.ledger.columns import RowId, UtcDateTime, metadata

members = Table(
    "members",
    metadata,
    Column("member_id", String(32), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("role", String(20), nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)
# The trail knows members by name.
Index(
    "uq_members_name",
    members.c.name,
    unique=True,
    sqlite_where=members.c.revoked_at.is_(None),
    postgresql_where=members.c.revoked_at.is_(None),
)

member_changes = Table(
    "member_changes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String(200), nullable=False),
    Column("member_id", ForeignKey("members.member_id"), nullable=False),
    Column("action", String(30), nullable=False),
    Column("role", String(20), nullable=False),
)

shares = Table(
    "shares",
    metadata,
    Column("share_id", String(32), primary_key=True),
    Column("film_id", ForeignKey("films.film_id"), nullable=False, index=True),
    Column("name", String(100), nullable=False),
    Column("gives", String(10), nullable=False),
    Column("passphrase", String(200)),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("opened", Integer, nullable=False, default=0),
    Column("last_opened_at", UtcDateTime),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", UtcDateTime),
)

comments = Table(
    "comments",
    metadata,
    Column("comment_id", String(32), primary_key=True),
    Column("film_id", String(64), nullable=False),
    Column("shot_id", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at_ms", Integer),
    Column("marks", JSON, nullable=False),
    Column("text", Text, nullable=False),
    Column("who", String(200), nullable=False),
    Column("principal", String(80), nullable=False),
    Column("parent_id", ForeignKey("comments.comment_id")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("resolved_at", UtcDateTime),
    Column("resolved_by", String(200)),
    ForeignKeyConstraint(["film_id", "shot_id"], ["shots.film_id", "shots.shot_id"]),
    Index(None, "film_id", "shot_id"),
)

# Edits of shots that nobody has asked to be made yet.
drafts = Table(
    "drafts",
    metadata,
    Column("film_id", String(64), primary_key=True),
    Column("shot_id", String(64), primary_key=True),
    Column("changes", JSON, nullable=False),
    Column("providers", JSON, nullable=False),
    Column("who", String(200), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["film_id", "shot_id"], ["shots.film_id", "shots.shot_id"]),
)

# Where people are told what happens; `after_event` is the last event that was looked at.
channels = Table(
    "channels",
    metadata,
    Column("channel_id", String(32), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("name", String(100), nullable=False),
    Column("address", String(2000), nullable=False),
    Column("secret", String(200)),
    Column("events", JSON, nullable=False),
    Column("film_id", ForeignKey("films.film_id")),
    Column("batch_s", Integer, nullable=False),
    Column("signed_link", Boolean, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("revoked_by", String(200)),
    Column("after_event", BigInteger, nullable=False, default=0),
    Column("problem", Text),
    Column("problem_at", UtcDateTime),
)

notices = Table(
    "notices",
    metadata,
    Column("channel_id", ForeignKey("channels.channel_id"), primary_key=True),
    Column("event_id", ForeignKey("events.id"), primary_key=True),
    Column("film_id", ForeignKey("films.film_id"), nullable=False),
    Column("due_at", UtcDateTime, index=True),
    Column("leased_until", UtcDateTime),
    Column("attempts", Integer, nullable=False, default=0),
    Column("sent_at", UtcDateTime),
    Column("last_error", Text),
)
