"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "assets",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("duration_s", sa.Float(), nullable=True),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("request_key", sa.String(length=64), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("reuses", sa.Integer(), nullable=False),
        sa.Column("saved_micros", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_assets")),
    )
    with op.batch_alter_table("assets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assets_request_key"), ["request_key"], unique=False)

    op.create_table(
        "budgets",
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=False),
        sa.Column("reserved_micros", sa.BigInteger(), nullable=False),
        sa.Column("spent_micros", sa.BigInteger(), nullable=False),
        sa.Column("saved_micros", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("limit_micros >= 0", name=op.f("ck_budgets_limit_not_negative")),
        sa.CheckConstraint("reserved_micros >= 0", name=op.f("ck_budgets_reserved_not_negative")),
        sa.CheckConstraint("spent_micros >= 0", name=op.f("ck_budgets_spent_not_negative")),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_budgets")),
    )
    op.create_table(
        "commands",
        sa.Column("command_id", sa.String(length=64), nullable=False),
        sa.Column("recorded", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_commands")),
    )
    op.create_table(
        "films",
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("shot_count", sa.Integer(), nullable=False),
        sa.Column("execution", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("stop_after", sa.String(length=10), nullable=False),
        sa.Column("callback_url", sa.String(length=2000), nullable=True),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("film_id", name=op.f("pk_films")),
        sa.UniqueConstraint("idempotency_key", name=op.f("uq_films_idempotency_key")),
    )
    op.create_table(
        "journal",
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.Column("intent", sa.String(length=200), nullable=False),
        sa.Column("nonce", sa.String(length=32), nullable=True),
        sa.Column("submits", sa.Integer(), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("job", sa.JSON(), nullable=True),
        sa.Column("estimate_micros", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("woken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('reserved', 'submitting', 'accepted', 'succeeded', 'failed', 'cancelled',"
            " 'unknown')",
            name=op.f("ck_journal_known_state"),
        ),
        sa.PrimaryKeyConstraint("request_key", name=op.f("pk_journal")),
    )
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journal_state"), ["state"], unique=False)

    op.create_table(
        "asset_tags",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("facet", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["assets.digest"], name=op.f("fk_asset_tags_digest")),
        sa.PrimaryKeyConstraint("digest", "facet", "value", name=op.f("pk_asset_tags")),
    )
    with op.batch_alter_table("asset_tags", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_asset_tags_facet_asset_tags_value"), ["facet", "value"], unique=False
        )

    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=True),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("action", sa.String(length=30), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name=op.f("fk_audit_film_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_film_id"), ["film_id"], unique=False)

    op.create_table(
        "charges",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.String(length=20), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("micros >= 0", name=op.f("ck_charges_not_negative")),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name=op.f("fk_charges_film_id")),
        sa.ForeignKeyConstraint(
            ["request_key"], ["journal.request_key"], name=op.f("fk_charges_request_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charges")),
    )
    with op.batch_alter_table("charges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_charges_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_charges_film_id"), ["film_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_charges_request_key"), ["request_key"], unique=False)

    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name=op.f("fk_events_film_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_events_film_id_events_id"), ["film_id", "id"], unique=False
        )

    op.create_table(
        "joins",
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_key"], ["journal.request_key"], name=op.f("fk_joins_request_key")
        ),
        sa.PrimaryKeyConstraint("request_key", "film_id", "shot_id", name=op.f("pk_joins")),
    )
    op.create_table(
        "journal_entries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_key"], ["journal.request_key"], name=op.f("fk_journal_entries_request_key")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journal_entries")),
    )
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_journal_entries_request_key"), ["request_key"], unique=False
        )

    op.create_table(
        "outputs",
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["assets.digest"], name=op.f("fk_outputs_digest")),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name=op.f("fk_outputs_film_id")),
        sa.PrimaryKeyConstraint("film_id", "kind", name=op.f("pk_outputs")),
    )
    op.create_table(
        "shots",
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("direction", sa.JSON(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("execution", sa.String(length=20), nullable=False),
        sa.Column("review", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("image_digest", sa.String(length=64), nullable=True),
        sa.Column("video_digest", sa.String(length=64), nullable=True),
        sa.Column("audio_digest", sa.String(length=64), nullable=True),
        sa.Column("conformed_digest", sa.String(length=64), nullable=True),
        sa.Column("conformed_key", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"], name=op.f("fk_shots_film_id")),
        sa.PrimaryKeyConstraint("film_id", "shot_id", name=op.f("pk_shots")),
        sa.UniqueConstraint("film_id", "position", name=op.f("uq_shots_film_id_position")),
    )
    op.create_table(
        "deliveries",
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id")),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_next_at"), ["next_at"], unique=False)

    op.create_table(
        "gates",
        sa.Column("gate_id", sa.String(length=32), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("who", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("link_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["film_id", "shot_id"],
            ["shots.film_id", "shots.shot_id"],
            name=op.f("fk_gates_film_id_shot_id"),
        ),
        sa.PrimaryKeyConstraint("gate_id", name=op.f("pk_gates")),
        sa.UniqueConstraint(
            "film_id", "shot_id", "digest", name=op.f("uq_gates_film_id_shot_id_digest")
        ),
    )
    with op.batch_alter_table("gates", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_gates_film_id_gates_state"), ["film_id", "state"], unique=False
        )

    op.create_table(
        "takes",
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("shot_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("take", sa.Integer(), nullable=False),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("cost_micros", sa.BigInteger(), nullable=False),
        sa.Column("saved_micros", sa.BigInteger(), nullable=False),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["assets.digest"], name=op.f("fk_takes_digest")),
        sa.ForeignKeyConstraint(
            ["film_id", "shot_id"],
            ["shots.film_id", "shots.shot_id"],
            name=op.f("fk_takes_film_id_shot_id"),
        ),
        sa.PrimaryKeyConstraint("film_id", "shot_id", "kind", "take", name=op.f("pk_takes")),
        sa.UniqueConstraint(
            "film_id",
            "shot_id",
            "kind",
            "request_key",
            name=op.f("uq_takes_film_id_shot_id_kind_request_key"),
        ),
    )
    with op.batch_alter_table("takes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_takes_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_takes_digest"), ["digest"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("takes", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_takes_digest"))
        batch_op.drop_index(batch_op.f("ix_takes_at"))

    op.drop_table("takes")
    with op.batch_alter_table("gates", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gates_film_id_gates_state"))

    op.drop_table("gates")
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deliveries_next_at"))

    op.drop_table("deliveries")
    op.drop_table("shots")
    op.drop_table("outputs")
    with op.batch_alter_table("journal_entries", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_journal_entries_request_key"))

    op.drop_table("journal_entries")
    op.drop_table("joins")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_film_id_events_id"))

    op.drop_table("events")
    with op.batch_alter_table("charges", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_charges_request_key"))
        batch_op.drop_index(batch_op.f("ix_charges_film_id"))
        batch_op.drop_index(batch_op.f("ix_charges_at"))

    op.drop_table("charges")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_film_id"))

    op.drop_table("audit")
    with op.batch_alter_table("asset_tags", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_asset_tags_facet_asset_tags_value"))

    op.drop_table("asset_tags")
    with op.batch_alter_table("journal", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_journal_state"))

    op.drop_table("journal")
    op.drop_table("films")
    op.drop_table("commands")
    op.drop_table("budgets")
    with op.batch_alter_table("assets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_assets_request_key"))

    op.drop_table("assets")
