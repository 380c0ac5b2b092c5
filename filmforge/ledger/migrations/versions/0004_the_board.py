"""Members, share links, comments, drafts, and where people are told what happens."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ROW = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "members",
        sa.Column("member_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("member_id", name="pk_members"),
        sa.UniqueConstraint("key_hash", name="uq_members_key_hash"),
    )
    in_force = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_members_name",
        "members",
        ["name"],
        unique=True,
        sqlite_where=in_force,
        postgresql_where=in_force,
    )
    op.create_table(
        "channels",
        sa.Column("channel_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=2000), nullable=False),
        sa.Column("secret", sa.String(length=200), nullable=True),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=True),
        sa.Column("batch_s", sa.Integer(), nullable=False),
        sa.Column("signed_link", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("revoked_by", sa.String(length=200), nullable=True),
        sa.Column("after_event", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("problem_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name="fk_channels_film_id"),
        sa.PrimaryKeyConstraint("channel_id", name="pk_channels"),
    )
    op.create_table(
        "member_changes",
        sa.Column("id", ROW, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("member_id", sa.String(length=32), nullable=False),
        sa.Column("action", sa.String(length=30), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.member_id"], name="fk_member_changes_member_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_member_changes"),
    )
    op.create_table(
        "shares",
        sa.Column("share_id", sa.String(length=32), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("gives", sa.String(length=10), nullable=False),
        sa.Column("passphrase", sa.String(length=200), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("last_opened_at", MOMENT, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name="fk_shares_film_id"),
        sa.PrimaryKeyConstraint("share_id", name="pk_shares"),
    )
    op.create_index("ix_shares_film_id", "shares", ["film_id"], unique=False)
    op.create_table(
        "comments",
        sa.Column("comment_id", sa.String(length=32), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at_ms", sa.Integer(), nullable=True),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("principal", sa.String(length=80), nullable=False),
        sa.Column("parent_id", sa.String(length=32), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.Column("resolved_by", sa.String(length=200), nullable=True),
        sa.ForeignKeyConstraint(
            ["film_id", "shot_id"],
            ["shots.film_id", "shots.shot_id"],
            name="fk_comments_film_id_shot_id",
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["comments.comment_id"], name="fk_comments_parent_id"
        ),
        sa.PrimaryKeyConstraint("comment_id", name="pk_comments"),
    )
    op.create_index(
        "ix_comments_film_id_comments_shot_id", "comments", ["film_id", "shot_id"], unique=False
    )
    op.create_table(
        "drafts",
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("providers", sa.JSON(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["film_id", "shot_id"],
            ["shots.film_id", "shots.shot_id"],
            name="fk_drafts_film_id_shot_id",
        ),
        sa.PrimaryKeyConstraint("film_id", "shot_id", name="pk_drafts"),
    )
    op.create_table(
        "notices",
        sa.Column("channel_id", sa.String(length=32), nullable=False),
        sa.Column("event_id", ROW, nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("due_at", MOMENT, nullable=True),
        sa.Column("leased_until", MOMENT, nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.channel_id"], name="fk_notices_channel_id"
        ),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name="fk_notices_event_id"),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name="fk_notices_film_id"),
        sa.PrimaryKeyConstraint("channel_id", "event_id", name="pk_notices"),
    )
    op.create_index("ix_notices_due_at", "notices", ["due_at"], unique=False)


def downgrade() -> None:
    """Take back; what people wrote there is lost."""
    op.drop_table("notices")
    op.drop_table("drafts")
    op.drop_table("comments")
    op.drop_table("shares")
    op.drop_table("member_changes")
    op.drop_table("channels")
    op.drop_table("members")
