"""Caps, paces, projects, remembered callbacks, and the journal's rules as constraints."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
JOURNAL_RULES = {
    "submitting_has_nonce": (
        "state <> 'submitting' OR (nonce IS NOT NULL AND submitted_at IS NOT NULL)"
    ),
    "accepted_has_job": "state <> 'accepted' OR job IS NOT NULL",
    "succeeded_has_digest": "state <> 'succeeded' OR digest IS NOT NULL",
    "failed_has_code": "state <> 'failed' OR failure_code IS NOT NULL",
}

# Only what the data is carried over with; the full tables stand in filmforge.ledger.tables.
films = sa.table("films", sa.column("film_id"), sa.column("document", sa.JSON()))
shots = sa.table(
    "shots", sa.column("film_id"), sa.column("shot_id"), sa.column("direction", sa.JSON())
)
budgets = sa.table(
    "budgets",
    sa.column("scope"),
    sa.column("limit_micros", sa.BigInteger()),
    sa.column("reserved_micros", sa.BigInteger()),
    sa.column("spent_micros", sa.BigInteger()),
    sa.column("overdraft_micros", sa.BigInteger()),
    sa.column("shadow", sa.Boolean()),
    sa.column("refused_count", sa.Integer()),
    sa.column("refused_micros", sa.BigInteger()),
)
journal = sa.table(
    "journal",
    sa.column("request_key", sa.String()),
    sa.column("request", sa.JSON()),
    sa.column("film_id", sa.String()),
    sa.column("provider", sa.String()),
    sa.column("account", sa.String()),
    sa.column("scopes", sa.JSON()),
    sa.column("submits", sa.Integer()),
    sa.column("submit", sa.Integer()),
    sa.column("job", sa.JSON(none_as_null=True)),
)
entries = sa.table(
    "journal_entries",
    sa.column("id"),
    sa.column("request_key", sa.String()),
    sa.column("state", sa.String()),
    sa.column("at", MOMENT),
)
charges = sa.table(
    "charges",
    sa.column("id", sa.BigInteger()),
    sa.column("request_key", sa.String()),
    sa.column("film_id", sa.String()),
    sa.column("submit", sa.Integer()),
    sa.column("micros", sa.BigInteger()),
    sa.column("scopes", sa.JSON()),
    sa.column("at", MOMENT),
)


def upgrade() -> None:
    """Apply."""
    _add_tables()
    _add_columns()
    _fill_budgets()
    submits = _submits()
    _fill_journal(submits)
    _fill_charges(submits)
    _require()


def downgrade() -> None:
    """Undo; caps, projects and fallbacks are forgotten, and merged charges stay merged."""
    op.execute(sa.delete(budgets).where(~budgets.c.scope.startswith("film:")))
    _forget()
    with op.batch_alter_table("charges") as batch:
        batch.drop_constraint(op.f("uq_charges_request_key_submit"), type_="unique")
        batch.drop_column("scopes")
        batch.drop_column("submit")
    with op.batch_alter_table("journal") as batch:
        batch.drop_index("ix_journal_provider_journal_account_journal_state")
        batch.drop_constraint(op.f("fk_journal_film_id"), type_="foreignkey")
        for rule in JOURNAL_RULES:
            batch.drop_constraint(op.f(f"ck_journal_{rule}"), type_="check")
        for name in ("waiting_at", "submit", "scopes", "account", "provider"):
            batch.drop_column(name)
    with op.batch_alter_table("budgets") as batch:
        batch.drop_constraint(op.f("ck_budgets_within_limit"), type_="check")
        batch.drop_constraint(op.f("ck_budgets_overdraft_not_negative"), type_="check")
        for name in ("refused_micros", "refused_count", "shadow", "overdraft_micros"):
            batch.drop_column(name)
    with op.batch_alter_table("films") as batch:
        batch.drop_index("ix_films_project")
        batch.drop_column("project")
    op.drop_index("ix_callbacks_at", "callbacks")
    for table in ("callbacks", "paces", "cap_changes"):
        op.drop_table(table)


def _add_tables() -> None:
    op.create_table(
        "cap_changes",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("scope", sa.String(length=100), nullable=False),
        sa.Column("limit_micros", sa.BigInteger(), nullable=True),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cap_changes"),
    )
    op.create_table(
        "paces",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("next_at", MOMENT, nullable=True),
        sa.Column("paused_until", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("provider", "account", name="pk_paces"),
    )
    op.create_table(
        "callbacks",
        sa.Column("provider", sa.String(length=64), nullable=False),
        sa.Column("webhook_id", sa.String(length=255), nullable=False),
        sa.Column("request_key", sa.String(length=64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("provider", "webhook_id", name="pk_callbacks"),
    )
    op.create_index("ix_callbacks_at", "callbacks", ["at"])


def _add_columns() -> None:
    """Nullable at first: the rows that are there know nothing of them."""
    with op.batch_alter_table("films") as batch:
        batch.add_column(sa.Column("project", sa.String(length=64), nullable=True))
        batch.create_index("ix_films_project", ["project"])
    with op.batch_alter_table("budgets") as batch:
        batch.add_column(sa.Column("overdraft_micros", sa.BigInteger(), nullable=True))
        batch.add_column(sa.Column("shadow", sa.Boolean(), nullable=True))
        batch.add_column(sa.Column("refused_count", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("refused_micros", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("journal") as batch:
        batch.add_column(sa.Column("provider", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("account", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("submit", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("waiting_at", MOMENT, nullable=True))
        batch.add_column(sa.Column("scopes", sa.JSON(), nullable=True))
    with op.batch_alter_table("charges") as batch:
        batch.add_column(sa.Column("submit", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("scopes", sa.JSON(), nullable=True))


def _fill_budgets() -> None:
    over = budgets.c.reserved_micros + budgets.c.spent_micros - budgets.c.limit_micros
    op.execute(
        sa.update(budgets).values(
            overdraft_micros=sa.case((over > 0, over), else_=0),
            shadow=sa.false(),
            refused_count=0,
            refused_micros=0,
        )
    )


def _submits() -> defaultdict[str, list[Any]]:
    """When each request was submitted, every time; `journal.submits` forgets earlier armings."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    wanted = sa.select(entries).where(entries.c.state == "submitting").order_by(entries.c.id)
    for row in op.get_bind().execute(wanted):
        found[row.request_key].append(row.at)
    return found


def _fill_journal(submits: defaultdict[str, list[Any]]) -> None:
    wanted = sa.select(
        journal.c.request_key, journal.c.film_id, journal.c.request, journal.c.submits
    )
    rows = op.get_bind().execute(wanted).all()
    _update_each(
        sa.update(journal).where(journal.c.request_key == sa.bindparam("key")),
        (
            {
                "key": row.request_key,
                "provider": row.request["provider"],
                "account": "",
                "scopes": [f"film:{row.film_id}"],
                "submit": max(row.submits, len(submits[row.request_key])),
            }
            for row in rows
        ),
    )
    # A job that is not there was written as the JSON value null.
    nothing = sa.cast(journal.c.job, sa.Text()) == "null"
    op.execute(sa.update(journal).where(nothing).values(job=sa.null()))


def _fill_charges(submits: defaultdict[str, list[Any]]) -> None:
    """Number the charges by submit; several of one submit and film become one, the first."""
    kept: dict[tuple[str, int], dict[str, Any]] = {}
    late = []
    wanted = sa.select(
        charges.c.id, charges.c.request_key, charges.c.film_id, charges.c.micros, charges.c.at
    )
    for row in op.get_bind().execute(wanted.order_by(charges.c.id)).all():
        scopes = [f"film:{row.film_id}"]
        number = bisect_right(submits[row.request_key], row.at)
        while kept.get((row.request_key, number), {"scopes": scopes})["scopes"] != scopes:
            number += 1  # two films paid for one submit: what each of them spent stays its own
        fresh = {"key": row.id, "submit": number, "micros": 0, "scopes": scopes}
        charge = kept.setdefault((row.request_key, number), fresh)
        charge["micros"] += row.micros
        if charge is not fresh:
            late.append(row.id)
    for start in range(0, len(late), 500):
        op.execute(sa.delete(charges).where(charges.c.id.in_(late[start : start + 500])))
    _update_each(sa.update(charges).where(charges.c.id == sa.bindparam("key")), kept.values())
    # No submit to come may have the number of a charge that is there.
    highest = (
        sa.select(sa.func.coalesce(sa.func.max(charges.c.submit), 0))
        .where(charges.c.request_key == journal.c.request_key)
        .scalar_subquery()
    )
    op.execute(sa.update(journal).where(journal.c.submit < highest).values(submit=highest))


def _require() -> None:
    with op.batch_alter_table("budgets") as batch:
        for name in ("overdraft_micros", "shadow", "refused_count", "refused_micros"):
            batch.alter_column(name, nullable=False)
        batch.create_check_constraint(
            op.f("ck_budgets_within_limit"),
            "shadow OR reserved_micros + spent_micros <= limit_micros + overdraft_micros",
        )
        batch.create_check_constraint(
            op.f("ck_budgets_overdraft_not_negative"), "overdraft_micros >= 0"
        )
    with op.batch_alter_table("journal") as batch:
        for name in ("provider", "account", "submit", "scopes"):
            batch.alter_column(name, nullable=False)
        batch.create_foreign_key(op.f("fk_journal_film_id"), "films", ["film_id"], ["film_id"])
        for rule, condition in JOURNAL_RULES.items():
            batch.create_check_constraint(op.f(f"ck_journal_{rule}"), condition)
        batch.create_index(
            "ix_journal_provider_journal_account_journal_state", ["provider", "account", "state"]
        )
    with op.batch_alter_table("charges") as batch:
        batch.alter_column("submit", nullable=False)
        batch.alter_column("scopes", nullable=False)
        batch.create_unique_constraint(
            op.f("uq_charges_request_key_submit"), ["request_key", "submit"]
        )


def _forget() -> None:
    """The code of the revision before refuses fields it does not know."""
    bind = op.get_bind()
    documents = bind.execute(sa.select(films)).all()
    later = ("project", "priority", "fallbacks")
    _update_each(
        sa.update(films).where(films.c.film_id == sa.bindparam("key")),
        ({"key": row.film_id, "document": _without(row.document, later)} for row in documents),
    )
    directions = bind.execute(sa.select(shots)).all()
    _update_each(
        sa.update(shots).where(
            shots.c.film_id == sa.bindparam("film"), shots.c.shot_id == sa.bindparam("shot")
        ),
        (
            {
                "film": row.film_id,
                "shot": row.shot_id,
                "direction": _without(row.direction, ("fell_back",)),
            }
            for row in directions
            if "fell_back" in row.direction
        ),
    )


def _without(document: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}


def _update_each(statement: sa.Update, rows: Iterable[dict[str, Any]]) -> None:
    if values := list(rows):
        op.get_bind().execute(statement, values)
