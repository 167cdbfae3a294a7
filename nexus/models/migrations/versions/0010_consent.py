"""What of a project needs a person's approval."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projects",
        sa.Column("approvals", sa.String(length=64), nullable=False, server_default="outward"),
    )


def downgrade() -> None:
    op.drop_column("projects", "approvals")
