"""Large journal values in files, and the projects that are deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("journal", sa.Column("request_sha256", sa.String(length=64), nullable=True))
    op.add_column("journal", sa.Column("request_bytes", sa.BigInteger(), nullable=True))
    op.add_column("journal", sa.Column("result_sha256", sa.String(length=64), nullable=True))
    op.add_column("journal", sa.Column("result_bytes", sa.BigInteger(), nullable=True))
    op.create_table(
        "deleted_projects",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("workspace", sa.String(length=64), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deleted_projects")),
    )
