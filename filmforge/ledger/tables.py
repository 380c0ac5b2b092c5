"""The tables of the ledger; money is integer micro-dollars, times are UTC."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from filmforge.ledger.columns import RowId, UtcDateTime, metadata

films = Table(
    "films",
    metadata,
    Column("film_id", String(64), primary_key=True),
    Column("title", String(200), nullable=False),
    Column("project", String(64), index=True),
    Column("document", JSON, nullable=False),
    Column("body_digest", String(64), nullable=False),
    Column("idempotency_key", String(255), unique=True),
    Column("shot_count", Integer, nullable=False),
    Column("execution", String(20), nullable=False),
    Column("reason", String(64)),
    Column("stop_after", String(10), nullable=False),
    Column("callback_url", String(2000)),
    Column("recut", JSON(none_as_null=True)),
    Column("accepted", JSON(none_as_null=True)),
    Column("run", Integer, nullable=False, default=0),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
)

shots = Table(
    "shots",
    metadata,
    Column("film_id", ForeignKey("films.film_id"), primary_key=True),
    Column("shot_id", String(64), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("document", JSON, nullable=False),
    Column("direction", JSON, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("execution", String(20), nullable=False),
    Column("review", String(20), nullable=False),
    Column("reason", String(64)),
    Column("message", Text),
    Column("image_digest", String(64)),
    Column("video_digest", String(64)),
    Column("audio_digest", String(64)),
    Column("conformed_digest", String(64)),
    Column("conformed_key", String(64)),
    Column("signed_digest", String(64)),
    Column("cue", JSON(none_as_null=True)),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("film_id", "position"),
)

budgets = Table(
    "budgets",
    metadata,
    Column("scope", String(100), primary_key=True),
    Column("limit_micros", BigInteger, nullable=False),
    Column("reserved_micros", BigInteger, nullable=False, default=0),
    Column("spent_micros", BigInteger, nullable=False, default=0),
    Column("saved_micros", BigInteger, nullable=False, default=0),
    Column("overdraft_micros", BigInteger, nullable=False, default=0),
    Column("shadow", Boolean, nullable=False, default=False),
    Column("refused_count", Integer, nullable=False, default=0),
    Column("refused_micros", BigInteger, nullable=False, default=0),
    # What is committed beyond the limit is named: a person lowered the limit, or a provider took
    # more than was quoted. Nothing else can pass it.
    CheckConstraint(
        "shadow OR reserved_micros + spent_micros <= limit_micros + overdraft_micros",
        name="within_limit",
    ),
    CheckConstraint("overdraft_micros >= 0", name="overdraft_not_negative"),
    CheckConstraint("reserved_micros >= 0", name="reserved_not_negative"),
    CheckConstraint("spent_micros >= 0", name="spent_not_negative"),
    CheckConstraint("limit_micros >= 0", name="limit_not_negative"),
)

cap_changes = Table(
    "cap_changes",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("who", String(200), nullable=False),
    Column("scope", String(100), nullable=False),
    Column("limit_micros", BigInteger),
    Column("shadow", Boolean, nullable=False),
)

paces = Table(
    "paces",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("account", String(64), primary_key=True),
    Column("next_at", UtcDateTime),
    Column("paused_until", UtcDateTime),
)

journal = Table(
    "journal",
    metadata,
    Column("request_key", String(64), primary_key=True),
    Column("state", String(12), nullable=False),
    Column("request", JSON, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("account", String(64), nullable=False),
    Column("film_id", ForeignKey("films.film_id"), nullable=False),
    Column("shot_id", String(64), nullable=False),
    Column("intent", String(200), nullable=False),
    Column("nonce", String(32)),
    Column("submits", Integer, nullable=False, default=0),
    # `submits` begins anew when the request is armed again; this one counts on, and numbers the
    # charges.
    Column("submit", Integer, nullable=False, default=0),
    Column("submitted_at", UtcDateTime),
    Column("waiting_at", UtcDateTime),
    Column("job", JSON(none_as_null=True)),
    Column("estimate_micros", BigInteger, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("digest", String(64)),
    Column("failure_code", String(64)),
    Column("failure_message", Text),
    Column("woken_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    CheckConstraint(
        "state IN ('reserved', 'submitting', 'accepted', 'succeeded', 'failed', 'cancelled',"
        " 'unknown')",
        name="known_state",
    ),
    CheckConstraint(
        "state <> 'submitting' OR (nonce IS NOT NULL AND submitted_at IS NOT NULL)",
        name="submitting_has_nonce",
    ),
    CheckConstraint("state <> 'accepted' OR job IS NOT NULL", name="accepted_has_job"),
    CheckConstraint("state <> 'succeeded' OR digest IS NOT NULL", name="succeeded_has_digest"),
    CheckConstraint("state <> 'failed' OR failure_code IS NOT NULL", name="failed_has_code"),
    Index(None, "state"),
    Index(None, "provider", "account", "state"),
)

joins = Table(
    "joins",
    metadata,
    Column("request_key", ForeignKey("journal.request_key"), primary_key=True),
    Column("film_id", String(64), primary_key=True),
    Column("shot_id", String(64), primary_key=True),
)

journal_entries = Table(
    "journal_entries",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("request_key", ForeignKey("journal.request_key"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("state", String(12), nullable=False),
    Column("detail", JSON, nullable=False),
)

charges = Table(
    "charges",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("request_key", ForeignKey("journal.request_key"), nullable=False, index=True),
    Column("film_id", ForeignKey("films.film_id"), nullable=False, index=True),
    Column("shot_id", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("submit", Integer, nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("why", String(20), nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    CheckConstraint("micros >= 0", name="not_negative"),
    UniqueConstraint("request_key", "submit"),
)

assets = Table(
    "assets",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("width", Integer),
    Column("height", Integer),
    Column("duration_s", Float),
    Column("provider", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("request_key", String(64), index=True),
    Column("prompt", Text, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("reuses", Integer, nullable=False, default=0),
    Column("saved_micros", BigInteger, nullable=False, default=0),
    Column("created_at", UtcDateTime, nullable=False),
)

asset_tags = Table(
    "asset_tags",
    metadata,
    Column("digest", ForeignKey("assets.digest"), primary_key=True),
    Column("facet", String(20), primary_key=True),
    Column("value", String(100), primary_key=True),
    Index(None, "facet", "value"),
)

takes = Table(
    "takes",
    metadata,
    Column("film_id", String(64), primary_key=True),
    Column("shot_id", String(64), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("take", Integer, primary_key=True),
    Column("request_key", String(64), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(200), nullable=False),
    Column("digest", ForeignKey("assets.digest"), nullable=False, index=True),
    Column("cost_micros", BigInteger, nullable=False),
    Column("saved_micros", BigInteger, nullable=False),
    Column("reused", Boolean, nullable=False),
    Column("note", Text),
    Column("checked", JSON(none_as_null=True)),
    Column("at", UtcDateTime, nullable=False, index=True),
    ForeignKeyConstraint(["film_id", "shot_id"], ["shots.film_id", "shots.shot_id"]),
    UniqueConstraint("film_id", "shot_id", "kind", "request_key"),
)

gates = Table(
    "gates",
    metadata,
    Column("gate_id", String(32), primary_key=True),
    Column("film_id", String(64), nullable=False),
    Column("shot_id", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("state", String(12), nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("who", String(200)),
    Column("note", Text),
    Column("link_id", String(64)),
    ForeignKeyConstraint(["film_id", "shot_id"], ["shots.film_id", "shots.shot_id"]),
    UniqueConstraint("film_id", "shot_id", "digest"),
    Index(None, "film_id", "state"),
)

outputs = Table(
    "outputs",
    metadata,
    Column("film_id", ForeignKey("films.film_id"), primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("digest", ForeignKey("assets.digest"), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("recipe_key", String(64)),
    Column("checked", JSON(none_as_null=True)),
    Column("at", UtcDateTime, nullable=False),
)

# What a step of ours made of a recipe: one file of no name, or several under their names.
makings = Table(
    "makings",
    metadata,
    Column("recipe_key", String(64), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

# What was measured of a file depends on its bytes and on who measures, and on nothing else.
measures = Table(
    "measures",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("edition", Integer, primary_key=True),
    Column("found", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("film_id", ForeignKey("films.film_id"), nullable=False, index=True),
    Column("shot_id", String(64)),
    Column("who", String(200), nullable=False),
    Column("action", String(30), nullable=False),
    Column("detail", JSON, nullable=False),
)

commands = Table(
    "commands",
    metadata,
    Column("command_id", String(64), primary_key=True),
    Column("recorded", JSON, nullable=False),
    Column("at", UtcDateTime, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("film_id", ForeignKey("films.film_id"), nullable=False),
    Column("shot_id", String(64)),
    Column("type", String(40), nullable=False),
    Column("data", JSON, nullable=False),
    Index(None, "film_id", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("event_id", ForeignKey("events.id"), primary_key=True),
    Column("url", String(2000), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", UtcDateTime, index=True),
    Column("delivered_at", UtcDateTime),
    Column("last_error", Text),
)

callbacks = Table(
    "callbacks",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("webhook_id", String(255), primary_key=True),
    Column("request_key", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
)
