"""Recuts, findings on takes and outputs, and what was made of each recipe."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON = sa.JSON(none_as_null=True)
# The longest kind of output that the revision before can hold.
KIND_CHARS = 20
LATER_FILM_FIELDS = (
    "transition",
    "opening",
    "trim",
    "title_card",
    "end_card",
    "look",
    "scenes",
    "sound",
    "subtitles",
    "quality",
    "deliveries",
)
LATER_DIRECTION_FIELDS = ("accepted", "remade")
BEFORE = ("cut", "crossfade")

# Only what the data is carried back with; the full tables stand in filmforge.ledger.tables.
films = sa.table("films", sa.column("film_id"), sa.column("document", sa.JSON()))
shots = sa.table(
    "shots",
    sa.column("film_id"),
    sa.column("shot_id"),
    sa.column("document", sa.JSON()),
    sa.column("direction", sa.JSON()),
)
outputs = sa.table("outputs", sa.column("kind", sa.String()))


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "makings",
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("media_type", sa.String(length=100), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("recipe_key", "name", name="pk_makings"),
    )
    op.create_table(
        "measures",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", "edition", name="pk_measures"),
    )
    with op.batch_alter_table("films") as batch:
        batch.add_column(sa.Column("recut", JSON, nullable=True))
        batch.add_column(sa.Column("accepted", JSON, nullable=True))
    with op.batch_alter_table("shots") as batch:
        batch.add_column(sa.Column("signed_digest", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("cue", JSON, nullable=True))
    with op.batch_alter_table("takes") as batch:
        batch.add_column(sa.Column("checked", JSON, nullable=True))
    with op.batch_alter_table("outputs") as batch:
        batch.alter_column("kind", type_=sa.String(length=64), existing_nullable=False)
        batch.add_column(sa.Column("recipe_key", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("checked", JSON, nullable=True))


def downgrade() -> None:
    """Undo; recuts, findings and deliveries are forgotten, and new transitions become cuts."""
    _forget()
    op.execute(sa.delete(outputs).where(sa.func.length(outputs.c.kind) > KIND_CHARS))
    with op.batch_alter_table("outputs") as batch:
        batch.drop_column("checked")
        batch.drop_column("recipe_key")
        batch.alter_column("kind", type_=sa.String(length=KIND_CHARS), existing_nullable=False)
    with op.batch_alter_table("takes") as batch:
        batch.drop_column("checked")
    with op.batch_alter_table("shots") as batch:
        batch.drop_column("cue")
        batch.drop_column("signed_digest")
    with op.batch_alter_table("films") as batch:
        batch.drop_column("accepted")
        batch.drop_column("recut")
    for table in ("measures", "makings"):
        op.drop_table(table)


def _forget() -> None:
    """The code of the revision before refuses fields it does not know."""
    bind = op.get_bind()
    for row in bind.execute(sa.select(films)).all():
        document = _without(row.document, LATER_FILM_FIELDS)
        bind.execute(
            sa.update(films).where(films.c.film_id == row.film_id).values(document=document)
        )
    for row in bind.execute(sa.select(shots)).all():
        mine = (shots.c.film_id == row.film_id, shots.c.shot_id == row.shot_id)
        direction = _without(row.direction, LATER_DIRECTION_FIELDS)
        document = {**row.document, "transition": _before(row.document.get("transition"))}
        bind.execute(sa.update(shots).where(*mine).values(direction=direction, document=document))


def _before(transition: dict[str, Any] | None) -> dict[str, Any]:
    """The transition, if it is one that was known before."""
    if transition and transition["type"] in BEFORE:
        return transition
    return {"type": "cut", "duration": "0.5"}


def _without(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
