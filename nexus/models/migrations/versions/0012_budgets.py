"""Reservations that know their claim, the time projects have run, and room for what a call costs.

Nothing wrote reservations before. PostgreSQL kept the cost of a single call in 32 bits, which
hold a fifth of a cent.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COST = ("journal", "cost_pico_usd")
BUDGETED = sa.text("budget IS NOT NULL")


def upgrade() -> None:
    op.drop_table("reservations")
    op.create_table(
        "reservations",
        sa.Column("subtask_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("project_id", sa.String(length=40), nullable=True),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost_pico_usd", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subtask_id", "number", name=op.f("pk_reservations")),
    )
    op.create_index("ix_reservations_project_granted", "reservations", ["project_id", "granted"])
    op.add_column("projects", sa.Column("budget_told", sa.Text(), nullable=True))
    op.add_column(
        "projects", sa.Column("ran_us", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column(
        "projects", sa.Column("moved_at", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.execute("UPDATE projects SET moved_at = updated_at")
    op.create_index(
        "ix_projects_budgeted",
        "projects",
        ["status"],
        sqlite_where=BUDGETED,
        postgresql_where=BUDGETED,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(*COST, type_=sa.BigInteger())


def downgrade() -> None:
    # The cost of a call stays wide: what is there might not fit any more.
    op.drop_index("ix_projects_budgeted", "projects")
    for column in ("moved_at", "ran_us", "budget_told"):
        op.drop_column("projects", column)
    op.drop_index("ix_reservations_project_granted", "reservations")
    for column in ("granted", "claim"):
        op.drop_column("reservations", column)
